package etcdmem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// newTestClient returns a store and a client of it; both end with the test. Inside a
// bubble this also shows that nothing is left running: a goroutine that stayed would
// make the bubble panic.
func newTestClient(t testing.TB, options ...Option) (*Store, *clientv3.Client) {
	t.Helper()
	s := New(options...)
	t.Cleanup(s.Close)
	return s, s.Client()
}

func mustPut(t testing.TB, c *clientv3.Client, key, value string, opts ...clientv3.OpOption) int64 {
	t.Helper()
	resp, err := c.Put(t.Context(), key, value, opts...)
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return resp.Header.Revision
}

func mustDelete(t testing.TB, c *clientv3.Client, key string, opts ...clientv3.OpOption) int64 {
	t.Helper()
	resp, err := c.Delete(t.Context(), key, opts...)
	if err != nil {
		t.Fatalf("delete %s: %v", key, err)
	}
	return resp.Header.Revision
}

func mustCompact(t testing.TB, c *clientv3.Client, revision int64) {
	t.Helper()
	if _, err := c.Compact(t.Context(), revision); err != nil {
		t.Fatalf("compact %d: %v", revision, err)
	}
}

// show writes keys with their revisions: key=value@mod(create,version).
func show(kvs []*mvccpb.KeyValue) string {
	var parts []string
	for _, kv := range kvs {
		parts = append(parts, fmt.Sprintf("%s=%s@%d(%d,%d)", kv.Key, kv.Value, kv.ModRevision, kv.CreateRevision, kv.Version))
	}
	return strings.Join(parts, " ")
}

// fill makes the state that the tables read:
//
//	revision 2 a=1, 3 b=2, 4 c=3, 5 b=4, 6 c deleted, 7 d=5
func fill(t *testing.T, c *clientv3.Client) {
	mustPut(t, c, "a", "1")
	mustPut(t, c, "b", "2")
	mustPut(t, c, "c", "3")
	mustPut(t, c, "b", "4")
	mustDelete(t, c, "c")
	mustPut(t, c, "d", "5")
}

func TestRange(t *testing.T) {
	for name, tc := range map[string]struct {
		key     string
		opts    []clientv3.OpOption
		compact int64
		want    string
		count   int64
		more    bool
		wantErr error
	}{
		"one key is read at its newest version":             {key: "b", want: "b=4@5(3,2)", count: 1},
		"a key that is not there is no error":               {key: "x"},
		"a deleted key is not there":                        {key: "c"},
		"an old revision is read as it was":                 {key: "a", opts: all(clientv3.WithFromKey(), clientv3.WithRev(4)), want: "a=1@2(2,1) b=2@3(3,1) c=3@4(4,1)", count: 3},
		"a range ends before its end":                       {key: "a", opts: all(clientv3.WithRange("d")), want: "a=1@2(2,1) b=4@5(3,2)", count: 2},
		"a limit cuts and says that there is more":          {key: "a", opts: all(clientv3.WithFromKey(), clientv3.WithLimit(2)), want: "a=1@2(2,1) b=4@5(3,2)", count: 3, more: true},
		"a limit that is just enough leaves no more":        {key: "a", opts: all(clientv3.WithFromKey(), clientv3.WithLimit(3)), want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1)", count: 3},
		"a count comes without keys":                        {key: "a", opts: all(clientv3.WithFromKey(), clientv3.WithCountOnly()), count: 3},
		"keys can be had without values":                    {key: "a", opts: all(clientv3.WithFromKey(), clientv3.WithKeysOnly()), want: "a=@2(2,1) b=@5(3,2) d=@7(7,1)", count: 3},
		"an empty prefix is everything":                     {key: "", opts: all(clientv3.WithPrefix()), want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1)", count: 3},
		"a serializable read is the same":                   {key: "b", opts: all(clientv3.WithSerializable()), want: "b=4@5(3,2)", count: 1},
		"an order by key is the order there is":             {key: "a", opts: all(clientv3.WithRange("c"), clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend)), want: "a=1@2(2,1) b=4@5(3,2)", count: 2},
		"the compacted revision itself can be read":         {key: "c", opts: all(clientv3.WithRev(5)), compact: 5, want: "c=3@4(4,1)", count: 1},
		"before the compacted revision nothing can be read": {key: "a", opts: all(clientv3.WithRev(4)), compact: 5, wantErr: rpctypes.ErrCompacted},
		"a revision to come cannot be read":                 {key: "a", opts: all(clientv3.WithRev(8)), wantErr: rpctypes.ErrFutureRev},
		"no key at all is refused":                          {key: "", wantErr: rpctypes.ErrEmptyKey},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := newTestClient(t)
			fill(t, c)
			if tc.compact != 0 {
				mustCompact(t, c, tc.compact)
			}
			resp, err := c.Get(t.Context(), tc.key, tc.opts...)
			if !errors.Is(err, tc.wantErr) {
				t.Fatalf("error %v, want %v", err, tc.wantErr)
			}
			if err != nil {
				return
			}
			if got := show(resp.Kvs); got != tc.want || resp.Count != tc.count || resp.More != tc.more || resp.Header.Revision != 7 {
				t.Errorf("got %q count %d more %v at %d\nwant %q count %d more %v at 7",
					got, resp.Count, resp.More, resp.Header.Revision, tc.want, tc.count, tc.more)
			}
		})
	}
}

