package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsapiserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/filters"
	"k8s.io/apiserver/pkg/server/options"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/apiserver/pkg/util/openapi"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	basecompatibility "k8s.io/component-base/compatibility"
	aggregatorscheme "k8s.io/kube-aggregator/pkg/apiserver/scheme"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	schedulingapi "k8s.io/kubernetes/pkg/apis/scheduling/v1"
	"k8s.io/kubernetes/pkg/controlplane"
	controlplaneapiserver "k8s.io/kubernetes/pkg/controlplane/apiserver"
	controlplaneadmission "k8s.io/kubernetes/pkg/controlplane/apiserver/admission"
	"k8s.io/kubernetes/pkg/controlplane/reconcilers"
	generatedopenapi "k8s.io/kubernetes/pkg/generated/openapi"
	"k8s.io/kubernetes/pkg/kubeapiserver"
	kubeapiserveradmission "k8s.io/kubernetes/pkg/kubeapiserver/admission"
	kubeoptions "k8s.io/kubernetes/pkg/kubeapiserver/options"
	kubeletclient "k8s.io/kubernetes/pkg/kubelet/client"

	"github.com/holdfast-dev/holdfast/sim/engine/inproc"
	"github.com/holdfast-dev/holdfast/sim/replay"
)

// host is the name under which clients reach the API server: it is never resolved.
const host = "http://apiserver.invalid"

// storePrefix begins all keys of the store.
const storePrefix = "/registry"

const (
	protobuf = runtime.ContentTypeProtobuf
	json     = runtime.ContentTypeJSON
)

// idleHooks are the API server's post-start hooks that need a network, write
// objects that nobody in the engine reads, or only serve several API servers. The
// producer of flow control's configuration must not run: it creates what its cache
// does not have without a pause between tries (pkg/registry/flowcontrol/ensurer/
// strategy.go, EnsureConfiguration), and while it spins no virtual time passes in
// which the cache could catch up.
var idleHooks = []string{
	"bootstrap-controller",
	"peer-endpoint-reconciler-controller",
	"priority-and-fairness-config-producer",
	"rbac/bootstrap-roles",
	"start-cluster-authentication-info-controller",
	"start-kube-apiserver-coordinated-leader-election-controller",
	"start-kube-apiserver-identity-lease-controller",
	"start-kube-apiserver-identity-lease-garbage-collector",
	"start-legacy-token-tracking-controller",
}

// idlePlugins are admission plugins that need what the engine does not have:
// service account tokens, webhooks over a network, node credentials. Policies are
// left out because they make runs differ in the order of one instant, and no
// scenario needs them: Bind sets the finalizer.
var idlePlugins = []string{
	"MutatingAdmissionPolicy",
	"MutatingAdmissionWebhook",
	"NodeRestriction",
	"PodSecurity",
	"ServiceAccount",
	"ValidatingAdmissionPolicy",
	"ValidatingAdmissionWebhook",
}

// APIServer is a running kube-apiserver with its store.
type APIServer struct {
	// Store is its etcd.
	Store Store
	// Transport carries all requests to it.
	Transport *inproc.Transport
	// kubelets answer for the node proxy; nil: nobody does.
	kubelets atomic.Pointer[func(node string) http.Handler]
}

// RESTConfig is the configuration of a client. The user agent is also the user's
// name and, up to its first slash, the manager of the fields that it writes.
func (a *APIServer) RESTConfig(userAgent string) *rest.Config {
	return &rest.Config{
		Host: host, Transport: a.Transport, QPS: -1, UserAgent: userAgent,
		ContentConfig: rest.ContentConfig{ContentType: protobuf, AcceptContentTypes: protobuf + "," + json},
	}
}

// JSONConfig is RESTConfig for custom resources, which know no protobuf.
func (a *APIServer) JSONConfig(userAgent string) *rest.Config {
	c := a.RESTConfig(userAgent)
	c.ContentConfig = rest.ContentConfig{ContentType: json, AcceptContentTypes: json}
	return c
}

// StartAPIServer starts a kube-apiserver over an empty store in memory and returns
// once it serves. It ends with ctx. It must be called in virtual time.
func StartAPIServer(ctx context.Context) (*APIServer, error) {
	return startAPIServer(ctx, Memory)
}

