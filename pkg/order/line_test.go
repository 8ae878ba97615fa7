package order

import (
	"fmt"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

func web(n int) identity.Identity {
	return identity.Identity{Namespace: "default", Set: "web", Ordinal: int32(n)}
}

// turns are those of web-0, web-1, and so on, whose pods have their own numbers as UIDs.
func turns(l *Line, n int) []Turn {
	var out []Turn
	for i := range n {
		out = append(out, l.Turn(web(i), uid(i)))
	}
	return out
}

func uid(n int) types.UID { return types.UID(fmt.Sprint(n)) }

func ordinals(ids []identity.Identity) []int32 {
	var out []int32
	for _, id := range ids {
		out = append(out, id.Ordinal)
	}
	return out
}

// lineOf has n ordinals one behind the other.
func lineOf(n int) *Line {
	l := NewLine()
	for i := range n {
		l.Enter(web(i), uid(i), i > 0)
	}
	return l
}

func TestLine(t *testing.T) {
	for name, tc := range map[string]struct {
		do        func(l *Line) []identity.Identity
		wantMoved []int32
		want      []Turn
	}{
		"all but the first wait": {func(*Line) []identity.Identity { return nil }, nil, []Turn{TurnComes, TurnWaits, TurnWaits, TurnWaits}},
		"a bind lets the next one go, and only that": {
			func(l *Line) []identity.Identity { return l.Bound(web(0), "0") }, []int32{1}, []Turn{TurnComes, TurnComes, TurnWaits, TurnWaits}},
		"a bind that is seen lets the next one go, and ends the place": {
			func(l *Line) []identity.Identity { return l.Seen(web(0), "0") }, []int32{1}, []Turn{TurnNone, TurnComes, TurnWaits, TurnWaits}},
		"who leaves takes all along that wait behind": {
			func(l *Line) []identity.Identity { return l.Leave(web(1), "1") }, []int32{2, 3}, []Turn{TurnComes, TurnNone, TurnRejected, TurnRejected}},
		"who is rejected takes all along, and has yet to leave": {
			func(l *Line) []identity.Identity { return l.Reject(web(1), "1") }, []int32{1, 2, 3}, []Turn{TurnComes, TurnRejected, TurnRejected, TurnRejected}},
		"who has been bound takes nobody along when its place ends": {
			func(l *Line) []identity.Identity { l.Bound(web(0), "0"); return l.Leave(web(0), "0") }, nil, []Turn{TurnNone, TurnComes, TurnWaits, TurnWaits}},
		"whose turn has come stays when the one before ends": {
			func(l *Line) []identity.Identity { l.Bound(web(0), "0"); return l.Leave(web(1), "1") }, []int32{2, 3}, []Turn{TurnComes, TurnNone, TurnRejected, TurnRejected}},
		"who passes by its timeout is not rejected with the one before": {
			func(l *Line) []identity.Identity { l.Pass(web(2), "2"); return l.Leave(web(1), "1") }, nil, []Turn{TurnComes, TurnNone, TurnComes, TurnWaits}},
		"a later pod of the name ends the place of the earlier": {
			func(l *Line) []identity.Identity { return l.Enter(web(1), "later", true) }, []int32{2, 3}, []Turn{TurnComes, TurnNone, TurnRejected, TurnRejected}},
		"who comes after a bind that nobody has seen yet need not wait": {
			func(l *Line) []identity.Identity {
				l.Leave(web(1), "1")
				l.Bound(web(0), "0")
				return l.Enter(web(1), "1", true)
			}, nil, []Turn{TurnComes, TurnComes, TurnRejected, TurnRejected}},
		"who follows one that is not there is rejected": {
			func(l *Line) []identity.Identity { l.Leave(web(1), "1"); return l.Enter(web(2), "2", true) }, nil, []Turn{TurnComes, TurnNone, TurnRejected, TurnRejected}},
		"another pod of the name changes nothing": {
			func(l *Line) []identity.Identity {
				return slices.Concat(l.Bound(web(0), "x"), l.Seen(web(0), "x"), l.Leave(web(0), "x"), l.Reject(web(0), "x"))
			}, nil, []Turn{TurnComes, TurnWaits, TurnWaits, TurnWaits}},
	} {
		t.Run(name, func(t *testing.T) {
			l := lineOf(4)
			if moved := ordinals(tc.do(l)); !slices.Equal(moved, tc.wantMoved) {
				t.Errorf("moved %v, want %v", moved, tc.wantMoved)
			}
			if got := turns(l, 4); !slices.Equal(got, tc.want) {
				t.Errorf("turns %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAnOrdinalLeadsWhileItMayYetBeBound(t *testing.T) {
	l := lineOf(2)
	l.Reject(web(1), "1")
	if !l.Leads(web(0)) || l.Leads(web(1)) || l.Leads(web(2)) {
		t.Errorf("leads: %v %v %v, want only the first", l.Leads(web(0)), l.Leads(web(1)), l.Leads(web(2)))
	}
	l.Bound(web(0), "0")
	if !l.Leads(web(0)) {
		t.Error("who was bound does not lead, although nobody has seen it yet")
	}
	l.Seen(web(0), "0")
	l.Leave(web(1), "1")
	if l.Len() != 0 {
		t.Errorf("%d are left on the line", l.Len())
	}
}

// The exploration: three ordinals of a Parallel set go through a scheduler in every
// interleaving of all that can come to pass.

const explored = 3

// stage is where a pod is.
type stage uint8

const (
	asleep  stage = iota // in the queue, until something wakes it
	awake                // in the queue, and will be tried
	placed               // it has a node, and the other plugins' PreBind runs
	waiting              // in our PreBind
	binding              // its turn came: record and bind
	landed               // the API server has bound it, PostBind is yet to come
	done                 // PostBind is over
)

// world is one state. It is its own key.
type world struct {
	pods [explored]struct {
		stage stage
		later bool // it is the second pod of the name
		// ghost: the goroutine of the first one has yet to leave the line.
		ghost bool
		// bound: so the API server says. known: so the scheduler sees it.
		bound, known bool
	}
	line [explored]place
}

func (w *world) uid(i int) types.UID {
	if w.pods[i].later {
		return "later"
	}
	return "first"
}

func (w *world) judge(i int) Verdict {
	f := Facts{Identity: web(i), Policy: Policy{Order: config.BindOrdinal}, First: ptr.To[int32](0), BoundOnce: w.pods[i].known}
	if i > 0 {
		f.Predecessor = Predecessor{BoundOnce: w.pods[i-1].known, OnLine: w.open().Leads(web(i - 1))}
	}
	return Judge(f)
}

// open is the line of the state; close writes it back.
func (w *world) open() *Line {
	l := NewLine()
	for i, p := range w.line {
		if p.pod != "" {
			l.places[web(i)] = p
		}
	}
	return l
}

func (w *world) close(l *Line) {
	for i := range w.line {
		w.line[i] = l.places[web(i)]
	}
}

// do changes the line.
func (w *world) do(f func(l *Line)) {
	l := w.open()
	f(l)
	w.close(l)
}

func (w *world) wakeAfter(i int) {
	if i+1 < explored && w.pods[i+1].stage == asleep {
		w.pods[i+1].stage = awake
	}
}

// step is a name and what it makes of a state; false if it cannot come to pass there.
type step struct {
	name string
	// fault: nothing has to go this way.
	fault bool
	do    func(w *world, i int) bool
}

// leave is the end of an attempt: Unreserve, and back to the queue, whose gate judges.
func leave(w *world, i int) {
	w.do(func(l *Line) { l.Leave(web(i), w.uid(i)) })
	w.pods[i].stage = awake
}

var steps = []step{
	{"is tried", false, func(w *world, i int) bool {
		if w.pods[i].stage != awake {
			return false
		}
		v := w.judge(i)
		if v.Waits {
			w.pods[i].stage = asleep
			return true
		}
		w.do(func(l *Line) { l.Enter(web(i), w.uid(i), v.Reason == ReasonPredecessorOnLine) })
		w.pods[i].stage = placed
		w.wakeAfter(i)
		return true
	}},
	{"comes to PreBind", false, func(w *world, i int) bool {
		ok := w.pods[i].stage == placed
		if ok {
			w.pods[i].stage = waiting
		}
		return ok
	}},
	{"is let go or rejected", false, func(w *world, i int) bool {
		if w.pods[i].stage != waiting {
			return false
		}
		switch w.open().Turn(web(i), w.uid(i)) {
		case TurnWaits:
			return false
		case TurnComes:
			w.pods[i].stage = binding
		default:
			leave(w, i)
		}
		return true
	}},
	{"is bound", false, func(w *world, i int) bool {
		if w.pods[i].stage != binding {
			return false
		}
		w.pods[i].stage, w.pods[i].bound = landed, true
		return true
	}},
	{"comes to PostBind", false, func(w *world, i int) bool {
		if w.pods[i].stage != landed {
			return false
		}
		w.pods[i].stage = done
		w.do(func(l *Line) { l.Bound(web(i), w.uid(i)) })
		if w.pods[i].known { // The informer was faster, and had nothing to end.
			w.do(func(l *Line) { l.Seen(web(i), w.uid(i)) })
		}
		w.wakeAfter(i)
		return true
	}},
	{"is seen to be bound", false, func(w *world, i int) bool {
		if !w.pods[i].bound || w.pods[i].known {
			return false
		}
		w.pods[i].known = true
		if w.pods[i].stage < placed { // Bound although the scheduler was told that it was not.
			w.pods[i].stage = done
		}
		w.do(func(l *Line) { l.Seen(web(i), w.uid(i)) })
		w.wakeAfter(i)
		return true
	}},
	{"leaves as a ghost", false, func(w *world, i int) bool {
		if !w.pods[i].ghost {
			return false
		}
		w.pods[i].ghost = false
		w.do(func(l *Line) { l.Leave(web(i), "first") })
		return true
	}},
	{"is preempted, or fails before the bind", true, func(w *world, i int) bool {
		if s := w.pods[i].stage; s < placed || s > binding || w.pods[i].bound {
			return false
		}
		leave(w, i)
		return true
	}},
	{"is bound, and the answer is lost", true, func(w *world, i int) bool {
		if w.pods[i].stage != binding || w.pods[i].bound {
			return false
		}
		w.pods[i].bound = true
		leave(w, i)
		return true
	}},
	{"is deleted before it is bound, and made anew", true, func(w *world, i int) bool {
		p := &w.pods[i]
		if p.bound || p.later {
			return false
		}
		p.ghost = p.stage >= placed
		w.do(func(l *Line) { l.Reject(web(i), "first") })
		p.later, p.stage = true, awake
		return true
	}},
}

// wrong says what must not be.
func (w *world) wrong() string {
	l := w.open()
	for i := range explored {
		switch p := w.pods[i]; {
		case i > 0 && p.bound && !w.pods[i-1].bound:
			return fmt.Sprintf("web-%d is bound and web-%d is not (S6)", i, i-1)
		case p.stage == asleep && !w.judge(i).Waits:
			return fmt.Sprintf("web-%d sleeps and may go on: a lost wake", i)
		case l.Turn(web(i), w.uid(i)) == TurnWaits && (!l.Leads(web(i-1)) || l.places[web(i-1)].bound):
			return fmt.Sprintf("web-%d waits for a turn that nobody gives", i)
		}
	}
	return ""
}

func (w *world) finished() bool {
	for _, p := range w.pods {
		if !p.bound || !p.known || p.stage != done || p.ghost {
			return false
		}
	}
	return w.open().Len() == 0
}

// TestEveryInterleavingBindsInOrderAndComesToAnEnd walks all states. In none is the
// order broken, a wake lost, or a turn that never comes; and from each of them all
// ordinals end up bound once faults cease, whatever comes first: no step but a fault
// leads back, and where none is left everything is bound.
func TestEveryInterleavingBindsInOrderAndComesToAnEnd(t *testing.T) {
	var start world
	for i := range start.pods {
		start.pods[i].stage = awake
	}
	seen := map[world]bool{start: true}
	forward := map[world][]world{} // Without faults.
	path := map[world]string{}
	for todo := []world{start}; len(todo) > 0; todo = todo[1:] {
		now := todo[0]
		for _, s := range steps {
			for i := range explored {
				next := now
				if !s.do(&next, i) {
					continue
				}
				if !s.fault {
					forward[now] = append(forward[now], next)
				}
				if seen[next] {
					continue
				}
				seen[next] = true
				path[next] = path[now] + fmt.Sprintf("\n\tweb-%d %s", i, s.name)
				if wrong := next.wrong(); wrong != "" {
					t.Fatalf("%s, after%s", wrong, path[next])
				}
				todo = append(todo, next)
			}
		}
	}
	ends := 0
	for w := range seen {
		if len(forward[w]) > 0 {
			continue
		}
		ends++
		if !w.finished() {
			t.Fatalf("stuck: %+v, after%s", w, path[w])
		}
	}
	if cycle := findCycle(forward); cycle != nil {
		t.Fatalf("without any fault it goes round for ever: %+v, after%s", *cycle, path[*cycle])
	}
	t.Logf("%d states, %d ends", len(seen), ends)
	if len(seen) < 10000 || ends == 0 {
		t.Errorf("%d states and %d ends are too few to mean anything", len(seen), ends)
	}
}

// findCycle returns a state from which steps lead back to it; nil if there is none.
func findCycle(forward map[world][]world) *world {
	const open, closed = 1, 2
	mark := map[world]int{}
	var visit func(w world) *world
	visit = func(w world) *world {
		mark[w] = open
		for _, next := range forward[w] {
			if mark[next] == open {
				return &next
			}
			if mark[next] == closed {
				continue
			}
			if c := visit(next); c != nil {
				return c
			}
		}
		mark[w] = closed
		return nil
	}
	for w := range forward {
		if mark[w] == 0 {
			if c := visit(w); c != nil {
				return c
			}
		}
	}
	return nil
}
