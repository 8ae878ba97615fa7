package tenancy

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

const (
	// ReasonVolumeUnreadable holds: another identity's record, which names a volume of
	// the pod, contradicts itself or has an unknown phase.
	ReasonVolumeUnreadable Reason = "VolumeRecordUnreadable"
	// ReasonVolumeInDoubt holds: another identity's incarnation, which uses a volume of
	// the pod, is being deleted or gone, without proof.
	ReasonVolumeInDoubt Reason = "VolumeInDoubt"
	// ReasonVolumeOfOnePod holds: another identity's incarnation uses a volume of the
	// pod that one pod may use at a time.
	ReasonVolumeOfOnePod Reason = "VolumeOfOnePod"
	// ReasonVolumeUnplaced holds: another identity's incarnation uses a volume of the
	// pod, and it is not known to run on one node.
	ReasonVolumeUnplaced Reason = "VolumeUnplaced"
	// ReasonTooManyUsers holds: more identities use a volume of the pod than are judged.
	ReasonTooManyUsers Reason = "TooManyVolumeUsers"

	// ReasonVolumeFree: no other identity's incarnation may write a volume of the pod.
	ReasonVolumeFree Reason = "VolumeFree"
	// ReasonVolumeOnNode: another identity's incarnation uses a volume of the pod on one
	// node, which is all that the pod can reach.
	ReasonVolumeOnNode Reason = "VolumeOnNode"
)

// Sharing is a verdict on a pod beside another identity's incarnation.
type Sharing struct {
	Verdict
	// Node is the one node on which the pod may be placed; empty: any, or none if held.
	Node string
}

// Allows tells whether the pod may be placed on the node.
func (s Sharing) Allows(node string) bool {
	return !s.Held && (s.Node == "" || s.Node == node)
}

// JudgeSharing says whether a pod that has the uses, by claims of its namespace, may
// be placed beside the incarnation on the record, which is of another identity than
// the pod. runsOn is the node on which the incarnation's own pod is known to be bound
// and not being deleted; empty if nothing of the kind is known.
//
// The nodes on which a volume of one writer is in use are one node, where pods may
// share it, unless it is ReadWriteOncePod. An incarnation that may run anywhere, or on,
// out of sight, leaves none.
func JudgeSharing(record *v1alpha1.Tenancy, namespace string, uses []v1alpha1.VolumeUse, runsOn string) Sharing {
	use, onePod := shared(record, namespace, uses)
	if use == nil || !Unclean(record) {
		return Sharing{Verdict: Verdict{Reason: ReasonVolumeFree, Message: "No other identity may write a volume of the pod."}}
	}
	inc := record.Status.Incarnation
	user := fmt.Sprintf("%s/%s, incarnation %s%s,", record.Namespace, record.Name, inc.PodUID, onNodes(inc))
	what := Describe(*use)
	held := func(reason Reason, why, release string) Sharing {
		return Sharing{Verdict: Verdict{Held: true, Reason: reason, Message: why + ". " + release + " would release it."}}
	}
	const proof = "The kubelet's final report on that incarnation, or an attestation for its pod UID,"
	switch {
	case contradiction(record.Status) != "":
		return held(ReasonVolumeUnreadable,
			fmt.Sprintf("The record of %s/%s, which names %s, cannot be read: %s", record.Namespace, record.Name, what, contradiction(record.Status)),
			"Repairing its status by hand")
	case record.Status.Phase == v1alpha1.InDoubt:
		return held(ReasonVolumeInDoubt,
			fmt.Sprintf("%s may still write %s: it is being deleted or gone, and nothing proves that its containers stopped", user, what), proof)
	case onePod:
		return held(ReasonVolumeOfOnePod, fmt.Sprintf("%s uses %s, which one pod may use at a time", user, what), "The end of that incarnation")
	case len(inc.Nodes) != 1 || runsOn != inc.Nodes[0].Name:
		return held(ReasonVolumeUnplaced, fmt.Sprintf("%s may write %s, and is not known to run on one node", user, what),
			"Its binding to one node, or the end of that incarnation,")
	}
	return Sharing{Node: runsOn, Verdict: Verdict{Reason: ReasonVolumeOnNode,
		Message: fmt.Sprintf("%s is in use by %s/%s on node %s", what, record.Namespace, record.Name, runsOn)}}
}

// Shares tells whether the record's latest incarnation has, or had, a volume of one
// writer among the uses.
func Shares(record *v1alpha1.Tenancy, namespace string, uses []v1alpha1.VolumeUse) bool {
	use, _ := shared(record, namespace, uses)
	return use != nil
}

// Describe names a use in a message.
func Describe(use v1alpha1.VolumeUse) string {
	if use.Volume == "" {
		return "claim " + use.Claim
	}
	return fmt.Sprintf("claim %s (volume %s)", use.Claim, use.Volume)
}

// shared returns the first use of a volume of one writer that the incarnation has too,
// and whether one pod may use it at a time: such a use goes before others. It goes by
// the volume's name, for a volume that was kept can be bound to another claim; and by
// the claim's, whose volume need not have been known when it was recorded.
func shared(record *v1alpha1.Tenancy, namespace string, uses []v1alpha1.VolumeUse) (use *v1alpha1.VolumeUse, onePod bool) {
	if record == nil || record.Status.Incarnation == nil {
		return nil, false
	}
	for i := range uses {
		for _, other := range record.Status.Incarnation.Volumes {
			same := uses[i].Volume != "" && uses[i].Volume == other.Volume || namespace == record.Namespace && uses[i].Claim == other.Claim
			if !same || !SingleWriter(uses[i].AccessModes) && !SingleWriter(other.AccessModes) {
				continue
			}
			if OnePod(uses[i].AccessModes) || OnePod(other.AccessModes) {
				return &uses[i], true
			}
			if use == nil {
				use = &uses[i]
			}
		}
	}
	return use, false
}

// SingleWriter tells whether a volume with these modes may be attached to one node
// only. It is upstream's rule: a mode that lets many nodes in frees from it, and so do
// no modes at all (docs/kubernetes-facts.md §5).
func SingleWriter(modes []v1.PersistentVolumeAccessMode) bool {
	return len(modes) > 0 && !slices.Contains(modes, v1.ReadWriteMany) && !slices.Contains(modes, v1.ReadOnlyMany)
}

// OnePod tells whether a volume with these modes may be used by one pod only.
func OnePod(modes []v1.PersistentVolumeAccessMode) bool {
	return slices.Contains(modes, v1.ReadWriteOncePod)
}