func startAPIServer(ctx context.Context, kind StoreKind) (*APIServer, error) {
	store, err := openStore(kind)
	if err != nil {
		return nil, err
	}
	a := &APIServer{Store: store, Transport: &inproc.Transport{}}
	server, handler, err := a.build(ctx)
	if err != nil {
		store.Close()
		return nil, err
	}
	server.PrepareRun()
	context.AfterFunc(ctx, func() {
		// Its caches end only by this. Before the store: they would try to reach it.
		server.Destroy()
		store.Close()
	})
	a.Transport.Serve(a.withKubelets(handler))
	server.RunPostStartHooks(ctx)
	if err := a.waitUntilFurnished(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

// build makes the server of Kubernetes' own resources, and the handler that serves
// these and custom resources.
func (a *APIServer) build(ctx context.Context) (*genericapiserver.GenericAPIServer, http.Handler, error) {
	storage := storageOptions(installStore(a.Store.Client))
	config, err := genericConfig(ctx, a.Transport, storage)
	if err != nil {
		return nil, nil, err
	}
	extensions, err := newExtensions(*config.ControlPlane.Generic, *storage, config.ControlPlane.VersionedInformers)
	if err != nil {
		return nil, nil, fmt.Errorf("custom resources: %w", err)
	}
	instance, err := config.Complete().New(extensions.GenericAPIServer)
	if err != nil {
		return nil, nil, fmt.Errorf("control plane: %w", err)
	}
	server := instance.ControlPlane.GenericAPIServer
	return server, server.Handler, nil
}

// waitUntilFurnished returns once the API server has made its own namespaces and
// priority classes, which it does in the background after it has begun to serve. A
// run that ends before would leave it without a store in the middle of that, for
// which it ends the process.
func (a *APIServer) waitUntilFurnished(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(a.RESTConfig("engine"))
	if err != nil {
		return err
	}
	furniture := map[string]func(ctx context.Context) error{}
	for _, name := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem, corev1.NamespaceNodeLease} {
		furniture["namespace "+name] = func(ctx context.Context) error {
			_, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
			return err
		}
	}
	for _, class := range schedulingapi.SystemPriorityClasses() {
		furniture["priority class "+class.Name] = func(ctx context.Context) error {
			_, err := client.SchedulingV1().PriorityClasses().Get(ctx, class.Name, metav1.GetOptions{})
			return err
		}
	}
	for what, get := range furniture {
		err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			return get(ctx) == nil, nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

func storageOptions(address string) *options.EtcdOptions {
	o := options.NewEtcdOptions(storagebackend.NewDefaultConfig(storePrefix, nil))
	o.StorageConfig.Transport.ServerList = []string{address}
	o.StorageConfig.CompactionInterval = 5 * time.Minute // kube-apiserver's default
	o.StorageConfig.CountMetricPollPeriod = 0
	o.StorageConfig.DBMetricPollInterval = 0
	o.DefaultStorageMediaType = protobuf
	// What is read from a watch cache depends on how far its goroutines are.
	o.EnableWatchCache = !replay.Promised
	o.SkipHealthEndpoints = true
	return o
}

// genericConfig is what cmd/kube-apiserver's CreateKubeAPIServerConfig makes of
// its flags (k8s.io/kubernetes cmd/kube-apiserver/app/server.go), without those
// that concern sockets, certificates and credentials.
func genericConfig(ctx context.Context, transport *inproc.Transport, storage *options.EtcdOptions) (*controlplane.Config, error) {
	c := genericapiserver.NewConfig(legacyscheme.Codecs)
	resources := controlplane.DefaultAPIResourceConfigSource()
	c.MergedResourceConfig = resources
	c.AggregatedDiscoveryGroupManager = aggregated.NewResourceManager("apis") // Shared with custom resources.
	c.EffectiveVersion = compatibility.DefaultComponentGlobalsRegistry.EffectiveVersionFor(basecompatibility.DefaultKubeComponent)
	c.PublicAddress = net.IPv4(10, 1, 1, 1)
	c.SecureServing = &genericapiserver.SecureServingInfo{Listener: noListener{}}
	c.LoopbackClientConfig = &rest.Config{
		Host: host, Transport: transport, QPS: -1,
		ContentConfig: rest.ContentConfig{ContentType: protobuf},
	}
	c.FlowControl = nil // Requests are served in the caller's goroutine: there is no queue to be fair in.
	c.MaxRequestsInFlight, c.MaxMutatingRequestsInFlight = 0, 0
	c.EnableProfiling, c.EnableMetrics = false, false
	c.DisabledPostStartHooks.Insert(idleHooks...)
	c.LongRunningFunc = filters.BasicLongRunningRequestCheck(
		sets.NewString("watch", "proxy"), sets.NewString("attach", "exec", "proxy", "log", "portforward"))
	c.Authentication.Authenticator = authenticator.RequestFunc(authenticateByUserAgent)
	c.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
	c.RuleResolver = authorizerfactory.NewAlwaysAllowAuthorizer()

	definitions := openapi.GetOpenAPIDefinitionsWithoutDisabledFeatures(generatedopenapi.GetOpenAPIDefinitions)
	namer := openapinamer.NewDefinitionNamer(legacyscheme.Scheme, apiextensionsapiserver.Scheme, aggregatorscheme.Scheme)
	c.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	c.OpenAPIConfig.Info.Title = "Kubernetes"
	c.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	c.OpenAPIV3Config.Info.Title = "Kubernetes"
	// Fields are managed by these definitions. The documents for /openapi, a third of
	// the work of the whole start, are left out: nobody in the engine asks for them.
	c.SkipOpenAPIInstallation = true

	factoryConfig := kubeapiserver.NewStorageFactoryConfigEffectiveVersion(c.EffectiveVersion)
	factoryConfig.APIResourceConfig = resources
	factory, err := factoryConfig.Complete(storage).New()
	if err != nil {
		return nil, fmt.Errorf("storage factory: %w", err)
	}
	factory.StorageConfig.StorageObjectCountTracker = c.StorageObjectCountTracker
	if err := storage.ApplyWithStorageFactoryTo(factory, c); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}

	client, err := kubernetes.NewForConfig(c.LoopbackClientConfig)
	if err != nil {
		return nil, err
	}
	shared := informers.NewSharedInformerFactory(client, 10*time.Minute)
	if err := applyAdmission(ctx, c, resources, client, shared); err != nil {
		return nil, fmt.Errorf("admission: %w", err)
	}

	_, services, err := net.ParseCIDR("10.0.0.0/16")
	if err != nil {
		return nil, err
	}
	return &controlplane.Config{
		ControlPlane: controlplaneapiserver.Config{
			Generic: c,
			Extra: controlplaneapiserver.Extra{
				APIResourceConfigSource: factory.APIResourceConfigSource,
				StorageFactory:          factory,
				EventTTL:                time.Hour,
				ProxyTransport:          &http.Transport{},
				VersionedInformers:      shared,
				SystemNamespaces:        []string{"default", "kube-node-lease", "kube-public", "kube-system"},
			},
		},
		Extra: controlplane.Extra{
			KubeletClientConfig:    kubeletclient.KubeletClientConfig{Port: 10250, PreferredAddressTypes: []string{"InternalIP"}},
			ServiceIPRange:         *services,
			APIServerServiceIP:     net.IPv4(10, 0, 0, 1),
			APIServerServicePort:   443,
			ServiceNodePortRange:   utilnet.PortRange{Base: 30000, Size: 2768},
			EndpointReconcilerType: reconcilers.NoneEndpointReconcilerType,
			MasterCount:            1,
		},
	}, nil
}

func applyAdmission(ctx context.Context, c *genericapiserver.Config, resources serverstorage.APIResourceConfigSource, client kubernetes.Interface, shared informers.SharedInformerFactory) error {
	dyn, err := dynamic.NewForConfig(c.LoopbackClientConfig)
	if err != nil {
		return err
	}
	kube, err := (&kubeapiserveradmission.Config{}).New()
	if err != nil {
		return err
	}
	generic, err := (&controlplaneadmission.Config{
		ExternalInformers: shared, LoopbackClientConfig: c.LoopbackClientConfig, APIResourceConfig: resources,
	}).New(&http.Transport{}, nil, nil, c.TracerProvider)
	if err != nil {
		return err
	}
	// Before those of kube-apiserver, one of which starts what is to end.
	initializers := slices.Concat([]admission.PluginInitializer{drained(ctx.Done())}, generic, kube)
	plugins := kubeoptions.NewAdmissionOptions()
	plugins.GenericAdmission.DisablePlugins = idlePlugins
	if err := plugins.ApplyTo(c, shared, client, dyn, utilfeature.DefaultFeatureGate, c.EffectiveVersion, initializers...); err != nil {
		return err
	}
	c.AdmissionControl = &eventNames{next: c.AdmissionControl, given: map[string]int{}}
	return nil
}

// drained tells admission plugins when to end, which otherwise they learn only from
// a server that listens: ResourceQuota would keep its workers, and they the whole
// API server.
type drained <-chan struct{}

// Initialize implements admission.PluginInitializer.
func (d drained) Initialize(plugin admission.Interface) {
	if wants, ok := plugin.(initializer.WantsDrainedNotification); ok {
		wants.SetDrainedNotification(d)
	}
}

// authenticateByUserAgent believes every client: there is no network over which a
// stranger could come. The name is the component's, for audit and managed fields.
func authenticateByUserAgent(r *http.Request) (*authenticator.Response, bool, error) {
	name := r.UserAgent()
	if name == "" {
		name = user.APIServerUser
	}
	return &authenticator.Response{User: &user.DefaultInfo{
		Name: name, Groups: []string{user.SystemPrivilegedGroup, user.AllAuthenticated},
	}}, true, nil
}

// noListener stands for the socket that there is none of.
type noListener struct{}

func (noListener) Accept() (net.Conn, error) {
	return nil, errors.New("the engine listens on no socket")
}
func (noListener) Close() error   { return nil }
func (noListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6443} }
