package plugin

import (
	"context"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// gateKey is where PreFilter leaves its verdict for Filter.
const gateKey fwk.StateKey = Name + "/gate"

// gateState is the verdict of this scheduling cycle.
type gateState struct{ verdict tenancy.Verdict }

// Clone returns the state itself: it never changes.
func (s *gateState) Clone() fwk.StateData { return s }

// PreFilter refuses a held pod as PreEnqueue does. It is needed besides it,
// because PreEnqueue is not run again for a pod that comes from the back-off queue
// (docs/kubernetes-facts.md §0.10). Skip for pods whose name no record can have.
func (pl *Holdfast) PreFilter(_ context.Context, state fwk.CycleState, pod *v1.Pod, _ []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	if _, named := identity.Named(pod.Namespace, pod.Name); !named {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	verdict := pl.gate(pod)
	state.Write(gateKey, &gateState{verdict: verdict})
	return nil, refusal(verdict)
}

// PreFilterExtensions is nil: no other pod on a node changes the verdict.
func (*Holdfast) PreFilterExtensions() fwk.PreFilterExtensions { return nil }
