package world

import "context"

// Freeze stops a machine as SIGSTOP stops a process, or a hypervisor a machine that
// it moves: nothing on it goes on, nothing answers, and nothing ends. Its processes
// are there all the same and go on when it is thawed, so the ground truth counts
// them, and their write paths.
type Freeze struct {
	Node string
	// KubeletOnly: only the kubelet hangs. Containers run on and end as they would.
	KubeletOnly bool
}

func (f Freeze) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.needPower(); err != nil {
		return err
	}
	// What a kubelet does that hears nothing is to wait; what it had begun is the
	// runtime's.
	m.link.freeze()
	if !f.KubeletOnly {
		m.runtime.frozen.shut()
	}
	return nil
}

func (f Freeze) String() string {
	if f.KubeletOnly {
		return "hang of the kubelet of " + f.Node
	}
	return "freeze of " + f.Node
}

// Thaw lets a machine, or its kubelet, go on.
type Thaw struct {
	Node string
}

func (f Thaw) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runtime.frozen.open()
	m.link.thaw()
	return nil
}

func (f Thaw) String() string { return "thaw of " + f.Node }
