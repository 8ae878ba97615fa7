// Package explore walks every state that a small cluster can come to, breadth first: every
// interleaving of machines, kubelets, the API's objects, guard and scheduler, with up to a
// few faults. Every decision is one of the real packages (pkg/fence, pkg/tenancy, pkg/order,
// pkg/reach, pkg/protect, pkg/identity); the environment is sim/explore/model's, and so are
// the invariants, which share nothing with the decisions.
//
// It covers logic, and not size or time: that is what the scenarios are for.
package explore

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/sim/explore/model"
)

// successor takes a step: what it is, the state after it, and what must be judged about it.
type successor func(model.Action, model.State, ...model.Event)

// Bounds end a walk before all states are seen; 0: none.
type Bounds struct {
	// States is how many are kept at most.
	States int
	// Kinds are the only faults that strike; nil: all do.
	Kinds []model.ActionKind
}

// Explorer walks the states of one scope. It is for one walk.
type Explorer struct {
	scope  model.Scope
	bounds Bounds
	// Workers is how many goroutines look at states at once; what comes of it is the same
	// for any number. 0: one.
	Workers int
	// Progress is told now and then how far the walk is, if it is set: the steps that the
	// states have that are looked at, how many states there are, and how many of these are
	// left to look at.
	Progress func(depth, states, left int)

	decisions Decisions
	workers   []*walker
	visited   *visited
}

// walker takes the steps of one state after the other. It shares with other walkers only
// what they all read.
type walker struct {
	scope     model.Scope
	decisions Decisions
	bounds    Bounds

	renamer    *model.Renamer
	judgements map[judgement]verdict
	rules      map[string]int
	actions    []int
	// readFailures is how often a read failed, outOfReach how often a volume kept a node out.
	readFailures, outOfReach int

	// What a batch has led to, in order.
	found   []found
	written []byte
}

// found is a step out of a batch that led to a violation, or to a state that was not known
// when the batch began.
type found struct {
	parent    uint32
	faults    uint8
	print     fingerprint
	end       int // of what is written of the state.
	violation *model.Violation
	outside   bool
	// place is of the state in its batch that the step was from.
	place int
}

// New returns an explorer. It refuses a scope that the model has no room for.
func New(scope model.Scope, decisions Decisions, bounds Bounds) (*Explorer, error) {
	for _, limit := range []struct {
		field    string
		is       int
		min, max int
	}{
		{"nodes", scope.Nodes, 1, model.NodesMax},
		{"ordinals", scope.Ordinals, 1, model.OrdinalsMax},
		{"volumes", scope.Volumes, 0, min(model.VolumesMax, scope.Ordinals)},
		{"faults", scope.Faults, 0, faultsMax},
		{"max-states", bounds.States, 0, statesMax},
	} {
		if limit.is < limit.min || limit.is > limit.max {
			return nil, fmt.Errorf("%s %d: not in the range [%d, %d]", limit.field, limit.is, limit.min, limit.max)
		}
	}
	return &Explorer{scope: scope, decisions: decisions, bounds: bounds, visited: newVisited()}, nil
}

func (x *Explorer) walker() *walker {
	return &walker{
		scope: x.scope, decisions: x.decisions, bounds: x.bounds,
		renamer: model.NewRenamer(x.scope), judgements: map[judgement]verdict{},
		rules: map[string]int{}, actions: make([]int, model.Actions()),
	}
}

const (
	// faultsMax keeps boots and UIDs within the bits that the model has for them.
	faultsMax = 6
	statesMax = 1 << 31
)

func (x *walker) fired(rule string) { x.rules[rule]++ }

// moves gives every step that is possible.
func (x *walker) moves(st *model.State, next successor) {
	x.scope.Moves(st, func(a model.Action, after model.State) {
		if a.Kind == model.BindLate && after.Ordinals[a.Ordinal].BoundEver {
			next(a, after, model.Event{Kind: model.Bound, Ordinal: int(a.Ordinal)})
			return
		}
		next(a, after)
	})
	x.schedulerMoves(st, next)
	x.guardMoves(st, next)
	x.crashes(st, next)
}

// step is a step that was taken, ready to be kept.
type step struct {
	action    model.Action
	after     model.State
	violation *model.Violation
}

// steps gives every step that the faults that are left allow, with the state after it
// settled and judged.
func (x *walker) steps(st *model.State, take func(*step)) {
	var s step
	x.moves(st, func(a model.Action, after model.State, events ...model.Event) {
		after.Faults = st.Faults
		if a.Kind.IsFault() {
			if int(st.Faults) >= x.scope.Faults || x.bounds.Kinds != nil && !slices.Contains(x.bounds.Kinds, a.Kind) {
				return
			}
			after.Faults++
		}
		s = step{action: a, after: after}
		for _, e := range events {
			if s.violation == nil {
				s.violation = x.scope.CheckEvent(&s.after, e)
			}
		}
		x.scope.Settle(&s.after)
		if s.violation == nil {
			s.violation = x.scope.Check(&s.after)
		}
		take(&s)
	})
}

