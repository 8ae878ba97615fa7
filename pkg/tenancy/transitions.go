package tenancy

import (
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

var (
	// ErrHeld: the record does not let the incarnation through. The error is a
	// *HeldError, which carries the verdict.
	ErrHeld = errors.New("held")
	// ErrOtherIncarnation: the transition names another incarnation than the record.
	ErrOtherIncarnation = errors.New("the record is of another incarnation")
	// ErrUnreadable: the record contradicts itself or has an unknown phase.
	ErrUnreadable = errors.New("the record cannot be read")
	// ErrNoPodUID: the incarnation or the evidence names no pod.
	ErrNoPodUID = errors.New("no pod UID")
	// ErrTooManyNodes: the incarnation has NodesMax candidate nodes already.
	ErrTooManyNodes = errors.New("too many candidate nodes")
	// ErrTooManyVolumes: the incarnation uses more than VolumesMax claims.
	ErrTooManyVolumes = errors.New("too many volumes")
	// ErrUnknownEvidence: the evidence is of a kind that no rule of pkg/fence has.
	ErrUnknownEvidence = errors.New("unknown kind of evidence")
)

// HeldError is the error of a transition that a verdict refused. It is ErrHeld.
type HeldError struct {
	Verdict Verdict
}

// Error returns the verdict's message.
func (e *HeldError) Error() string {
	return ErrHeld.Error() + ": " + e.Verdict.Message
}

// Is makes errors.Is(err, ErrHeld) true.
func (e *HeldError) Is(target error) bool {
	return target == ErrHeld
}

// Observation is what was seen of an incarnation. Zero fields were not seen.
type Observation struct {
	// ContainerSeen: a container of the incarnation was reported with an ID.
	ContainerSeen bool
	// Node is a node that it is, or may be, bound to; the other fields are about this
	// node and ignored without it.
	Node    string
	NodeUID types.UID
	// Machine is the node's, as CandidateNode has it.
	Machine string
	// BootID is the boot that the node reports. While the incarnation is Occupied it
	// may run on that boot. Once it is InDoubt a boot that is not on the record is a
	// later one: give, before Doubt, what a live read of the node shows at the first
	// sight of the deletion (docs/kubernetes-facts.md §1.5).
	BootID string
	// StaleBoot: the kubelet that reports the boot may have started pods from a list
	// older than the boot (H7), so the boot never counts as a later one.
	StaleBoot bool
	// Removal is how the Node object of this UID went. It is then all that is said.
	Removal *v1alpha1.NodeRemoval
}

// Open lets the incarnation through before its bind (write ahead): Vacant or Over
// becomes Occupied, with an epoch larger than any before. Where the same pod
// occupies the record already, its candidate nodes and volumes are merged and the
// epoch stays: an earlier bind whose answer was lost may still land (H16). Anything
// else is ErrHeld.
func Open(record *v1alpha1.Tenancy, inc v1alpha1.Incarnation, now time.Time) (v1alpha1.TenancyStatus, error) {
	if inc.PodUID == "" {
		return v1alpha1.TenancyStatus{}, fmt.Errorf("incarnation: %w", ErrNoPodUID)
	}
	verdict := Judge(record, inc.PodUID)
	if verdict.Held {
		return v1alpha1.TenancyStatus{}, &HeldError{Verdict: verdict}
	}
	if verdict.Reason == ReasonSameIncarnation {
		return merged(record, inc)
	}
	return opened(record, inc, now)
}

// Adopt records an incarnation that was bound without Open: found when Holdfast
// arrives, rebuilt after a record was lost, or placed by another scheduler (H15).
// It never takes the place of another incarnation that is unclean, and leaves a
// record on which this one is already over as it is. An InDoubt one stays so.
//
// The caller has read the pod live: a remembered pod of an earlier incarnation
// would otherwise reopen a record that is over.
func Adopt(record *v1alpha1.Tenancy, inc v1alpha1.Incarnation, now time.Time) (v1alpha1.TenancyStatus, error) {
	if inc.PodUID == "" {
		return v1alpha1.TenancyStatus{}, fmt.Errorf("incarnation: %w", ErrNoPodUID)
	}
	if record == nil {
		return bound(opened(nil, inc, now))
	}
	status := record.Status
	switch {
	case contradiction(status) != "":
		return v1alpha1.TenancyStatus{}, fmt.Errorf("%w: %s", ErrUnreadable, contradiction(status))
	case status.Incarnation == nil:
		return bound(opened(record, inc, now))
	case status.Incarnation.PodUID == inc.PodUID && phaseOf(status) == v1alpha1.Over:
		return *status.DeepCopy(), nil
	case status.Incarnation.PodUID == inc.PodUID:
		return bound(merged(record, inc))
	case phaseOf(status) == v1alpha1.Over:
		return bound(opened(record, inc, now))
	default:
		return v1alpha1.TenancyStatus{}, otherIncarnation(status, inc.PodUID)
	}
}

// Doubt records that the incarnation's deletion was asked for, or that its object
// is gone: Occupied becomes InDoubt. From then on boots that are not on the record
// count as later ones, so the caller has observed the nodes live before. It does
// nothing to one that is InDoubt or Over already. The time is not recorded;
// HeldCondition has it.
func Doubt(record *v1alpha1.Tenancy, podUID types.UID, _ time.Time) (v1alpha1.TenancyStatus, error) {
	status, err := ofIncarnation(record, podUID)
	if err != nil {
		return v1alpha1.TenancyStatus{}, err
	}
	if status.Phase == v1alpha1.Occupied {
		status.Phase = v1alpha1.InDoubt
	}
	return status, nil
}

// Observe adds what was seen of the incarnation while it is unclean, and tells
// whether that is news. What is seen after it is over is none.
func Observe(record *v1alpha1.Tenancy, podUID types.UID, o Observation) (status v1alpha1.TenancyStatus, changed bool, err error) {
	status, err = ofIncarnation(record, podUID)
	if err != nil {
		return v1alpha1.TenancyStatus{}, false, err
	}
	if status.Phase == v1alpha1.Over {
		return status, false, nil
	}
	inc := status.Incarnation
	if o.ContainerSeen && !(inc.ContainerSeen && inc.Reported) {
		inc.ContainerSeen, inc.Reported = true, true
		status.BoundOnce = true
		changed = true
	}
	if o.Node == "" {
		return status, changed, nil
	}
	nodeChanged, err := observeNode(inc, o, status.Phase == v1alpha1.InDoubt)
	if err != nil {
		return v1alpha1.TenancyStatus{}, false, err
	}
	return status, changed || nodeChanged, nil
}

// ObserveAll is Observe for several things that were seen, one after the other.
func ObserveAll(record *v1alpha1.Tenancy, podUID types.UID, seen ...Observation) (v1alpha1.TenancyStatus, error) {
	all := make([]Transition, len(seen))
	for i, o := range seen {
		all[i] = func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
			status, _, err := Observe(record, podUID, o)
			return status, err
		}
	}
	return Then(record, all...)
}

