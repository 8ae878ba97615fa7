package check

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/world"
)

// OrdinalTruth is what really became of one identity.
type OrdinalTruth struct {
	// Name is namespace/pod.
	Name string
	// Incarnations is how many pod UIDs had a running process.
	Incarnations int
	// Nodes it ran on, in order of first start.
	Nodes []string
	// LastStart is when its latest process started.
	LastStart time.Time
	// Down is the time without any running process, after the first start.
	Down time.Duration
	// Twice is the time in which it broke S1.
	Twice time.Duration
	// TwiceOutside is the part of Twice in which it did so only outside the trust
	// boundary.
	TwiceOutside time.Duration
}

// Ordinals returns the truth of every identity that ever had a process, by
// namespace, set and ordinal. Down and Twice are counted up to Finish; before it,
// only instants that are over count.
func (c *Checker) Ordinals() []OrdinalTruth {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []OrdinalTruth
	for _, id := range slices.SortedFunc(maps.Keys(c.lives), identity.compare) {
		l := c.lives[id]
		all = append(all, OrdinalTruth{
			Name:         id.String(),
			Incarnations: len(l.uids),
			Nodes:        l.nodes(),
			LastStart:    l.lastStart,
			Down:         l.down,
			Twice:        l.twice,
			TwiceOutside: l.twiceOutside,
		})
	}
	return all
}

// follow takes in which identities run, and what is broken.
func (c *Checker) follow(processes []world.Process, broken breaches) {
	for _, l := range c.lives {
		l.running, l.inside, l.outside = false, false, false
	}
	for _, p := range processes {
		id := identity{p.Namespace, p.Pod}
		l := c.lives[id]
		if l == nil {
			l = &life{uids: map[types.UID]bool{}, firstStart: map[string]time.Time{}}
			c.lives[id] = l
		}
		l.see(p)
	}
	for sub := range broken {
		if sub.invariant == S1 {
			namespace, pod, _ := strings.Cut(sub.name, "/")
			c.lives[identity{namespace, pod}].isTwice(sub.evidence != "")
		}
	}
}

// life is what is known of one identity since its first process.
type life struct {
	uids map[types.UID]bool
	// firstStart on each node.
	firstStart map[string]time.Time
	lastStart  time.Time
	// running, and twice inside or outside the trust boundary, in the latest state.
	running, inside, outside  bool
	down, twice, twiceOutside time.Duration
}

// pass lets time pass in the latest state.
func (l *life) pass(d time.Duration) {
	if !l.running {
		l.down += d
	}
	if l.inside || l.outside {
		l.twice += d
	}
	if l.outside && !l.inside {
		l.twiceOutside += d
	}
}

// isTwice takes in that it runs twice.
func (l *life) isTwice(outside bool) {
	l.inside, l.outside = l.inside || !outside, l.outside || outside
}

// see takes in one running process.
func (l *life) see(p world.Process) {
	l.running = true
	l.uids[p.PodUID] = true
	if first, seen := l.firstStart[p.Node]; !seen || p.Started.Before(first) {
		l.firstStart[p.Node] = p.Started
	}
	if p.Started.After(l.lastStart) {
		l.lastStart = p.Started
	}
}

// nodes returns where it ran, in order of first start; by name where two are equal.
func (l *life) nodes() []string {
	return slices.SortedFunc(maps.Keys(l.firstStart), func(a, b string) int {
		return cmp.Or(l.firstStart[a].Compare(l.firstStart[b]), cmp.Compare(a, b))
	})
}
