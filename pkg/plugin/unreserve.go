package plugin

import (
	"context"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// Unreserve takes the ordinal off the line, and all that wait behind it: without it
// their turn cannot come, and they would keep room that others could use. It clears no
// record, for it is called after a bind whose answer was lost, too (H16).
func (pl *Holdfast) Unreserve(_ context.Context, _ fwk.CycleState, pod *v1.Pod, _ string) {
	if id, managed := pl.order.identityOf(pod); managed {
		pl.order.leave(id, pod.UID)
	}
}
