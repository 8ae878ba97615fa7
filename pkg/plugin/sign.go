package plugin

import (
	"context"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// SignPod opts managed pods out of batching one by one: each of them is judged by
// its own record, so none can share another's result. All others keep batching,
// which a plugin without this hook would take from the whole profile
// (docs/kubernetes-facts.md §7).
func (*Holdfast) SignPod(_ context.Context, pod *v1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	if _, managed := identity.Of(pod); managed {
		return nil, fwk.NewStatus(fwk.Unschedulable, "pods with an identity are not batched")
	}
	return nil, nil
}
