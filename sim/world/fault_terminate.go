package world

import (
	"context"
	"errors"
)

// Terminate gives a machine back to its cloud: its power goes, and it never comes
// back. It needs a world with a cloud.
type Terminate struct {
	Node string
}

func (f Terminate) apply(_ context.Context, w *World) error {
	if !w.config.Cloud {
		return errors.New("there is no cloud that could take it back")
	}
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.terminated = true
	return m.losePower()
}

func (f Terminate) String() string { return "termination of " + f.Node }
