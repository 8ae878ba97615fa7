package world

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RestartKubelet ends a node's kubelet and starts another one some time later. The
// containers run on; the new kubelet knows nothing but what the API and the runtime
// tell it (docs/kubernetes-facts.md §1.3).
type RestartKubelet struct {
	Node string
	// DownFor is how long no kubelet runs.
	DownFor time.Duration
	// Rejects are pods that the next kubelet does not admit any more, as namespace/name.
	Rejects []string
	// LooksAfter is for how long from its start the next kubelet does not see what runs:
	// its first relist is not over, or the runtime's lists fail.
	LooksAfter time.Duration
}

func (f RestartKubelet) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.needPower(); err != nil {
		return err
	}
	if m.runtime.frozen.isShut() {
		return errors.New("the machine is frozen")
	}
	next, err := newKubelet(m)
	if err != nil {
		return err
	}
	next.rejects, next.sees.after = f.Rejects, f.LooksAfter
	m.kubelet.stop()
	m.kubelet = next
	m.link.thaw() // A kubelet that hung has ended.
	m.later(f.DownFor, func() { next.start(m.powered, m.bootID()) })
	return nil
}

func (f RestartKubelet) String() string {
	return fmt.Sprintf("restart of the kubelet of %s within %s", f.Node, f.DownFor)
}