func all(opts ...clientv3.OpOption) []clientv3.OpOption { return opts }

func TestRangeStreamIsTheRangeInChunks(t *testing.T) {
	s, c := newTestClient(t)
	s.limits.streamKeys = 3
	for i := range 10 {
		mustPut(t, c, fmt.Sprintf("k%02d", i), "v")
	}
	for name, opts := range map[string][]clientv3.OpOption{
		"all keys":           all(clientv3.WithPrefix()),
		"a limit":            all(clientv3.WithPrefix(), clientv3.WithLimit(6)),
		"an old revision":    all(clientv3.WithPrefix(), clientv3.WithRev(5)),
		"a count":            all(clientv3.WithPrefix(), clientv3.WithCountOnly()),
		"nothing to be read": all(clientv3.WithRange("k")),
	} {
		t.Run(name, func(t *testing.T) {
			stream, err := c.GetStream(t.Context(), "k", opts...)
			if err != nil {
				t.Fatal(err)
			}
			var got []*mvccpb.KeyValue
			var last clientv3.RangeStreamResponse
			for chunk := range stream {
				if chunk.Err() != nil {
					t.Fatal(chunk.Err())
				}
				if len(chunk.Kvs) > 3 {
					t.Errorf("a chunk of %d keys, want at most 3", len(chunk.Kvs))
				}
				got, last = append(got, chunk.Kvs...), chunk
			}
			want, err := c.Get(t.Context(), "k", opts...)
			if err != nil {
				t.Fatal(err)
			}
			if show(got) != show(want.Kvs) || last.Count != want.Count || last.More != want.More || last.Header.GetRevision() != want.Header.Revision {
				t.Errorf("got %s count %d more %v\nwant %s count %d more %v",
					show(got), last.Count, last.More, show(want.Kvs), want.Count, want.More)
			}
		})
	}
}

func TestRangeStreamTellsErrorsByItsFirstChunk(t *testing.T) {
	_, c := newTestClient(t)
	stream, err := c.GetStream(t.Context(), "a", clientv3.WithRev(99))
	if err != nil {
		t.Fatalf("error of the call itself: %v", err)
	}
	first := <-stream
	if !errors.Is(first.Err(), rpctypes.ErrFutureRev) {
		t.Errorf("first chunk says %v, want %v", first.Err(), rpctypes.ErrFutureRev)
	}
	if _, open := <-stream; open {
		t.Error("the stream goes on after an error")
	}
}

