package world

import (
	"context"
	"errors"
)

// PowerOn gives a machine its power back: a new boot, in which the kubelet restarts
// what the API lists for its node (docs/kubernetes-facts.md §1.4). A machine that
// has power goes on as it is.
type PowerOn struct {
	Node string
}

func (f PowerOn) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.terminated {
		return errors.New("the machine was terminated: there is nothing to switch on")
	}
	if !m.hasPower() {
		m.callOff()
		m.switchOn()
	}
	return nil
}

func (f PowerOn) String() string { return "return of power to " + f.Node }
