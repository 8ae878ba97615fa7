package plugin

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// Filter refuses every node to a held pod, nominated nodes included, which
// PreFilter's result would not reach (docs/kubernetes-facts.md §0.10). It takes
// the verdict from PreFilter, so that a node costs one look-up; PreBind judges anew.
func (pl *Holdfast) Filter(_ context.Context, state fwk.CycleState, _ *v1.Pod, _ fwk.NodeInfo) *fwk.Status {
	data, err := state.Read(gateKey)
	if err != nil {
		return fwk.AsStatus(fmt.Errorf("%s: verdict of PreFilter: %w", Name, err))
	}
	verdict := data.(*gateState).verdict
	if !verdict.Held {
		return nil
	}
	return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "node(s) refused: "+verdict.Message)
}
