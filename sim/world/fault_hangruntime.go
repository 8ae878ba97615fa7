package world

import "context"

// HangRuntime lets a machine's container runtime answer nobody. Containers run on, and
// those that were told to stop stop; but the kubelet can start, stop and see none. After
// runtimeSilenceMax it says that the node is not ready, and looks after no pod any more.
type HangRuntime struct {
	Node string
}

func (f HangRuntime) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.needPower(); err != nil {
		return err
	}
	m.runtime.hung.shut()
	return nil
}

func (f HangRuntime) String() string { return "hang of the container runtime of " + f.Node }

// ResumeRuntime ends HangRuntime.
type ResumeRuntime struct {
	Node string
}

func (f ResumeRuntime) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.runtime.hung.open()
	return nil
}

func (f ResumeRuntime) String() string { return "the container runtime of " + f.Node + " goes on" }
