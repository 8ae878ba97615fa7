package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/disruption"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/nodelifecycle"
	"k8s.io/kubernetes/pkg/controller/podgc"
	"k8s.io/kubernetes/pkg/controller/statefulset"
	"k8s.io/kubernetes/pkg/controller/tainteviction"
	"k8s.io/kubernetes/pkg/controller/volume/attachdetach"
	"k8s.io/kubernetes/pkg/controller/volume/persistentvolume"
	"k8s.io/kubernetes/pkg/controller/volume/pvcprotection"
	"k8s.io/kubernetes/pkg/controller/volume/pvprotection"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/csi"
	"k8s.io/kubernetes/plugin/pkg/admission/defaulttolerationseconds"
	"k8s.io/utils/ptr"
)

// Timers are the times of upstream's controllers that decide what a silent node
// leads to. The zero value of each means upstream's default.
type Timers struct {
	// NodeMonitorGracePeriod is how long a node may be silent before it counts as
	// not ready; 50 s (nodelifecycle/config/v1alpha1/defaults.go:40).
	NodeMonitorGracePeriod time.Duration
	// TolerationSeconds is how long a pod stays on a node that is unreachable or
	// not ready; nil means 300 (admission plugin DefaultTolerationSeconds).
	TolerationSeconds *int64
	// ForceDetach is after how long a volume is detached from an unhealthy node
	// although it may be mounted there; 6 min (attach_detach_controller.go:91).
	ForceDetach time.Duration
	// PodGCQuarantine is how long a node must be gone before its pods are removed;
	// 40 s (podgc/gc_controller.go:48).
	PodGCQuarantine time.Duration
}

// The defaults of kube-controller-manager's flags, as far as the engine passes them.
const (
	nodeMonitorPeriod      = 5 * time.Second
	nodeStartupGracePeriod = 60 * time.Second
	nodeMonitorGracePeriod = 50 * time.Second
	nodeEvictionRate       = 0.1
	nodeEvictionRateSlow   = 0.01
	largeClusterNodes      = 50
	unhealthyZoneThreshold = 0.55

	podGCPeriod              = 20 * time.Second
	podGCQuarantine          = 40 * time.Second
	terminatedPodGCThreshold = 12500

	claimBinderSync   = 15 * time.Second
	attachDetachSync  = time.Minute
	endpointsPerSlice = 100
	gcSync            = 30 * time.Second
	namespaceSync     = 5 * time.Minute
	resync            = 12 * time.Hour
	workers           = 5
)

func (t Timers) withDefaults() Timers {
	orDefault(&t.NodeMonitorGracePeriod, nodeMonitorGracePeriod)
	orDefault(&t.TolerationSeconds, ptr.To[int64](300))
	orDefault(&t.ForceDetach, attachdetach.DefaultTimerConfig.ReconcilerMaxWaitForUnmountDuration)
	orDefault(&t.PodGCQuarantine, podGCQuarantine)
	return t
}

func orDefault[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}

// setTolerationSeconds configures the admission plugin DefaultTolerationSeconds,
// whose only door is its flags. Call it before the API server is built.
func setTolerationSeconds(seconds int64) error {
	flags := pflag.NewFlagSet("admission", pflag.ContinueOnError)
	defaulttolerationseconds.RegisterFlags(flags)
	for _, name := range []string{"default-not-ready-toleration-seconds", "default-unreachable-toleration-seconds"} {
		if err := flags.Set(name, fmt.Sprint(seconds)); err != nil {
			return fmt.Errorf("admission flag %s: %w", name, err)
		}
	}
	return nil
}

// controllerContext is what the controllers share, as in kube-controller-manager.
type controllerContext struct {
	api    *APIServer
	timers Timers
	shared informers.SharedInformerFactory
	// mapper knows the custom resources too; it forgets what it knows every gcSync.
	mapper *restmapper.DeferredDiscoveryRESTMapper
	// graph also has informers by metadata alone, for the garbage collector.
	graph informerfactory.InformerFactory
	// started is closed once the informers run.
	started chan struct{}
}

func (c *controllerContext) client(name string) kubernetes.Interface {
	return kubernetes.NewForConfigOrDie(c.api.RESTConfig(name))
}

// controller is one of kube-controller-manager's: build wires its informers and
// returns the function that runs it until the context ends.
type controller struct {
	name  string
	build func(ctx context.Context, c *controllerContext, name string) (run func(context.Context), err error)
}

// controllers are those that a StatefulSet's life depends on, under the names of
// their clients upstream (cmd/kube-controller-manager/names).
var controllers = []controller{
	{"statefulset-controller", newStatefulSet},
	{"node-controller", newNodeLifecycle},
	{"taint-eviction-controller", newTaintEviction},
	{"pod-garbage-collector", newPodGC},
	{"attachdetach-controller", newAttachDetach},
	{"persistent-volume-binder", newVolumeBinder},
	{"pvc-protection-controller", newClaimProtection},
	{"pv-protection-controller", newVolumeProtection},
	{"endpointslice-controller", newEndpointSlice},
	{"disruption-controller", newDisruption},
	{"generic-garbage-collector", newGarbageCollector},
	{"namespace-controller", newNamespaces},
}