// Transition computes the next status of a record. It must not change the record,
// and is called again, on a fresh read, whenever another writer was faster.
type Transition func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error)

// Then is one transition after another, in one write.
func Then(record *v1alpha1.Tenancy, transitions ...Transition) (v1alpha1.TenancyStatus, error) {
	next := record.DeepCopy()
	for _, f := range transitions {
		status, err := f(next)
		if err != nil {
			return v1alpha1.TenancyStatus{}, err
		}
		next.Status = status
	}
	return next.Status, nil
}

// observeNode puts on the record what was seen of one candidate node. In doubt, a
// node that is not on the record stays off it: a pod that is being deleted is never
// started, so what appears now cannot run it.
func observeNode(inc *v1alpha1.Incarnation, o Observation, doubted bool) (changed bool, err error) {
	node := v1alpha1.CandidateNode{Name: o.Node, UID: o.NodeUID, Machine: o.Machine}
	if o.Removal != nil {
		return noteRemoval(inc, node, *o.Removal), nil
	}
	if !doubted {
		if o.BootID != "" {
			node.BootIDs = []string{o.BootID}
		}
		if changed, err = addNode(inc, node); err != nil {
			return false, err
		}
	}
	i := candidate(inc, node)
	if i < 0 || node.UID == "" {
		return changed, nil
	}
	known := &inc.Nodes[i]
	if doubted && o.BootID != "" {
		changed = addLaterBoot(known, o.BootID, o.StaleBoot)
	}
	return changed, nil
}

// noteRemoval notes how a Node object went, for every machine that had it.
func noteRemoval(inc *v1alpha1.Incarnation, node v1alpha1.CandidateNode, removal v1alpha1.NodeRemoval) (changed bool) {
	for i := range inc.Nodes {
		known := &inc.Nodes[i]
		if known.Name != node.Name || known.UID != node.UID || node.UID == "" {
			continue
		}
		if known.Removal == nil || known.Removal.Ground == "" && removal.Ground != "" {
			known.Removal = removal.DeepCopy()
			changed = true
		}
	}
	return changed
}

