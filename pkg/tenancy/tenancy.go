// Package tenancy is the state machine of an identity's record: which
// incarnation is its latest, and whether that one is proven over.
//
//	Vacant ──Open, Adopt──▶ Occupied ──Doubt──▶ InDoubt
//	                         │    ▲                │
//	                       Close  │              Close
//	                         ▼    │                │
//	                        Over ─┘ Open, Adopt    │
//	                         ▲                     │
//	                         └─────────────────────┘
//
// A replacement is let through only in Vacant and Over. The functions are pure:
// they take a record and, where needed, a time, never change what they are given,
// and return the next status. pkg/tenancy/store makes compare-and-swaps of them.
package tenancy

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// The limits of the record's lists. The CRD's schema states the same numbers, and
// a test compares the two.
const (
	// NodesMax is how many candidate nodes one incarnation may have.
	NodesMax = 8
	// BootIDsMax is how many boots are kept of one candidate node.
	BootIDsMax = 8
	// LaterBootIDsMax is how many later boots are kept of it: no rule asks for more.
	LaterBootIDsMax = 2
	// VolumesMax is how many claims one incarnation may use.
	VolumesMax = 64
	// AttestationsMax is how many attestations a record keeps.
	AttestationsMax = 16
)

// Reason is the typed code of a verdict (one sentence stands in its message).
type Reason string

const (
	// ReasonNoRecord: the identity has no record, so nothing is known against it.
	ReasonNoRecord Reason = "NoRecord"
	// ReasonVacant: no incarnation yet.
	ReasonVacant Reason = "Vacant"
	// ReasonOver: the latest incarnation was another one and is proven over.
	ReasonOver Reason = "Over"
	// ReasonSameIncarnation: the record is occupied by the very pod that asks.
	ReasonSameIncarnation Reason = "SameIncarnation"

	// ReasonOccupied holds: another incarnation is or may be running.
	ReasonOccupied Reason = "PredecessorOccupied"
	// ReasonInDoubt holds: an incarnation is being deleted or gone, without proof.
	ReasonInDoubt Reason = "PredecessorInDoubt"
	// ReasonEnded holds: the pod that asks is the incarnation that is proven over. It
	// must not live again, for its evidence would end the new life at once.
	ReasonEnded Reason = "IncarnationEnded"
	// ReasonNotAdopted holds: not every pod that ran when Holdfast came is on the record.
	ReasonNotAdopted Reason = "NotAdopted"
	// ReasonNotRead holds: the scheduler has just started and has not yet read the records.
	ReasonNotRead Reason = "RecordsNotRead"
	// ReasonUnreadable holds: the record contradicts itself or has an unknown phase.
	ReasonUnreadable Reason = "RecordUnreadable"
)

// Verdict says whether an incarnation may be placed.
type Verdict struct {
	// Held is true if it must wait.
	Held bool
	// Reason is set in either case.
	Reason Reason
	// Message says why and, on a hold, what would release it: one sentence each.
	Message string
}

// New returns the record of an identity that has had no incarnation yet.
func New(id identity.Identity) *v1alpha1.Tenancy {
	return &v1alpha1.Tenancy{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:  id.Namespace,
			Name:       id.Name(),
			Finalizers: []string{v1alpha1.TenancyFinalizer},
		},
		Spec:   v1alpha1.TenancySpec{StatefulSet: id.Set, Ordinal: id.Ordinal},
		Status: v1alpha1.TenancyStatus{Phase: v1alpha1.Vacant},
	}
}

