package guard

import (
	"slices"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// calm reports whether the caches show nothing to do, so that the many updates of
// healthy pods cost no live read. It may only be wrong where a cache is behind, and
// whatever the cache then learns asks again. Nothing is decided on it.
func calm(record *v1alpha1.Tenancy, pod *v1.Pod, node func(name string) *v1.Node, minds, protects func(*v1.Pod) bool) bool {
	switch {
	case pod != nil && protects(pod):
		return false
	case record != nil && record.DeletionTimestamp != nil:
		return false
	case record != nil && tenancy.Unclean(record):
		return pod != nil && calmTenant(record, pod, node)
	case pod == nil:
		return true
	case isIncarnation(record, pod):
		return !hasFinalizer(pod) && !lingers(pod)
	default:
		return (pod.Spec.NodeName == "" || !minds(pod)) && !told(pod) && !(pod.DeletionTimestamp != nil && hasFinalizer(pod))
	}
}

// calmTenant: the incarnation on the record lives, and the record says all of it.
func calmTenant(record *v1alpha1.Tenancy, pod *v1.Pod, node func(name string) *v1.Node) bool {
	if record.Status.Phase != v1alpha1.Occupied || !isIncarnation(record, pod) ||
		pod.DeletionTimestamp != nil || terminal(pod) || told(pod) {
		return false
	}
	inc := record.Status.Incarnation
	if pod.Spec.NodeName == "" {
		return true
	}
	now := node(pod.Spec.NodeName)
	return now == nil || slices.ContainsFunc(inc.Nodes, func(n v1alpha1.CandidateNode) bool {
		boot := now.Status.NodeInfo.BootID
		return n.Name == now.Name && n.UID == now.UID && (boot == "" || slices.Contains(n.BootIDs, boot))
	})
}

func isIncarnation(record *v1alpha1.Tenancy, pod *v1.Pod) bool {
	inc := incarnationOf(record)
	return inc != nil && inc.PodUID == pod.UID
}

func hasFinalizer(pod *v1.Pod) bool {
	return slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer)
}

func terminal(pod *v1.Pod) bool {
	return pod.Status.Phase == v1.PodFailed || pod.Status.Phase == v1.PodSucceeded
}

// lingers reports whether the pod is being deleted and the API server waits for
// its kubelet.
func lingers(pod *v1.Pod) bool {
	return pod.DeletionTimestamp != nil && pod.DeletionGracePeriodSeconds != nil && *pod.DeletionGracePeriodSeconds > 0
}
