package etcdmem

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"testing/synctest"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run the comparison with the model for this seed only")
	stepsFlag = flag.Int("steps", 400, "steps of a comparison with the model")
)

// model is the dumb version of the store: it keeps the whole state after every
// revision and every event ever, and searches them from end to end.
type model struct {
	states    []map[string]cell // states[r] is the state after revision r
	events    []string          // in order; their revision is events' own
	revs      []int64           // of the events
	keys      []string          // of the events
	compacted int64
}

type cell struct {
	value                string
	create, mod, version int64
}

func (c cell) show(key string) string {
	return fmt.Sprintf("%s=%s@%d(%d,%d)", key, c.value, c.mod, c.create, c.version)
}

func newModel() *model {
	return &model{states: []map[string]cell{nil, {}}, compacted: -1}
}

func (m *model) revision() int64 { return int64(len(m.states)) - 1 }

func inRange(key, from, to string) bool {
	if to == "" {
		return key == from
	}
	return key >= from && (to == "\x00" || key < to)
}

// write makes one revision: deletes first, then puts; nothing at all is no revision.
// The keys of a write are distinct.
func (m *model) write(writes []string, value func(key string) (string, bool)) {
	old, rev := m.states[m.revision()], m.revision()+1
	state := map[string]cell{}
	for k, c := range old {
		state[k] = c
	}
	changed := false
	for _, k := range writes {
		before, had := old[k]
		prev := ""
		if had {
			prev = fmt.Sprintf("<%s@%d", before.value, before.mod)
		}
		v, put := value(k)
		switch {
		case put:
			c := cell{value: v, create: rev, mod: rev, version: 1}
			if had {
				c.create, c.version = before.create, before.version+1
			}
			state[k] = c
			m.event(rev, k, fmt.Sprintf("+%s=%s@%d", k, v, rev)+prev)
			changed = true
		case had:
			delete(state, k)
			m.event(rev, k, fmt.Sprintf("-%s@%d", k, rev)+prev)
			changed = true
		}
	}
	if changed {
		m.states = append(m.states, state)
	}
}

func (m *model) event(rev int64, key, line string) {
	m.events, m.revs, m.keys = append(m.events, line), append(m.revs, rev), append(m.keys, key)
}