func TestUnknownRequestsAreUnimplemented(t *testing.T) {
	_, c := newTestClient(t)
	mustPut(t, c, "a", "1")
	ctx := t.Context()
	for name, request := range map[string]func() error{
		"a range by value": func() error {
			return second(c.Get(ctx, "a", clientv3.WithSort(clientv3.SortByValue, clientv3.SortNone)))
		},
		"a range downwards": func() error {
			return second(c.Get(ctx, "a", clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend)))
		},
		"a range by revision":               func() error { return second(c.Get(ctx, "a", clientv3.WithMinModRev(1))) },
		"a put that keeps the value":        func() error { return second(c.Put(ctx, "a", "", clientv3.WithIgnoreValue())) },
		"a put that keeps the lease":        func() error { return second(c.Put(ctx, "a", "2", clientv3.WithIgnoreLease())) },
		"a transaction in a transaction":    func() error { return second(c.Txn(ctx).Then(clientv3.OpTxn(nil, nil, nil)).Commit()) },
		"the members of the cluster":        func() error { return second(c.MemberList(ctx)) },
		"the alarms":                        func() error { return second(c.AlarmList(ctx)) },
		"a user":                            func() error { return second(c.UserAdd(ctx, "u", "p")) },
		"a snapshot, which would be a file": func() error { return second(c.Snapshot(ctx)) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := request(); status.Code(err) != codes.Unimplemented {
				t.Errorf("got %v, want %v", err, codes.Unimplemented)
			}
		})
	}
	if got, err := c.Get(ctx, "a"); err != nil || show(got.Kvs) != "a=1@2(2,1)" {
		t.Errorf("after the refusals a is %s (%v), want a=1@2(2,1)", show(got.Kvs), err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestTxnComparesEveryTargetWithEveryResult(t *testing.T) {
	// The key is b: value 4, created at 3, modified at 5, version 2, no lease.
	_, c := newTestClient(t)
	fill(t, c)
	targets := map[string]struct {
		less, equal, greater any // what b is less than, equal to and greater than
		compare              func(key string) clientv3.Cmp
	}{
		"value":   {"5", "4", "3", clientv3.Value},
		"create":  {int64(4), int64(3), int64(2), clientv3.CreateRevision},
		"mod":     {int64(6), int64(5), int64(4), clientv3.ModRevision},
		"version": {int64(3), int64(2), int64(1), clientv3.Version},
		"lease":   {clientv3.LeaseID(1), clientv3.LeaseID(0), clientv3.LeaseID(-1), clientv3.LeaseValue},
	}
	for name, target := range targets {
		for result, want := range map[string][3]bool{ // for less, equal and greater
			"=":  {false, true, false},
			"!=": {true, false, true},
			"<":  {true, false, false},
			">":  {false, false, true},
		} {
			for i, with := range []any{target.less, target.equal, target.greater} {
				resp, err := c.Txn(t.Context()).If(clientv3.Compare(target.compare("b"), result, with)).Commit()
				if err != nil {
					t.Fatalf("%s %s %v: %v", name, result, with, err)
				}
				if resp.Succeeded != want[i] {
					t.Errorf("%s of b %s %v is %v, want %v", name, result, with, resp.Succeeded, want[i])
				}
			}
		}
	}
}

func TestTxn(t *testing.T) {
	isNew := clientv3.Compare(clientv3.ModRevision("k"), "=", 0)
	for name, tc := range map[string]struct {
		txn       func(clientv3.Txn) clientv3.Txn
		succeeded bool
		wantErr   error
		want      string // all keys afterwards
		revision  int64
	}{
		"a key that is not there has revision 0": {
			txn:       func(x clientv3.Txn) clientv3.Txn { return x.If(isNew).Then(clientv3.OpPut("k", "v")) },
			succeeded: true, want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1) k=v@8(8,1)", revision: 8,
		},
		"a key that is not there has no value, not even the empty one": {
			txn:  func(x clientv3.Txn) clientv3.Txn { return x.If(clientv3.Compare(clientv3.Value("k"), "=", "")) },
			want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1)", revision: 7,
		},
		"a comparison of a range is of every key in it": {
			txn: func(x clientv3.Txn) clientv3.Txn {
				return x.If(clientv3.Compare(clientv3.ModRevision("a"), ">", 2).WithRange("z"))
			},
			want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1)", revision: 7,
		},
		"one comparison that fails is enough for the other branch": {
			txn: func(x clientv3.Txn) clientv3.Txn {
				return x.If(isNew, clientv3.Compare(clientv3.Version("a"), "=", 2)).Then(clientv3.OpPut("k", "then")).Else(clientv3.OpPut("k", "else"))
			},
			want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1) k=else@8(8,1)", revision: 8,
		},
		"all writes are one revision": {
			txn: func(x clientv3.Txn) clientv3.Txn {
				return x.Then(clientv3.OpPut("k", "v"), clientv3.OpDelete("a"), clientv3.OpPut("b", "6"))
			},
			succeeded: true, want: "b=6@8(3,3) d=5@7(7,1) k=v@8(8,1)", revision: 8,
		},
		"a delete of nothing is no revision": {
			txn:       func(x clientv3.Txn) clientv3.Txn { return x.Then(clientv3.OpDelete("x"), clientv3.OpGet("a")) },
			succeeded: true, want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1)", revision: 7,
		},
		"a key is not put twice": {
			txn:     func(x clientv3.Txn) clientv3.Txn { return x.Then(clientv3.OpPut("k", "1"), clientv3.OpPut("k", "2")) },
			wantErr: rpctypes.ErrDuplicateKey, want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1)", revision: 7,
		},
		"a key is not put and deleted": {
			txn: func(x clientv3.Txn) clientv3.Txn {
				return x.Then(clientv3.OpPut("k", "1"), clientv3.OpDelete("j", clientv3.WithRange("l")))
			},
			wantErr: rpctypes.ErrDuplicateKey, want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1)", revision: 7,
		},
		"a lease that is not there undoes the whole": {
			txn: func(x clientv3.Txn) clientv3.Txn {
				return x.Then(clientv3.OpPut("k", "1"), clientv3.OpPut("l", "1", clientv3.WithLease(7)))
			},
			wantErr: rpctypes.ErrLeaseNotFound, want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1)", revision: 7,
		},
		"a read of a revision to come undoes the whole": {
			txn: func(x clientv3.Txn) clientv3.Txn {
				return x.Then(clientv3.OpPut("k", "1"), clientv3.OpGet("a", clientv3.WithRev(8)))
			},
			wantErr: rpctypes.ErrFutureRev, want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1)", revision: 7,
		},
		"what is wrong in the branch not taken is wrong all the same": {
			txn:     func(x clientv3.Txn) clientv3.Txn { return x.If(isNew).Else(clientv3.OpPut("", "1")) },
			wantErr: rpctypes.ErrEmptyKey, want: "a=1@2(2,1) b=4@5(3,2) d=5@7(7,1)", revision: 7,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newTestClient(t)
			fill(t, c)
			resp, err := tc.txn(c.Txn(t.Context())).Commit()
			if !errors.Is(err, tc.wantErr) {
				t.Fatalf("error %v, want %v", err, tc.wantErr)
			}
			if err == nil && (resp.Succeeded != tc.succeeded || resp.Header.Revision != tc.revision) {
				t.Errorf("succeeded %v at %d, want %v at %d", resp.Succeeded, resp.Header.Revision, tc.succeeded, tc.revision)
			}
			got, err := c.Get(t.Context(), "", clientv3.WithPrefix())
			if err != nil {
				t.Fatal(err)
			}
			if show(got.Kvs) != tc.want || s.Revision() != tc.revision {
				t.Errorf("afterwards %s at %d\nwant %s at %d", show(got.Kvs), s.Revision(), tc.want, tc.revision)
			}
		})
	}
}

