package world

import (
	"context"
	"errors"
	"fmt"
)

// SetAttachLimit changes how many disks the storage attaches to a node, as when a
// network card takes one of the machine's slots. What is attached stays so, also beyond
// the limit. CSINode tells of it at once, as the kubelet of a driver does that has it
// read again (CSIDriver, nodeAllocatableUpdatePeriodSeconds); or not at all, which is
// how it is where the driver has not.
type SetAttachLimit struct {
	Node string
	// Limit is how many.
	Limit int
	// Untold: CSINode says what it said.
	Untold bool
}

func (f SetAttachLimit) apply(ctx context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	if f.Limit < 1 {
		return errors.New("the limit must be positive")
	}
	w.ledger.setAttachLimit(f.Node, f.Limit)
	if f.Untold {
		return nil
	}
	m.attachLimit.Store(int32(f.Limit))
	if m.plugins.isShut() {
		return nil // The driver tells when it registers.
	}
	return w.setDrivers(ctx, m, m.drivers)
}

func (f SetAttachLimit) String() string {
	return fmt.Sprintf("attach limit of %s, now %d", f.Node, f.Limit)
}
