package plugin

import (
	"context"
	"slices"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/reach"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// gateKey is where PreFilter leaves its verdicts for the later hooks.
const gateKey fwk.StateKey = Name + "/gate"

// gateState has the verdicts of this scheduling cycle.
type gateState struct {
	verdict tenancy.Verdict
	reach   reach.Verdict
	// shared is where alone the pod's volumes that are in use can be used too.
	shared []sharedNode
}

// Clone returns the state itself: it never changes.
func (s *gateState) Clone() fwk.StateData { return s }

// PreFilter refuses a held pod, and an ordinal before its turn, as PreEnqueue does, and
// narrows the nodes to those within reach of all bound volumes. Both are needed besides
// PreEnqueue, which is not run again for a pod that comes from the back-off queue
// (docs/kubernetes-facts.md §0.10). Skip for pods whose name no record can have and
// whose bound claims leave every node to them.
func (pl *Holdfast) PreFilter(_ context.Context, state fwk.CycleState, pod *v1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	seen := pl.look(pod)
	found := &gateState{}
	found.verdict, found.shared = pl.judge(seen)
	if found.verdict.Held {
		state.Write(gateKey, found)
		return nil, refusal(found.verdict)
	}
	if status, _ := pl.orderGate(pod); !status.IsSuccess() {
		return nil, status
	}
	found.reach = pl.reachable(seen.need())
	found.shared = append(found.shared, pl.sharedWith(pod, seen.uses, nodes)...)
	anywhere := everywhere(&found.reach, nodes)
	if !seen.named && anywhere && len(found.shared) == 0 {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	state.Write(gateKey, found)
	switch {
	case found.reach.Nowhere():
		// The framework would only say which plugin it was.
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, found.reach.Explain(len(nodes), pl.inSnapshot))
	case !anywhere && !pl.without.Has(Narrowing):
		return &fwk.PreFilterResult{NodeNames: found.reach.Nodes()}, nil
	}
	return nil, nil
}

// everywhere tells whether the verdict leaves all of the nodes. The framework copies
// the names of a narrowing several times for each pod, which only pays if it narrows.
func everywhere(verdict *reach.Verdict, nodes []fwk.NodeInfo) bool {
	if !verdict.Limited() {
		return true
	}
	return len(verdict.Nodes()) >= len(nodes) &&
		!slices.ContainsFunc(nodes, func(node fwk.NodeInfo) bool { return !verdict.Allows(node.Node().Name) })
}

// inSnapshot tells whether the node is one of those of this scheduling cycle.
func (pl *Holdfast) inSnapshot(node string) bool {
	_, err := pl.handle.SnapshotSharedLister().NodeInfos().Get(node)
	return err == nil
}

// PreFilterExtensions is nil: no other pod on a node changes the verdict.
func (*Holdfast) PreFilterExtensions() fwk.PreFilterExtensions { return nil }
