package engine

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-dev/holdfast/sim/replay"
)

// Epoch is the virtual time at which every bubble begins its work. A bubble is
// born in 2000; certificates, leases and events look better in our own century.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// drain is how long, in virtual time, the goroutines of a bubble get to end after
// the work is done. Upstream's longest loops look at their context once a minute.
const drain = 2 * time.Minute

// startSignals starts os/signal's goroutine outside of any bubble: the
// scheduler's cache debugger calls signal.Notify, which is fatal inside of one
// unless that goroutine runs already.
var startSignals = sync.OnceFunc(func() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR2)
	signal.Stop(c)
})

// InVirtualTime is InVirtualTimeFrom a seed of no meaning.
func InVirtualTime(f func(ctx context.Context) error) error { return InVirtualTimeFrom(1, f) }

// InVirtualTimeFrom runs f in virtual time and returns its error, or an error that
// says that f panicked or that everything in the bubble waits for ever, or a
// *StalledError where time does not pass although a control plane runs. The
// context given to f ends when f returns. Only one call may run at a time in a
// process: upstream keeps package variables that belong to one bubble. In a
// deterministic build (package replay) what happens follows from f and the seed.
func InVirtualTimeFrom(seed uint64, f func(ctx context.Context) error) error {
	bubbles.Lock()
	defer bubbles.Unlock()
	if stalled != nil {
		return fmt.Errorf("an earlier run still has what this one needs: %w", stalled)
	}
	startSignals()
	defer collectSeldom()()

	p := &pulse{}
	living.Store(p)
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = inBubble(p, seed, f)
	}()
	if stalled = p.watch(ended); stalled != nil {
		return stalled
	}
	return err
}

func inBubble(p *pulse, seed uint64, f func(ctx context.Context) error) (err error) {
	finished := false
	crashed.take()
	defer func() {
		// Goroutines that upstream never ends (caches of the API server) are still
		// blocked when the bubble ends, which synctest reports by a panic. They are
		// a leak of known size, not a fault of the run.
		switch e := recover(); {
		case e == nil:
		case finished && strings.Contains(fmt.Sprint(e), "blocked goroutines remain"):
		default:
			err = fmt.Errorf("virtual time stopped: %v", e)
		}
		if crash := crashed.take(); crash != nil {
			err = crash
		}
	}()

	synctest.Test(new(testing.T), func(*testing.T) {
		replay.Begin(seed)
		time.Sleep(time.Until(Epoch))
		restore := adoptGlobals()
		ctx, cancel := context.WithCancel(context.Background())
		if replay.Promised {
			go collectGarbage(ctx)
		}
		err = guarded(ctx, f)
		cancel()
		restore()
		time.Sleep(drain)
		p.over.Store(true)
		time.Sleep(2 * beat)
		finished = true
	})
	return err
}

// bubbles guards stalled, and lets one bubble run at a time.
var bubbles sync.Mutex

// stalled is what an earlier bubble has come to, if it did not end.
var stalled *StalledError

// collectGarbage does so whenever a while has passed and everybody waits: at a moment
// that the machine's speed has no part in.
func collectGarbage(ctx context.Context) {
	const while = time.Minute
	for ctx.Err() == nil {
		time.Sleep(while)
		synctest.Wait()
		replay.Collect()
	}
}

// guarded turns a panic of f into an error, for synctest would end the process.
func guarded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("panic: %v\n%s", e, debug.Stack())
		}
	}()
	return f(ctx)
}