// startControllers starts all controllers, and those that objects of these kinds need, and
// returns when their informers have synced.
func startControllers(ctx context.Context, api *APIServer, timers Timers, kinds []string) error {
	c := &controllerContext{api: api, timers: timers, started: make(chan struct{})}
	c.shared = informers.NewSharedInformerFactory(c.client("shared-informers"), resync)
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.client("controller-discovery").Discovery()))
	byMetadata, err := metadata.NewForConfig(api.RESTConfig("metadata-informers"))
	if err != nil {
		return err
	}
	c.graph = informerfactory.NewInformerFactory(c.shared, metadatainformer.NewSharedInformerFactory(byMetadata, resync))

	all := controllersFor(kinds)
	runs := make([]func(context.Context), 0, len(all))
	for _, x := range all {
		run, err := x.build(ctx, c, x.name)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		runs = append(runs, run)
	}
	c.graph.Start(ctx.Done())
	close(c.started)
	c.shared.WaitForCacheSync(ctx.Done())
	go wait.Until(c.mapper.Reset, gcSync, ctx.Done())
	for _, run := range runs {
		go run(ctx)
	}
	return nil
}

func newStatefulSet(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	core, apps := c.shared.Core().V1(), c.shared.Apps().V1()
	x := statefulset.NewStatefulSetController(ctx, core.Pods(), apps.StatefulSets(), core.PersistentVolumeClaims(), apps.ControllerRevisions(), c.client(name))
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

func newNodeLifecycle(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	core := c.shared.Core().V1()
	x, err := nodelifecycle.NewNodeLifecycleController(ctx, c.shared.Coordination().V1().Leases(), core.Pods(), core.Nodes(), c.shared.Apps().V1().DaemonSets(), c.client(name),
		nodeMonitorPeriod, nodeStartupGracePeriod, c.timers.NodeMonitorGracePeriod, nodeEvictionRate, nodeEvictionRateSlow, largeClusterNodes, unhealthyZoneThreshold)
	if err != nil {
		return nil, err
	}
	return x.Run, nil
}

func newTaintEviction(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	x, err := tainteviction.New(ctx, c.client(name), c.shared.Core().V1().Pods(), c.shared.Core().V1().Nodes(), name)
	if err != nil {
		return nil, err
	}
	return x.Run, nil
}

func newPodGC(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	core := c.shared.Core().V1()
	x := podgc.NewPodGCInternal(ctx, c.client(name), core.Pods(), core.Nodes(), terminatedPodGCThreshold, podGCPeriod, c.timers.PodGCQuarantine)
	return x.Run, nil
}

func newAttachDetach(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	core, storage := c.shared.Core().V1(), c.shared.Storage().V1()
	timers := attachdetach.DefaultTimerConfig
	timers.ReconcilerMaxWaitForUnmountDuration = c.timers.ForceDetach
	x, err := attachdetach.NewAttachDetachController(ctx, c.client(name), core.Pods(), core.Nodes(), core.PersistentVolumeClaims(), core.PersistentVolumes(),
		storage.CSINodes(), storage.CSIDrivers(), storage.VolumeAttachments(), csi.ProbeVolumePlugins(), noFlexVolumes{}, false, attachDetachSync, false, timers)
	if err != nil {
		return nil, err
	}
	return x.Run, nil
}

func newVolumeBinder(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	core := c.shared.Core().V1()
	x, err := persistentvolume.NewController(ctx, persistentvolume.ControllerParameters{
		KubeClient: c.client(name), SyncPeriod: claimBinderSync, EnableDynamicProvisioning: true,
		VolumeInformer: core.PersistentVolumes(), ClaimInformer: core.PersistentVolumeClaims(),
		ClassInformer: c.shared.Storage().V1().StorageClasses(), PodInformer: core.Pods(), NodeInformer: core.Nodes(),
	})
	if err != nil {
		return nil, err
	}
	return x.Run, nil
}

func newClaimProtection(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	core := c.shared.Core().V1()
	x, err := pvcprotection.NewPVCProtectionController(klog.FromContext(ctx), core.PersistentVolumeClaims(), core.Pods(), c.client(name))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

func newVolumeProtection(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	x, err := pvprotection.NewPVProtectionController(klog.FromContext(ctx), c.shared.Core().V1().PersistentVolumes(), c.client(name))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

func newEndpointSlice(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	core := c.shared.Core().V1()
	x := endpointslice.NewController(ctx, core.Pods(), core.Services(), core.Nodes(), c.shared.Discovery().V1().EndpointSlices(), endpointsPerSlice, c.client(name), 0)
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

func newDisruption(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	client := c.client(name)
	scales, err := scale.NewForConfig(c.api.RESTConfig(name), c.mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(client.Discovery()))
	if err != nil {
		return nil, err
	}
	core, apps := c.shared.Core().V1(), c.shared.Apps().V1()
	x := disruption.NewDisruptionController(ctx, core.Pods(), c.shared.Policy().V1().PodDisruptionBudgets(), core.ReplicationControllers(),
		apps.ReplicaSets(), apps.Deployments(), apps.StatefulSets(), client, c.mapper, scales, client.Discovery())
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

func newGarbageCollector(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	byMetadata, err := metadata.NewForConfig(c.api.RESTConfig(name))
	if err != nil {
		return nil, err
	}
	client := c.client(name)
	x, err := garbagecollector.NewGarbageCollector(ctx, client, byMetadata, c.mapper, garbagecollector.DefaultIgnoredResources(), c.graph, c.started)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		go x.Sync(ctx, client.Discovery(), gcSync)
		x.Run(ctx, workers, gcSync)
	}, nil
}

func newNamespaces(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	byMetadata, err := metadata.NewForConfig(c.api.RESTConfig(name))
	if err != nil {
		return nil, err
	}
	client := c.client(name)
	x := namespace.NewNamespaceController(ctx, client, byMetadata, client.Discovery().ServerPreferredNamespacedResources, c.shared.Core().V1().Namespaces(), namespaceSync, corev1.FinalizerKubernetes)
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

// noFlexVolumes finds none: flexvolume drivers are files on a host.
type noFlexVolumes struct{}

func (noFlexVolumes) Init() error                         { return nil }
func (noFlexVolumes) Probe() ([]volume.ProbeEvent, error) { return nil, nil }
