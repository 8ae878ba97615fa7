package world

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// fencedTaint is the word of a remediator that a node is out of service, as Medik8s'
// remediators write it (docs/kubernetes-facts.md §3).
var fencedTaint = corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}

// Fence is what a remediator does with a node that it takes for dead: it asks for
// the machine's power to be taken away, and says by the out-of-service taint that it
// is. It believes what it is told.
type Fence struct {
	Node string
	// Hits is the machine whose power goes; empty: the node's own. Another one is a
	// wrong entry in the list of power switches.
	Hits string
	// Fails: the power switch says that it has done it, and has not.
	Fails bool
}

func (f Fence) apply(ctx context.Context, w *World) error {
	if f.Fails && f.Hits != "" {
		return errors.New("a fence that fails hits nobody")
	}
	if !f.Fails {
		hits := f.Hits
		if hits == "" {
			hits = f.Node
		}
		if err := (Crash{Node: hits}).apply(ctx, w); err != nil {
			return err
		}
	}
	return Taint{Node: f.Node, Taint: fencedTaint}.apply(ctx, w)
}

func (f Fence) String() string {
	switch {
	case f.Fails:
		return fmt.Sprintf("fence of %s that fails", f.Node)
	case f.Hits != "":
		return fmt.Sprintf("fence of %s that hits %s", f.Node, f.Hits)
	}
	return "fence of " + f.Node
}

// Unfence is how a remediator ends: it gives the power back and takes its word back,
// in this order.
type Unfence struct {
	Node string
}

func (f Unfence) apply(ctx context.Context, w *World) error {
	if err := PowerOn(f).apply(ctx, w); err != nil {
		return err
	}
	return Taint{Node: f.Node, Taint: fencedTaint, Remove: true}.apply(ctx, w)
}

func (f Unfence) String() string { return "end of the fence of " + f.Node }
