package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	_ "unsafe" // For go:linkname.

	clientv3 "go.etcd.io/etcd/client/v3"
	etcdk8s "go.etcd.io/etcd/client/v3/kubernetes"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/feature"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	_ "k8s.io/apiserver/pkg/storage/storagebackend/factory" // Owns newETCD3Client.
	kubecontroller "k8s.io/kubernetes/pkg/controller"
)

// The package variables of upstream that stand between it and a bubble. A channel
// made outside of a bubble, as by package initialisation, is never waited for
// durably inside of it: one such wait and the clock stands still without a word.

// valCtxCh is waited on by every context of the etcd client.
//
//go:linkname valCtxCh go.etcd.io/etcd/client/v3.valCtxCh
var valCtxCh chan struct{}

// newETCD3Client is how the API server's storage reaches etcd. Upstream has no
// other door for a client that is not a connection.
//
//go:linkname newETCD3Client k8s.io/apiserver/pkg/storage/storagebackend/factory.newETCD3Client
var newETCD3Client func(storagebackend.TransportConfig) (*etcdk8s.Client, error)

func init() {
	// A taint that meets a conflict is tried again after 100 ms, and the node lifecycle
	// controller waits with the lock of its queue held (RateLimitedTimedQueue.Try). If the
	// pass that changes the rate of evictions comes in between it waits for that lock,
	// which does not count as waiting: the pause would never end. Without it the tries are
	// the same, and as many.
	kubecontroller.UpdateTaintBackoff.Duration = 0
}

// adoptGlobals gives the bubble its own channels. The function it returns ends
// everything that waits for wait.NeverStop.
func adoptGlobals() (restore func()) {
	neverStop := make(chan struct{})
	wait.NeverStop = neverStop
	valCtxCh = make(chan struct{})
	// The second handler limits the rate of errors by the time of the last one,
	// first read at package initialisation: with a virtual clock that is behind
	// real time it would sleep for months.
	utilruntime.ErrorHandlers = utilruntime.ErrorHandlers[:1:1]
	return func() { close(neverStop) }
}

// storeAddresses makes each store's address its own: the API server keeps one
// compactor per address in a package variable, and that of an earlier bubble is dead.
var storeAddresses atomic.Int64

// installStore lets the API servers that are built from now on keep their objects
// in the etcd that client speaks to, and returns the address to configure.
func installStore(client func() *clientv3.Client) (address string) {
	claimWatchProgress()
	newETCD3Client = func(storagebackend.TransportConfig) (*etcdk8s.Client, error) {
		c := &etcdk8s.Client{Client: client()}
		c.Kubernetes = c
		return c, nil
	}
	return fmt.Sprintf("http://store-%d.invalid:2379", storeAddresses.Add(1))
}

// claimWatchProgress tells the storage layer that the store can do
// RequestWatchProgress, which it otherwise learns from an etcd's version.
func claimWatchProgress() {
	feature.DefaultFeatureSupportChecker.CheckClient(context.Background(), versionOnly{}, storage.RequestWatchProgress)
}

type versionOnly struct{}

func (versionOnly) Endpoints() []string { return []string{"in process"} }

func (versionOnly) Status(context.Context, string) (*clientv3.StatusResponse, error) {
	return &clientv3.StatusResponse{Version: "3.7.0"}, nil
}
