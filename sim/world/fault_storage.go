package world

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Storage says how the storage of a class answers from now on.
type Storage struct {
	Class string
	// Node limits it to calls about one node; empty: every node, whatever was said
	// of single ones before.
	Node string
	// Attach and Detach are the answers; empty: as before.
	Attach, Detach Answer
}

func (f Storage) apply(_ context.Context, w *World) error {
	if !w.storage.hasClass(f.Class) {
		return fmt.Errorf("no storage class %q", f.Class)
	}
	if f.Node != "" {
		if _, err := w.machine(f.Node); err != nil {
			return err
		}
	}
	for _, s := range f.said() {
		switch s.answer {
		case Work, Fail, Hang, Lie:
		default:
			return fmt.Errorf("%s: no answer %q", s.does, s.answer)
		}
	}
	if len(f.said()) == 0 {
		return errors.New("neither attach nor detach")
	}
	for _, s := range f.said() {
		w.storage.answers.set(call{class: f.Class, node: f.Node, does: s.does}, s.answer)
	}
	return nil
}

// said is one operation and how it is answered.
type said struct {
	does   operation
	answer Answer
}

func (f Storage) said() []said {
	var all []said
	for _, s := range []said{{attaching, f.Attach}, {detaching, f.Detach}} {
		if s.answer != "" {
			all = append(all, s)
		}
	}
	return all
}

func (f Storage) String() string {
	var words []string
	for _, s := range f.said() {
		words = append(words, fmt.Sprintf("%s: %s", s.does, s.answer))
	}
	where := ""
	if f.Node != "" {
		where = " for " + f.Node
	}
	return fmt.Sprintf("storage class %s%s, %s", f.Class, where, strings.Join(words, ", "))
}
