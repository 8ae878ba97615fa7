package fence

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	cloudproviderapi "k8s.io/cloud-provider/api"
)

// fencingTaints are the taints by which somebody says that a node runs nothing any
// more, in the order in which they are looked for: an operator's or a remediation's
// (docs/kubernetes-facts.md §5), and the cloud controller's (§3.7).
var fencingTaints = [...]string{v1.TaintNodeOutOfService, cloudproviderapi.TaintNodeShutdown}

// TaintWatch follows one Node object, and tells a fencing taint that was set on it
// while it was not Ready from one that is only there: a taint left on a node that
// came back speaks of the past (H4). The zero value has seen nothing and trusts
// nothing.
//
// It must be given every state of the object in order. Where states may have been
// missed, begin again with the zero value.
type TaintWatch struct {
	uid types.UID
	// boot is the boot that the last state shows. A taint that was set before a boot
	// speaks of what the boot has ended: the cloud controller leaves its own on a
	// machine that runs again until the node is Ready.
	boot string
	// since is when the Ready condition last changed, as the last state said.
	since metav1.Time
	// absent says of each taint that it was seen absent in this not-Ready episode,
	// present that the last state has it.
	absent, present [len(fencingTaints)]bool
}

// Next takes the next state of the node.
func (w TaintWatch) Next(node *v1.Node) TaintWatch {
	if w.uid != node.UID {
		w = TaintWatch{uid: node.UID}
	}
	if boot := node.Status.NodeInfo.BootID; w.boot != boot {
		w.boot, w.absent = boot, [len(fencingTaints)]bool{}
	}
	status, since := readiness(node)
	w.since = since
	for i, key := range fencingTaints {
		w.present[i] = hasTaint(node, key)
		switch {
		case status == v1.ConditionTrue:
			w.absent[i] = false // The episode is over.
		case !w.present[i]:
			w.absent[i] = true
		}
	}
	return w
}

// fenceOn is what the node, read live, and the watch say together. A live read of a
// later episode than the watch has seen is not covered by it.
func (w TaintWatch) fenceOn(node *v1.Node) Fence {
	fence := FenceNone
	status, _ := readiness(node)
	for _, key := range fencingTaints {
		switch {
		case !hasTaint(node, key):
		case status == v1.ConditionTrue:
			return FenceOnReadyNode
		case w.isSet(key, node):
			return FenceSet
		default:
			fence = FenceFound
		}
	}
	return fence
}

// isSet tells whether the taint is on the node and was seen to be set since the node
// is not Ready, on the boot that it shows.
func (w TaintWatch) isSet(key string, node *v1.Node) bool {
	status, since := readiness(node)
	i := slices.Index(fencingTaints[:], key)
	return i >= 0 && status != v1.ConditionTrue && hasTaint(node, key) &&
		w.uid == node.UID && w.boot == node.Status.NodeInfo.BootID && w.since.Equal(&since) &&
		w.present[i] && w.absent[i]
}

// readiness is the status of the node's Ready condition, and since when it has it. A
// node without the condition is unknown.
func readiness(node *v1.Node) (v1.ConditionStatus, metav1.Time) {
	for _, c := range node.Status.Conditions {
		if c.Type == v1.NodeReady {
			return c.Status, c.LastTransitionTime
		}
	}
	return v1.ConditionUnknown, metav1.Time{}
}

func hasTaint(node *v1.Node, key string) bool {
	for _, t := range node.Spec.Taints {
		if t.Key == key {
			return true
		}
	}
	return false
}
