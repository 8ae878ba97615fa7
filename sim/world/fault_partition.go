package world

import "context"

// Partition cuts a node off from the API server. Its containers run on, and its
// kubelet goes on looking after them (docs/kubernetes-facts.md §1.2).
type Partition struct {
	Node string
}

func (f Partition) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.link.cut()
	return nil
}

func (f Partition) String() string { return "partition of " + f.Node }
