package world

import "context"

// Heal ends the partition of a node, or of every node if it names none.
type Heal struct {
	Node string
}

func (f Heal) apply(_ context.Context, w *World) error {
	if f.Node == "" {
		for _, m := range w.machines {
			m.link.heal()
		}
		return nil
	}
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.link.heal()
	return nil
}

func (f Heal) String() string {
	if f.Node == "" {
		return "heal of every node"
	}
	return "heal of " + f.Node
}
