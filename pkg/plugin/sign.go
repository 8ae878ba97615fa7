package plugin

import (
	"context"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// SignPod opts pods that a record can speak of out of batching one by one: each of them is judged by
// its own record, so none can share another's result. All others keep batching,
// which a plugin without this hook would take from the whole profile
// (docs/kubernetes-facts.md §7).
func (*Holdfast) SignPod(_ context.Context, pod *v1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	if _, named := identity.Named(pod.Namespace, pod.Name); named {
		return nil, fwk.NewStatus(fwk.Unschedulable, "pods that a tenancy can speak of are not batched")
	}
	return nil, nil
}
