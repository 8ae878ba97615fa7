package status

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/explain"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// Page collects lines of the form "what   about it".
type Page struct {
	strings.Builder
	now time.Time
}

// NewPage begins a page; ages are counted to now.
func NewPage(now time.Time) *Page { return &Page{now: now} }

// Gap writes an empty line.
func (p *Page) Gap() { p.WriteByte('\n') }

// Row writes one, with its text broken and indented.
func (p *Page) Row(label, format string, args ...any) {
	text := Wrap(fmt.Sprintf(format, args...), strings.Repeat(" ", labelWidth))
	fmt.Fprintf(p, "%-*s%s\n", labelWidth, label, strings.TrimLeft(text, " "))
}

// labelWidth is that of "In the name of" and a gap.
const labelWidth = 16

// section begins a part with a heading of its own.
func (p *Page) section(title string) { fmt.Fprintf(p, "\n%s\n", title) }

// Line writes an indented paragraph.
func (p *Page) Line(format string, args ...any) {
	fmt.Fprintln(p, Wrap(fmt.Sprintf(format, args...), "  "))
}

// Full writes everything that is known of one ordinal, and how it can be released.
func Full(out io.Writer, d *cluster.Detail, program string, now time.Time) error {
	p := NewPage(now)
	hold := explain.HoldOf(d.Facts)
	fmt.Fprintf(p, "%s, ordinal %d of StatefulSet %s in namespace %s\n\n", d.ID.Name(), d.ID.Ordinal, d.ID.Set, d.ID.Namespace)
	p.standing(d, hold)
	p.incarnation(d)
	p.Pod(d)
	if inc := incarnationOf(d); inc != nil {
		for _, n := range inc.Nodes {
			p.Node(n, d.Nodes)
		}
		p.Volumes(d, inc)
	}
	p.words(d)
	p.Unread(d.Unread)
	p.reasons(d, hold)
	p.commands(Commands(d, hold, program))
	p.events(d.Events)
	_, err := io.WriteString(out, p.String())
	return err
}

func (p *Page) standing(d *cluster.Detail, hold *explain.Hold) {
	switch {
	case d.Record == nil:
		p.Row("Phase", "none: there is no record of this ordinal")
	case d.Record.Status.Epoch == 0:
		p.Row("Phase", "%s", phaseOf(d.Record))
	default:
		p.Row("Phase", "%s, epoch %d", phaseOf(d.Record), d.Record.Status.Epoch)
	}
	p.Held(hold)
}

// Held tells which line of defence holds.
func (p *Page) Held(hold *explain.Hold) {
	switch {
	case hold == nil:
		p.Row("Held", "no")
	case hold.By == v1alpha1.HeldByGuard:
		p.Row("Held", "by the guard%s: it keeps the old pod's object, and with it the name", p.since(hold.Since))
	default:
		p.Row("Held", "by the scheduler%s: it lets no pod of this name through", p.since(hold.Since))
	}
}

func (p *Page) incarnation(d *cluster.Detail) {
	inc := incarnationOf(d)
	switch {
	case inc == nil:
		p.Row("Incarnation", "none yet")
	case inc.ContainerSeen || d.Pod != nil && d.Pod.UID == inc.PodUID && fence.ContainerSeen(d.Pod):
		p.Row("Incarnation", "pod UID %s, of which a container was seen", inc.PodUID)
	default:
		p.Row("Incarnation", "pod UID %s, of which no container was reported yet (which proves nothing)", inc.PodUID)
	}
}

// Pod tells of the object that has the name.
func (p *Page) Pod(d *cluster.Detail) {
	pod := d.Pod
	switch {
	case !d.PodsRead:
		return
	case pod == nil:
		p.Row("Pod", "no object has the name")
		return
	}
	whose := "the incarnation's own object"
	if inc := incarnationOf(d); inc == nil || inc.PodUID != pod.UID {
		whose = "another incarnation, UID " + string(pod.UID)
	}
	where := "bound to no node"
	if pod.Spec.NodeName != "" {
		where = "on node " + pod.Spec.NodeName
	}
	text := fmt.Sprintf("%s, %s, %s", whose, pod.Status.Phase, where)
	if pod.DeletionTimestamp != nil {
		// The timestamp is when its time is up; asked for it was before that.
		grace := graceOf(pod)
		text += fmt.Sprintf(", deletion asked for%s with %d s of grace", p.at(metav1.NewTime(pod.DeletionTimestamp.Add(-grace))), int(grace.Seconds()))
	}
	p.Row("Pod", "%s", text)
	for _, c := range pod.Status.Conditions {
		waits := c.Type == v1.PodScheduled && c.Status == v1.ConditionFalse || c.Type == v1alpha1.HeldCondition && c.Status == v1.ConditionTrue
		if waits && pod.Spec.NodeName == "" && c.Message != "" {
			p.Row("", "%s: %s", c.Reason, c.Message)
		}
	}
}

