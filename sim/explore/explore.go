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
	scope     model.Scope
	decisions Decisions
	bounds    Bounds
	// Progress is told now and then how far the walk is, if it is set: the steps that the
	// states have that are looked at, how many states there are, and how many of these are
	// left to look at.
	Progress func(depth, states, left int)

	renamer    *model.Renamer
	judgements map[judgement]verdict
	rules      map[string]int
	actions    []int
	// readFailures is how often a read failed, outOfReach how often a volume kept a node out.
	readFailures, outOfReach int

	states  []visit
	visited map[hash]uint32
}

// visit is how a state was first come to.
type visit struct {
	parent uint32
	faults uint8
	id     hash
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
	return &Explorer{
		scope: scope, decisions: decisions, bounds: bounds,
		renamer: model.NewRenamer(scope), judgements: map[judgement]verdict{},
		rules: map[string]int{}, actions: make([]int, model.Actions()), visited: map[hash]uint32{},
	}, nil
}

const (
	// faultsMax keeps boots and UIDs within the bits that the model has for them.
	faultsMax = 6
	statesMax = 1 << 31
	// progressEvery is how many states are looked at between two calls of Progress.
	progressEvery = 1 << 10
)

func (x *Explorer) fired(rule string) { x.rules[rule]++ }

// moves gives every step that is possible.
func (x *Explorer) moves(st *model.State, next successor) {
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
func (x *Explorer) steps(st *model.State, take func(*step)) {
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
	first := x.scope.Initial()
	level := &frontier{scope: x.scope}
	x.add(&first, 0, level)
	for depth := 1; level.len() > 0; depth++ {
		next := &frontier{scope: x.scope}
		looked := 0
		level.each(func(at uint32, st *model.State) bool {
			if looked++; x.Progress != nil && looked%progressEvery == 0 {
				x.Progress(depth, len(x.states), level.len()-looked+next.len())
			}
			if st.Faults = x.states[at].faults; x.visited[x.states[at].id] != at {
				return true // It was come to again, with fewer faults.
			}
			x.steps(st, func(s *step) {
				r.Transitions++
				x.actions[s.action.Kind]++
				switch {
				case s.violation == nil:
					x.add(&s.after, at, next)
				case s.after.False:
					r.Outside++
				case r.Violation == nil:
					r.Violation, r.Path = x.path(at, s)
				}
			})
			if x.bounds.States > 0 && len(x.states) >= x.bounds.States {
				r.Stopped = fmt.Sprintf("at %d states: all that %d steps lead to were seen, and some beyond", x.bounds.States, depth-1)
			}
			return r.Violation == nil && r.Stopped == ""
		})
		r.Depth = depth
		if r.Violation != nil || r.Stopped != "" {
			break
		}
		level = next
	}
	r.States, r.Seconds = len(x.visited), time.Since(began).Seconds()
	x.count(r)
	return r
}

// add notes a state that is new, or was come to with more faults before: whoever has more
// of them left can do all that the other can.
func (x *Explorer) add(st *model.State, parent uint32, next *frontier) {
	written := x.renamer.Canonical(st)
	id := hashOf(written)
	if at, known := x.visited[id]; known && x.states[at].faults <= st.Faults {
		return
	}
	at := uint32(len(x.states))
	x.states = append(x.states, visit{parent: parent, faults: st.Faults, id: id})
	x.visited[id] = at
	next.add(at, written)
}

// path is the steps that lead to a state and the last one from there, with the violation at
// its end, told in the names that the nodes have from the beginning.
func (x *Explorer) path(at uint32, last *step) (violation *model.Violation, told []string) {
	var through []visit
	for v := at; v != 0; v = x.states[v].parent {
		through = append(through, x.states[v])
	}
	slices.Reverse(through)
	through = append(through, visit{faults: last.after.Faults, id: hashOf(x.renamer.Canonical(&last.after))})
	st := x.scope.Initial()
	for i, to := range through {
		var taken *step
		x.steps(&st, func(s *step) {
			ends := s.violation != nil && s.violation.Invariant == last.violation.Invariant
			if taken == nil && ends == (i == len(through)-1) && s.after.Faults == to.faults && hashOf(x.renamer.Canonical(&s.after)) == to.id {
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
	for _, rule := range fence.Rules() {
		r.Rules = append(r.Rules, Count{rule.Name, x.rules[rule.Name]})
	}
	for _, k := range model.Faults() {
		r.Faults = append(r.Faults, Count{k.String(), x.actions[k]})
	}
	r.ReadFailures, r.OutOfReach = x.readFailures, x.outOfReach
}

// incarnationOf names the one that a step is about.
func incarnationOf(st *model.State, a model.Action) string {
	if a.Kind == model.Detach {
		return fmt.Sprint(a.Life)
	}
	return fmt.Sprintf("incarnation %d", st.Ordinals[a.Ordinal].Lives[a.Life].Number)
}
