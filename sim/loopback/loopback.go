// Package loopback starts, for tests, what a cluster's programs meet: a
// kube-apiserver as its own program runs it, on a socket of loopback, with RBAC and
// policies, over an etcd of its own. It runs in real time; the simulator's is
// sim/engine.
package loopback

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/keyutil"
	aggregatorapiserver "k8s.io/kube-aggregator/pkg/apiserver"
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kubeapiserveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"k8s.io/kubernetes/pkg/controller/job"
	"k8s.io/kubernetes/pkg/controller/statefulset"
)

const (
	// Limit is how long a condition is waited for: far beyond what it takes, for a
	// machine that has other things to do.
	Limit = 3 * time.Minute
	pause = 100 * time.Millisecond
)

// Until waits until check returns nil.
func Until(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(pause):
		}
	}
}

// StartEtcd starts an etcd on loopback and returns its address.
func StartEtcd(t *testing.T) string {
	t.Helper()
	anywhere := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c := embed.NewConfig()
	c.Dir = t.TempDir()
	c.ListenClientUrls, c.AdvertiseClientUrls = anywhere, anywhere
	c.ListenPeerUrls, c.AdvertisePeerUrls = anywhere, anywhere
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.UnsafeNoFsync = true // Nobody reads it after a crash.
	c.LogLevel = "fatal"
	e, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	select {
	case <-e.Server.ReadyNotify():
	case err := <-e.Err():
		t.Fatalf("etcd: %v", err)
	case <-time.After(Limit):
		t.Fatal("etcd is not ready")
	}
	return "http://" + e.Clients[0].Addr().String()
}

// APIServer is a kube-apiserver as its own program runs it: TLS on loopback, RBAC,
// all admission plugins of the default.
type APIServer struct {
	// Admin may do everything.
	Admin *rest.Config
	// Address and CA are what a kubeconfig of the outside names.
	Address, CA string
}

// StartAPIServer starts one over an etcd. What a test wants otherwise it changes in
// the options.
func StartAPIServer(t *testing.T, etcd string, changes ...func(*kubeapiserveroptions.ServerRunOptions)) *APIServer {
	t.Helper()
	folder := t.TempDir()
	key := filepath.Join(folder, "accounts.key")
	pem, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err == nil {
		err = os.WriteFile(key, pem, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	o := kubeapiserveroptions.NewServerRunOptions()
	o.SecureServing.Listener = listener
	o.SecureServing.BindPort = listener.Addr().(*net.TCPAddr).Port
	o.SecureServing.ExternalAddress = net.IPv4(127, 0, 0, 1)
	o.SecureServing.ServerCert.CertDirectory = folder
	o.Etcd.StorageConfig.Transport.ServerList = []string{etcd}
	o.EndpointReconcilerType = "none" // It refuses loopback, and nobody reaches the server by its service.
	o.ServiceClusterIPRanges = "10.0.0.0/24"
	o.Authorization.Modes = []string{"RBAC"}
	o.Authentication.ServiceAccounts.Issuers = []string{"https://kubernetes.default.svc"}
	o.Authentication.ServiceAccounts.KeyFiles = []string{key}
	o.ServiceAccountSigningKeyFile = key
	for _, change := range changes {
		change(o)
	}
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(context.Background())
	server, err := newAPIServer(ctx, o)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		prepared, err := server.PrepareRun()
		if err == nil {
			err = prepared.Run(ctx)
		}
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("kube-apiserver: %v", err)
		}
	})

	a := &APIServer{
		Admin:   rest.CopyConfig(server.GenericAPIServer.LoopbackClientConfig),
		Address: "https://" + listener.Addr().String(),
		CA:      filepath.Join(folder, "apiserver.crt"),
	}
	a.Admin.QPS = -1
	client := kubernetes.NewForConfigOrDie(a.Admin)
	Until(t, "kube-apiserver is ready", func(ctx context.Context) error {
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
	return a
}

// newAPIServer is kube-apiserver's Run up to the server's start.
func newAPIServer(ctx context.Context, o *kubeapiserveroptions.ServerRunOptions) (*aggregatorapiserver.APIAggregator, error) {
	completed, err := o.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	config, err := kubeapiserver.NewConfig(completed)
	if err != nil {
		return nil, err
	}
	complete, err := config.Complete()
	if err != nil {
		return nil, err
	}
	return kubeapiserver.CreateServerChain(complete)
}

// As is the configuration of a client that acts as a user, under a user agent: its
// first part is the manager of the fields that it writes.
func (a *APIServer) As(user, agent string) *rest.Config {
	c := rest.CopyConfig(a.Admin)
	c.UserAgent = agent
	if user != "" {
		c.Impersonate = rest.ImpersonationConfig{UserName: user}
	}
	return c
}

// StartStatefulSetController starts the real one.
func StartStatefulSetController(t *testing.T, a *APIServer) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	client := kubernetes.NewForConfigOrDie(a.As("", "statefulset-controller"))
	shared := informers.NewSharedInformerFactory(client, 0)
	core, apps := shared.Core().V1(), shared.Apps().V1()
	x := statefulset.NewStatefulSetController(ctx, core.Pods(), apps.StatefulSets(), core.PersistentVolumeClaims(), apps.ControllerRevisions(), client)
	runUntilTheEnd(t, ctx, stop, shared, x.Run)
}

// StartJobController starts the real one.
func StartJobController(t *testing.T, a *APIServer) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	client := kubernetes.NewForConfigOrDie(a.As("", "job-controller"))
	shared := informers.NewSharedInformerFactory(client, 0)
	// Workloads and pod groups are behind a gate that is off.
	x, err := job.NewController(ctx, client, shared.Core().V1().Pods(), shared.Batch().V1().Jobs(), nil, nil)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	runUntilTheEnd(t, ctx, stop, shared, x.Run)
}

// runUntilTheEnd runs a controller, over its informers, until the test is over.
func runUntilTheEnd(t *testing.T, ctx context.Context, stop context.CancelFunc, shared informers.SharedInformerFactory, run func(context.Context, int)) {
	shared.Start(ctx.Done())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx, 2)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		shared.Shutdown()
	})
}
