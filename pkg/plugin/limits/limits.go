// Package limits is upstream's plugin NodeVolumeLimits without its mistake: it counts
// a pod's volume once, and the attachment that the pod's predecessor left on the node
// once more, and so refuses the very node that still holds the volume
// (docs/kubernetes-facts.md §0.9). A profile with Holdfast has this plugin in its
// place.
//
// Every hook is upstream's. Where the pod's own volume is still attached to a node,
// upstream's Filter is asked about a cluster without that attachment, so that what is
// counted, and how, stays upstream's in either case.
package limits

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
)

// Name is the plugin's name in the registry and in profiles.
const Name = "HoldfastVolumeLimits"

// StockName is that of the plugin whose place it takes.
const StockName = nodevolumelimits.CSIName

// stock is every hook of upstream's plugin. One that upstream adds is not delegated
// by itself: a test compares the two.
type stock interface {
	fwk.PreFilterPlugin
	fwk.FilterPlugin
	fwk.EnqueueExtensions
	fwk.SignPlugin
}

// Limits is the plugin of one profile.
type Limits struct {
	stock
	// over makes upstream's plugin over a view of the cluster's attachments.
	over func(context.Context, view) (stock, error)
	// attachable is upstream's plugin in a cluster in which nothing is attached but
	// what pods use.
	attachable  stock
	claims      corelisters.PersistentVolumeClaimLister
	attachments cache.Indexer
}

var (
	_ fwk.PreFilterPlugin     = (*Limits)(nil)
	_ fwk.PreFilterExtensions = (*Limits)(nil)
	_ fwk.FilterPlugin        = (*Limits)(nil)
	_ fwk.EnqueueExtensions   = (*Limits)(nil)
	_ fwk.SignPlugin          = (*Limits)(nil)
)

// New makes the plugin of a profile. The features are those that upstream's registry
// gives to the plugin whose place it takes.
func New(ctx context.Context, args runtime.Object, handle fwk.Handle, features feature.Features) (fwk.Plugin, error) {
	attachments := handle.SharedInformerFactory().Storage().V1().VolumeAttachments().Informer()
	if err := index(attachments); err != nil {
		return nil, err
	}
	over := func(ctx context.Context, v view) (stock, error) {
		made, err := nodevolumelimits.NewCSI(ctx, args, viewed{Handle: handle, view: v}, features)
		if err != nil {
			return nil, err
		}
		hooks, ok := made.(stock)
		if !ok {
			return nil, fmt.Errorf("plugin %s is a %T, which lacks a hook", StockName, made)
		}
		return hooks, nil
	}
	whole, err := over(ctx, view{without: nothing})
	if err != nil {
		return nil, err
	}
	attachable, err := over(ctx, view{without: everything})
	if err != nil {
		return nil, err
	}
	return &Limits{
		stock:       whole,
		over:        over,
		attachable:  attachable,
		claims:      handle.SharedInformerFactory().Core().V1().PersistentVolumeClaims().Lister(),
		attachments: attachments.GetIndexer(),
	}, nil
}

// Name of the plugin.
func (*Limits) Name() string { return Name }

// PreFilter is upstream's, and notes where the pod's own volumes are attached.
func (pl *Limits) PreFilter(ctx context.Context, cycle fwk.CycleState, pod *v1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	result, status := pl.stock.PreFilter(ctx, cycle, pod, nodes)
	if !status.IsSuccess() {
		return result, status
	}
	own, err := pl.attachedTo(pl.volumesOf(pod))
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	cycle.Write(stateKey, &state{own: own})
	return result, nil
}

// Filter is upstream's, over the attachments that count. A node that is full of
// attachments which no pod there uses any more has its slots back when they are
// detached: no preemption brings that about, and until then one would follow another.
func (pl *Limits) Filter(ctx context.Context, cycle fwk.CycleState, pod *v1.Pod, node fwk.NodeInfo) *fwk.Status {
	data, err := cycle.Read(stateKey)
	if err != nil {
		return fwk.AsStatus(fmt.Errorf("%s: state of PreFilter: %w", Name, err))
	}
	status := pl.filter(ctx, cycle, pod, node, data.(*state).uncounted(node.Node().Name))
	if status.Code() != fwk.Unschedulable || !pl.attachable.Filter(ctx, cycle, pod, node).IsSuccess() {
		return status
	}
	return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, status.Reasons()...)
}

// filter asks the one plugin of the profile where every attachment counts, as nearly
// everywhere, and one made for the purpose elsewhere.
func (pl *Limits) filter(ctx context.Context, cycle fwk.CycleState, pod *v1.Pod, node fwk.NodeInfo, uncounted sets.Set[string]) *fwk.Status {
	if len(uncounted) == 0 {
		return pl.stock.Filter(ctx, cycle, pod, node)
	}
	hooks, err := pl.over(ctx, view{without: uncounted.Has})
	if err != nil {
		return fwk.AsStatus(fmt.Errorf("%s: %w", Name, err))
	}
	return hooks.Filter(ctx, cycle, pod, node)
}