func (m *model) keysIn(rev int64, from, to string) []string {
	var keys []string
	for k := range m.states[rev] {
		if inRange(k, from, to) {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	return keys
}

// since is what a watch of the range gets that starts at the revision and was opened
// when so much was compacted. It gets the compacted revision itself, but is not told
// what was there before.
func (m *model) since(start int64, from, to string, compacted int64) string {
	if start < compacted {
		return "!" + rpctypes.ErrCompacted.Error() + " ."
	}
	var lines []string
	for i, line := range m.events {
		if m.revs[i] >= start && inRange(m.keys[i], from, to) {
			if m.revs[i] == compacted {
				line, _, _ = strings.Cut(line, "<")
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// openWatch is a watch of the store and what it was to see.
type openWatch struct {
	*reader
	start     int64
	from, to  string
	compacted int64 // when it was opened; what it has read stays read
}

// comparison runs random requests on the store and on the model.
type comparison struct {
	*testing.T
	rnd     *rand.Rand
	store   *Store
	client  *clientv3.Client
	model   *model
	watches []openWatch
}

func TestTheStoreIsLikeTheModel(t *testing.T) {
	seeds := []uint64{*seedFlag}
	if *seedFlag == 0 {
		seeds = nil
		for seed := range uint64(60) {
			seeds = append(seeds, seed+1)
		}
	}
	for _, seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			c := &comparison{T: t, rnd: rand.New(rand.NewPCG(seed, 0)), model: newModel()}
			c.store, c.client = newTestClient(t)
			// Small limits, so that every path is taken.
			c.store.limits.watchQueue = 1 + c.rnd.IntN(8)
			c.store.limits.replayRevisions = 1 + c.rnd.IntN(8)
			defer func() {
				if t.Failed() {
					t.Logf("seed=%d\n  rerun: go test ./sim/engine/etcdmem -run %s -seed %d -steps %d", seed, "TestTheStoreIsLikeTheModel", seed, *stepsFlag)
				}
			}()
			for range *stepsFlag {
				c.step()
			}
			c.checkWatches()
		})
		if t.Failed() {
			return
		}
	}
}

func (c *comparison) key() string { return []string{"a", "aa", "ab", "b", "ba", "c"}[c.rnd.IntN(6)] }

func (c *comparison) keyRange() (from, to string, opts []clientv3.OpOption) {
	from = c.key()
	switch c.rnd.IntN(4) {
	case 0:
		to = c.key()
	case 1:
		to = clientv3.GetPrefixRangeEnd(from)
	case 2:
		to = "\x00"
	}
	if to == "" {
		return from, "", nil
	}
	return from, to, all(clientv3.WithRange(to))
}

// revisionNear is one around what can be read: compacted, old, newest or to come.
func (c *comparison) revisionNear() int64 {
	low := max(c.model.compacted-2, 1)
	return low + c.rnd.Int64N(c.model.revision()+2-low+1)
}

func (c *comparison) step() {
	switch n := c.rnd.IntN(100); {
	case n < 30:
		c.put()
	case n < 45:
		c.delete()
	case n < 60:
		c.txn()
	case n < 85:
		c.get()
	case n < 92:
		c.watch()
	case n < 97:
		c.checkWatches()
	default:
		c.compact()
	}
	if got, want := c.store.Revision(), c.model.revision(); got != want {
		c.Fatalf("revision %d, want %d", got, want)
	}
}

func (c *comparison) put() {
	key, value := c.key(), fmt.Sprint(c.rnd.IntN(10))
	before, had := c.model.states[c.model.revision()][key]
	resp, err := c.client.Put(c.Context(), key, value, clientv3.WithPrevKV())
	c.model.write([]string{key}, func(string) (string, bool) { return value, true })
	if err != nil || resp.Header.Revision != c.model.revision() || (resp.PrevKv != nil) != had {
		c.Fatalf("put %s: %v, %v", key, resp, err)
	}
	if had && string(resp.PrevKv.Value) != before.value {
		c.Fatalf("put %s replaced %v, want %v", key, resp.PrevKv, before)
	}
}

func (c *comparison) delete() {
	from, to, opts := c.keyRange()
	gone := c.model.keysIn(c.model.revision(), from, to)
	resp, err := c.client.Delete(c.Context(), from, opts...)
	c.model.write(gone, func(string) (string, bool) { return "", false })
	if err != nil || resp.Deleted != int64(len(gone)) || resp.Header.Revision != c.model.revision() {
		c.Fatalf("delete %q to %q: %v, %v; want %q at %d", from, to, resp, err, gone, c.model.revision())
	}
}

// txn is a compare-and-swap as the API server makes it: on a key's revision, with a
// read if it fails; sometimes with a second write.
func (c *comparison) txn() {
	key, other, value := c.key(), c.key(), fmt.Sprint(c.rnd.IntN(10))
	expected := c.model.states[c.model.revision()][key].mod
	if c.rnd.IntN(3) == 0 {
		expected = c.rnd.Int64N(c.model.revision() + 1)
	}
	ops := []clientv3.Op{clientv3.OpPut(key, value)}
	writes := []string{key}
	if other != key {
		ops, writes = append(ops, clientv3.OpDelete(other)), append(writes, other)
	}
	holds := c.model.states[c.model.revision()][key].mod == expected
	resp, err := c.client.Txn(c.Context()).If(clientv3.Compare(clientv3.ModRevision(key), "=", expected)).Then(ops...).Else(clientv3.OpGet(key)).Commit()
	if holds {
		c.model.write(writes, func(k string) (string, bool) { return value, k == key })
	}
	if err != nil || resp.Succeeded != holds || resp.Header.Revision != c.model.revision() {
		c.Fatalf("txn on %s at %d: %v, %v; want %v at %d", key, expected, resp, err, holds, c.model.revision())
	}
}

func (c *comparison) get() {
	from, to, opts := c.keyRange()
	rev, limit := c.model.revision(), int64(c.rnd.IntN(4))
	if c.rnd.IntN(2) == 0 {
		rev = c.revisionNear()
		opts = append(opts, clientv3.WithRev(rev))
	}
	resp, err := c.client.Get(c.Context(), from, append(opts, clientv3.WithLimit(limit))...)
	switch {
	case rev > c.model.revision():
		if !errors.Is(err, rpctypes.ErrFutureRev) {
			c.Fatalf("get at %d: %v, want %v", rev, err, rpctypes.ErrFutureRev)
		}
		return
	case rev < c.model.compacted:
		if !errors.Is(err, rpctypes.ErrCompacted) {
			c.Fatalf("get at %d: %v, want %v", rev, err, rpctypes.ErrCompacted)
		}
		return
	case err != nil:
		c.Fatalf("get at %d: %v", rev, err)
	}
	keys := c.model.keysIn(rev, from, to)
	count, more := int64(len(keys)), limit > 0 && int64(len(keys)) > limit
	if more {
		keys = keys[:limit]
	}
	var want []string
	for _, k := range keys {
		want = append(want, c.model.states[rev][k].show(k))
	}
	if got := show(resp.Kvs); got != strings.Join(want, " ") || resp.Count != count || resp.More != more || resp.Header.Revision != c.model.revision() {
		c.Fatalf("get %q to %q at %d limit %d: %s count %d more %v at %d\nwant %s count %d more %v at %d",
			from, to, rev, limit, got, resp.Count, resp.More, resp.Header.Revision, strings.Join(want, " "), count, more, c.model.revision())
	}
}

func (c *comparison) watch() {
	from, to, opts := c.keyRange()
	start := c.revisionNear()
	w := openWatch{start: start, from: from, to: to, compacted: c.model.compacted}
	w.reader = read(c.client.Watch(c.Context(), from, append(opts, clientv3.WithRev(start), clientv3.WithPrevKV())...))
	synctest.Wait()
	c.watches = append(c.watches, w)
}

func (c *comparison) checkWatches() {
	for _, w := range c.watches {
		want := c.model.since(w.start, w.from, w.to, w.compacted)
		if got := w.seen(); got != want {
			c.Fatalf("watch %q to %q from %d got  %s\nwant %s", w.from, w.to, w.start, got, want)
		}
	}
}

func (c *comparison) compact() {
	synctest.Wait() // The watches have read what is there, so none is behind.
	rev := c.revisionNear()
	_, err := c.client.Compact(c.Context(), rev)
	switch {
	case rev <= c.model.compacted:
		if !errors.Is(err, rpctypes.ErrCompacted) {
			c.Fatalf("compact %d: %v, want %v", rev, err, rpctypes.ErrCompacted)
		}
	case rev > c.model.revision():
		if !errors.Is(err, rpctypes.ErrFutureRev) {
			c.Fatalf("compact %d: %v, want %v", rev, err, rpctypes.ErrFutureRev)
		}
	case err != nil:
		c.Fatalf("compact %d: %v", rev, err)
	default:
		c.model.compacted = rev
	}
}
