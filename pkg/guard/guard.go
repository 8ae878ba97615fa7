package guard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/client/informers/externalversions"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

const (
	// workers is how many identities are reconciled at once.
	workers = 4
	// retryDelayMin and retryDelayMax bound the back-off after an error. The maximum
	// stays within L1's bound for a replacement after proof.
	retryDelayMin = 10 * time.Millisecond
	retryDelayMax = 20 * time.Second
)

// Options are what a guard needs besides its clients.
type Options struct {
	// Recorder takes the events Held and Released. Nil: they are written by the
	// guard's own client.
	Recorder events.EventRecorder
	// Clock tells the time that records carry; the real one if nil.
	Clock clock.PassiveClock
	// SchedulerNames are the profiles whose pods get a record even if they bypassed
	// PreBind. Empty: every StatefulSet pod of the cluster. A pod that carries the
	// guard's finalizer is minded whatever its schedulerName says.
	SchedulerNames []string
}

// Guard is the controller. It is to run once per cluster, under its own lease.
type Guard struct {
	kube     kubernetes.Interface
	store    *store.Store
	recorder events.EventRecorder
	clock    clock.PassiveClock
	profiles sets.Set[string]

	pods      cache.SharedIndexInformer
	nodes     cache.SharedIndexInformer
	tenancies cache.SharedIndexInformer

	finals *finals
	queue  workqueue.TypedRateLimitingInterface[types.NamespacedName]
}

// New makes a guard. Nothing is read or watched before Run.
func New(kube kubernetes.Interface, holdfast versioned.Interface, o Options) *Guard {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return &Guard{
		kube:     kube,
		store:    store.New(holdfast),
		recorder: o.Recorder,
		clock:    o.Clock,
		profiles: sets.New(o.SchedulerNames...),
		pods: coreinformers.NewPodInformer(kube, v1.NamespaceAll, 0, cache.Indexers{
			cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
			byNode:               nodeOfPod,
		}),
		nodes:     informers.NewSharedInformerFactory(kube, 0).Core().V1().Nodes().Informer(),
		tenancies: externalversions.NewSharedInformerFactory(holdfast, 0).Holdfast().V1alpha1().Tenancies().Informer(),
		finals:    newFinals(finalsMax),
	}
}

// Run reconciles until ctx ends. It returns an error if the caches cannot be
// filled or the guard runs already.
func (g *Guard) Run(ctx context.Context) error {
	endEvents, err := g.recordEvents(ctx)
	if err != nil {
		return err
	}
	defer endEvents()
	g.queue = workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](retryDelayMin, retryDelayMax),
		workqueue.TypedRateLimitingQueueConfig[types.NamespacedName]{Name: "guard"},
	)
	if err := g.subscribe(); err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer g.queue.ShutDown()
	for _, informer := range []cache.SharedIndexInformer{g.pods, g.nodes, g.tenancies} {
		running.Go(func() { informer.RunWithContext(ctx) })
	}
	if !cache.WaitForCacheSync(ctx.Done(), g.pods.HasSynced, g.nodes.HasSynced, g.tenancies.HasSynced) {
		return fmt.Errorf("caches of pods, nodes and tenancies: %w", context.Cause(ctx))
	}
	for range workers {
		running.Go(func() { g.work(ctx) })
	}
	<-ctx.Done()
	return nil
}

// work takes identities off the queue until it is shut down.
func (g *Guard) work(ctx context.Context) {
	logger := klog.FromContext(ctx)
	for {
		key, shutdown := g.queue.Get()
		if shutdown {
			return
		}
		err := g.reconcile(ctx, key)
		switch {
		case err == nil:
			g.queue.Forget(key)
		case errors.Is(err, context.Canceled):
		default:
			// Unknown holds: nothing was released, and it is tried again.
			logger.V(2).Info("Reconciliation is repeated", "identity", key, "reason", err)
			g.queue.AddRateLimited(key)
		}
		g.queue.Done(key)
	}
}
