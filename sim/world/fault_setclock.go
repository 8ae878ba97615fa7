package world

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// SetClock changes what a machine takes the time of day for: that is what its kubelet
// and its runtime write down, in leases, conditions and the times of containers. All
// that is measured in time goes on as it was, and so do the clocks of all others.
type SetClock struct {
	Node string
	// Ahead is by how much its clock is ahead of the world's from now on; negative: behind.
	Ahead time.Duration
	// GainsPerMinute is by how much it goes fast from then on; negative: slow.
	GainsPerMinute time.Duration
}

func (f SetClock) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	if f.GainsPerMinute.Abs() >= time.Minute {
		return errors.New("a clock gains or loses less than a minute a minute")
	}
	m.clock.adjust(f.Ahead, f.GainsPerMinute)
	return nil
}

func (f SetClock) String() string {
	return fmt.Sprintf("clock of %s, %s ahead and gaining %s a minute", f.Node, f.Ahead, f.GainsPerMinute)
}
