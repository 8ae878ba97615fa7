package world

import "context"

// CutStorage cuts a node off from its volumes, and from nothing else: the API server
// hears of a healthy node. What is behind the network fails: no read, no write, nothing
// can be attached to the node or mounted on it. What a cut does not do is to end
// anything: mounts stay, processes run, and the storage knows as attached what it knew.
// So after the heal all that was neither unmounted nor fenced meanwhile is written to
// again. Disks that are part of the machine are not behind that network.
//
// A process that gets an error goes on and heeds its signals; one that waits in the
// kernel, as upon a disk that is mounted hard, is StickContainers' to say.
type CutStorage struct {
	Node string
}

func (f CutStorage) apply(_ context.Context, w *World) error { return w.setStorageCut(f.Node, true) }

func (f CutStorage) String() string { return "partition of " + f.Node + " from its storage" }

// HealStorage ends CutStorage.
type HealStorage struct {
	Node string
}

func (f HealStorage) apply(_ context.Context, w *World) error { return w.setStorageCut(f.Node, false) }

func (f HealStorage) String() string { return "heal of the storage of " + f.Node }

func (w *World) setStorageCut(node string, cut bool) error {
	if _, err := w.machine(node); err != nil {
		return err
	}
	w.ledger.cutsStorage(node, cut)
	return nil
}