func graceOf(pod *v1.Pod) time.Duration {
	if pod.DeletionGracePeriodSeconds == nil {
		return 0
	}
	return time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second
}

// Node tells of a candidate, and of the node that has its name now.
func (p *Page) Node(n v1alpha1.CandidateNode, nodes fence.Nodes) {
	text := n.Name
	if n.UID != "" {
		text += fmt.Sprintf(", UID %s", n.UID)
	} else {
		text += ", UID not known, so nothing that is said of a node counts for it"
	}
	if n.Machine != "" {
		text += ", machine " + n.Machine
	}
	if len(n.BootIDs) > 0 {
		text += ", boots " + strings.Join(n.BootIDs, " ")
	}
	if len(n.LaterBootIDs) > 0 {
		text += fmt.Sprintf(", %d later (%s)", len(n.LaterBootIDs), strings.Join(n.LaterBootIDs, " "))
	}
	if r := n.Removal; r != nil {
		text += fmt.Sprintf("; its Node object went%s, Ready=%s then", p.at(r.Time), r.Ready)
		if r.Ground != "" {
			text += fmt.Sprintf(", and the machine with it (%s)", r.Ground)
		}
	}
	p.Row("Node", "%s", text)
	for _, sight := range nodes.Read {
		if sight.Name == n.Name {
			p.Row("", "%s", p.present(n, sight.Node))
		}
	}
}

// present tells how the node of the name is now.
func (p *Page) present(n v1alpha1.CandidateNode, node *v1.Node) string {
	switch {
	case node == nil:
		return "now: no Node has the name (which proves nothing)"
	case n.UID != "" && node.UID != n.UID:
		return fmt.Sprintf("now: another Node has the name, UID %s, boot %s", node.UID, node.Status.NodeInfo.BootID)
	}
	text := "now: " + ReadyText(node, p.now) + ", boot " + node.Status.NodeInfo.BootID
	var taints []string
	for _, t := range node.Spec.Taints {
		taints = append(taints, t.Key+":"+string(t.Effect))
	}
	if len(taints) > 0 {
		text += ", taints " + strings.Join(taints, " ")
	}
	return text
}

// ReadyText says whether a node is ready, and since when.
func ReadyText(node *v1.Node, now time.Time) string {
	for _, c := range node.Status.Conditions {
		if c.Type == v1.NodeReady {
			word := "not ready"
			if c.Status == v1.ConditionTrue {
				word = "ready"
			}
			if c.LastTransitionTime.IsZero() {
				return word
			}
			return word + " for " + age(c.LastTransitionTime, now)
		}
	}
	return "not ready"
}

// Volumes tells of the claims, and of what is still attached.
func (p *Page) Volumes(d *cluster.Detail, inc *v1alpha1.Incarnation) {
	for _, v := range inc.Volumes {
		if v.Volume == "" {
			p.Row("Claim", "%s, bound to no volume", v.Claim)
			continue
		}
		var modes []string
		for _, m := range v.AccessModes {
			modes = append(modes, string(m))
		}
		p.Row("Claim", "%s, volume %s, %s", v.Claim, v.Volume, strings.Join(modes, " "))
		for _, a := range d.Attachments {
			if *a.Spec.Source.PersistentVolumeName == v.Volume {
				p.Row("", "%s", attachmentText(a, v))
			}
		}
	}
}

