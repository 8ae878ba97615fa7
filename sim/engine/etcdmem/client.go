package etcdmem

import (
	"context"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// serverVersion is the etcd release whose behaviour the store keeps.
const serverVersion = "3.7.0"

// keepAliveFirst is how long a client waits for the first answer to KeepAlive.
const keepAliveFirst = 5 * time.Second

// Client returns a new client of the store. It needs no connection and has no
// endpoints; closing it ends its watches and keep-alives, not the store.
func (s *Store) Client() *clientv3.Client {
	c := clientv3.NewCtxClient(context.Background())
	watcher := &watcher{store: s, stop: make(chan struct{})}
	watcher.onClose = func() { s.dropClient(c) }
	c.KV = clientv3.NewKVFromKVClient(kvClient{s}, c)
	c.Watcher = watcher
	c.Lease = clientv3.NewLeaseFromLeaseClient(leaseClient{s}, c, keepAliveFirst)
	c.Maintenance = clientv3.NewMaintenanceFromMaintenanceClient(
		maintenanceClient{pb.NewMaintenanceClient(noServer{}), s}, c)
	c.Cluster = clientv3.NewClusterFromClusterClient(pb.NewClusterClient(noServer{}), c)
	c.Auth = clientv3.NewAuthFromAuthClient(pb.NewAuthClient(noServer{}), c)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		watcher.shut()
	} else {
		s.clients = append(s.clients, c)
	}
	return c
}

func (s *Store) dropClient(c *clientv3.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.clients, c); i >= 0 {
		s.clients = slices.Delete(s.clients, i, i+1)
	}
}

// maintenanceClient answers Status, by which the API server learns the version and
// the size of the database; the rest of the service is not there.
type maintenanceClient struct {
	pb.MaintenanceClient
	store *Store
}

func (c maintenanceClient) Status(ctx context.Context, _ *pb.StatusRequest, _ ...grpc.CallOption) (*pb.StatusResponse, error) {
	leave, err := c.store.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return &pb.StatusResponse{
		Header:      c.store.header(),
		Version:     serverVersion,
		DbSize:      c.store.history.bytes,
		DbSizeInUse: c.store.history.bytes,
		DbSizeQuota: c.store.limits.spaceBytes,
	}, nil
}

// noServer is the connection of the services that the store does not have.
type noServer struct{}

func (noServer) Invoke(_ context.Context, method string, _, _ any, _ ...grpc.CallOption) error {
	return unimplemented(method)
}

func (noServer) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, unimplemented(method)
}

func unimplemented(what string) error {
	return status.Errorf(codes.Unimplemented, "etcdmem: %s is not implemented", what)
}
