package plugin

import (
	"context"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// Reserve puts the ordinal on the line and wakes the next one, so that the ordinals of
// a set are given their nodes at the scheduler's full speed. It judges once more: the
// ordinal before may have left the line since PreFilter.
func (pl *Holdfast) Reserve(_ context.Context, _ fwk.CycleState, pod *v1.Pod, node string) *fwk.Status {
	id, managed := pl.order.identityOf(pod)
	if !managed {
		return nil
	}
	verdict := pl.order.enter(id, pod, node, pl.policyOf(pod), func(why string) {
		if p := pl.handle.GetPodInPreBind(pod.UID); p != nil {
			p.CancelPod(why)
		}
	})
	return pl.orderStatus(id, pod, verdict)
}
