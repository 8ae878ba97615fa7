package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// wait is one unbroken span in which something was due.
type wait struct {
	invariant Invariant
	// name is namespace/pod, or namespace/set for L4.
	name string
	// of is the UID of the pod of which it was due; empty: of whoever has the name.
	of types.UID
	// why says what was due, and node is where, if anywhere.
	why, node string
	from, to  time.Time
	// met: it ended because what was due came.
	met bool
}

// Span is a stretch of time; a zero To: to the end of the run.
type Span struct{ From, To time.Time }

// has says whether a time is in the span, or no longer after it than that.
func (s Span) has(at time.Time, after time.Duration) bool {
	return !at.Before(s.From) && (s.To.IsZero() || at.Before(s.To.Add(after)))
}

// bounds are how long each may be due: docs/invariants.md, with its figures to start from.
var bounds = map[Invariant]time.Duration{
	L1: 30 * time.Second,
	L2: 5 * time.Second,
	L4: 10 * time.Minute,
	L5: 30 * time.Second,
	L6: time.Minute,
	S8: 30 * time.Second,
}

// follow opens, goes on with and closes waits, by what is due at the end of an instant.
func (l *Log) follow(at time.Time, due []wait) {
	still := map[string]bool{}
	for _, w := range due {
		key := waitKey(&w)
		still[key] = true
		if l.open[key] == nil {
			w.from = later(w.from, at)
			l.open[key] = &w
		}
	}
	for key, w := range l.open {
		if still[key] {
			continue
		}
		delete(l.open, key)
		w.to, w.met = at, w.invariant == L1 && l.boundNow(w.name)
		// What was due later than it ended was never due, and what ended in time needs no
		// second look but for the count.
		if !w.to.Before(w.from) {
			l.waits = append(l.waits, *w)
		}
	}
}

// waitKey tells what is due to whom from all else.
func waitKey(w *wait) string {
	return strings.Join([]string{string(w.invariant), w.name, string(w.of), w.why}, " ")
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// judgeWaits holds what was due against the bounds: at is the end of the run, and faults
// are the spans in which nothing can be asked of the one who should have done it. A wait
// may be as long as it likes over several of its parts, but no part without a fault may
// be longer than the bound.
func (l *Log) judgeWaits(at time.Time, faults []Span) {
	all := slices.Clone(l.waits)
	for _, w := range l.open {
		if at.After(w.from) {
			all = append(all, *w)
		}
	}
	slices.SortFunc(all, func(a, b wait) int {
		return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.invariant, b.invariant), cmp.Compare(a.name, b.name))
	})
	for _, w := range all {
		if w.invariant == L4 {
			continue
		}
		end := w.to
		if end.IsZero() {
			end = at
		}
		parts := without(Span{w.from, end}, l.disturbances(at, faults))
		if w.invariant == S8 {
			parts = slices.DeleteFunc(parts, func(p Span) bool { return !l.crashedIn(w.from, p.From) })
		}
		if len(parts) == 0 {
			continue
		}
		switch w.invariant {
		case L1, L2, L5: // The others are counted where they begin.
			l.met[w.invariant]++
		}
		if w.met && len(parts) == 1 && parts[0].From.Equal(w.from) {
			l.latencies = append(l.latencies, end.Sub(w.from))
		}
		for _, p := range parts {
			if bound := bounds[w.invariant]; p.To.Sub(p.From) > bound {
				l.due(w, p.From, fmt.Sprintf("%s for more than %s", w.why, bound))
				break
			}
		}
	}
}

// due writes down that a bound was broken; the span goes on for as long as it was due.
func (l *Log) due(w wait, from time.Time, why string) {
	v := Violation{Invariant: w.invariant, By: w.name, From: from, To: w.to, Why: why}
	if w.node != "" {
		v.Nodes = []string{w.node}
	}
	l.found = append(l.found, v)
}

// disturbances are the faults, and the times in which nothing schedules.
func (l *Log) disturbances(at time.Time, faults []Span) []Span {
	all := slices.Clone(faults)
	for i := range all {
		if all[i].To.IsZero() {
			all[i].To = at
		}
	}
	for _, c := range l.crashes {
		if c.To.IsZero() {
			c.To = at
		}
		all = append(all, c)
	}
	return all
}

// crashedIn says whether the scheduler's process ended while something was due, by then.
func (l *Log) crashedIn(from, by time.Time) bool {
	return slices.ContainsFunc(l.crashes, func(c Span) bool { return !c.From.Before(from) && !c.From.After(by) })
}

// without is what is left of a span, in order of time.
func without(s Span, taken []Span) []Span {
	left := []Span{s}
	for _, t := range taken {
		var next []Span
		for _, p := range left {
			if !t.From.Before(p.To) || t.To.Before(p.From) {
				next = append(next, p)
				continue
			}
			if t.From.After(p.From) {
				next = append(next, Span{p.From, t.From})
			}
			if t.To.Before(p.To) {
				next = append(next, Span{t.To, p.To})
			}
		}
		left = next
	}
	return left
}
