// Package explain says how an ordinal stands: whether it is held, by which line of
// defence, since when, why, and what would release it. It has no opinion of its own:
// it puts the record, the verdict of pkg/tenancy and the rules of pkg/fence into
// words for people. Like these it is pure.
package explain

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// Facts is what was read about one ordinal, each part of it live.
type Facts struct {
	// Record is the ordinal's; nil: it has none.
	Record *v1alpha1.Tenancy
	// Pod is the object that has the name; nil: there is none, if PodsRead.
	Pod *v1.Pod
	// PodsRead is false where the reader may not read pods.
	PodsRead bool
	// Nodes are the nodes on the record, as far as they could be read.
	Nodes fence.Nodes
}

// Hold is what is known of a hold.
type Hold struct {
	// By is HeldByGuard or HeldByScheduler of the API.
	By string
	// Since is when it began; zero: it has not been announced.
	Since metav1.Time
	// Message says why and what would release it.
	Message string
}

// HoldOf returns the hold of an identity, nil if it is not held. The record's
// condition goes first, for its guard has seen what nobody can read any more: final
// objects, and when taints were set. Where the guard has said nothing, the scheduler's
// verdict on whatever has the name now decides.
//
// A pod that is being deleted and still within its time is not held.
func HoldOf(f Facts) *Hold {
	if f.Record == nil {
		return nil
	}
	c := meta.FindStatusCondition(f.Record.Status.Conditions, v1alpha1.HeldCondition)
	if c != nil && c.Status == metav1.ConditionTrue {
		return &Hold{By: c.Reason, Since: c.LastTransitionTime, Message: c.Message}
	}
	verdict := tenancy.Judge(f.Record, uidOf(f.Pod))
	switch {
	case !verdict.Held:
		return nil
	case verdict.Reason == tenancy.ReasonUnreadable:
	case !f.PodsRead || isIncarnation(f.Record, f.Pod):
		return nil
	}
	return &Hold{By: v1alpha1.HeldByScheduler, Message: verdict.Message}
}

// LetsTwoRun says why removing Holdfast would let two of the ordinal run, or one run
// that nobody can tell from two; empty: it would not. Besides what is held that is a
// pod whose deletion was forced: nothing but the finalizer keeps its name, and
// nothing proves yet that it is over.
func LetsTwoRun(f Facts) string {
	if hold := HoldOf(f); hold != nil {
		return hold.Message
	}
	pod := f.Pod
	if pod == nil || pod.DeletionTimestamp == nil || !slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer) {
		return ""
	}
	if grace := pod.DeletionGracePeriodSeconds; grace != nil && *grace > 0 {
		// Its kubelet is asked to end it, and the object stays until it has.
		return ""
	}
	if isIncarnation(f.Record, pod) && !tenancy.Unclean(f.Record) {
		return ""
	}
	if verdict := Judge(f, pod.UID); !verdict.Release {
		return verdict.Detail
	}
	return ""
}

// Judge is the verdict of pkg/fence on the incarnation, as far as it can be told
// without having watched: nobody here has seen when a taint was set.
func Judge(f Facts, uid types.UID) fence.Verdict {
	return fence.Judge(factsOf(f, uid))
}

// Way is one rule of pkg/fence, and what it still misses.
type Way struct {
	// Rule is its name, Kind the evidence that it would be recorded as.
	Rule string
	Kind v1alpha1.EvidenceKind
	// Missing are the conditions that are not met; none: the guard is about to act on it.
	Missing []string
}

// Ways are the rules by which the latest incarnation could be proven over, in the
// order in which they are tried; none if it is over, or there is none.
func Ways(f Facts) []Way {
	if !tenancy.Unclean(f.Record) || f.Record.Status.Incarnation == nil {
		return nil
	}
	facts := factsOf(f, f.Record.Status.Incarnation.PodUID)
	var ways []Way
	for _, r := range fence.Rules() {
		ways = append(ways, Way{Rule: r.Name, Kind: r.Kind, Missing: r.Missing(facts)})
	}
	return ways
}

func factsOf(f Facts, uid types.UID) fence.Facts {
	s := fence.Subject{UID: uid, Pod: f.Pod, Sight: fence.SightUnknown, Nodes: f.Nodes}
	switch {
	case f.PodsRead && f.Pod != nil:
		s.Sight = fence.SightLive
	case f.PodsRead:
		s.Sight = fence.SightGone
	}
	if f.Record != nil {
		s.Incarnation, s.Attestations = f.Record.Status.Incarnation, f.Record.Spec.Attestations
	}
	return fence.FactsOf(s)
}

func uidOf(pod *v1.Pod) types.UID {
	if pod == nil {
		return ""
	}
	return pod.UID
}

// isIncarnation tells whether the pod is the record's latest incarnation.
func isIncarnation(record *v1alpha1.Tenancy, pod *v1.Pod) bool {
	return record != nil && record.Status.Incarnation != nil && pod != nil && record.Status.Incarnation.PodUID == pod.UID
}
