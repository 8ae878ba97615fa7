package world

import "context"

// Crash takes a machine's power away: every process ends at once, nothing is
// reported, and nobody answers. Without power it changes nothing.
type Crash struct {
	Node string
}

func (f Crash) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.losePower()
}

func (f Crash) String() string { return "loss of power of " + f.Node }
