package model

import (
	"bytes"
	"slices"
)

// Settle forgets what can no longer matter, does at once what nothing can tell from the
// same done later, and puts the rest in order. Every state that is kept has been settled.
//
// At once come: the new pod for a name that is free (the StatefulSet controller), the
// detach from a node that is Ready and uses the volume no more, and what the guard's watch
// brings of a node of which no record speaks.
func (s Scope) Settle(st *State) {
	for o := range s.Ordinals {
		s.giveBack(st, o)
	}
	for o := range s.Ordinals {
		settleOrdinal(&st.Ordinals[o])
	}
	for v := range s.Volumes {
		for n := range s.Nodes {
			if object := st.Nodes[n].Object; object.Exists && object.Ready && !s.usedOn(st, v, n) {
				st.Attached[v] &^= 1 << n
			}
		}
	}
	for o := range s.Ordinals {
		s.settleOrder(st, o)
		s.settleEvidence(st, o)
	}
	for n := range s.Nodes {
		s.settleNode(st, n)
	}
}

// settleOrder forgets whether an ordinal was bound before where nobody waits because of
// it: not itself, for the record of the ordinal before says that that one was, nor the
// ordinal after it, for the same reason.
func (s Scope) settleOrder(st *State, o int) {
	ordinal := &st.Ordinals[o]
	if ordinal.Record.Phase != NoRecord &&
		(o == 0 || st.Ordinals[o-1].Record.BoundOnce) && (o == s.Ordinals-1 || st.Ordinals[o+1].Record.BoundOnce) {
		ordinal.BoundEver, ordinal.Record.BoundOnce = true, true
	}
}

// settleEvidence forgets how an incarnation went where nothing is attached that this
// could be about. What it says of a bind goes before.
func (s Scope) settleEvidence(st *State, o int) {
	r := &st.Ordinals[o].Record
	l, i := st.Ordinals[o].Newest()
	if int(r.Of) == i+1 && l.Node != 0 {
		r.Departure = NoEvidence // The next one goes by how this one will have gone.
	}
	if v := s.VolumeOf(o); v >= 0 && st.Attached[v] != 0 {
		return
	}
	r.Departure = NoEvidence
	if r.Phase == Over && (r.BoundOnce || r.Evidence != NeverBound) {
		r.Evidence = KubeletConfirmed
	}
}

// giveBack ends the binding cycle of a pod that is gone and has yet to be judged, which
// would refuse it, and those of all that wait for it.
func (s Scope) giveBack(st *State, o int) {
	for i := range st.Ordinals[o].Count {
		l := &st.Ordinals[o].Lives[i]
		if l.Pod == PodThere || l.Cycle != CycleReserved {
			continue
		}
		l.EndCycle()
		for next := o + 1; next < s.Ordinals; next++ {
			follower, _ := st.Ordinals[next].Newest()
			if !follower.Follows {
				break
			}
			follower.EndCycle()
		}
	}
}

// EndCycle ends the incarnation's binding cycle.
func (l *Life) EndCycle() {
	l.Cycle, l.Target, l.Follows = CycleNone, 0, false
	l.TargetUID, l.TargetMachine, l.TargetBoot, l.Read = 0, 0, 0, Record{}
}

func settleOrdinal(o *Ordinal) {
	for i := 0; i < int(o.Count); {
		l := &o.Lives[i]
		mine := int(o.Record.Of) == i+1
		if l.Pod == PodFinal && l.Cycle == CycleNone && (!mine || o.Record.Phase == Over) && o.Task.Kind == Idle {
			l.Pod = PodGone
		}
		if l.Pod != PodThere {
			settleGone(l)
		} else if mine && o.Record.Phase == Over && l.Deleting {
			settleOver(l)
		}
		if o.forgettable(i) {
			o.forget(i)
			continue
		}
		i++
	}
	if o.Count == 0 || o.Lives[o.Count-1].Pod != PodThere {
		o.make()
	}
	settleRecord(&o.Record)
	o.Task.Evidence = alike(o.Task.Evidence)
	if o.Record.Phase != InDoubt {
		o.Answers = [NodesMax]Answers{}
	}
}

// settleOver: of an object whose incarnation is over, only the finalizer is left to go.
func settleOver(l *Life) {
	l.Status, l.HadID, l.Phase, l.SandboxGone, l.Unfollowed, l.Attested = StatusNone, false, PhaseByKubelet, false, false, false
	for m, k := range l.Kubelets {
		if k == KubeletKilled || k == KubeletLacks {
			l.Kubelets[m] = KubeletUnaware
		}
	}
}

// settleGone: of an object that is gone only the guard may still have the last state.
func settleGone(l *Life) {
	l.Late = 0
	for m, k := range l.Kubelets {
		if k == KubeletKilled || k == KubeletLacks {
			l.Kubelets[m] = KubeletUnaware
		}
	}
	if l.Pod == PodGone {
		l.Status, l.HadID, l.Phase, l.SandboxGone = StatusNone, false, PhaseOpen, false
		l.Deleting, l.Finalizer, l.Unfollowed = true, false, false
	}
}