// Run walks until there is nothing new, a bound is reached, or an invariant is violated
// inside the trust boundary.
func (x *Explorer) Run() *Result {
	began := time.Now()
	r := &Result{Scope: x.scope, Bounds: x.bounds}
	for range max(x.Workers, 1) {
		x.workers = append(x.workers, x.walker())
	}
	first := x.scope.Initial()
	level := &frontier{}
	written := x.workers[0].renamer.Canonical(&first)
	level.add(x.visited.add(visit{print: fingerprintOf(written)}), written)
	for depth := 1; level.states > 0 && r.Violation == nil && r.Stopped == ""; depth++ {
		next := &frontier{}
		for i := 0; i < len(level.batches) && r.Violation == nil && r.Stopped == ""; i++ {
			x.look(level.take(i))
			x.take(r, depth, next)
			if x.Progress != nil {
				x.Progress(depth, x.visited.states, level.states+next.states)
			}
		}
		r.Depth = depth
		level = next
	}
	r.States, r.Collision, r.Seconds = x.visited.states, collision(x.visited.states), time.Since(began).Seconds()
	x.count(r)
	return r
}

// look has the workers take all steps of a batch, each of its share.
func (x *Explorer) look(b *batch) {
	var working sync.WaitGroup
	share := (b.len() + len(x.workers) - 1) / len(x.workers)
	for i, w := range x.workers {
		from, to := min(i*share, b.len()), min((i+1)*share, b.len())
		w.found, w.written = w.found[:0], w.written[:0]
		working.Go(func() { w.look(x.visited, b, from, to) })
	}
	working.Wait()
}

func (x *walker) look(known *visited, b *batch, from, to int) {
	place := from
	b.each(x.scope, from, to, func(at uint32, st *model.State) {
		now := known.at(at)
		place++
		if last, _ := known.last(now.print); last != at {
			return // It was come to again, with fewer faults.
		}
		st.Faults = now.faults
		x.steps(st, func(s *step) {
			x.actions[s.action.Kind]++
			f := found{parent: at, faults: s.after.Faults, place: place, violation: s.violation, outside: s.violation != nil && s.after.False}
			if !f.outside {
				written := x.renamer.Canonical(&s.after)
				if f.print = fingerprintOf(written); f.violation == nil && known.has(f.print, f.faults) {
					return
				}
				x.written = append(x.written, written...)
			}
			f.end = len(x.written)
			x.found = append(x.found, f)
		})
	})
}

// take adds what a batch has led to, in the order in which one worker would have found it.
func (x *Explorer) take(r *Result, depth int, next *frontier) {
	for _, w := range x.workers {
		start := 0
		for i, f := range w.found {
			written := w.written[start:f.end]
			start = f.end
			switch full := x.bounds.States > 0 && x.visited.states >= x.bounds.States; {
			case f.outside:
				r.Outside++
			case f.violation != nil:
				r.Violation, r.Path = x.path(f)
				return
			case full && (i == 0 || w.found[i-1].place != f.place):
				// Every step of the state before was seen to the end.
				r.Stopped = fmt.Sprintf("at %d states: all that %d steps lead to were seen, and some beyond", x.bounds.States, depth-1)
				return
			case !x.visited.has(f.print, f.faults):
				next.add(x.visited.add(visit{print: f.print, parent: f.parent, faults: f.faults}), written)
			}
		}
	}
}

// path is the steps that lead to a violation, told in the names that the nodes have from
// the beginning.
func (x *Explorer) path(last found) (violation *model.Violation, told []string) {
	w := x.walker()
	through := []visit{{print: last.print, faults: last.faults}}
	for at := last.parent; at != 0; at = x.visited.at(at).parent {
		through = append(through, x.visited.at(at))
	}
	slices.Reverse(through)
	st := x.scope.Initial()
	for i, to := range through {
		var taken *step
		w.steps(&st, func(s *step) {
			ends := s.violation != nil && s.violation.Invariant == last.violation.Invariant
			if taken == nil && ends == (i == len(through)-1) && s.after.Faults == to.faults && fingerprintOf(w.renamer.Canonical(&s.after)) == to.print {
				found := *s
				taken = &found
			}
		})
		if taken == nil {
			panic("explore: a path cannot be walked again")
		}
		told = append(told, taken.action.Describe(incarnationOf(&st, taken.action)))
		st, violation = taken.after, taken.violation
	}
	return violation, told
}

// count puts what has fired on the result.
func (x *Explorer) count(r *Result) {
	rules, actions := map[string]int{}, make([]int, model.Actions())
	for _, w := range x.workers {
		for name, times := range w.rules {
			rules[name] += times
		}
		for kind, times := range w.actions {
			actions[kind] += times
			r.Transitions += times
		}
		r.ReadFailures, r.OutOfReach = r.ReadFailures+w.readFailures, r.OutOfReach+w.outOfReach
	}
	for _, rule := range fence.Rules() {
		r.Rules = append(r.Rules, Count{rule.Name, rules[rule.Name]})
	}
	for _, k := range model.Faults() {
		r.Faults = append(r.Faults, Count{k.String(), actions[k]})
	}
}

// incarnationOf names the one that a step is about.
func incarnationOf(st *model.State, a model.Action) string {
	if a.Kind == model.Detach {
		return fmt.Sprint(a.Life)
	}
	return fmt.Sprintf("incarnation %d", st.Ordinals[a.Ordinal].Lives[a.Life].Number)
}
