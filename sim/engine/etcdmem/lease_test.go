package etcdmem

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func mustGrant(t *testing.T, c *clientv3.Client, ttlSeconds int64) clientv3.LeaseID {
	t.Helper()
	resp, err := c.Grant(t.Context(), ttlSeconds)
	if err != nil {
		t.Fatal(err)
	}
	return resp.ID
}

func keysOf(t *testing.T, c *clientv3.Client) string {
	t.Helper()
	resp, err := c.Get(t.Context(), "", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	keys := ""
	for _, kv := range resp.Kvs {
		keys += string(kv.Key)
	}
	return keys
}

func TestALeaseEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newTestClient(t)
		long, short := mustGrant(t, c, 60), mustGrant(t, c, 10)
		mustPut(t, c, "a", "", clientv3.WithLease(short))
		mustPut(t, c, "b", "", clientv3.WithLease(long))
		mustPut(t, c, "c", "", clientv3.WithLease(short))
		mustPut(t, c, "d", "")
		for _, step := range []struct {
			sleep    time.Duration
			keys     string
			revision int64
		}{
			{10*time.Second - 1, "abcd", 5},
			{1, "bd", 6}, // Both keys at once.
			{50*time.Second - 1, "bd", 6},
			{1, "d", 7},
			{24 * time.Hour, "d", 7},
		} {
			time.Sleep(step.sleep)
			synctest.Wait()
			if got := keysOf(t, c); got != step.keys || s.Revision() != step.revision {
				t.Fatalf("%v later: keys %q at %d, want %q at %d", step.sleep, got, s.Revision(), step.keys, step.revision)
			}
		}
	})
}

func TestLeasesDueAtOneInstantEndInTheOrderOfTheirGrants(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s, c := newTestClient(t)
			var got string
			s.OnCommit(func(c Commit) {
				if c.Type == clientv3.EventTypeDelete {
					got += fmt.Sprintf("%d%s ", c.Revision, c.Key)
				}
			})
			for i := range 5 {
				mustPut(t, c, string(rune('e'-i)), "", clientv3.WithLease(mustGrant(t, c, 10)))
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if want := "7e 8d 9c 10b 11a "; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestKeepAliveOnceStartsTheTimeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newTestClient(t)
		id := mustGrant(t, c, 10)
		mustPut(t, c, "a", "", clientv3.WithLease(id))
		for range 5 {
			time.Sleep(9 * time.Second)
			resp, err := c.KeepAliveOnce(t.Context(), id)
			if err != nil || resp.TTL != 10 {
				t.Fatalf("keep alive: ttl %v, %v", resp, err)
			}
		}
		if got := keysOf(t, c); got != "a" {
			t.Fatalf("keys %q, want a", got)
		}
		// The timer and the request are due at one instant: the time is over, whoever is first.
		time.Sleep(10 * time.Second)
		if _, err := c.KeepAliveOnce(t.Context(), id); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			t.Errorf("keep alive of a lease that ended: %v, want %v", err, rpctypes.ErrLeaseNotFound)
		}
		if got := keysOf(t, c); got != "" {
			t.Errorf("keys %q, want none", got)
		}
	})
}

func TestKeepAliveGoesOnUntilTheStoreCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newTestClient(t)
		id := mustGrant(t, c, 10)
		answers, err := c.KeepAlive(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range answers {
				count++
			}
		}()
		time.Sleep(time.Minute)
		if ttl, err := c.TimeToLive(t.Context(), id); err != nil || ttl.TTL < 5 {
			t.Errorf("after a minute %v seconds are left (%v), want about 10", ttl, err)
		}
		s.Close()
		<-done
		if count < 10 {
			t.Errorf("%d answers in a minute, want more than 10", count)
		}
	})
}

func TestRevokeDeletesTheKeysAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newTestClient(t)
		id := mustGrant(t, c, 10)
		mustPut(t, c, "b", "", clientv3.WithLease(id))
		mustPut(t, c, "a", "", clientv3.WithLease(id))
		resp, err := c.Revoke(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if keysOf(t, c) != "" || resp.Header.Revision != 4 {
			t.Errorf("keys %q at %d, want none at 4", keysOf(t, c), resp.Header.Revision)
		}
		if _, err := c.Revoke(t.Context(), id); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			t.Errorf("second revoke: %v, want %v", err, rpctypes.ErrLeaseNotFound)
		}
		if _, err := c.Put(t.Context(), "c", "", clientv3.WithLease(id)); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			t.Errorf("put with a revoked lease: %v, want %v", err, rpctypes.ErrLeaseNotFound)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.Revision() != 4 {
			t.Errorf("revision %d after a minute, want 4", s.Revision())
		}
	})
}

func TestAKeyBelongsToTheLeaseOfItsLastPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newTestClient(t)
		short, long := mustGrant(t, c, 10), mustGrant(t, c, 100)
		for _, key := range []string{"moved", "freed", "deleted", "kept"} {
			mustPut(t, c, key, "", clientv3.WithLease(short))
		}
		mustPut(t, c, "moved", "", clientv3.WithLease(long))
		mustPut(t, c, "freed", "")
		mustDelete(t, c, "deleted")
		mustPut(t, c, "deleted", "again")
		if ttl, err := c.TimeToLive(t.Context(), short, clientv3.WithAttachedKeys()); err != nil || fmt.Sprintf("%s", ttl.Keys) != "[kept]" {
			t.Errorf("the short lease has %s (%v), want [kept]", ttl.Keys, err)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := keysOf(t, c); got != "deletedfreedmoved" {
			t.Errorf("after the short lease: %q", got)
		}
		time.Sleep(100 * time.Second)
		synctest.Wait()
		if got := keysOf(t, c); got != "deletedfreed" {
			t.Errorf("after the long lease: %q", got)
		}
	})
}

func TestTimeToLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newTestClient(t)
		id := mustGrant(t, c, 10)
		tiny := mustGrant(t, c, 1) // Raised to the minimum.
		time.Sleep(1500 * time.Millisecond)
		for want, id := range map[[2]int64]clientv3.LeaseID{{8, 10}: id, {0, leaseTTLMinSeconds}: tiny, {-1, 0}: 99} {
			got, err := c.TimeToLive(t.Context(), id)
			if err != nil || [2]int64{got.TTL, got.GrantedTTL} != want {
				t.Errorf("lease %d: %v (%v), want left and granted %v", id, got, err, want)
			}
		}
		all, err := c.Leases(t.Context())
		if err != nil || fmt.Sprint(all.Leases) != "[{2} {1}]" {
			t.Errorf("leases %v (%v), want them in the order of their ends", all.Leases, err)
		}
	})
}