// Judge says whether the incarnation podUID may be placed. A nil record passes:
// a cache without the record proves nothing, and Bind's live read decides.
func Judge(record *v1alpha1.Tenancy, podUID types.UID) Verdict {
	if record == nil {
		return Verdict{Reason: ReasonNoRecord, Message: "The identity has no record."}
	}
	if why := contradiction(record.Status); why != "" {
		return Verdict{Held: true, Reason: ReasonUnreadable, Message: fmt.Sprintf(
			"The record of %s cannot be read: %s. Repairing its status by hand would release it.", record.Name, why)}
	}
	if !Unclean(record) {
		return judgeClean(record.Status, podUID)
	}
	inc := record.Status.Incarnation
	switch {
	case record.Status.Phase == v1alpha1.InDoubt:
		return Verdict{Held: true, Reason: ReasonInDoubt, Message: fmt.Sprintf(
			"The incarnation %s%s is being deleted or gone, and nothing proves that its containers stopped. "+
				"The kubelet's final report or an attestation for this pod UID would release it.", inc.PodUID, onNodes(inc))}
	case inc.PodUID == podUID:
		return Verdict{Reason: ReasonSameIncarnation, Message: "The record is occupied by this very incarnation."}
	default:
		return Verdict{Held: true, Reason: ReasonOccupied, Message: fmt.Sprintf(
			"The incarnation %s%s is or may be running. "+
				"The kubelet's final report, or its deletion and an attestation for this pod UID, would release it.", inc.PodUID, onNodes(inc))}
	}
}

// judgeClean judges a record that is Vacant or Over.
func judgeClean(status v1alpha1.TenancyStatus, podUID types.UID) Verdict {
	switch inc := status.Incarnation; {
	case inc == nil:
		return Verdict{Reason: ReasonVacant, Message: "The identity has had no incarnation yet."}
	case inc.PodUID == podUID:
		return Verdict{Held: true, Reason: ReasonEnded, Message: fmt.Sprintf(
			"The incarnation %s is itself over (%s). A new pod of this name would be let through.", inc.PodUID, status.Evidence.Kind)}
	default:
		return Verdict{Reason: ReasonOver, Message: fmt.Sprintf(
			"The incarnation %s is over (%s).", inc.PodUID, status.Evidence.Kind)}
	}
}

// Unclean tells whether the latest incarnation is not proven over. An unknown
// phase is unclean, and so is a record that contradicts itself.
func Unclean(record *v1alpha1.Tenancy) bool {
	if record == nil {
		return false
	}
	switch phaseOf(record.Status) {
	case v1alpha1.Vacant, v1alpha1.Over:
		return contradiction(record.Status) != ""
	default:
		return true
	}
}

// phaseOf returns the phase, Vacant where it is empty.
func phaseOf(status v1alpha1.TenancyStatus) v1alpha1.Phase {
	if status.Phase == "" {
		return v1alpha1.Vacant
	}
	return status.Phase
}

// contradiction says what is wrong with a status that none of this package's
// transitions returns, and is empty for the others. Such a status comes from an
// edit by hand or a version of Holdfast that is not this one; it holds.
func contradiction(status v1alpha1.TenancyStatus) string {
	inc, ev := status.Incarnation, status.Evidence
	switch phase := phaseOf(status); phase {
	case v1alpha1.Vacant:
		if inc != nil {
			return "it is Vacant but names an incarnation"
		}
	case v1alpha1.Occupied, v1alpha1.InDoubt:
		if inc == nil || inc.PodUID == "" {
			return fmt.Sprintf("it is %s but names no incarnation", phase)
		}
	case v1alpha1.Over:
		switch {
		case inc == nil || inc.PodUID == "":
			return "it is Over but names no incarnation"
		case ev == nil:
			return "it is Over but carries no evidence"
		case ev.PodUID != inc.PodUID:
			return fmt.Sprintf("its evidence is about %s and its incarnation is %s", ev.PodUID, inc.PodUID)
		}
	default:
		return fmt.Sprintf("its phase %q is unknown", phase)
	}
	return ""
}

// onNodes renders the candidate nodes for a message, with a leading space.
func onNodes(inc *v1alpha1.Incarnation) string {
	switch len(inc.Nodes) {
	case 0:
		return ""
	case 1:
		return " on node " + inc.Nodes[0].Name
	}
	out := " on one of the nodes "
	for i, n := range inc.Nodes {
		if i > 0 {
			out += ", "
		}
		out += n.Name
	}
	return out
}
