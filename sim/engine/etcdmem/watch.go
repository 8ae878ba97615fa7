package etcdmem

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"
)

// watcher is the watches of one client. It stands in for the client's own, which
// waits on a channel made at package initialisation: inside a bubble that would
// stop the clock.
type watcher struct {
	store   *Store
	onClose func()
	running sync.WaitGroup

	stop     chan struct{} // closed by shut
	shutOnce sync.Once
}

var _ clientv3.Watcher = (*watcher)(nil)

// watch is one open watch. A change reaches it in one of two ways:
//
//	commit --offer--> queue ----------\
//	   |                               next --> reader
//	   +--> history.log --(behind)----/
//
// The queue is for a reader that keeps up. A watch that starts in the past, or
// whose queue is full, is behind: it reads the log from that revision on until it
// reaches the end, and commits leave its queue alone meanwhile. What is queued is
// always older than what it is behind with.
type watch struct {
	keys           keyRange
	start          int64 // changes before it are not wanted
	asked          int64 // the start revision as requested; 0 is "from now on"
	stream         string
	owner          *watcher
	prevKV         bool
	noPut          bool
	noDelete       bool
	progressNotify bool

	out  chan clientv3.WatchResponse
	wake chan struct{} // holds one token if next may have something new

	// The rest is guarded by the store's lock.
	created  *clientv3.WatchResponse // to be sent first, if asked for
	refused  *clientv3.WatchResponse // to be sent as the only response
	queue    []change
	behind   int64 // first revision to be read from the log; 0 if it keeps up
	progress bool  // a progress notification is owed
	busy     bool  // it had events since the last progress interval
}

// Watch implements clientv3.Watcher.
func (o *watcher) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	w := newWatch(clientv3.OpWatch(key, opts...))
	w.stream, w.owner = streamOf(ctx), o
	if !o.open(w) {
		close(w.out)
		return w.out
	}
	go func() {
		defer o.running.Done()
		defer close(w.out)
		defer o.store.drop(w)
		o.serve(ctx, w)
	}()
	return w.out
}

func newWatch(op clientv3.Op) *watch {
	key := string(op.KeyBytes())
	if key == "" {
		key = "\x00" // The smallest key; an etcd reads it so.
	}
	w := &watch{
		keys:           rangeOf(key, string(op.RangeBytes())),
		asked:          op.Rev(),
		prevKV:         op.IsPrevKV(),
		noPut:          op.IsFilterPut(),
		noDelete:       op.IsFilterDelete(),
		progressNotify: op.IsProgressNotify(),
		out:            make(chan clientv3.WatchResponse, 1),
		wake:           make(chan struct{}, 1),
	}
	// Fragments are for messages over a connection: the client puts them together
	// again, so there is nothing to do for op.IsFragment.
	if op.IsCreatedNotify() {
		w.created = &clientv3.WatchResponse{Created: true}
	}
	return w
}

// open enters the watch into the store; false if the client or the store is closed.
func (o *watcher) open(w *watch) bool {
	s := o.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || o.isShut() {
		return false
	}
	o.running.Add(1)
	now := s.history.revision
	if w.created != nil {
		w.created.Header = s.header()
	}
	switch {
	case len(s.watches) >= s.limits.watches:
		w.refused = &clientv3.WatchResponse{Header: s.header(), Canceled: true,
			CancelReason: fmt.Sprintf("etcdmem: more than %d watches", s.limits.watches)}
		return true
	case w.asked < 0:
		w.refused = &clientv3.WatchResponse{Header: s.header(), Canceled: true,
			CancelReason: rpctypes.ErrorDesc(rpctypes.ErrGRPCCompacted)}
		return true
	case w.asked == 0:
		w.start = now + 1
	default:
		w.start = w.asked
		if w.start <= now {
			w.behind = w.start
		}
	}
	s.watches = append(s.watches, w)
	if w.progressNotify {
		s.startProgress()
	}
	return true
}

// drop takes the watch out of the store.
func (s *Store) drop(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.watches, w); i >= 0 {
		s.watches = slices.Delete(s.watches, i, i+1)
	}
}

// serve hands the watch's responses to its reader until one side ends it.
func (o *watcher) serve(ctx context.Context, w *watch) {
	for ctx.Err() == nil {
		resp, ready, last := o.store.next(w)
		if !ready {
			select {
			case <-w.wake:
			case <-ctx.Done():
			case <-o.stop:
				return
			}
			continue
		}
		select {
		case w.out <- resp:
		case <-ctx.Done():
		case <-o.stop:
			return
		}
		if last {
			return
		}
	}
}

// next is the watch's next response, if one is ready; after the last one the watch
// has ended.
func (s *Store) next(w *watch) (resp clientv3.WatchResponse, ready, last bool) {
	resp, changes, ready, last := s.take(w)
	// Records do not change, so the copies are made without the lock.
	resp.Events = eventsOf(changes, w.prevKV)
	return resp, ready, last
}

