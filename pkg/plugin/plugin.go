package plugin

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/config/scheme"
	"github.com/holdfast-dev/holdfast/pkg/order"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

// Name is the plugin's name in the registry and in profiles.
const Name = "Holdfast"

// Defence is one line of defence against a second incarnation. Tests and the
// simulator switch them off one at a time to show that each of them matters, and
// what the others keep without it. They are reachable from Go only, never from
// configuration: no cluster can run without them by mistake.
type Defence string

const (
	// GuardFinalizer: Bind puts the guard's finalizer on the pod.
	GuardFinalizer Defence = "GuardFinalizer"
	// Gate: PreEnqueue, PreFilter and Filter refuse a held pod.
	Gate Defence = "Gate"
	// BindCheck: Bind judges the record read live. Without it a record
	// that refuses to be opened does not stop the bind.
	BindCheck Defence = "BindCheck"
	// Narrowing: PreFilter names the nodes within reach, so that no other is looked at.
	// It is speed alone: without it Filter refuses the others one by one.
	Narrowing Defence = "Narrowing"
)

// Holdfast is the plugin of one profile.
type Holdfast struct {
	store   *store.Store
	records *records
	kube    kubernetes.Interface
	claims  corelisters.PersistentVolumeClaimLister
	// pods has the indices podsByClaim and podsByOwner.
	pods      cache.Indexer
	handle    fwk.Handle
	feed      *feed
	recorder  events.EventRecorder
	clock     clock.PassiveClock
	announced *announced
	arrival   *arrival
	args      *config.HoldfastArgs
	without   sets.Set[Defence]

	order          *bindOrder
	bindPolicy     order.Policy
	orderAnnounced *announced
}

var (
	_ fwk.PreEnqueuePlugin  = (*Holdfast)(nil)
	_ fwk.EnqueueExtensions = (*Holdfast)(nil)
	_ fwk.PreFilterPlugin   = (*Holdfast)(nil)
	_ fwk.FilterPlugin      = (*Holdfast)(nil)
	_ fwk.PostFilterPlugin  = (*Holdfast)(nil)
	_ fwk.PreScorePlugin    = (*Holdfast)(nil)
	_ fwk.ScorePlugin       = (*Holdfast)(nil)
	_ fwk.ReservePlugin     = (*Holdfast)(nil)
	_ fwk.PreBindPlugin     = (*Holdfast)(nil)
	_ fwk.BindPlugin        = (*Holdfast)(nil)
	_ fwk.PostBindPlugin    = (*Holdfast)(nil)
	_ fwk.SignPlugin        = (*Holdfast)(nil)
)

// Factory makes the plugin of each profile out of what they share. The profile
// must name Holdfast before DefaultBinder and after every other plugin with a
// PreBind. Defences given in without are switched off.
func Factory(shared *Shared, without ...Defence) func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) {
	return func(ctx context.Context, configuration runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		args, err := scheme.Of(configuration)
		if err != nil {
			return nil, err
		}
		if shared == nil || shared.Store == nil || shared.Adopted == nil || shared.feed == nil {
			return nil, errors.New("plugin " + Name + " needs the tenancy store and the guard's word on adoption: see NewShared")
		}
		if err := shared.feed.start(handle.SharedInformerFactory()); err != nil {
			return nil, err
		}
		if shared.tenancies == nil {
			return nil, fmt.Errorf("plugin %s needs the tenancies by volume: %w", Name, shared.indexed)
		}
		pods, err := indexPods(handle.SharedInformerFactory().Core().V1().Pods().Informer())
		if err != nil {
			return nil, err
		}
		claims := handle.SharedInformerFactory().Core().V1().PersistentVolumeClaims()
		pl := &Holdfast{
			store:     shared.Store,
			records:   &records{shared.tenancies},
			kube:      handle.ClientSet(),
			claims:    claims.Lister(),
			pods:      pods,
			handle:    handle,
			feed:      shared.feed,
			recorder:  handle.EventRecorder(),
			clock:     shared.Clock,
			announced: newAnnounced(announcedMax),
			arrival:   newArrival(shared.Adopted, shared.tenanciesFilled, claims.Informer().HasSyncedChecker().Done()),
			args:      args,
			without:   sets.New(without...),

			order:          &shared.order,
			bindPolicy:     order.Policy{Order: args.BindOrder, Timeout: args.BindOrderTimeout.Duration},
			orderAnnounced: newAnnounced(announcedMax),
		}
		if err := pl.order.watch(ctx, handle, shared, args.Controllers); err != nil {
			return nil, err
		}
		go pl.arrival.wakeWhenOver(ctx, handle)
		return pl, nil
	}
}

// Name of the plugin.
func (*Holdfast) Name() string { return Name }