// addLaterBoot notes a boot that was reported after the deletion was seen. One of
// which the kubelet cannot be trusted counts among those that may run the pod.
func addLaterBoot(node *v1alpha1.CandidateNode, boot string, stale bool) (changed bool) {
	switch {
	case slices.Contains(node.BootIDs, boot), slices.Contains(node.LaterBootIDs, boot):
		return false
	case stale:
		addBoots(node, boot)
		return true
	case len(node.LaterBootIDs) >= LaterBootIDsMax:
		return false
	}
	node.LaterBootIDs = append(node.LaterBootIDs, boot)
	return true
}

// Close records the evidence that ended the incarnation: Occupied or InDoubt
// becomes Over. It is the only way to Over. Closing again what is over leaves the
// first receipt as it is.
func Close(record *v1alpha1.Tenancy, ev v1alpha1.Evidence) (v1alpha1.TenancyStatus, error) {
	switch ev.Kind {
	case v1alpha1.NeverBound, v1alpha1.KubeletConfirmed, v1alpha1.Rebooted, v1alpha1.Observed,
		v1alpha1.Fenced, v1alpha1.NodeRemoved, v1alpha1.Attested:
	default:
		return v1alpha1.TenancyStatus{}, fmt.Errorf("%w %q", ErrUnknownEvidence, ev.Kind)
	}
	status, err := ofIncarnation(record, ev.PodUID)
	if err != nil {
		return v1alpha1.TenancyStatus{}, err
	}
	if status.Phase == v1alpha1.Over {
		return status, nil
	}
	status.Phase = v1alpha1.Over
	status.Evidence = &ev
	status.BoundOnce = boundOnce(status)
	setHeld(&status, v1alpha1.NotHeld, fmt.Sprintf("The incarnation %s is over (%s).", ev.PodUID, ev.Kind), ev.Time.Time)
	return status, nil
}

// Hold writes HeldCondition and tells whether that changed it: by is HeldByGuard,
// HeldByScheduler or NotHeld. The condition's transition time says since when the
// identity is held, whichever line of defence holds it. A nil record has no
// condition to write. Nor does a record that has the incarnation as over by now, or
// speaks of another one: somebody else was quicker, and nobody would take back what is
// said of it here.
func Hold(record *v1alpha1.Tenancy, podUID types.UID, by, message string, now time.Time) (status v1alpha1.TenancyStatus, changed bool) {
	if record == nil {
		return v1alpha1.TenancyStatus{}, false
	}
	status = *record.Status.DeepCopy()
	if inc := status.Incarnation; inc == nil || inc.PodUID != podUID || !Unclean(record) {
		return status, false
	}
	return status, setHeld(&status, by, message, now)
}

// opened returns the status of a record that the incarnation now occupies. The
// caller has made sure that no other one is unclean.
func opened(record *v1alpha1.Tenancy, inc v1alpha1.Incarnation, now time.Time) (v1alpha1.TenancyStatus, error) {
	var status v1alpha1.TenancyStatus
	if record != nil {
		status = *record.Status.DeepCopy()
	}
	// Unix seconds outgrow any epoch counted up from an earlier record's Unix
	// seconds, unless an ordinal had more than one incarnation a second.
	if status.Epoch == 0 {
		status.Epoch = max(now.Unix(), 1)
	} else {
		status.Epoch++
	}
	status.BoundOnce = boundOnce(status)
	if ev := status.Evidence; ev != nil && ev.Kind != v1alpha1.NeverBound {
		status.DepartedBy = ev
	}
	status.Phase = v1alpha1.Occupied
	status.Evidence = nil
	status.Incarnation = &v1alpha1.Incarnation{PodUID: inc.PodUID}
	if err := mergeInto(status.Incarnation, inc); err != nil {
		return v1alpha1.TenancyStatus{}, err
	}
	return status, nil
}

// merged returns the record's status with what inc adds to the same incarnation.
func merged(record *v1alpha1.Tenancy, inc v1alpha1.Incarnation) (v1alpha1.TenancyStatus, error) {
	status := *record.Status.DeepCopy()
	if err := mergeInto(status.Incarnation, inc); err != nil {
		return v1alpha1.TenancyStatus{}, err
	}
	return status, nil
}

// mergeInto only adds: a candidate node or a volume, once recorded, stays for as
// long as the incarnation.
func mergeInto(into *v1alpha1.Incarnation, from v1alpha1.Incarnation) error {
	for _, node := range from.Nodes {
		if _, err := addNode(into, node); err != nil {
			return err
		}
	}
	for _, volume := range from.Volumes {
		i := slices.IndexFunc(into.Volumes, func(v v1alpha1.VolumeUse) bool { return v.Claim == volume.Claim })
		switch {
		case i >= 0 && volume.Volume != "":
			// The claim was bound since, or the retry read it better.
			volume.DeepCopyInto(&into.Volumes[i])
		case i >= 0:
		case len(into.Volumes) >= VolumesMax:
			return fmt.Errorf("incarnation %s, claim %s: %w, at most %d", into.PodUID, volume.Claim, ErrTooManyVolumes, VolumesMax)
		default:
			into.Volumes = append(into.Volumes, *volume.DeepCopy())
		}
	}
	into.ContainerSeen = into.ContainerSeen || from.ContainerSeen
	into.Reported = into.Reported || from.Reported
	return nil
}

