package main

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	schedulerserverconfig "k8s.io/kubernetes/cmd/kube-scheduler/app/config"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	kubescheduler "k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

// scheduler is kube-scheduler, ready to run.
type scheduler struct {
	config    *schedulerserverconfig.CompletedConfig
	scheduler *kubescheduler.Scheduler
	// profiles are the schedulerNames whose pods Holdfast protects.
	profiles []string
	// args are what these profiles ask of the guard.
	args *config.HoldfastArgs
	// adopted is to be closed when the guard has adopted the pods that ran before;
	// until then no pod is placed. The guard is made after the scheduler, which says
	// what the profiles are.
	adopted chan struct{}
}

// newScheduler is app.Setup of kube-scheduler with the plugin in the registry.
// Upstream's cannot be used: it asks for the registry's options before there is a
// dynamic informer factory, and the plugin's cache must be of the scheduler's own
// (plugin.NewShared). What the profiles share is made here, once.
func newScheduler(ctx context.Context, o *options.Options) (*scheduler, error) {
	defaults, err := latest.Default()
	if err != nil {
		return nil, err
	}
	o.ComponentConfig = defaults
	if errs := o.Validate(); len(errs) > 0 {
		return nil, utilerrors.NewAggregate(errs)
	}
	c, err := o.Config(ctx)
	if err != nil {
		return nil, err
	}
	cc := c.Complete()

	records, err := versioned.NewForConfig(jsonConfig(cc.KubeConfig))
	if err != nil {
		return nil, fmt.Errorf("client of tenancies: %w", err)
	}
	adopted := make(chan struct{})
	shared := plugin.NewShared(store.New(records), cc.DynInformerFactory, adopted)
	var completed []schedulerconfig.KubeSchedulerProfile
	s, err := kubescheduler.New(ctx, cc.Client, cc.InformerFactory, cc.DynInformerFactory,
		func(name string) events.EventRecorderLogger { return cc.EventBroadcaster.NewRecorder(name) },
		kubescheduler.WithComponentConfigVersion(cc.ComponentConfig.APIVersion),
		kubescheduler.WithKubeConfig(cc.KubeConfig),
		kubescheduler.WithProfiles(cc.ComponentConfig.Profiles...),
		kubescheduler.WithPercentageOfNodesToScore(cc.ComponentConfig.PercentageOfNodesToScore),
		kubescheduler.WithFrameworkOutOfTreeRegistry(plugin.Registry(shared)),
		kubescheduler.WithPodMaxBackoffSeconds(cc.ComponentConfig.PodMaxBackoffSeconds),
		kubescheduler.WithPodInitialBackoffSeconds(cc.ComponentConfig.PodInitialBackoffSeconds),
		kubescheduler.WithPodMaxInUnschedulablePodsDuration(cc.PodMaxInUnschedulablePodsDuration),
		kubescheduler.WithExtenders(cc.ComponentConfig.Extenders...),
		kubescheduler.WithParallelism(cc.ComponentConfig.Parallelism),
		kubescheduler.WithBuildFrameworkCapturer(func(p schedulerconfig.KubeSchedulerProfile) {
			completed = append(completed, p) // With its defaults, for the log.
		}),
	)
	if err != nil {
		return nil, err
	}
	hooks := map[string]*schedulerconfig.Plugins{}
	for name, framework := range s.Profiles {
		hooks[name] = framework.ListPlugins()
	}
	profiles, err := protectingProfiles(hooks, cc.ComponentConfig.Extenders)
	if err != nil {
		return nil, err
	}
	args, err := plugin.GuardArgs(cc.ComponentConfig.Profiles, profiles)
	if err != nil {
		return nil, err
	}
	if err := options.LogOrWriteConfig(klog.FromContext(ctx), o.WriteConfigTo, &cc.ComponentConfig, completed); err != nil {
		return nil, err
	}
	if err := checkServed(cc.KubeConfig); err != nil {
		return nil, err
	}
	return &scheduler{config: &cc, scheduler: s, profiles: profiles, args: args, adopted: adopted}, nil
}

// jsonConfig is the configuration of a client of custom resources, which know no protobuf.
func jsonConfig(c *rest.Config) *rest.Config {
	c = rest.CopyConfig(c)
	c.ContentType, c.AcceptContentTypes = "application/json", "application/json"
	return c
}

var errNotServed = errors.New("the API server serves no tenancies of " + v1alpha1.SchemeGroupVersion.String() +
	": install the custom resource first, with kubectl apply -k manifests/crd")

// checkServed asks once whether the API server has the custom resource. Without it
// the scheduler would wait for its informer for ever, and say nothing.
func checkServed(c *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(c)
	if err != nil {
		return err
	}
	served, err := client.ServerResourcesForGroupVersion(v1alpha1.SchemeGroupVersion.String())
	if apierrors.IsNotFound(err) {
		return errNotServed
	}
	if err != nil {
		return fmt.Errorf("ask the API server at %s for %s: %w", c.Host, v1alpha1.SchemeGroupVersion, err)
	}
	for _, r := range served.APIResources {
		if r.Name == "tenancies" {
			return nil
		}
	}
	return errNotServed
}
