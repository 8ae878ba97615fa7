package model

import "fmt"

// Violation is an invariant that does not hold.
type Violation struct {
	// Invariant is its name in docs/invariants.md.
	Invariant string `json:"invariant"`
	// What says what is so.
	What string `json:"what"`
}

// Event is what guard or scheduler have done in a step, as far as it has to be judged.
type Event struct {
	Kind    EventKind
	Ordinal int
	// Life is the place of the incarnation after the step, before it is settled.
	Life int
	// Detail is for a human.
	Detail string
}

// EventKind is what was done.
type EventKind uint8

// The kinds.
const (
	// Opened: the record was opened for an incarnation, over another one.
	Opened EventKind = iota
	// Bound: a binding has landed.
	Bound
	// LetGo: the guard has taken its finalizer off, of an incarnation of which the record
	// speaks.
	LetGo
	// Guessed: a judgement without the reads that it needs released what it holds with them.
	Guessed
	// Waited: the order made an ordinal wait that its record does not hold.
	Waited
)

// Check is what does not hold in a state; nil if all holds.
func (s Scope) Check(st *State) *Violation {
	for o := range s.Ordinals {
		if n := runningSets(&st.Ordinals[o]); n > 1 {
			return &Violation{"S1", fmt.Sprintf("%d container sets of web-%d run at once", n, o)}
		}
	}
	for v := range s.Volumes {
		if n := s.writers(st, v); n > 1 {
			return &Violation{"S2", fmt.Sprintf("%d machines write volume-%d at once", n, v)}
		}
	}
	return nil
}

func runningSets(o *Ordinal) int {
	n := 0
	for i := range o.Count {
		for _, k := range o.Lives[i].Kubelets {
			if k == KubeletRunning {
				n++
			}
		}
	}
	return n
}

// writers is how many machines have a running container that uses the volume.
func (s Scope) writers(st *State, volume int) int {
	var writes [NodesMax][MachinesMax]bool
	n := 0
	for o := range s.Ordinals {
		if s.VolumeOf(o) != volume {
			continue
		}
		ordinal := &st.Ordinals[o]
		for i := range ordinal.Count {
			l := &ordinal.Lives[i]
			for m, k := range l.Kubelets {
				if k == KubeletRunning && !writes[l.Node-1][m] {
					writes[l.Node-1][m] = true
					n++
				}
			}
		}
	}
	return n
}

// CheckEvent judges what was done by the state right after it.
func (s Scope) CheckEvent(st *State, e Event) *Violation {
	o := &st.Ordinals[e.Ordinal]
	switch e.Kind {
	case Opened:
		for i := range e.Life {
			if why := o.Lives[i].mayRun(st); why != "" {
				return &Violation{"S3", fmt.Sprintf("the record of web-%d is opened for a new incarnation, and %s", e.Ordinal, why)}
			}
		}
	case Bound:
		for before := range e.Ordinal {
			if !st.Ordinals[before].BoundEver {
				return &Violation{"S6", fmt.Sprintf("web-%d is bound, and web-%d before it has never been", e.Ordinal, before)}
			}
		}
	case Waited:
		if o.BoundEver {
			return &Violation{"S6", fmt.Sprintf("web-%d has been bound before, and its replacement is made to wait for web-%d", e.Ordinal, e.Ordinal-1)}
		}
	case LetGo:
		if o.Record.Unclean() {
			return &Violation{"S8", fmt.Sprintf("the pod of web-%d is let go while its record is not closed: after a crash nothing shows the proof", e.Ordinal)}
		}
	case Guessed:
		return &Violation{"S4", fmt.Sprintf("web-%d is released by a judgement that could not read what it needs: %s", e.Ordinal, e.Detail)}
	}
	return nil
}

// mayRun says how the incarnation runs or may come to; empty if it is over.
func (l *Life) mayRun(st *State) string {
	for m, k := range l.Kubelets {
		switch {
		case k == KubeletRunning:
			return fmt.Sprintf("a container of the one before still runs on %s", MachineName(int(l.Node-1), m))
		case k == KubeletHeard:
			return fmt.Sprintf("the kubelet of %s is about to start the one before", MachineName(int(l.Node-1), m))
		}
	}
	if l.Pod == PodThere && !l.Deleting && l.Phase == PhaseOpen {
		return "nobody has asked for the end of the one before"
	}
	return ""
}

// IsOver tells whether the incarnation does not run and never will, in truth.
func (s Scope) IsOver(st *State, l *Life) bool { return l.mayRun(st) == "" }

// MachineName names a machine for a human.
func MachineName(node, machine int) string {
	if machine == 0 {
		return "machine " + NodeName(node)
	}
	return fmt.Sprintf("machine %s (the %dnd)", NodeName(node), machine+1)
}

// NodeName names a node.
func NodeName(node int) string { return string(rune('a' + node)) }

// String is the kind as the record has it.
func (e Evidence) String() string {
	return [...]string{"none", "NeverBound", "KubeletConfirmed", "Rebooted", "Observed", "Fenced", "NodeRemoved", "Attested"}[e]
}
