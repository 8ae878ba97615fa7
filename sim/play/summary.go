package play

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-dev/holdfast/sim/check"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// sorted returns the identities by set and ordinal.
func (o *observer) sorted() []*ordinal {
	all := make([]*ordinal, 0, len(o.ordinals))
	for _, x := range o.ordinals {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *ordinal) int {
		return cmp.Or(cmp.Compare(a.id.Namespace, b.id.Namespace), cmp.Compare(a.id.Set, b.id.Set), cmp.Compare(a.id.Ordinal, b.id.Ordinal))
	})
	return all
}

// summarise fills in what the run saw: the events, and each ordinal with what the
// checker computed from the world alone.
func (o *observer) summarise(run *report.Run, truth []check.OrdinalTruth) {
	o.mu.Lock()
	defer o.mu.Unlock()
	run.Events = slices.Clone(o.events)
	run.Announced = slices.Clone(o.announced)
	o.witness.summarise(run)
	byName := map[string]check.OrdinalTruth{}
	for _, t := range truth {
		byName[t.Name] = t
	}
	for _, x := range o.sorted() {
		t := byName[x.name]
		r := report.Ordinal{
			Name: x.name, State: string(x.state()),
			Unprovable:   x.held && x.current != nil && x.current.unlocated,
			Incarnations: t.Incarnations, Nodes: t.Nodes,
			AttemptsWhileHeld: o.attemptsWhileHeld(x),
		}
		r.Down.Duration, r.Twice.Duration, r.TwiceOutside.Duration = t.Down, t.Twice, t.TwiceOutside
		if !t.LastStart.IsZero() {
			start := since(t.LastStart, o.zero)
			r.LastStart = &start
		}
		run.Ordinals = append(run.Ordinals, r)
		run.Holds = append(run.Holds, x.holds...)
	}
	slices.SortStableFunc(run.Holds, func(a, b report.Hold) int { return cmp.Compare(a.From.Duration, b.From.Duration) })
}

func (x *ordinal) state() scenario.OrdinalState {
	switch {
	case x.held:
		return scenario.Held
	case x.current == nil:
		return scenario.Absent
	case x.current.running && x.current.isReady:
		return scenario.Running
	default:
		return scenario.Pending
	}
}

// beforeHold is how long before a hold was written down it may have begun to count:
// the guard writes after the scheduler has seen the pod.
const beforeHold = time.Second

// attemptsWhileHeld counts the scheduling attempts of an identity's pods during its holds (L3).
func (o *observer) attemptsWhileHeld(x *ordinal) int {
	n := 0
	for _, a := range o.attempts {
		i := o.pods[a.pod]
		if i == nil || i.of != x || i.number == 1 {
			continue
		}
		at := a.at.Sub(o.zero)
		for _, h := range x.holds {
			if at >= h.From.Duration-beforeHold && (h.To == nil || at < h.To.Duration) {
				n += a.count
				break
			}
		}
	}
	return n
}
