package plugin

import (
	"context"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/order"
)

// PreBindPreFlight says Skip unless the pod has to wait for its turn: for every other
// pod the framework notes the node in its status first, which costs a write
// (docs/kubernetes-facts.md §7.6), and what the bind rests on is Bind's work. A turn that
// has come does not go back to waiting.
func (pl *Holdfast) PreBindPreFlight(_ context.Context, _ fwk.CycleState, pod *v1.Pod, _ string) (*fwk.PreBindPreFlightResult, *fwk.Status) {
	id, managed := pl.order.identityOf(pod)
	if !managed {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	if turn, _ := pl.order.turn(id, pod.UID); turn != order.TurnWaits {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	return &fwk.PreBindPreFlightResult{AllowParallel: false}, nil
}

// PreBind waits for the pod's turn. It does so after the other plugins' PreBind, so that
// what VolumeBinding provisions overlaps; and here rather than in Bind, because a
// preemption ends it here.
func (pl *Holdfast) PreBind(ctx context.Context, _ fwk.CycleState, pod *v1.Pod, _ string) *fwk.Status {
	return pl.awaitTurn(ctx, pod)
}
