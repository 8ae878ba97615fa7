package engine

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-dev/holdfast/sim/engine/etcdmem"
	"github.com/holdfast-dev/holdfast/sim/engine/etcdreal"
)

// StoreKind says what a cluster keeps its objects in.
type StoreKind string

const (
	// Memory is etcd's API in memory: the fast one, and the default.
	Memory StoreKind = "memory"
	// Etcd is a real etcd server in the process, with a data directory among the
	// system's temporary files for as long as the cluster runs.
	Etcd StoreKind = "etcd"
)

// StoreKinds is all of them, the default first.
func StoreKinds() []StoreKind { return []StoreKind{Memory, Etcd} }

// Store is an etcd, as far as the engine knows it.
type Store interface {
	// Client returns a new client.
	Client() *clientv3.Client
	// OnCommit lets the function see every change from now on, in total order and at
	// the virtual instant at which it is made. The function must be quick and must not
	// call the store. Only Memory calls it before anybody else can know of the change.
	OnCommit(observe func(etcdmem.Commit))
	// Close returns when nothing of the store is left.
	Close()
}

var (
	_ Store = (*etcdmem.Store)(nil)
	_ Store = (*etcdreal.Store)(nil)
)

// openStore makes an empty store.
func openStore(kind StoreKind) (Store, error) {
	switch kind {
	case Memory, "":
		return etcdmem.New(), nil
	case Etcd:
		return etcdreal.Start(etcdreal.Options{Fail: func(err error) { crashed.record(context.Background(), err) }})
	}
	return nil, fmt.Errorf("unknown store %q", kind)
}
