package world

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Reboot takes a machine's power away and gives it back some time later.
type Reboot struct {
	Node string
	// DownFor is how long it has none.
	DownFor time.Duration
}

func (f Reboot) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.terminated {
		return errors.New("the machine was terminated: there is nothing to reboot")
	}
	if err := m.losePower(); err != nil {
		return err
	}
	m.later(f.DownFor, m.switchOn)
	return nil
}

func (f Reboot) String() string { return fmt.Sprintf("reboot of %s within %s", f.Node, f.DownFor) }