// attachmentText says of an attachment what it keeps from happening.
func attachmentText(a storagev1.VolumeAttachment, v v1alpha1.VolumeUse) string {
	text := fmt.Sprintf("VolumeAttachment %s to node %s by %s: ", a.Name, a.Spec.NodeName, a.Spec.Attacher)
	switch {
	case a.DeletionTimestamp != nil:
		text += "being detached"
	case a.Status.Attached:
		text += "attached"
	default:
		text += "not attached"
	}
	if e := a.Status.DetachError; e != nil {
		text += ", detaching failed: " + e.Message
	} else if e := a.Status.AttachError; e != nil {
		text += ", attaching failed: " + e.Message
	}
	if SingleWriter(v) {
		text += "; until it is gone no other node can use the volume"
	}
	return text
}

// SingleWriter tells whether only one node may write the volume.
func SingleWriter(v v1alpha1.VolumeUse) bool {
	return slices.Contains(v.AccessModes, v1.ReadWriteOnce) || slices.Contains(v.AccessModes, v1.ReadWriteOncePod)
}

// words are the receipt, and the statements of humans.
func (p *Page) words(d *cluster.Detail) {
	if d.Record == nil {
		return
	}
	if ev := d.Record.Status.Evidence; ev != nil {
		p.Row("Evidence", "%s, from %s%s: %s", ev.Kind, ev.Source, p.at(ev.Time), ev.Detail)
	} else if tenancy.Unclean(d.Record) {
		p.Row("Evidence", "none")
	}
	for _, a := range d.Record.Spec.Attestations {
		text := fmt.Sprintf("by %s, about pod UID %s: %q", a.By, a.PodUID, a.Reason)
		if inc := incarnationOf(d); inc == nil || inc.PodUID != a.PodUID {
			text += " (an earlier incarnation)"
		}
		if a.CoversAttachments {
			text += "; it covers attachments"
		}
		p.Row("Attested", "%s", text)
	}
}

// Unread tells what is not shown.
func (p *Page) Unread(what []string) {
	if len(what) > 0 {
		p.Row("Not read", "%s", strings.Join(what, ", "))
	}
}

// reasons are why, and each rule with what it misses.
func (p *Page) reasons(d *cluster.Detail, hold *explain.Hold) {
	if hold != nil {
		p.section("Why")
		p.Line("%s", hold.Message)
	}
	ways := explain.Ways(d.Facts)
	if len(ways) == 0 {
		return
	}
	p.section("What would prove it over, and what is missing for it")
	for _, w := range ways {
		missing := "nothing: the guard is about to act on it"
		if len(w.Missing) > 0 {
			missing = strings.Join(w.Missing, ", ")
		}
		text := Wrap(missing, strings.Repeat(" ", ruleWidth))
		fmt.Fprintf(p, "  %-*s%s\n", ruleWidth-2, w.Rule, strings.TrimLeft(text, " "))
	}
	p.Line("As far as it can be seen from here: only the guard has seen when a taint was set, and NodeRemovedWhenDown counts only where the configuration says nodeRemoval: WhenDown.")
}

// ruleWidth is that of the longest name of a rule, with its margins.
const ruleWidth = 30

func (p *Page) commands(commands []Command) {
	if len(commands) == 0 {
		return
	}
	p.section("Commands that would release it")
	for _, c := range commands {
		fmt.Fprintln(p, Wrap(c.When, "  # "))
		// Not broken: it is there to be copied.
		fmt.Fprintf(p, "  %s\n", c.Line)
	}
}

func (p *Page) events(events []v1.Event) {
	if len(events) == 0 {
		return
	}
	p.section("Events")
	for _, e := range events {
		p.Line("%s ago  %s  %s %s: %s", age(cluster.LastSeen(e), p.now), e.Type, e.InvolvedObject.Kind, e.Reason, e.Message)
	}
}

// since is a clause with the instant and its age; empty if it is not known.
func (p *Page) since(t metav1.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf(" since %s (%s)", t.UTC().Format(time.RFC3339), age(t, p.now))
}

// at is a clause with the instant at which something was; empty if it is not known.
func (p *Page) at(t metav1.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf(" at %s (%s ago)", t.UTC().Format(time.RFC3339), age(t, p.now))
}

func incarnationOf(d *cluster.Detail) *v1alpha1.Incarnation {
	if d.Record == nil {
		return nil
	}
	return d.Record.Status.Incarnation
}
