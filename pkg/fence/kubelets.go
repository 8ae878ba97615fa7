package fence

import (
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// ObservationGapMin is how far two answers of a kubelet must be apart: what it says of
// its runtime comes from a cache of 2 s (docs/kubernetes-facts.md §10, P4).
const ObservationGapMin = 3 * time.Second

// KubeletSight is a kubelet's answer to what pods it has and what runs.
type KubeletSight struct {
	// Node is the Node object, read live right before, and the same right after.
	Node *v1.Node
	// Absent: the pod's UID was neither among its pods nor among what runs.
	Absent bool
	// Answered is when its last word came; the next question is asked no sooner than
	// ObservationGapMin later.
	Answered time.Time
}

// Observable tells whether two answers of kubelets could prove the end of an
// incarnation: it is known which machines may run it, and that one of their kubelets
// had taken it on. One that has never reported it may not have heard of it yet, and
// start it late (H20).
func Observable(inc *v1alpha1.Incarnation) bool {
	return inc != nil && inc.Reported && len(inc.Nodes) > 0
}

const (
	// configSource is where a kubelet has a pod from (k8s.io/kubernetes
	// pkg/kubelet/types, ConfigSourceAnnotationKey), apiSource that it has it from the API.
	configSource = "kubernetes.io/config.source"
	apiSource    = "api"
)

// Answers says why a list of the kubelet's pods is no answer of the node; empty if it is
// one. An address may have passed to another machine, whose kubelet lacks every pod of
// this one. And a kubelet that has just been started lacks those that it has not yet
// taken from the API, and may start them from a list older than their deletion: one
// that has a pod of the API's has taken them.
func Answers(node string, pods v1.PodList) string {
	fromAPI := false
	for i := range pods.Items {
		p := &pods.Items[i]
		if p.Spec.NodeName != node {
			return fmt.Sprintf("it has a pod of node %q", p.Spec.NodeName)
		}
		fromAPI = fromAPI || p.Annotations[configSource] == apiSource
	}
	if !fromAPI {
		return "it has no pod of the API's, so it may not have heard of them yet"
	}
	return ""
}

// SameBoot tells whether two states are of one Node object, machine and boot.
func SameBoot(a, b *v1.Node) bool {
	return a.UID == b.UID && MachineOf(a) == MachineOf(b) && boot(a) == boot(b)
}

// observed tells whether every candidate's kubelet was asked twice, on one boot, and
// had the pod neither time.
func observed(inc *v1alpha1.Incarnation, candidates []v1alpha1.CandidateNode, sights []KubeletSight) bool {
	if !Observable(inc) || len(candidates) == 0 {
		return false
	}
	return !slices.ContainsFunc(candidates, func(c v1alpha1.CandidateNode) bool { return !absentTwice(c, sights) })
}

// absentTwice tells whether the candidate's kubelet gave two such answers in a row. One
// with the pod, or of another machine, takes the earlier ones back.
func absentTwice(c v1alpha1.CandidateNode, sights []KubeletSight) bool {
	var first *KubeletSight
	twice := false
	for i := range sights {
		s := &sights[i]
		switch {
		case s.Node == nil || s.Node.Name != c.Name:
		case !s.Absent || c.UID == "" || s.Node.UID != c.UID || MachineOf(s.Node) != c.Machine || boot(s.Node) == "" || StaleBoot(s.Node):
			first, twice = nil, false
		case first == nil || boot(first.Node) != boot(s.Node):
			first, twice = s, false
		default:
			twice = twice || s.Answered.Sub(first.Answered) >= ObservationGapMin
		}
	}
	return twice
}

func boot(node *v1.Node) string { return node.Status.NodeInfo.BootID }

// AbsentFrom tells whether no pod of the lists has the UID.
func AbsentFrom(uid types.UID, lists ...v1.PodList) bool {
	return !slices.ContainsFunc(lists, func(l v1.PodList) bool {
		return slices.ContainsFunc(l.Items, func(p v1.Pod) bool { return p.UID == uid })
	})
}