func (s *Store) take(w *watch) (resp clientv3.WatchResponse, changes []change, ready, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case w.refused != nil:
		return *w.refused, nil, true, true
	case w.created != nil:
		resp, w.created = *w.created, nil
		return resp, nil, true, false
	case len(w.queue) > 0:
		changes, w.queue = w.queue, nil
	case w.behind != 0 && w.behind < s.history.compacted:
		return clientv3.WatchResponse{Header: s.header(), Canceled: true, CompactRevision: s.history.compacted}, nil, true, true
	case w.behind != 0:
		changes = w.replay(s.history, s.limits.replayRevisions)
	}
	resp.Header = s.header()
	if len(changes) > 0 {
		w.busy = true
		return resp, changes, true, false
	}
	// Nothing is queued and the log is read to its end: the reader has everything up to
	// the store's revision, and may be told so.
	if w.progress {
		w.progress = false
		return resp, nil, true, false
	}
	return resp, nil, false, false
}

// replay reads the log from where the watch is behind, at most that many revisions
// and none in part. At the end of the log the watch keeps up again.
func (w *watch) replay(h *history, revisionsMax int) (wanted []change) {
	revisions, last := 0, int64(0)
	for _, c := range h.since(w.behind) {
		if !w.wants(c.now) {
			continue
		}
		if c.now.mod != last {
			if revisions == revisionsMax {
				w.behind = c.now.mod
				return wanted
			}
			revisions, last = revisions+1, c.now.mod
		}
		wanted = append(wanted, c)
	}
	w.behind = 0
	return wanted
}

// offer hands the watch the changes of a new revision.
func (w *watch) offer(changes []change, queueMax int) {
	if w.behind != 0 {
		return // It will read them from the log.
	}
	had := len(w.queue)
	for _, c := range changes {
		if w.wants(c.now) {
			w.queue = append(w.queue, c)
		}
	}
	if len(w.queue) == had {
		return
	}
	if len(w.queue) > queueMax {
		w.queue = w.queue[:had]
		w.behind = changes[0].now.mod
	}
	w.rouse()
}

func (w *watch) wants(r *record) bool {
	return w.keys.contains(r.key) && r.mod >= w.start && !(w.noPut && !r.deleted) && !(w.noDelete && r.deleted)
}

func (w *watch) rouse() {
	select {
	case w.wake <- struct{}{}:
	default: // It has a token already.
	}
}

func eventsOf(changes []change, prevKV bool) []*clientv3.Event {
	if len(changes) == 0 {
		return nil
	}
	events := make([]*clientv3.Event, len(changes))
	for i, c := range changes {
		events[i] = &clientv3.Event{Type: c.now.eventType(), Kv: c.now.keyValue()}
		if c.now.deleted {
			events[i].Kv = &mvccpb.KeyValue{Key: []byte(c.now.key), ModRevision: c.now.mod}
		}
		if prevKV {
			events[i].PrevKv = c.before.keyValue()
		}
	}
	return events
}

// RequestProgress implements clientv3.Watcher: every watch of this client that was
// opened with the same metadata as ctx is told the store's revision, after the
// events up to it. A watch that starts at a revision still to come is left alone.
func (o *watcher) RequestProgress(ctx context.Context) error {
	leave, err := o.store.enter(ctx)
	if err != nil {
		return clientv3.ContextError(ctx, err)
	}
	defer leave()
	if o.isShut() {
		return rpctypes.ErrStopped
	}
	stream := streamOf(ctx)
	for _, w := range o.store.watches {
		if w.owner == o && w.stream == stream {
			o.store.owe(w)
		}
	}
	return nil
}

// owe sees to it that the watch is told how far it is.
func (s *Store) owe(w *watch) {
	if s.history.revision < w.asked {
		return // It has promised to say nothing of earlier revisions.
	}
	w.progress = true
	w.rouse()
}

// startProgress begins to tell idle watches, once per interval, how far they are. It
// goes on for as long as there is one that asked for it.
func (s *Store) startProgress() {
	if s.progress == nil {
		s.progress = time.AfterFunc(s.progressInterval, s.tickProgress)
	}
}

func (s *Store) tickProgress() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress = nil
	if s.closed {
		return
	}
	for _, w := range s.watches {
		if !w.progressNotify {
			continue
		}
		if !w.busy { // Events have told it already.
			s.owe(w)
		}
		w.busy = false
		s.startProgress()
	}
}

// Close implements clientv3.Watcher: it ends the client's watches and returns when
// they have ended.
func (o *watcher) Close() error {
	o.onClose()
	o.store.mu.Lock() // No watch is being opened while stop is closed.
	o.shut()
	o.store.mu.Unlock()
	o.running.Wait()
	return nil
}

func (o *watcher) shut() { o.shutOnce.Do(func() { close(o.stop) }) }

func (o *watcher) isShut() bool {
	select {
	case <-o.stop:
		return true
	default:
		return false
	}
}

// streamOf names the stream that the client would use for a context: it has one for
// each set of metadata, and a request for progress concerns one stream.
func streamOf(ctx context.Context) string {
	md, ok := metadata.FromOutgoingContext(ctx)
	if !ok {
		return ""
	}
	return fmt.Sprint(map[string][]string(md)) // Printed in order of keys.
}
