// Package profiles puts the default profile and Holdfast's side by side: one real
// scheduler with the whole default plugin set, two frameworks, one snapshot. What the
// two make of the same pod in the same cluster can then be compared, and timed.
//
// The API server behind it is a fake clientset, and what binds a pod asks of it is
// answered at once (requests.go): it is neither what is compared nor what is measured.
package profiles

import (
	"context"
	"fmt"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/dynamicinformer"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	kubescheduler "k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/profile"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

// Pair is the two profiles of one scheduler.
type Pair struct {
	// Default is the framework of the profile without Holdfast.
	Default framework.Framework
	// Holdfast is the framework of the profile as it is shipped.
	Holdfast framework.Framework
	// Scheduler has both. Its queue is not started (StartQueue).
	Scheduler *kubescheduler.Scheduler

	// bound counts what was bound.
	bound *atomic.Int64
}

// Options say how the profiles are set up.
type Options struct {
	// Listed: pods without topology spread constraints of their own have none. The
	// system's default ones make every pod unfit for batching (upstream,
	// podtopologyspread/plugin.go), and with them nothing could be said of it.
	Listed bool
	// Without switches parts of the plugin off.
	Without []plugin.Defence
}

// New makes a pair in a cluster of the given objects, records among them.
func New(ctx context.Context, o Options, all ...runtime.Object) (*Pair, error) {
	profiles, err := both(o.Listed)
	if err != nil {
		return nil, err
	}
	var objects, kept []runtime.Object
	for _, object := range all {
		if _, is := object.(*v1alpha1.Tenancy); is {
			kept = append(kept, object)
		} else {
			objects = append(objects, object)
		}
	}
	cluster := fake.NewClientset(objects...)
	answers := newAnswers(objects)
	client := answers.kubernetes(cluster)
	informers := kubescheduler.NewInformerFactory(client, 0, nil)
	records := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(records); err != nil {
		return nil, err
	}
	custom := dynamicinformer.NewDynamicSharedInformerFactory(dynamicfake.NewSimpleDynamicClient(records, kept...), 0)
	adopted := make(chan struct{})
	close(adopted)
	shared := plugin.NewShared(store.New(answers.tenancies()), custom, adopted)

	recorder := events.NewEventBroadcasterAdapter(cluster)
	snapshot := internalcache.NewEmptySnapshot()
	x, err := kubescheduler.New(ctx, client, informers, custom,
		profile.RecorderFactory(func(name string) events.EventRecorderLogger { return recorder.NewRecorder(name) }),
		kubescheduler.WithProfiles(profiles...),
		kubescheduler.WithNodeInfoSnapshot(snapshot),
		kubescheduler.WithFrameworkOutOfTreeRegistry(plugin.Registry(shared, o.Without...)))
	if err != nil {
		return nil, err
	}
	// Records first: a pod that is to be held is so from the moment when it is seen.
	custom.Start(ctx.Done())
	custom.WaitForCacheSync(ctx.Done())
	informers.Start(ctx.Done())
	informers.WaitForCacheSync(ctx.Done())
	if err := x.WaitForHandlersSync(ctx); err != nil {
		return nil, err
	}
	pair := &Pair{
		Default:   x.Profiles[v1.DefaultSchedulerName],
		Holdfast:  x.Profiles[schedulermanifest.ProfileName],
		Scheduler: x,
		bound:     &answers.bound,
	}
	return pair, x.Cache.UpdateSnapshot(klog.FromContext(ctx), snapshot)
}

// StartQueue lets pods become ready to be scheduled. What takes them out of the queue is
// the caller's to do.
func (p *Pair) StartQueue(ctx context.Context) {
	p.Scheduler.SchedulingQueue.Run(klog.FromContext(ctx))
	go func() {
		<-ctx.Done()
		p.Scheduler.SchedulingQueue.Close()
	}()
	if p.Scheduler.APIDispatcher != nil {
		p.Scheduler.APIDispatcher.Run(klog.FromContext(ctx))
	}
}

// Bound is how many pods were bound.
func (p *Pair) Bound() int64 { return p.bound.Load() }

// both returns the default profile and the shipped one.
func both(listed bool) ([]schedulerconfig.KubeSchedulerProfile, error) {
	stock, err := latest.Default()
	if err != nil {
		return nil, err
	}
	object, _, err := scheme.Codecs.UniversalDecoder().Decode(schedulermanifest.Configuration, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("the shipped configuration: %w", err)
	}
	profiles := append(stock.Profiles, object.(*schedulerconfig.KubeSchedulerConfiguration).Profiles...)
	for i := range profiles {
		for _, plugin := range profiles[i].PluginConfig {
			if args, ok := plugin.Args.(*schedulerconfig.PodTopologySpreadArgs); ok && listed {
				args.DefaultingType = schedulerconfig.ListDefaulting
			}
		}
	}
	return profiles, nil
}
