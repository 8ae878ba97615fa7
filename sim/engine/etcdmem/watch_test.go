package etcdmem

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"
)

// reader takes everything that a watch delivers and writes it down:
// "+a=1@2" a put, "-a@3" a delete, "a<1" what was there before, ">3" progress,
// "!..." an error, "." the end.
type reader struct {
	mu  sync.Mutex
	log []string
}

func read(ch clientv3.WatchChan) *reader {
	r := &reader{}
	go func() {
		for resp := range ch {
			r.note(resp)
		}
		r.add(".")
	}()
	return r
}

func (r *reader) note(resp clientv3.WatchResponse) {
	switch {
	case resp.Err() != nil:
		r.add("!" + resp.Err().Error())
	case resp.Created:
		r.add(fmt.Sprintf("created at %d", resp.Header.Revision))
	case resp.IsProgressNotify():
		r.add(fmt.Sprintf(">%d", resp.Header.Revision))
	}
	for _, e := range resp.Events {
		line := fmt.Sprintf("+%s=%s@%d", e.Kv.Key, e.Kv.Value, e.Kv.ModRevision)
		if e.Type == clientv3.EventTypeDelete {
			line = fmt.Sprintf("-%s@%d", e.Kv.Key, e.Kv.ModRevision)
		}
		if e.PrevKv != nil {
			line += fmt.Sprintf("<%s@%d", e.PrevKv.Value, e.PrevKv.ModRevision)
		}
		r.add(line)
	}
}

func (r *reader) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, line)
}

// seen is what arrived when everything has come to rest.
func (r *reader) seen() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.log, " ")
}

func TestWatch(t *testing.T) {
	fromPast := clientv3.WithRev(2)
	for name, tc := range map[string]struct {
		key     string
		opts    []clientv3.OpOption
		compact int64
		want    string // after fill, then "e" put twice, deleted, and a and d deleted together
	}{
		"from now on":                   {key: "e", want: "+e=1@8 +e=2@9 -e@10"},
		"of one key, not its neighbour": {key: "a", want: "-a@11"},
		"of a prefix":                   {key: "", opts: all(clientv3.WithPrefix()), want: "+e=1@8 +e=2@9 -e@10 -a@11 -d@11"},
		"of a range":                    {key: "b", opts: all(clientv3.WithRange("e")), want: "-d@11"},
		"from a key on":                 {key: "e", opts: all(clientv3.WithFromKey()), want: "+e=1@8 +e=2@9 -e@10"},
		"with what was there before":    {key: "", opts: all(clientv3.WithPrefix(), clientv3.WithPrevKV()), want: "+e=1@8 +e=2@9<1@8 -e@10<2@9 -a@11<1@2 -d@11<5@7"},
		"without puts":                  {key: "e", opts: all(clientv3.WithFilterPut()), want: "-e@10"},
		"without deletes":               {key: "e", opts: all(clientv3.WithFilterDelete()), want: "+e=1@8 +e=2@9"},
		"in fragments, put together":    {key: "a", opts: all(clientv3.WithFromKey(), clientv3.WithFragment()), want: "+e=1@8 +e=2@9 -e@10 -a@11 -d@11"},
		"with word of its creation":     {key: "e", opts: all(clientv3.WithCreatedNotify()), want: "created at 7 +e=1@8 +e=2@9 -e@10"},
		"from the past":                 {key: "b", opts: all(clientv3.WithFromKey(), fromPast), want: "+b=2@3 +c=3@4 +b=4@5 -c@6 +d=5@7 +e=1@8 +e=2@9 -e@10 -d@11"},
		"from the newest revision":      {key: "d", opts: all(clientv3.WithRev(7)), want: "+d=5@7 -d@11"},
		"from the next revision":        {key: "d", opts: all(clientv3.WithRev(8)), want: "-d@11"},
		"from a revision to come":       {key: "e", opts: all(clientv3.WithRev(9)), want: "+e=2@9 -e@10"},
		"from the compacted revision":   {key: "c", opts: all(clientv3.WithRev(6), clientv3.WithPrevKV()), compact: 6, want: "-c@6"},
		"from after it":                 {key: "d", opts: all(clientv3.WithRev(7), clientv3.WithPrevKV()), compact: 6, want: "+d=5@7 -d@11<5@7"},
		"from before it":                {key: "a", opts: all(clientv3.WithRev(5)), compact: 6, want: "!" + rpctypes.ErrCompacted.Error() + " ."},
		"from a negative revision":      {key: "a", opts: all(clientv3.WithRev(-1)), want: "!" + rpctypes.ErrCompacted.Error() + " ."},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c := newTestClient(t)
				fill(t, c)
				if tc.compact != 0 {
					mustCompact(t, c, tc.compact)
				}
				r := read(c.Watch(t.Context(), tc.key, tc.opts...))
				mustPut(t, c, "e", "1")
				mustPut(t, c, "e", "2")
				mustDelete(t, c, "e")
				if _, err := c.Txn(t.Context()).Then(clientv3.OpDelete("a"), clientv3.OpDelete("d")).Commit(); err != nil {
					t.Fatal(err)
				}
				if got := r.seen(); got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
			})
		})
	}
}

func TestACompactedWatchNamesTheCompactRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newTestClient(t)
		fill(t, c)
		mustCompact(t, c, 6)
		resp := <-c.Watch(t.Context(), "a", clientv3.WithRev(2))
		if resp.CompactRevision != 6 || !resp.Canceled || !errors.Is(resp.Err(), rpctypes.ErrCompacted) {
			t.Errorf("got %+v, want it cancelled by compaction of 6", resp)
		}
	})
}

func TestASlowReaderGetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newTestClient(t)
		s.limits.watchQueue, s.limits.replayRevisions = 3, 4
		ch := c.Watch(t.Context(), "k", clientv3.WithPrefix())
		for i := range 100 {
			ops := []clientv3.Op{clientv3.OpPut("k1", fmt.Sprint(i)), clientv3.OpPut("k2", fmt.Sprint(i))}
			if _, err := c.Txn(t.Context()).Then(ops...).Commit(); err != nil {
				t.Fatal(err)
			}
			mustPut(t, c, "other", "")
		}
		// Every revision in order, whole, and in one response.
		var got []int64
		for len(got) < 200 {
			resp := <-ch
			for i, e := range resp.Events {
				if i%2 == 1 && e.Kv.ModRevision != resp.Events[i-1].Kv.ModRevision {
					t.Fatalf("a revision is cut: %v", resp.Events)
				}
				got = append(got, e.Kv.ModRevision)
			}
			if len(resp.Events)%2 != 0 || len(resp.Events) > 8 {
				t.Fatalf("a response of %d events, want at most 4 revisions of 2", len(resp.Events))
			}
		}
		for i, revision := range got {
			if want := int64(2 + 2*(i/2)); revision != want {
				t.Fatalf("event %d is of revision %d, want %d", i, revision, want)
			}
		}
	})
}

func TestCompactionEndsOnlyTheWatchThatIsBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newTestClient(t)
		s.limits.watchQueue = 3
		slow := c.Watch(t.Context(), "k")
		queued := c.Watch(t.Context(), "q")
		quick := read(c.Watch(t.Context(), "k"))
		mustPut(t, c, "q", "1")
		synctest.Wait() // The response lies in the channel of queued, which nobody reads.
		mustPut(t, c, "q", "2")
		mustPut(t, c, "q", "3")
		for i := range 10 {
			mustPut(t, c, "k", fmt.Sprint(i))
			synctest.Wait()
		}
		mustCompact(t, c, s.Revision())
		mustPut(t, c, "k", "last")
		mustPut(t, c, "q", "last")

		if got, want := quick.seen(), "+k=0@5 +k=1@6 +k=2@7 +k=3@8 +k=4@9 +k=5@10 +k=6@11 +k=7@12 +k=8@13 +k=9@14 +k=last@15"; got != want {
			t.Errorf("the quick reader got  %s\nwant %s", got, want)
		}
		if got, want := read(queued).seen(), "+q=1@2 +q=2@3 +q=3@4 +q=last@16"; got != want {
			t.Errorf("what was in the queue: got  %s\nwant %s", got, want)
		}
		got := read(slow).seen()
		if !strings.HasPrefix(got, "+k=0@5") || !strings.HasSuffix(got, " !"+rpctypes.ErrCompacted.Error()+" .") || strings.Contains(got, "last") {
			t.Errorf("the slow reader got %s\nwant the first events and then the compaction", got)
		}
	})
}

func TestProgressComesAfterTheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newTestClient(t)
		s.limits.watchQueue, s.limits.replayRevisions = 5, 2
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		// Watches that keep up, fall behind and start in the past, while another
		// goroutine writes and asks for progress.
		mustPut(t, c, "k", "")
		var watches sync.WaitGroup
		for i := range 8 {
			start, first := int64(0), s.Revision()+1
			if i%2 == 0 {
				start, first = 2, 2
			}
			ch := c.Watch(ctx, "k", clientv3.WithRev(start))
			watches.Go(func() {
				next, told := first, 0
				for resp := range ch {
					for _, e := range resp.Events {
						if e.Kv.ModRevision != next {
							t.Errorf("watch %d: event of %d, want %d", i, e.Kv.ModRevision, next)
						}
						next++
					}
					if resp.IsProgressNotify() {
						told++
						if resp.Header.Revision >= next {
							t.Errorf("watch %d: progress %d before event %d", i, resp.Header.Revision, next)
						}
					}
					if i%4 < 2 {
						time.Sleep(time.Millisecond) // A slow reader.
					}
				}
				if told == 0 {
					t.Errorf("watch %d: no progress at all", i)
				}
			})
		}
		for i := range 500 {
			mustPut(t, c, "k", fmt.Sprint(i))
			if i%3 == 0 {
				if err := c.RequestProgress(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if i%50 == 0 {
				time.Sleep(3 * time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		cancel()
		watches.Wait()
	})
}

func TestRequestProgressConcernsOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newTestClient(t)
		cache := metadata.AppendToOutgoingContext(t.Context(), "source", "cache")
		mine := read(c.Watch(cache, "k"))
		other := read(c.Watch(t.Context(), "k"))
		otherClient := read(s.Client().Watch(cache, "k"))
		future := read(c.Watch(cache, "k", clientv3.WithRev(3)))
		mustPut(t, c, "x", "")
		if err := c.RequestProgress(cache); err != nil {
			t.Fatal(err)
		}
		for who, tc := range map[string]struct {
			r    *reader
			want string
		}{
			"the watch of the same metadata":              {mine, ">2"},
			"the watch of other metadata":                 {other, ""},
			"the watch of another client":                 {otherClient, ""},
			"the watch that starts at a revision to come": {future, ""},
		} {
			if got := tc.r.seen(); got != tc.want {
				t.Errorf("%s got %q, want %q", who, got, tc.want)
			}
		}
	})
}

func TestAnIdleWatchThatAskedIsToldEachInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newTestClient(t, WithProgressInterval(time.Minute))
		idle := read(c.Watch(t.Context(), "idle", clientv3.WithProgressNotify()))
		busy := read(c.Watch(t.Context(), "busy", clientv3.WithProgressNotify()))
		silent := read(c.Watch(t.Context(), "idle"))
		time.Sleep(30 * time.Second)
		mustPut(t, c, "busy", "1")
		time.Sleep(time.Minute)
		mustPut(t, c, "other", "1")
		time.Sleep(time.Minute)
		for who, tc := range map[string]struct {
			r    *reader
			want string
		}{
			"idle": {idle, ">2 >3"}, "busy": {busy, "+busy=1@2 >3"}, "silent": {silent, ""},
		} {
			if got := tc.r.seen(); got != tc.want {
				t.Errorf("%s got %q, want %q", who, got, tc.want)
			}
		}
	})
}

func TestEverythingEnds(t *testing.T) {
	for name, end := range map[string]func(cancel func(), c *clientv3.Client, s *Store){
		"when the context ends":   func(cancel func(), _ *clientv3.Client, _ *Store) { cancel() },
		"when the client closes":  func(_ func(), c *clientv3.Client, _ *Store) { _ = c.Close() },
		"when the watcher closes": func(_ func(), c *clientv3.Client, _ *Store) { _ = c.Watcher.Close() },
		"when the store closes":   func(_ func(), _ *clientv3.Client, s *Store) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New()
				c := s.Client()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				read1 := read(c.Watch(ctx, "k", clientv3.WithProgressNotify()))
				unread := c.Watch(ctx, "k")
				for range 10 {
					mustPut(t, c, "k", "")
					synctest.Wait()
				}
				before := runtime.NumGoroutine()
				end(cancel, c, s)
				if got := read1.seen(); !strings.HasSuffix(got, " .") {
					t.Errorf("the watch goes on: %s", got)
				}
				for range unread { // At most what lay in the channel, and then its end.
				}
				if after := runtime.NumGoroutine(); after > before-3 {
					t.Errorf("%d goroutines were %d before: two watches and a reader should have ended", after, before)
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				if len(s.watches) != 0 {
					t.Errorf("%d watches are left in the store", len(s.watches))
				}
			})
		})
	}
}

func TestAClientThatClosedIsForgotten(t *testing.T) {
	s := New()
	defer s.Close()
	clients := []*clientv3.Client{s.Client(), s.Client(), s.Client()}
	_ = clients[1].Close()
	if want := []*clientv3.Client{clients[0], clients[2]}; !slices.Equal(s.clients, want) {
		t.Errorf("%d clients are kept, want the two that are open", len(s.clients))
	}
	if _, open := <-clients[1].Watch(t.Context(), "k"); open {
		t.Error("a closed client's watch is open")
	}
	if err := clients[1].RequestProgress(t.Context()); err == nil {
		t.Error("a closed client requests progress without an error")
	}
}
