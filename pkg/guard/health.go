package guard

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// stuckAfter is how long one identity may take. Its requests end by themselves well
// before: a connection that says nothing is given up within a minute.
const stuckAfter = 5 * time.Minute

// Synced says what a guard lacks that could not yet take over: it must have seen
// every pod, node and record once.
func (g *Guard) Synced() error {
	if !g.watches.Load() {
		return errors.New("the guard has not seen every pod, node and record yet")
	}
	return nil
}

// Stuck says on which identity the guard has been for too long, if it is.
func (g *Guard) Stuck() error {
	key, began, some := g.underWay.oldest()
	if took := g.clock.Since(began); some && took > stuckAfter {
		return fmt.Errorf("the guard has been on %s for %s", key, took.Round(time.Second))
	}
	return nil
}

// underWay has the identities that are being worked on: as many as there are workers.
type underWay struct {
	mu    sync.Mutex
	since map[types.NamespacedName]time.Time
}

// begin notes that an identity is taken up; done, that it is finished with. The queue
// never gives one identity to two workers.
func (u *underWay) begin(key types.NamespacedName, now time.Time) (done func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.since == nil {
		u.since = map[types.NamespacedName]time.Time{}
	}
	u.since[key] = now
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.since, key)
	}
}

// oldest is the one that has taken longest.
func (u *underWay) oldest() (key types.NamespacedName, since time.Time, some bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for k, at := range u.since {
		if !some || at.Before(since) {
			key, since, some = k, at, true
		}
	}
	return key, since, some
}
