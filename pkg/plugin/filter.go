package plugin

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// Filter refuses every node to a held pod, and a node that is out of reach, or cannot
// share a volume that is in use, to every pod, nominated nodes included, which
// PreFilter's result would not reach (docs/kubernetes-facts.md §0.10). It takes the
// verdicts from PreFilter, so that a node costs one look-up; Bind judges anew.
func (pl *Holdfast) Filter(_ context.Context, state fwk.CycleState, _ *v1.Pod, node fwk.NodeInfo) *fwk.Status {
	data, err := state.Read(gateKey)
	if err != nil {
		return fwk.AsStatus(fmt.Errorf("%s: verdict of PreFilter: %w", Name, err))
	}
	found := data.(*gateState)
	if found.verdict.Held {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "node(s) refused: "+found.verdict.Message)
	}
	if !found.reach.Limited() && len(found.shared) == 0 {
		return nil
	}
	name := node.Node().Name
	if !found.reach.Allows(name) {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, found.reach.Why(name).Message)
	}
	if why := refuseNode(found.shared, name); why != "" {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, why)
	}
	return nil
}
