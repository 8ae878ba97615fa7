package engine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/sim/engine"
)

// shelf is held by who sleeps.
type shelf struct{ mu sync.Mutex }

func (s *shelf) tidy(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	time.Sleep(d)
}

func (s *shelf) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

// TestAStandstillIsAnError plays in a process of its own, for no other run can be played
// in it afterwards.
func TestAStandstillIsAnError(t *testing.T) {
	if os.Getenv("HOLDFAST_STAND_STILL") == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestAStandstillIsAnError$", "-test.v")
		c.Env = append(os.Environ(), "HOLDFAST_STAND_STILL=1")
		if out, err := c.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	o := engine.Options{Scheduler: engine.Stock, StallLimit: 3 * time.Second}
	err := engine.InVirtualTime(func(ctx context.Context) error {
		if _, err := engine.Start(ctx, o); err != nil {
			return err
		}
		s := &shelf{}
		go s.tidy(time.Hour)
		time.Sleep(time.Minute)
		s.look()
		return nil
	})
	stalled := (*engine.StalledError)(nil)
	if !errors.As(err, &stalled) {
		t.Fatalf("got %v, want a *StalledError", err)
	}
	if at := stalled.At.Sub(engine.Epoch); at < time.Minute-time.Second || at > 2*time.Minute {
		t.Errorf("it stands still at %s, want about a minute after the epoch", stalled.At)
	}
	for _, want := range []string{"sync.Mutex.Lock", "(*shelf).look", "sleep", "(*shelf).tidy, which may hold"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message has no %q: %v", want, err)
		}
	}
	for _, want := range []string{"standstill_test.go", "(*shelf).look(", "(*shelf).tidy("} {
		if !strings.Contains(stalled.Dump, want) {
			t.Errorf("the dump has no %q:\n%s", want, stalled.Dump)
		}
	}
	again := engine.InVirtualTime(func(context.Context) error { t.Error("it was played"); return nil })
	if !errors.As(again, &stalled) {
		t.Errorf("another run in the same process: got %v, want the same error", again)
	}
}