func TestTxnReadsItsOwnWrites(t *testing.T) {
	_, c := newTestClient(t)
	fill(t, c)
	resp, err := c.Txn(t.Context()).Then(
		clientv3.OpGet("k"), clientv3.OpPut("k", "v", clientv3.WithPrevKV()), clientv3.OpGet("k"),
		clientv3.OpDelete("a", clientv3.WithRange("c"), clientv3.WithPrevKV()), clientv3.OpGet("a"),
		clientv3.OpGet("a", clientv3.WithRev(7)),
	).Commit()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range resp.Responses {
		switch {
		case r.GetResponseRange() != nil:
			got = append(got, fmt.Sprintf("get %s at %d", show(r.GetResponseRange().Kvs), r.GetResponseRange().Header.Revision))
		case r.GetResponsePut() != nil:
			got = append(got, fmt.Sprintf("put over %v at %d", r.GetResponsePut().PrevKv, r.GetResponsePut().Header.Revision))
		case r.GetResponseDeleteRange() != nil:
			d := r.GetResponseDeleteRange()
			got = append(got, fmt.Sprintf("deleted %d %s at %d", d.Deleted, show(d.PrevKvs), d.Header.Revision))
		}
	}
	want := []string{
		"get  at 7", "put over <nil> at 8", "get k=v@8(8,1) at 8",
		"deleted 2 a=1@2(2,1) b=4@5(3,2) at 8", "get  at 8", "get a=1@2(2,1) at 8",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestLimitsHaveNames(t *testing.T) {
	for name, tc := range map[string]struct {
		limit   func(*limits)
		request func(context.Context, *clientv3.Client) error
		wantErr error
	}{
		"a request that is too large": {
			limit:   func(l *limits) { l.requestBytes = 10 },
			request: func(ctx context.Context, c *clientv3.Client) error { return second(c.Put(ctx, "key", "too long")) },
			wantErr: rpctypes.ErrRequestTooLarge,
		},
		"a transaction of too many operations": {
			limit: func(l *limits) { l.txnOps = 1 },
			request: func(ctx context.Context, c *clientv3.Client) error {
				return second(c.Txn(ctx).Then(clientv3.OpGet("a"), clientv3.OpGet("b")).Commit())
			},
			wantErr: rpctypes.ErrTooManyOps,
		},
		"a store that is full": {
			limit: func(l *limits) { l.spaceBytes = 1000 },
			request: func(ctx context.Context, c *clientv3.Client) error {
				return second(c.Put(ctx, "k", strings.Repeat("x", 1000)))
			},
			wantErr: rpctypes.ErrNoSpace,
		},
		"a lease that would last too long": {
			request: func(ctx context.Context, c *clientv3.Client) error { return second(c.Grant(ctx, leaseTTLMaxSeconds+1)) },
			wantErr: rpctypes.ErrLeaseTTLTooLarge,
		},
		"too many leases": {
			limit:   func(l *limits) { l.leases = 0 },
			request: func(ctx context.Context, c *clientv3.Client) error { return second(c.Grant(ctx, 10)) },
			wantErr: status.Error(codes.ResourceExhausted, "etcdmem: more than 0 leases"),
		},
		"too many watches": {
			limit: func(l *limits) { l.watches = 0 },
			request: func(ctx context.Context, c *clientv3.Client) error {
				resp := <-c.Watch(ctx, "a")
				return resp.Err()
			},
			wantErr: rpctypes.Error(status.Error(codes.FailedPrecondition, "etcdmem: more than 0 watches")),
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newTestClient(t)
			if tc.limit != nil {
				tc.limit(&s.limits)
			}
			if err := tc.request(t.Context(), c); err == nil || err.Error() != tc.wantErr.Error() {
				t.Errorf("got %v, want %v", err, tc.wantErr)
			}
		})
	}
}

func TestAFullStoreTakesPutsAgainAfterACompaction(t *testing.T) {
	s, c := newTestClient(t)
	s.limits.spaceBytes = 10_000
	var err error
	for range 1000 {
		if _, err = c.Put(t.Context(), "k", "v"); err != nil {
			break
		}
	}
	if !errors.Is(err, rpctypes.ErrNoSpace) {
		t.Fatalf("filling it ended with %v, want %v", err, rpctypes.ErrNoSpace)
	}
	mustDelete(t, c, "k")
	mustCompact(t, c, s.Revision())
	mustPut(t, c, "k", "v")
}

func TestCompactionFreesWhatItRemoves(t *testing.T) {
	s, c := newTestClient(t)
	// A day of a cluster in small: the same keys change, others come and go, and every
	// now and then what is old is compacted.
	compactAt := s.Revision()
	for round := range 50 {
		for i := range 20 {
			mustPut(t, c, fmt.Sprintf("lease/%d", i), strings.Repeat("x", 100))
			mustPut(t, c, fmt.Sprintf("event/%d-%d", round, i), strings.Repeat("y", 100))
		}
		mustDelete(t, c, fmt.Sprintf("event/%d-", round-1), clientv3.WithPrefix())
		if round > 0 {
			mustCompact(t, c, compactAt)
		}
		compactAt = s.Revision()
		if limit := int64(3 * 61 * 400); s.history.bytes > limit {
			t.Fatalf("round %d: %d bytes are kept, want at most %d", round, s.history.bytes, limit)
		}
		if len(s.history.log) > 3*61 || len(s.history.keys) > 100 {
			t.Fatalf("round %d: %d changes and %d keys are kept", round, len(s.history.log), len(s.history.keys))
		}
	}
	mustDelete(t, c, "", clientv3.WithPrefix())
	mustCompact(t, c, s.Revision())
	if s.history.bytes != 0 || len(s.history.keys) != 0 {
		t.Errorf("an empty store keeps %d bytes and %d keys", s.history.bytes, len(s.history.keys))
	}
}

func TestCompactRefusesThePastAndTheFuture(t *testing.T) {
	_, c := newTestClient(t)
	fill(t, c)
	mustCompact(t, c, 5)
	for revision, want := range map[int64]error{5: rpctypes.ErrCompacted, 4: rpctypes.ErrCompacted, 8: rpctypes.ErrFutureRev} {
		if _, err := c.Compact(t.Context(), revision); !errors.Is(err, want) {
			t.Errorf("compact %d: %v, want %v", revision, err, want)
		}
	}
	mustCompact(t, c, 7)
}

func TestOnCommitSeesEveryChangeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newTestClient(t)
		var got []string
		s.OnCommit(func(c Commit) {
			got = append(got, fmt.Sprintf("%d %s %s %s", c.Revision, c.Type, c.Key, c.Value))
		})
		fill(t, c)
		lease, err := c.Grant(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Txn(t.Context()).Then(clientv3.OpPut("y", "1", clientv3.WithLease(lease.ID)), clientv3.OpPut("x", "2", clientv3.WithLease(lease.ID)), clientv3.OpDelete("a")).Commit(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		want := []string{
			"2 PUT a 1", "3 PUT b 2", "4 PUT c 3", "5 PUT b 4", "6 DELETE c ", "7 PUT d 5",
			"8 PUT y 1", "8 PUT x 2", "8 DELETE a ", "9 DELETE x ", "9 DELETE y ",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func TestACallerOwnsWhatItGets(t *testing.T) {
	_, c := newTestClient(t)
	mustPut(t, c, "k", "value")
	for range 2 {
		resp, err := c.Get(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		if string(resp.Kvs[0].Value) != "value" {
			t.Fatalf("the value became %q", resp.Kvs[0].Value)
		}
		copy(resp.Kvs[0].Value, "VALUE")
	}
}

func TestRequestsEndWithTheirContextAndTheStore(t *testing.T) {
	s, c := newTestClient(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Put(cancelled, "k", "v"); !errors.Is(err, context.Canceled) {
		t.Errorf("put with a cancelled context: %v, want %v", err, context.Canceled)
	}
	s.Close()
	s.Close()
	for name, err := range map[string]error{
		"put":                        second(c.Put(t.Context(), "k", "v")),
		"get":                        second(c.Get(t.Context(), "k")),
		"grant":                      second(c.Grant(t.Context(), 10)),
		"request progress":           c.RequestProgress(t.Context()),
		"put by a client made later": second(s.Client().Put(t.Context(), "k", "v")),
	} {
		if !errors.Is(err, rpctypes.ErrStopped) {
			t.Errorf("%s on a closed store: %v, want %v", name, err, rpctypes.ErrStopped)
		}
	}
	if _, open := <-s.Client().Watch(t.Context(), "k"); open {
		t.Error("a watch on a closed store is open")
	}
}

func TestStatusNamesAVersionThatHasProgressRequests(t *testing.T) {
	s, c := newTestClient(t)
	mustPut(t, c, "k", "v")
	got, err := c.Status(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != serverVersion || got.DbSize != s.history.bytes || got.Header.Revision != 2 {
		t.Errorf("got version %s, %d bytes, revision %d", got.Version, got.DbSize, got.Header.Revision)
	}
}

func BenchmarkPutWithWatches(b *testing.B) {
	for _, watches := range []int{0, 100, 1000} {
		b.Run(fmt.Sprintf("watches=%d", watches), func(b *testing.B) {
			s, c := newTestClient(b)
			for i := range watches {
				c.Watch(b.Context(), fmt.Sprintf("/registry/resource-%d/", i), clientv3.WithPrefix())
			}
			for b.Loop() {
				revision := mustPut(b, c, "/registry/leases/kube-node-lease/node-1", "v")
				if revision%10_000 == 0 {
					mustCompact(b, c, s.Revision())
				}
			}
		})
	}
}
