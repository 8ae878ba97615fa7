package etcdmem

import (
	"cmp"
	"context"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// lease holds keys that end with it.
type lease struct {
	id         int64
	ttlSeconds int64
	ends       time.Time
	keys       map[string]struct{}
}

func (l *lease) ttl() time.Duration { return time.Duration(l.ttlSeconds) * time.Second }

func (l *lease) sortedKeys() []string {
	keys := make([]string, 0, len(l.keys))
	for k := range l.keys {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// leases is those alive. IDs are counted, not drawn, so that a run can be repeated.
type leases struct {
	byID   map[int64]*lease
	lastID int64
}

func newLeases() leases { return leases{byID: map[int64]*lease{}} }

func (ls *leases) alive(id int64) bool { return ls.byID[id] != nil }

// attach binds a key to a lease that is alive; 0 is no lease.
func (ls *leases) attach(id int64, key string) {
	if l := ls.byID[id]; l != nil {
		l.keys[key] = struct{}{}
	}
}

func (ls *leases) detach(id int64, key string) {
	if l := ls.byID[id]; l != nil {
		delete(l.keys, key)
	}
}

// nextID is an ID that no lease has.
func (ls *leases) nextID() int64 {
	ls.lastID++
	for ls.alive(ls.lastID) {
		ls.lastID++
	}
	return ls.lastID
}

// byEnd is the leases in the order in which they end.
func (ls *leases) byEnd() []*lease {
	all := make([]*lease, 0, len(ls.byID))
	for _, l := range ls.byID {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *lease) int {
		return cmp.Or(a.ends.Compare(b.ends), cmp.Compare(a.id, b.id))
	})
	return all
}

// revoke ends a lease and deletes its keys, all in one revision.
func (s *Store) revoke(l *lease) {
	keys := l.sortedKeys()
	delete(s.leases.byID, l.id)
	for _, k := range keys {
		s.remove(rangeOf(k, ""))
	}
	s.commit()
}

// revokeEnded ends the leases whose time is over and waits for the next one.
func (s *Store) revokeEnded() {
	now := time.Now()
	for _, l := range s.leases.byEnd() {
		if now.Before(l.ends) {
			s.wakeAt(l.ends)
			return
		}
		s.revoke(l)
	}
}

// wakeAt sees to it that revokeEnded runs at that time or before. There is one timer
// for all leases: timers of their own, due at one instant, would fire in any order.
func (s *Store) wakeAt(at time.Time) {
	now := time.Now()
	waiting := s.expiry != nil && s.expiryAt.After(now)
	if waiting && !at.Before(s.expiryAt) {
		return
	}
	s.expiryAt = at
	if s.expiry != nil {
		s.expiry.Reset(at.Sub(now))
		return
	}
	s.expiry = time.AfterFunc(at.Sub(now), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed {
			s.revokeEnded()
		}
	})
}

// leaseClient is etcd's Lease service, called directly.
type leaseClient struct{ store *Store }

var _ pb.LeaseClient = leaseClient{}

// LeaseGrant implements pb.LeaseClient.
func (c leaseClient) LeaseGrant(ctx context.Context, r *pb.LeaseGrantRequest, _ ...grpc.CallOption) (*pb.LeaseGrantResponse, error) {
	leave, err := c.store.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s := c.store
	switch {
	case r.TTL > leaseTTLMaxSeconds:
		return nil, rpctypes.ErrGRPCLeaseTTLTooLarge
	case s.leases.alive(r.ID):
		return nil, rpctypes.ErrGRPCLeaseExist
	case len(s.leases.byID) >= s.limits.leases:
		return nil, status.Errorf(codes.ResourceExhausted, "etcdmem: more than %d leases", s.limits.leases)
	}
	l := &lease{id: r.ID, ttlSeconds: max(r.TTL, leaseTTLMinSeconds), keys: map[string]struct{}{}}
	if l.id == 0 {
		l.id = s.leases.nextID()
	}
	l.ends = time.Now().Add(l.ttl())
	s.leases.byID[l.id] = l
	s.wakeAt(l.ends)
	return &pb.LeaseGrantResponse{Header: s.header(), ID: l.id, TTL: l.ttlSeconds}, nil
}

// LeaseRevoke implements pb.LeaseClient.
func (c leaseClient) LeaseRevoke(ctx context.Context, r *pb.LeaseRevokeRequest, _ ...grpc.CallOption) (*pb.LeaseRevokeResponse, error) {
	leave, err := c.store.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	l := c.store.leases.byID[r.ID]
	if l == nil {
		return nil, rpctypes.ErrGRPCLeaseNotFound
	}
	c.store.revoke(l)
	return &pb.LeaseRevokeResponse{Header: c.store.header()}, nil
}

// LeaseTimeToLive implements pb.LeaseClient.
func (c leaseClient) LeaseTimeToLive(ctx context.Context, r *pb.LeaseTimeToLiveRequest, _ ...grpc.CallOption) (*pb.LeaseTimeToLiveResponse, error) {
	leave, err := c.store.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	resp := &pb.LeaseTimeToLiveResponse{Header: c.store.header(), ID: r.ID, TTL: -1}
	l := c.store.leases.byID[r.ID]
	if l == nil {
		return resp, nil
	}
	resp.TTL, resp.GrantedTTL = int64(time.Until(l.ends).Seconds()), l.ttlSeconds
	if r.Keys {
		for _, k := range l.sortedKeys() {
			resp.Keys = append(resp.Keys, []byte(k))
		}
	}
	return resp, nil
}

// LeaseLeases implements pb.LeaseClient.
func (c leaseClient) LeaseLeases(ctx context.Context, _ *pb.LeaseLeasesRequest, _ ...grpc.CallOption) (*pb.LeaseLeasesResponse, error) {
	leave, err := c.store.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	resp := &pb.LeaseLeasesResponse{Header: c.store.header()}
	for _, l := range c.store.leases.byEnd() {
		resp.Leases = append(resp.Leases, &pb.LeaseStatus{ID: l.id})
	}
	return resp, nil
}

// LeaseKeepAlive implements pb.LeaseClient.
func (c leaseClient) LeaseKeepAlive(ctx context.Context, _ ...grpc.CallOption) (grpc.BidiStreamingClient[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse], error) {
	leave, err := c.store.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return &keepAliveStream{ctx: ctx, store: c.store, answers: make(chan *pb.LeaseKeepAliveResponse, 1)}, nil
}

// keepAliveStream renews a lease for each request sent.
type keepAliveStream struct {
	grpc.ClientStream // nil: nobody asks for its metadata
	ctx               context.Context
	store             *Store
	answers           chan *pb.LeaseKeepAliveResponse
}

// Send implements grpc.BidiStreamingClient.
func (k *keepAliveStream) Send(r *pb.LeaseKeepAliveRequest) error {
	answer, err := k.renew(r.ID)
	if err != nil {
		return err
	}
	select {
	case k.answers <- answer:
		return nil
	case <-k.ctx.Done():
		return status.FromContextError(k.ctx.Err()).Err()
	}
}

// renew starts a lease's time again. A TTL of 0 says that there is no such lease.
func (k *keepAliveStream) renew(id int64) (*pb.LeaseKeepAliveResponse, error) {
	leave, err := k.store.enter(k.ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	// The timer may be due at this very instant; a lease whose time is over is not
	// brought back.
	k.store.revokeEnded()
	answer := &pb.LeaseKeepAliveResponse{Header: k.store.header(), ID: id}
	if l := k.store.leases.byID[id]; l != nil {
		l.ends = time.Now().Add(l.ttl())
		answer.TTL = l.ttlSeconds
	}
	return answer, nil
}

// Recv implements grpc.BidiStreamingClient.
func (k *keepAliveStream) Recv() (*pb.LeaseKeepAliveResponse, error) {
	select {
	case a := <-k.answers:
		return a, nil
	case <-k.ctx.Done():
		return nil, status.FromContextError(k.ctx.Err()).Err()
	}
}

// Context implements grpc.ClientStream.
func (k *keepAliveStream) Context() context.Context { return k.ctx }

// CloseSend implements grpc.ClientStream.
func (k *keepAliveStream) CloseSend() error { return nil }
