package world

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
)

// StickContainers lets what runs of a pod not end, whatever signal it gets: it waits in
// the kernel, as for a disk or a file server that does not answer. Whoever stops it
// waits with it, kubelet after kubelet; only the power ends it.
type StickContainers struct {
	Namespace, Pod string
}

func (f StickContainers) apply(_ context.Context, w *World) error {
	return w.onContainers(f.Namespace, f.Pod, (*containerRuntime).stick)
}

func (f StickContainers) String() string {
	return fmt.Sprintf("containers of pod %s/%s that heed no signal", f.Namespace, f.Pod)
}

// FreeContainers ends StickContainers: what was sent meanwhile arrives.
type FreeContainers struct {
	Namespace, Pod string
}

func (f FreeContainers) apply(_ context.Context, w *World) error {
	return w.onContainers(f.Namespace, f.Pod, (*containerRuntime).free)
}

func (f FreeContainers) String() string {
	return fmt.Sprintf("containers of pod %s/%s that heed signals again", f.Namespace, f.Pod)
}

// onContainers calls do for all that runs of a pod's name, on whatever machine and
// whether or not the API still knows of it.
func (w *World) onContainers(namespace, pod string, do func(*containerRuntime, types.UID)) error {
	done := map[processKey]bool{}
	for _, p := range w.ledger.state().Processes {
		sandbox := processKey{node: p.Node, pod: p.PodUID}
		if p.Namespace != namespace || p.Pod != pod || p.Denied || done[sandbox] {
			continue
		}
		done[sandbox] = true
		m, err := w.machine(p.Node)
		if err != nil {
			return err
		}
		do(m.runtime, p.PodUID)
	}
	if len(done) == 0 {
		return errors.New("none of its containers runs")
	}
	return nil
}
