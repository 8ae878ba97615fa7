package world

import (
	"context"
	"sync"
)

// gate holds up what comes to it while it is shut. The zero value is open.
type gate struct {
	mu sync.Mutex
	// opens is closed when the gate opens; nil while it is open.
	opens chan struct{}
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opens == nil {
		g.opens = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opens != nil {
		close(g.opens)
		g.opens = nil
	}
}

func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opens != nil
}

// pass returns once the gate is open, or why ctx ended first.
func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		opens := g.opens
		g.mu.Unlock()
		if opens == nil {
			return ctx.Err()
		}
		select {
		case <-opens:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
