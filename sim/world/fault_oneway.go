package world

import (
	"context"
	"fmt"
)

// Direction is one of the two ways of a link.
type Direction string

const (
	// FromNode: what the node sends.
	FromNode Direction = "FromNode"
	// ToNode: what is sent to it.
	ToNode Direction = "ToNode"
)

// PartitionOneWay lets packets vanish in one direction between a node and the API
// server. Requests whose answers vanish take effect, as long as the connection
// lives; Heal ends it.
type PartitionOneWay struct {
	Node string
	Lost Direction
}

func (f PartitionOneWay) apply(_ context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	switch f.Lost {
	case FromNode:
		m.link.cutFromNode()
	case ToNode:
		m.link.cutToNode()
	default:
		return fmt.Errorf("no direction %q", f.Lost)
	}
	return nil
}

func (f PartitionOneWay) String() string {
	return fmt.Sprintf("one-way partition of %s, %s lost", f.Node, f.Lost)
}
