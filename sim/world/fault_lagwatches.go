package world

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// LagWatches lets the watches of a node deliver all that they deliver so much later, as
// those of an API server do whose cache lags. Whatever else the node asks is answered
// with what is so.
type LagWatches struct {
	Node string
	// By is how much; 0: no more. What is under way arrives when it would have.
	By time.Duration
}

func (f LagWatches) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	if f.By < 0 {
		return errors.New("nothing arrives before it is sent")
	}
	m.link.lag(f.By)
	return nil
}

func (f LagWatches) String() string {
	return fmt.Sprintf("lag of the watches of %s by %s", f.Node, f.By)
}