// addNode adds a candidate node or what is new about it, and tells whether there
// was anything new.
func addNode(inc *v1alpha1.Incarnation, node v1alpha1.CandidateNode) (changed bool, err error) {
	i := candidate(inc, node)
	if i < 0 {
		if len(inc.Nodes) >= NodesMax {
			return false, fmt.Errorf("incarnation %s, node %s: %w, at most %d", inc.PodUID, node.Name, ErrTooManyNodes, NodesMax)
		}
		inc.Nodes = append(inc.Nodes, v1alpha1.CandidateNode{Name: node.Name, UID: node.UID, Machine: node.Machine})
		i = len(inc.Nodes) - 1
		changed = true
	}
	return addBoots(&inc.Nodes[i], node.BootIDs...) || changed, nil
}

// candidate returns the place of a node among the candidates, -1 if it is none of
// them. A node is its name, its UID and its machine. One that is given without a UID
// is any of that name; one that was recorded without a UID stays unknown, for the
// node that has the name now may be another machine.
func candidate(inc *v1alpha1.Incarnation, node v1alpha1.CandidateNode) int {
	return slices.IndexFunc(inc.Nodes, func(n v1alpha1.CandidateNode) bool {
		return n.Name == node.Name && (n.UID == node.UID && n.Machine == node.Machine || node.UID == "")
	})
}

// addBoots adds boots that the incarnation may have run on.
func addBoots(node *v1alpha1.CandidateNode, boots ...string) (changed bool) {
	for _, boot := range boots {
		if boot == "" || slices.Contains(node.BootIDs, boot) {
			continue
		}
		node.BootIDs = append(node.BootIDs, boot)
		changed = true
	}
	// The oldest boot goes, because the newest must not: a boot that is missing here
	// counts as a later one, and only a long-gone one can never be reported again.
	if surplus := len(node.BootIDs) - BootIDsMax; surplus > 0 {
		node.BootIDs = slices.Delete(node.BootIDs, 0, surplus)
	}
	return changed
}

// ofIncarnation returns a copy of the status of a record whose latest incarnation
// is podUID, whatever its phase.
func ofIncarnation(record *v1alpha1.Tenancy, podUID types.UID) (v1alpha1.TenancyStatus, error) {
	if podUID == "" {
		return v1alpha1.TenancyStatus{}, ErrNoPodUID
	}
	if record == nil {
		return v1alpha1.TenancyStatus{}, otherIncarnation(v1alpha1.TenancyStatus{}, podUID)
	}
	if why := contradiction(record.Status); why != "" {
		return v1alpha1.TenancyStatus{}, fmt.Errorf("%w: %s", ErrUnreadable, why)
	}
	if inc := record.Status.Incarnation; inc == nil || inc.PodUID != podUID {
		return v1alpha1.TenancyStatus{}, otherIncarnation(record.Status, podUID)
	}
	return *record.Status.DeepCopy(), nil
}

func otherIncarnation(status v1alpha1.TenancyStatus, podUID types.UID) error {
	if status.Incarnation == nil {
		return fmt.Errorf("incarnation %s: %w: it has none", podUID, ErrOtherIncarnation)
	}
	return fmt.Errorf("incarnation %s: %w: %s, %s", podUID, ErrOtherIncarnation, status.Incarnation.PodUID, status.Phase)
}

// setHeld writes HeldCondition. apimachinery's own function would read the clock
// for a zero time, which a pure package must not.
func setHeld(status *v1alpha1.TenancyStatus, by, message string, now time.Time) (changed bool) {
	next := metav1.Condition{
		Type:               v1alpha1.HeldCondition,
		Status:             metav1.ConditionTrue,
		Reason:             by,
		Message:            message,
		LastTransitionTime: metav1.NewTime(now),
	}
	if by == v1alpha1.NotHeld {
		next.Status = metav1.ConditionFalse
	}
	i := slices.IndexFunc(status.Conditions, func(c metav1.Condition) bool { return c.Type == v1alpha1.HeldCondition })
	if i < 0 {
		status.Conditions = append(status.Conditions, next)
		return true
	}
	known := &status.Conditions[i]
	if known.Status == next.Status {
		next.LastTransitionTime = known.LastTransitionTime
	}
	if *known == next {
		return false
	}
	*known = next
	return true
}
