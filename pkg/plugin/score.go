package plugin

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// Score looks up what PreScore found. It is no matter of safety: every node that gets
// here is as good for that.
func (pl *Holdfast) Score(_ context.Context, state fwk.CycleState, _ *v1.Pod, node fwk.NodeInfo) (int64, *fwk.Status) {
	data, err := state.Read(scoreKey)
	if err != nil {
		return 0, fwk.AsStatus(fmt.Errorf("%s: scores of PreScore: %w", Name, err))
	}
	return data.(scores)[node.Node().Name], nil
}

// ScoreExtensions is nil: the scores are from 0 to 100 as they are.
func (*Holdfast) ScoreExtensions() fwk.ScoreExtensions { return nil }
