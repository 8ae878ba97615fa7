package guard

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/config/scheme"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/client/informers/externalversions"
	"github.com/holdfast-dev/holdfast/pkg/fence"
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
	// the plugin. Empty: every StatefulSet pod of the cluster. A pod that carries the
	// guard's finalizer is minded whatever its schedulerName says.
	SchedulerNames []string
	// Args are what the profiles ask of the guard: Protect, Controllers, NodeRemoval and
	// ObserveKubelets count. Nil: the defaults.
	Args *config.HoldfastArgs
	// Namespace is where the mark of adoption is; kube-system if empty.
	Namespace string

	// Rules judge; those of pkg/fence if nil. Tests take some away to show what each
	// of them is worth.
	Rules fence.Table
	// WithoutFinalizer leaves pods that lack the finalizer as they are. Only for tests
	// of what the scheduler keeps without it.
	WithoutFinalizer bool
}

// Guard is the controller. Every replica may watch; one at a time may lead.
type Guard struct {
	kube             kubernetes.Interface
	store            *store.Store
	recorder         events.EventRecorder
	clock            clock.PassiveClock
	profiles         sets.Set[string]
	namespace        string
	args             *config.HoldfastArgs
	rules            fence.Table
	withoutFinalizer bool

	pods        cache.SharedIndexInformer
	tenancies   cache.SharedIndexInformer
	nodes       *nodeWatch
	cloudEvents *cache.Reflector

	// witness knows of which pods no container was ever reported.
	witness *witness
	// deletions are pods whose nodes were read when their deletion was first seen, and
	// showed no boot that was not on the record.
	deletions *uids
	// readers are pods of which it is known that no claim of theirs has a single writer.
	readers *uids
	// answers are what kubelets said of incarnations in doubt.
	answers  *kubeletAnswers
	adoption *adoption
	finals   *finals
	// said is why incarnations are held, as this guard has last told it.
	said *said
	// queue has the identities to reconcile, notes those whose record is to be told of
	// the end of a node.
	queue, notes workqueue.TypedRateLimitingInterface[types.NamespacedName]
	// oldKubelets has the names of nodes to warn of.
	oldKubelets workqueue.TypedInterface[string]
	// toldBypass and toldKubelet are the pods and nodes that were warned of.
	toldBypass, toldKubelet *uids
	running                 sync.WaitGroup
	// watches is true once Watch has seen everything, leading while Lead works.
	watches, leading atomic.Bool
	underWay         underWay
	// logger is that of Watch, for what the informers' handlers have to say.
	logger klog.Logger
}

// New makes a guard. Nothing is read or watched before Watch.
func New(kube kubernetes.Interface, holdfast versioned.Interface, o Options) *Guard {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Rules == nil {
		o.Rules = fence.Rules()
	}
	if o.Args == nil {
		o.Args = scheme.Default()
	}
	if o.Namespace == "" {
		o.Namespace = metav1.NamespaceSystem
	}
	g := &Guard{
		kube:             kube,
		store:            store.New(holdfast),
		recorder:         o.Recorder,
		clock:            o.Clock,
		profiles:         sets.New(o.SchedulerNames...),
		namespace:        o.Namespace,
		args:             o.Args,
		rules:            o.Rules,
		withoutFinalizer: o.WithoutFinalizer,
		tenancies:        externalversions.NewSharedInformerFactory(holdfast, 0).Holdfast().V1alpha1().Tenancies().Informer(),
		nodes:            newNodeWatch(kube, o.Clock, o.Args.NodeRemoval),
		witness:          newWitness(),
		deletions:        newUIDs(deletionsMax),
		readers:          newUIDs(readersMax),
		answers:          newKubeletAnswers(),
		adoption:         newAdoption(),
		finals:           newFinals(finalsMax),
		said:             newSaid(),
		queue:            newQueue("guard"),
		notes:            newQueue("guard_notes"),
		oldKubelets:      workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[string]{Name: "guard_old_kubelets"}),
		toldBypass:       newUIDs(toldMax), toldKubelet: newUIDs(toldMax),
		logger: klog.Background(),
	}
	g.pods = cache.NewSharedIndexInformer(g.witness.listsPods(kube), &v1.Pod{}, 0, cache.Indexers{
		cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
		byNode:               nodeOfPod,
	})
	g.cloudEvents = newCloudEvents(kube, g.nodes.instanceGone)
	return g
}

