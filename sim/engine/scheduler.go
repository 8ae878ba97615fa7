package engine

import (
	"context"
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	kubescheduler "k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/profile"
)

// schedulerAgent is the user agent of the scheduler, whichever of the two it is.
const schedulerAgent = "kube-scheduler"

// parallelism is how many goroutines filter and score; upstream's default.
const parallelism = 16

// scheduler is what the stock and the Holdfast scheduler have in common: the
// client, and informers of typed and of custom resources.
type scheduler struct {
	client  kubernetes.Interface
	dynamic dynamicinformer.DynamicSharedInformerFactory
	options []kubescheduler.Option
	// record stands in for the plugins; nil: nothing does.
	record *Recorder
}

func newScheduler(p *process) (*scheduler, error) {
	client, err := kubernetes.NewForConfig(p.RESTConfig(schedulerAgent))
	if err != nil {
		return nil, err
	}
	custom, err := dynamic.NewForConfig(p.JSONConfig(schedulerAgent))
	if err != nil {
		return nil, err
	}
	return &scheduler{
		client:  client,
		dynamic: dynamicinformer.NewDynamicSharedInformerFactory(custom, 0),
		options: []kubescheduler.Option{kubescheduler.WithParallelism(parallelism)},
	}, nil
}

// configure gives the scheduler profiles other than the stock one. Of the rest of the
// configuration it takes what decides where and when a pod is placed.
func (s *scheduler) configure(c *schedulerconfig.KubeSchedulerConfiguration, registry frameworkruntime.Registry) {
	s.options = append(s.options,
		kubescheduler.WithProfiles(c.Profiles...),
		kubescheduler.WithPercentageOfNodesToScore(c.PercentageOfNodesToScore),
		kubescheduler.WithPodInitialBackoffSeconds(c.PodInitialBackoffSeconds),
		kubescheduler.WithPodMaxBackoffSeconds(c.PodMaxBackoffSeconds),
		kubescheduler.WithFrameworkOutOfTreeRegistry(registry))
}

func decodeConfiguration(yaml []byte) (*schedulerconfig.KubeSchedulerConfiguration, error) {
	object, kind, err := scheme.Codecs.UniversalDecoder().Decode(yaml, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("scheduler configuration: %w", err)
	}
	c, ok := object.(*schedulerconfig.KubeSchedulerConfiguration)
	if !ok {
		return nil, fmt.Errorf("scheduler configuration: is a %s", kind)
	}
	return c, nil
}

// start runs the scheduler until the context ends; it returns when its caches have synced.
func (s *scheduler) start(ctx context.Context) error {
	recorder := events.NewBroadcaster(&events.EventSinkImpl{Interface: s.client.EventsV1()})
	context.AfterFunc(ctx, recorder.Shutdown)
	if err := recorder.StartRecordingToSinkWithContext(ctx); err != nil {
		return err
	}
	informers := kubescheduler.NewInformerFactory(s.client, 0, nil)
	x, err := kubescheduler.New(ctx, s.client, informers, s.dynamic, profile.NewRecorderFactory(recorder), s.options...)
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	if s.record != nil {
		if err := s.record.standIn(x); err != nil {
			return fmt.Errorf("record of decisions: %w", err)
		}
	}
	informers.Start(ctx.Done())
	s.dynamic.Start(ctx.Done())
	informers.WaitForCacheSync(ctx.Done())
	s.dynamic.WaitForCacheSync(ctx.Done())
	if err := x.WaitForHandlersSync(ctx); err != nil {
		return fmt.Errorf("scheduler caches: %w", err)
	}
	go x.Run(ctx)
	return nil
}