// forgettable: the object is gone, nothing runs or will, and nobody waits for its end.
func (o *Ordinal) forgettable(i int) bool {
	l := &o.Lives[i]
	if l.Pod == PodThere || l.Cycle != CycleNone {
		return false
	}
	if o.Task.Kind != Idle && int(o.Task.Life) == i {
		return false
	}
	for _, k := range l.Kubelets {
		if k != KubeletUnaware {
			return false
		}
	}
	return int(o.Record.Of) != i+1 || o.Record.Phase == Over
}

func (o *Ordinal) forget(i int) {
	copy(o.Lives[i:], o.Lives[i+1:])
	o.Lives[LivesMax-1] = Life{}
	o.Count--
	renumber := func(of uint8) uint8 {
		switch {
		case of == OfPast || int(of) < i+1:
			return of
		case int(of) == i+1:
			return OfPast
		}
		return of - 1
	}
	o.Record.Of = renumber(o.Record.Of)
	for j := range o.Lives {
		o.Lives[j].Read.Of = renumber(o.Lives[j].Read.Of)
	}
	if o.Task.Kind != Idle && int(o.Task.Life) > i {
		o.Task.Life--
	}
}

// settleRecord: of an incarnation that is over, nobody reads where it ran.
func settleRecord(r *Record) {
	if r.Phase == Over {
		r.Candidates = [CandidatesMax]Candidate{}
		r.Seen, r.Reported = false, false
	}
	r.Evidence, r.Departure = alike(r.Evidence), alike(r.Departure)
	slices.SortFunc(r.Candidates[:], func(a, b Candidate) int {
		if (a.Node == 0) != (b.Node == 0) {
			return int(b.Node) - int(a.Node) // Those that there are come first.
		}
		return bytes.Compare([]byte{a.Node, a.UID, a.Machine}, []byte{b.Node, b.UID, b.Machine})
	})
}

// alike: once a record is closed, all that is read of its evidence is whether it was a
// bind that never was, the kubelet's word, or anything else.
func alike(e Evidence) Evidence {
	if e == NoEvidence || e == NeverBound || e == KubeletConfirmed {
		return e
	}
	return Attested
}

// permutations of the nodes' names.
func permutations(n int) [][]uint8 {
	if n == 1 {
		return [][]uint8{{0}}
	}
	var all [][]uint8
	for _, p := range permutations(n - 1) {
		for at := n - 1; at >= 0; at-- {
			all = append(all, slices.Insert(slices.Clone(p), at, uint8(n-1)))
		}
	}
	return all
}

// Renamer writes states so that two that differ in the nodes' names alone are written alike.
type Renamer struct {
	scope  Scope
	perms  [][]uint8
	a, b   []byte
	copied State
}

// NewRenamer returns one for the scope.
func NewRenamer(s Scope) *Renamer { return &Renamer{scope: s, perms: permutations(s.Nodes)} }

// Canonical is the state as bytes: the least of those under all names of the nodes. It
// holds until the next call, and leaves out State.Faults.
func (r *Renamer) Canonical(st *State) []byte {
	r.a = r.scope.Write(r.a[:0], st)
	for _, p := range r.perms[1:] {
		r.copied = *st
		r.rename(&r.copied, p)
		r.b = r.scope.Write(r.b[:0], &r.copied)
		if bytes.Compare(r.b, r.a) < 0 {
			r.a, r.b = r.b, r.a
		}
	}
	return r.a
}

// rename gives node n the name to[n].
func (r *Renamer) rename(st *State, to []uint8) {
	name := func(n *uint8) {
		if *n != 0 {
			*n = to[*n-1] + 1
		}
	}
	nodes := st.Nodes
	for n := range r.scope.Nodes {
		st.Nodes[to[n]] = nodes[n]
	}
	for v := range r.scope.Volumes {
		was := st.Attached[v]
		st.Attached[v] = 0
		for n := range r.scope.Nodes {
			if was&(1<<n) != 0 {
				st.Attached[v] |= 1 << to[n]
			}
		}
	}
	for i := range r.scope.Ordinals {
		o := &st.Ordinals[i]
		answers := o.Answers
		for n := range r.scope.Nodes {
			o.Answers[to[n]] = answers[n]
		}
		records := []*Record{&o.Record}
		for j := range o.Count {
			l := &o.Lives[j]
			name(&l.Node)
			name(&l.Target)
			name(&l.Late)
			records = append(records, &l.Read)
		}
		for _, record := range records {
			for c := range record.Candidates {
				name(&record.Candidates[c].Node)
			}
			settleRecord(record)
		}
	}
}
