package plugin

import (
	"context"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// PostBind lets the next ordinal go, before the informer has seen the bind.
func (pl *Holdfast) PostBind(_ context.Context, _ fwk.CycleState, pod *v1.Pod, _ string) {
	if id, managed := pl.order.identityOf(pod); managed {
		pl.order.bound(id, pod.UID)
	}
}