func newQueue(name string) workqueue.TypedRateLimitingInterface[types.NamespacedName] {
	return workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](retryDelayMin, retryDelayMax),
		workqueue.TypedRateLimitingQueueConfig[types.NamespacedName]{Name: name},
	)
}

// Run watches and leads until ctx ends, and returns when all of it has ended: a
// guard that is alone in its cluster.
func (g *Guard) Run(ctx context.Context) error {
	defer g.running.Wait()
	if err := g.Watch(ctx); err != nil {
		return err
	}
	return g.Lead(ctx)
}

// Watch follows pods, nodes and records until ctx ends, and writes down what only
// who was there can know. It returns when it has seen everything once, or with an
// error if that cannot be. Every replica does this, so that the next leader knows
// what the last one saw. Call it once.
func (g *Guard) Watch(ctx context.Context) error {
	g.logger = klog.FromContext(ctx)
	if err := g.subscribe(); err != nil {
		return err
	}
	mark, err := g.markInformer()
	if err != nil {
		return err
	}
	for _, run := range []func(context.Context){
		g.pods.RunWithContext, g.tenancies.RunWithContext, g.nodes.reflector.RunWithContext,
		g.cloudEvents.RunWithContext, mark.RunWithContext, g.note,
	} {
		g.running.Go(func() { run(ctx) })
	}
	context.AfterFunc(ctx, g.queue.ShutDown)
	context.AfterFunc(ctx, g.notes.ShutDown)
	context.AfterFunc(ctx, g.oldKubelets.ShutDown)
	if !cache.WaitForCacheSync(ctx.Done(), g.pods.HasSynced, g.nodes.hasSynced, g.tenancies.HasSynced, mark.HasSynced) {
		return fmt.Errorf("caches of pods, nodes, tenancies and the mark of adoption: %w", context.Cause(ctx))
	}
	g.watches.Store(true)
	return nil
}

// Lead reconciles until ctx ends, which must not be after the watch's end. No two
// guards may lead at once: they would not harm, but contend and say everything twice.
func (g *Guard) Lead(ctx context.Context) error {
	endEvents, err := g.recordEvents(ctx)
	if err != nil {
		return err
	}
	defer endEvents()
	var working sync.WaitGroup
	defer working.Wait()
	defer g.queue.ShutDown()
	defer g.oldKubelets.ShutDown()
	for range workers {
		working.Go(func() { g.work(ctx) })
	}
	working.Go(func() { g.adopt(ctx) })
	working.Go(func() { g.warnOfKubelets(ctx) })
	working.Go(func() { g.collect(ctx) })
	g.leading.Store(true)
	defer g.leading.Store(false)
	klog.FromContext(ctx).V(2).Info("The guard leads")
	<-ctx.Done()
	return nil
}

// work takes identities off the queue until it is shut down.
func (g *Guard) work(ctx context.Context) {
	for {
		key, shutdown := g.queue.Get()
		if shutdown {
			return
		}
		done := g.underWay.begin(key, g.clock.Now())
		logger := klog.LoggerWithValues(klog.FromContext(ctx), "identity", key)
		err := g.reconcile(klog.NewContext(ctx, logger), key)
		done()
		if err == nil || g.onRecord(key) {
			g.adoption.done(key)
		}
		switch {
		case err == nil:
			g.queue.Forget(key)
		case ctx.Err() != nil:
		default:
			// Unknown holds: nothing was released, and it is tried again.
			logger.V(2).Info("Reconciliation is repeated", "reason", err)
			g.queue.AddRateLimited(key)
		}
		g.queue.Done(key)
	}
}
