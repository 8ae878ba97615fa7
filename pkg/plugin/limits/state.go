package limits

import (
	"context"
	"maps"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
)

const stateKey fwk.StateKey = Name

// state is whose attachments do not count in one scheduling cycle, by node.
type state struct {
	// own are the pod's volumes that are attached to the node. It never changes.
	own map[string]sets.Set[string]
	// freed are the volumes of the pods that a preemption would take from the node:
	// upstream counts their attachments on, and so never finds that it would help.
	freed map[victim]sets.Set[string]
}

// victim is a pod on a node, taken away to see whether that helps.
type victim struct {
	node string
	pod  types.UID
}

// Clone keeps apart what is tried on different nodes.
func (s *state) Clone() fwk.StateData {
	return &state{own: s.own, freed: maps.Clone(s.freed)}
}

// uncounted are the volumes whose attachment to the node does not count. Those of
// them that a pod on the node uses count by the pod.
func (s *state) uncounted(node string) sets.Set[string] {
	volumes := s.own[node]
	for v, freed := range s.freed {
		if v.node == node {
			volumes = volumes.Union(freed)
		}
	}
	return volumes
}

// PreFilterExtensions follows what a preemption tries.
func (pl *Limits) PreFilterExtensions() fwk.PreFilterExtensions { return pl }

// RemovePod notes the slots that the pod would leave.
func (pl *Limits) RemovePod(_ context.Context, cycle fwk.CycleState, _ *v1.Pod, removed fwk.PodInfo, node fwk.NodeInfo) *fwk.Status {
	data, err := cycle.Read(stateKey)
	if err != nil {
		return fwk.AsStatus(err)
	}
	if volumes := pl.volumesOf(removed.GetPod()); len(volumes) > 0 {
		s := data.(*state)
		if s.freed == nil {
			s.freed = map[victim]sets.Set[string]{}
		}
		s.freed[victim{node.Node().Name, removed.GetPod().UID}] = volumes
	}
	return nil
}

// AddPod takes back what RemovePod noted. A pod that was not there before, a nominated
// one, counts by itself.
func (pl *Limits) AddPod(_ context.Context, cycle fwk.CycleState, _ *v1.Pod, added fwk.PodInfo, node fwk.NodeInfo) *fwk.Status {
	data, err := cycle.Read(stateKey)
	if err != nil {
		return fwk.AsStatus(err)
	}
	delete(data.(*state).freed, victim{node.Node().Name, added.GetPod().UID})
	return nil
}
