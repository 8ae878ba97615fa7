package world

import (
	"context"
	"errors"
	"maps"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Answer is how the storage answers calls.
type Answer string

const (
	// Work: it does what is asked.
	Work Answer = "Work"
	// Fail: it refuses, and changes nothing.
	Fail Answer = "Fail"
	// Hang: it does not answer. The calls wait until this changes.
	Hang Answer = "Hang"
	// Lie: it says that it has done what is asked, and has done nothing.
	Lie Answer = "Lie"
)

// operation is what the storage is asked to do.
type operation string

const (
	attaching operation = "attach"
	detaching operation = "detach"
)

// call is what a call is about. Without a node it stands for those about every node.
type call struct {
	class, node string
	does        operation
}

// answers are how the storage answers which calls; it works where nothing is said.
// A call under way hears of a change when it is about to be answered. Calls that
// hang keep a worker of the attacher busy each, as they do in reality.
type answers struct {
	mu sync.Mutex
	to map[call]Answer
	// changed is closed at the next change.
	changed chan struct{}
}

func newAnswers() *answers { return &answers{to: map[call]Answer{}, changed: make(chan struct{})} }

// set takes effect at once. What is said of every node replaces what was said of single ones.
func (a *answers) set(c call, answer Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.node == "" {
		maps.DeleteFunc(a.to, func(old call, _ Answer) bool { return old.class == c.class && old.does == c.does })
	}
	a.to[c] = answer
	close(a.changed)
	a.changed = make(chan struct{})
}

// of returns the answer of now, and what tells of the next change.
func (a *answers) of(c call) (Answer, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	answer, ok := a.to[c]
	if !ok {
		c.node = ""
		answer = a.to[c]
	}
	return answer, a.changed
}

// errLies is for the storage alone: the caller is told of no error.
var errLies = errors.New("the storage lies")

// await returns nil when the storage may do what it is asked, and its error when
// it refuses, errLies when it is to do nothing and to say that it has.
func (a *answers) await(ctx context.Context, c call) error {
	for {
		answer, changed := a.of(c)
		switch answer {
		case Fail:
			return status.Errorf(codes.Internal, "class %s: %s of node %s is out of order", c.class, c.does, c.node)
		case Hang:
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		case Lie:
			return errLies
		default:
			return nil
		}
	}
}
