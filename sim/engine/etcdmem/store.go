package etcdmem

import (
	"context"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/status"
)

// Store is an etcd in memory. It is made by New and safe for concurrent use.
type Store struct {
	limits           limits
	progressInterval time.Duration

	mu        sync.Mutex
	closed    bool
	history   *history
	leases    leases
	watches   []*watch // in the order in which they were made
	observers []func(Commit)
	clients   []*clientv3.Client

	expiry   *time.Timer // ends leases; nil before the first one
	expiryAt time.Time
	progress *time.Timer // tells idle watches how far they are; nil while none asked
}

// Commit is one change of one key.
type Commit struct {
	// Revision is the store's revision that the change is part of. Several changes
	// share one if they come from one transaction, range delete or lease.
	Revision int64
	// Type is mvccpb.Event_PUT or mvccpb.Event_DELETE.
	Type mvccpb.Event_EventType
	// Key is the whole key, such as /registry/pods/default/web-0.
	Key string
	// Value is the store's own memory and must not be changed; nil for a delete.
	Value []byte
}

// Option changes how a Store is made.
type Option func(*Store)

// WithProgressInterval sets how often a watch that asked for progress and saw no
// event is told the store's revision; 10 minutes if not given. It stands for
// etcd's flag --watch-progress-notify-interval.
func WithProgressInterval(interval time.Duration) Option {
	return func(s *Store) { s.progressInterval = interval }
}

// New makes an empty store at revision 1, as that of a new etcd.
func New(options ...Option) *Store {
	s := &Store{
		limits:           defaultLimits(),
		progressInterval: progressIntervalDefault,
		history:          newHistory(),
		leases:           newLeases(),
	}
	for _, o := range options {
		o(s)
	}
	return s
}

// OnCommit lets the function see every change from now on, in total order. It is
// called with the store locked, before any watch or caller can know of the change:
// it must be quick and must not call the store.
func (s *Store) OnCommit(observe func(Commit)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observers = append(s.observers, observe)
}

// Revision is the number of the newest revision.
func (s *Store) Revision() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.revision
}

// Close ends all watches, keep-alives and timers and returns when they have ended.
// Requests made later are answered as by an etcd that stopped. Closing again does
// nothing.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	clients := s.clients
	s.clients = nil
	for _, t := range []*time.Timer{s.expiry, s.progress} {
		if t != nil {
			t.Stop()
		}
	}
	s.mu.Unlock()
	for _, c := range clients {
		_ = c.Close() // Without a connection its only error is the context that it cancels itself.
	}
}

// enter locks the store for a request, or says why the request cannot be served.
func (s *Store) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, rpctypes.ErrGRPCStopped
	}
	return s.mu.Unlock, nil
}

// header is that of a response; the revision counts what the request wrote itself.
func (s *Store) header() *pb.ResponseHeader {
	return &pb.ResponseHeader{Revision: s.history.head()}
}

// put writes a key and moves it from its old lease to the new one; 0 is no lease.
func (s *Store) put(key string, value []byte, lease int64) (before *record) {
	before = s.history.put(key, slices.Clone(value), lease)
	if before != nil {
		s.leases.detach(before.lease, key)
	}
	s.leases.attach(lease, key)
	return before
}

// remove deletes the keys of a range and returns what they were.
func (s *Store) remove(r keyRange) (before []*record) {
	s.history.scan(r, s.history.head(), func(rec *record) { before = append(before, rec) })
	for _, rec := range before {
		s.history.remove(rec.key)
		s.leases.detach(rec.lease, rec.key)
	}
	return before
}

// commit ends a request that wrote: one new revision, seen by observers and watches.
func (s *Store) commit() {
	changes := s.history.commit()
	if len(changes) == 0 {
		return
	}
	for _, c := range changes {
		for _, observe := range s.observers {
			observe(Commit{Revision: c.now.mod, Type: c.now.eventType(), Key: c.now.key, Value: c.now.value})
		}
	}
	// A simulated cluster has about one watch per resource, and telling whether a key
	// is in a range takes two comparisons: an index would cost more than it saves.
	for _, w := range s.watches {
		w.offer(changes, s.limits.watchQueue)
	}
}

func (r *record) eventType() mvccpb.Event_EventType {
	if r.deleted {
		return mvccpb.Event_DELETE
	}
	return mvccpb.Event_PUT
}

// keyValue is a copy for a caller, who may do with it what it likes, as with an
// answer that came over a connection.
func (r *record) keyValue() *mvccpb.KeyValue {
	if r == nil {
		return nil
	}
	return &mvccpb.KeyValue{
		Key:            []byte(r.key),
		Value:          slices.Clone(r.value),
		CreateRevision: r.create,
		ModRevision:    r.mod,
		Version:        r.version,
		Lease:          r.lease,
	}
}
