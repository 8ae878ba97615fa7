package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-dev/holdfast/sim/world"
)

// Checker follows the ground truth through one run. It remembers every span in
// which S1 or S2 was broken, and how long each identity ran, ran twice, or did not
// run. It may be used from several goroutines.
//
// A state counts even if it lasted for no time at all: a start before the stop of
// another incarnation is an overlap, also within one instant. Spans that touch are
// one, because the order of independent changes within one instant is chance.
type Checker struct {
	mu sync.Mutex
	// at is the time of the latest state; zero before the first.
	at       time.Time
	finished bool
	// spans of each subject, in order of time; only the last one can be open.
	spans map[subject][]*Violation
	lives map[identity]*life
}

// subject is what an invariant speaks of: an identity for S1, a disk for S2.
type subject struct {
	invariant Invariant
	name      string
}

// New returns a checker that has seen nothing yet.
func New() *Checker {
	return &Checker{spans: map[subject][]*Violation{}, lives: map[identity]*life{}}
}

// Observe takes in the ground truth after a change. It is a world.Observer. What
// comes after Finish is ignored. It panics if time goes backwards.
func (c *Checker) Observe(s world.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished {
		return
	}
	c.advance(s.At)
	c.judge(s)
	c.follow(s.Processes)
}

// Finish ends the run and returns what was broken, in order of beginning. What is
// broken still has a zero To. Another call returns the same again.
func (c *Checker) Finish(at time.Time) []Violation {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.finished {
		c.advance(at)
		c.finished = true
	}
	var all []Violation
	for _, spans := range c.spans {
		for _, v := range spans {
			found := *v
			found.Nodes = slices.Clone(v.Nodes)
			all = append(all, found)
		}
	}
	slices.SortFunc(all, func(a, b Violation) int {
		return cmp.Or(
			a.From.Compare(b.From),
			cmp.Compare(a.Invariant, b.Invariant),
			cmp.Compare(a.By, b.By),
			slices.Compare(a.Nodes, b.Nodes),
		)
	})
	return all
}

// advance lets time pass up to at, in the state that was observed last.
func (c *Checker) advance(at time.Time) {
	if at.Before(c.at) {
		panic(fmt.Sprintf("check: told of %s after %s", at, c.at))
	}
	for _, l := range c.lives {
		l.pass(at.Sub(c.at))
	}
	c.at = at
}

// judge begins, goes on with, and ends the spans of what is broken.
func (c *Checker) judge(s world.State) {
	broken := map[subject]breach{}
	for _, b := range append(doubleRuns(s.Processes), doubleWriters(s.Writers)...) {
		broken[b.subject] = b
	}
	for sub, spans := range c.spans {
		last := spans[len(spans)-1]
		if _, still := broken[sub]; !still && last.To.IsZero() {
			last.To = s.At
		}
	}
	for sub, b := range broken {
		span := c.openSpan(sub, b.by, s.At)
		span.Nodes = union(span.Nodes, b.nodes)
	}
}

// openSpan returns the subject's span that goes on at this time, which may be one
// that ended in this very instant, or a new one.
func (c *Checker) openSpan(sub subject, by string, at time.Time) *Violation {
	if spans := c.spans[sub]; len(spans) > 0 {
		if last := spans[len(spans)-1]; last.To.IsZero() || last.To.Equal(at) {
			last.To = time.Time{}
			return last
		}
	}
	v := &Violation{Invariant: sub.invariant, By: by, From: at}
	c.spans[sub] = append(c.spans[sub], v)
	return v
}

// union returns the members of both, sorted, each once.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// identity is namespace and pod name.
type identity struct{ namespace, pod string }

func (i identity) String() string { return i.namespace + "/" + i.pod }

// compare orders identities by namespace, set and ordinal, so that web-10 comes
// after web-9.
func (i identity) compare(o identity) int {
	set, ordinal := splitOrdinal(i.pod)
	otherSet, otherOrdinal := splitOrdinal(o.pod)
	return cmp.Or(
		cmp.Compare(i.namespace, o.namespace),
		cmp.Compare(set, otherSet),
		// Without leading zeros, the longer number is the larger one.
		cmp.Compare(len(ordinal), len(otherOrdinal)),
		cmp.Compare(ordinal, otherOrdinal),
	)
}

func splitOrdinal(pod string) (set, ordinal string) {
	i := strings.LastIndexByte(pod, '-')
	if i < 0 || strings.Trim(pod[i+1:], "0123456789") != "" {
		return pod, ""
	}
	return pod[:i], pod[i+1:]
}
