package attest

import (
	"fmt"
	"io"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/cli/status"
	"github.com/holdfast-dev/holdfast/pkg/explain"
)

// Statement writes what is about to be said, about what, in whose name, and what
// follows if it is not so.
func Statement(out io.Writer, d *cluster.Detail, a v1alpha1.Attestation, now time.Time) error {
	inc := d.Record.Status.Incarnation
	p := status.NewPage(now)
	p.Line("You are about to attest that this incarnation of %s is over: no container of it runs, and none will.", d.ID)
	p.Gap()
	p.Row("Incarnation", "pod UID %s, epoch %d", inc.PodUID, d.Record.Status.Epoch)
	for _, n := range inc.Nodes {
		p.Node(n, d.Nodes)
	}
	p.Pod(d)
	p.Held(explain.HoldOf(d.Facts))
	p.Volumes(d, inc)
	p.Unread(d.Unread)
	p.Row("In the name of", "%s", a.By)
	p.Row("Reason", "%s", a.Reason)
	p.Gap()
	for _, warning := range warnings(d, a) {
		p.Line("%s", warning)
	}
	_, err := io.WriteString(out, p.String())
	return err
}

// warnings are what the word means and what speaks against giving it.
func warnings(d *cluster.Detail, a v1alpha1.Attestation) []string {
	inc := d.Record.Status.Incarnation
	var said []string
	for _, sight := range d.Nodes.Read {
		if sight.Node != nil && status.IsReady(sight.Node) {
			said = append(said, fmt.Sprintf("Node %s is ready: its kubelet is there, and should report the end by itself. Find out first why it does not.", sight.Name))
		}
	}
	var volumes []string
	for _, v := range inc.Volumes {
		if status.SingleWriter(v) {
			volumes = append(volumes, fmt.Sprintf("%s (claim %s)", nameOf(v), v.Claim))
		}
	}
	if a.CoversAttachments {
		said = append(said, "It covers attachments: you also say that the machine writes none of these volumes any more, and nobody waits for the end of a VolumeAttachment to it.")
	} else if len(d.Attachments) > 0 {
		said = append(said, "It does not cover attachments (--covers-attachments): the next pod may wait until the VolumeAttachment is gone.")
	}
	falseWord := fmt.Sprintf("If it is not so, two %s will run at once", d.ID.Name())
	if len(volumes) > 0 {
		falseWord += ", and two nodes may write " + strings.Join(volumes, ", ") + ", which destroys what is on it"
	}
	return append(said, falseWord+". Holdfast takes your word and cannot check it.")
}

func nameOf(v v1alpha1.VolumeUse) string {
	if v.Volume == "" {
		return "a volume"
	}
	return "volume " + v.Volume
}

// Came says what came of it: what the ordinal is like now.
func Came(d *cluster.Detail) string {
	switch pod := d.Pod; {
	case !d.PodsRead:
		return "You may not read pods, so what runs now is not shown."
	case pod == nil:
		return fmt.Sprintf("No pod has the name %s now; its StatefulSet makes the next one.", d.ID.Name())
	case pod.DeletionTimestamp != nil:
		return fmt.Sprintf("The old pod %s is still there, and is about to go.", d.ID.Name())
	case pod.Spec.NodeName == "":
		return fmt.Sprintf("The next %s waits for a node%s.", d.ID.Name(), unscheduled(pod))
	default:
		return fmt.Sprintf("The next %s is on node %s (%s).", d.ID.Name(), pod.Spec.NodeName, pod.Status.Phase)
	}
}

// unscheduled is what the scheduler says of a pod that waits.
func unscheduled(pod *v1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodScheduled && c.Status == v1.ConditionFalse && c.Message != "" {
			return ": " + c.Message
		}
	}
	return ""
}
