package order

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// Line has the ordinals that were given a node in this process and are not seen to
// be bound to it yet. An ordinal may enter it behind its predecessor at once; its bind
// then waits for its turn, which comes with the predecessor's bind.
//
//	          Enter                    Bound
//	(nobody) ──────▶ waits ─ turn ─▶ comes ──────▶ bound ── Seen ──▶ (nobody)
//	                   │               │
//	                   │ the one before leaves, or is rejected
//	                   ▼               │
//	               rejected            │
//	                   └─── Leave ─────┴──▶ (nobody)
//
// An ordinal waits only for the one before it, which is on the line itself, and the
// lowest of those that stand one behind the other waits for nobody: so no two wait
// for each other. Whoever leaves takes all with it that wait behind, at once.
//
// It has one place per pod that is being bound, so it is no longer than the scheduler's
// own list of those. It is not safe for use from several goroutines.
type Line struct {
	places map[identity.Identity]place
}

type place struct {
	pod types.UID
	// follows: its turn comes with the bind of the ordinal before it, which leads.
	follows  bool
	rejected bool
	bound    bool
}

// Turn is where an ordinal on the line stands.
type Turn string

const (
	// TurnNone: the pod is not on the line.
	TurnNone Turn = "None"
	// TurnWaits: the bind waits for the one before.
	TurnWaits Turn = "Waits"
	// TurnComes: it may be bound.
	TurnComes Turn = "Comes"
	// TurnRejected: who it waited for has left. It must leave, too.
	TurnRejected Turn = "Rejected"
)

// NewLine returns a line without anybody.
func NewLine() *Line { return &Line{places: map[identity.Identity]place{}} }

// Leads reports whether the next ordinal may follow this one.
func (l *Line) Leads(id identity.Identity) bool {
	p, ok := l.places[id]
	return ok && !p.rejected
}

// Enter puts the pod on the line; where it follows, its turn comes with the bind of
// the ordinal before it, which must lead (Facts.Predecessor.OnLine). It returns whose
// turn has changed: those behind an earlier pod of the same name.
func (l *Line) Enter(id identity.Identity, pod types.UID, follows bool) []identity.Identity {
	moved := l.Leave(id, l.places[id].pod)
	p := place{pod: pod}
	if follows {
		before, _ := Before(id)
		p.follows = !l.places[before].bound
		p.rejected = !l.Leads(before)
	}
	l.places[id] = p
	return moved
}

// Turn tells where the pod stands.
func (l *Line) Turn(id identity.Identity, pod types.UID) Turn {
	p, ok := l.places[id]
	switch {
	case !ok || p.pod != pod:
		return TurnNone
	case p.rejected:
		return TurnRejected
	case p.follows:
		return TurnWaits
	default:
		return TurnComes
	}
}

// Pass lets the pod wait for nobody any more, for its timeout has struck; false if it
// did not wait.
func (l *Line) Pass(id identity.Identity, pod types.UID) bool {
	if l.Turn(id, pod) != TurnWaits {
		return false
	}
	l.places[id] = place{pod: pod}
	return true
}

// Bound notes that the pod was bound. It keeps its place until that is Seen, for until
// then nothing else tells the next ordinal. It returns whose turn has come.
func (l *Line) Bound(id identity.Identity, pod types.UID) []identity.Identity {
	p, ok := l.places[id]
	if !ok || p.pod != pod {
		return nil
	}
	l.places[id] = place{pod: pod, bound: true}
	after, _ := After(id)
	next, ok := l.places[after]
	if !ok || !next.follows || next.rejected {
		return nil
	}
	next.follows = false
	l.places[after] = next
	return []identity.Identity{after}
}

// Seen is Bound, and ends the place: whoever looks at the pod sees that it is bound.
func (l *Line) Seen(id identity.Identity, pod types.UID) []identity.Identity {
	moved := l.Bound(id, pod)
	if l.places[id].pod == pod {
		delete(l.places, id)
	}
	return moved
}

// Reject is for a pod that cannot be bound any more and has yet to leave. It returns
// who is rejected: the pod and all that wait behind it.
func (l *Line) Reject(id identity.Identity, pod types.UID) []identity.Identity {
	p, ok := l.places[id]
	if !ok || p.pod != pod || p.bound || p.rejected {
		return nil
	}
	p.rejected = true
	l.places[id] = p
	rejected := []identity.Identity{id}
	for at, more := After(id); more; at, more = After(at) {
		p, ok := l.places[at]
		if !ok || !p.follows || p.rejected {
			break
		}
		p.rejected = true
		l.places[at] = p
		rejected = append(rejected, at)
	}
	return rejected
}

// Leave ends the pod's place. It returns who is rejected with it.
func (l *Line) Leave(id identity.Identity, pod types.UID) []identity.Identity {
	p, ok := l.places[id]
	if !ok || p.pod != pod {
		return nil
	}
	rejected := l.Reject(id, pod)
	delete(l.places, id)
	if len(rejected) > 0 {
		return rejected[1:] // Without itself.
	}
	return nil
}

// Len is how many are on the line.
func (l *Line) Len() int { return len(l.places) }
