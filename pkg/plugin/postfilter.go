package plugin

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// PostFilter tells the user why nodes were left out by PreFilter: the framework itself
// says of them only which plugin it was. It makes no room, and comes after preemption.
func (pl *Holdfast) PostFilter(ctx context.Context, state fwk.CycleState, pod *v1.Pod, _ fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	nothing := fwk.NewStatus(fwk.Unschedulable)
	data, err := state.Read(gateKey)
	if err != nil {
		return nil, nothing // PreFilter skipped the pod, or another plugin refused it before.
	}
	found := data.(*gateState)
	if !found.reach.Limited() || found.reach.Nowhere() {
		return nil, nothing // Not limited, or PreFilter has said it.
	}
	// A node that had not reached the index yet may be the one that is wanted, and no
	// event would tell of it any more (feed).
	anew := pl.feed.judgeAnew(pl.needOf(pod))
	if anew.Widens(&found.reach) {
		pl.handle.Activate(klog.FromContext(ctx), map[string]*v1.Pod{klog.KObj(pod).String(): pod})
	}
	nodes, err := pl.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return nil, fwk.AsStatus(fmt.Errorf("%s: nodes: %w", Name, err))
	}
	explained := found.reach.Explain(len(nodes), pl.inSnapshot)
	if explained == "" {
		return nil, nothing
	}
	return nil, fwk.NewStatus(fwk.Unschedulable, Name+": "+explained)
}
