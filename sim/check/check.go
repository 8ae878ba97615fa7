package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/world"
)

// Checker follows the ground truth through one run, and hears of releases. It
// remembers every span in which S1, S2 or S3 was broken, and how long each identity
// ran, ran twice, or did not run. It may be used from several goroutines.
//
// An instant is judged as a whole when it is over: who tells of the world and who
// tells of the API do so in an order of chance, and what a release is worth depends
// on what is left running at the end of its instant.
//
// A state counts even if it lasted for no time at all: a start before the stop of
// another incarnation is an overlap, also within one instant. Spans that touch are
// one, because the order of independent changes within one instant is chance.
type Checker struct {
	mu sync.Mutex
	// at is the latest instant; zero before the first.
	at       time.Time
	finished bool
	// instant has the states of the latest instant, the one before it first: until the
	// instant is over they are not judged.
	instant []world.State
	// spans of each subject, in order of time; only the last one can be open.
	spans map[subject][]*Violation
	lives map[identity]*life
	// seen is when each pod was first seen to run or to write.
	seen map[types.UID]time.Time
	// releases of each pod: the first.
	releases map[types.UID]*release
	chances  chances
	// onFound is called once, at the first violation inside the trust boundary.
	onFound func()
}

// OnFound, before the first state, lets the function be called once, at the first
// violation inside the trust boundary: when its instant is over. The function must be
// quick and must not call the checker.
func (c *Checker) OnFound(f func()) { c.onFound = sync.OnceFunc(f) }

// Pass lets time pass without a change of the world: an instant is over, and judged, when
// a later one is told of. What comes after Finish is ignored. It panics if time goes
// backwards.
func (c *Checker) Pass(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.finished {
		c.advance(at)
	}
}

// subject is what an invariant speaks of: an identity for S1 and S3, a disk for S2.
type subject struct {
	invariant Invariant
	name      string
	// evidence is the kind of what was false: for S3, and for what is outside the trust
	// boundary. What is inside and what is outside are apart.
	evidence string
}

// New returns a checker that has seen nothing yet.
func New() *Checker {
	return &Checker{
		spans: map[subject][]*Violation{}, lives: map[identity]*life{},
		seen: map[types.UID]time.Time{}, releases: map[types.UID]*release{}, chances: newChances(),
	}
}

// Observe takes in the ground truth after a change. It is a world.Observer. What
// comes after Finish is ignored. It panics if time goes backwards. The state is kept
// for a while: its lists must not be written to any more.
func (c *Checker) Observe(s world.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished {
		return
	}
	c.advance(s.At)
	c.instant = append(c.instant, s)
}

// Finish ends the run and returns what was broken, in order of beginning. What is
// broken still has a zero To. Another call returns the same again.
func (c *Checker) Finish(at time.Time) []Violation {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.finished {
		c.advance(at)
		c.settle()
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
			cmp.Compare(a.Outside, b.Outside),
			cmp.Compare(a.Evidence, b.Evidence),
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
	if at.Equal(c.at) {
		return
	}
	c.settle()
	for _, l := range c.lives {
		l.pass(at.Sub(c.at))
	}
	c.at = at
	if n := len(c.instant); n > 0 {
		// A release may change what the state is worth without a change of the state.
		last := c.instant[n-1]
		last.At = at
		c.instant = []world.State{last}
	}
}

// settle judges the latest instant: first what its releases are worth, then its
// states in order.
func (c *Checker) settle() {
	for _, s := range c.instant {
		c.see(s)
		c.chances.see(s)
	}
	c.compareReleases(c.instant)
	for _, s := range c.instant {
		c.follow(s.Processes, c.judge(s))
	}
}

// see notes which pods are there for the first time.
func (c *Checker) see(s world.State) {
	for _, p := range s.Processes {
		if _, before := c.seen[p.PodUID]; !before {
			c.seen[p.PodUID] = s.At
		}
	}
	for _, w := range s.Writers {
		if _, before := c.seen[w.PodUID]; !before {
			c.seen[w.PodUID] = s.At
		}
	}
}

// judge begins, goes on with, and ends the spans of what is broken, and returns what is.
func (c *Checker) judge(s world.State) breaches {
	broken := doubleRuns(s.Processes, c.outside)
	maps.Copy(broken, doubleWriters(s.Writers, c.outside))
	maps.Copy(broken, c.falseProofs(s.Processes))
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
	return broken
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
	if sub.invariant == S3 {
		v.Evidence = sub.evidence
	} else {
		v.Outside = sub.evidence
	}
	c.spans[sub] = append(c.spans[sub], v)
	if v.Outside == "" && c.onFound != nil {
		c.onFound()
	}
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
