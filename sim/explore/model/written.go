package model

// pen writes the fields of a state to bytes, or reads them back.
type pen struct {
	buf     []byte
	at      int
	reading bool
}

func number[T ~uint8](p *pen, v *T) {
	if p.reading {
		*v = T(p.buf[p.at])
		p.at++
		return
	}
	p.buf = append(p.buf, byte(*v))
}

// flags takes up to eight of them as one byte.
func (p *pen) flags(all ...*bool) {
	var b uint8
	for i, f := range all {
		if *f {
			b |= 1 << i
		}
	}
	number(p, &b)
	if p.reading {
		for i, f := range all {
			*f = b&(1<<i) != 0
		}
	}
}

// Write appends the state without State.Faults.
func (s Scope) Write(to []byte, st *State) []byte {
	p := &pen{buf: to}
	s.state(p, st)
	return p.buf
}

// Read is the state that was written.
func (s Scope) Read(written []byte) State {
	var st State
	s.state(&pen{buf: written, reading: true}, &st)
	return st
}

func (s Scope) state(p *pen, st *State) {
	p.flags(&st.False)
	for v := range s.Volumes {
		number(p, &st.Attached[v])
	}
	for n := range s.Nodes {
		p.node(&st.Nodes[n])
	}
	for i := range s.Ordinals {
		s.ordinal(p, &st.Ordinals[i])
	}
}

func (p *pen) node(n *Node) {
	for m := range n.Machines {
		machine := &n.Machines[m]
		p.flags(&machine.Known, &machine.On, &machine.Cut, &machine.Gone)
		number(p, &machine.Boot)
	}
	p.object(&n.Object)
	p.object(&n.Seen)
	p.flags(&n.Untainted)
	number(p, &n.UIDs)
}

func (p *pen) object(o *Object) {
	p.flags(&o.Exists, &o.Ready, &o.Since, &o.Tainted, &o.Word)
	number(p, &o.UID)
	number(p, &o.Machine)
	number(p, &o.Boot)
}

func (s Scope) ordinal(p *pen, o *Ordinal) {
	number(p, &o.Count)
	for i := range o.Count {
		p.life(&o.Lives[i])
	}
	p.record(&o.Record)
	p.flags(&o.BoundEver)
	number(p, &o.Task.Kind)
	number(p, &o.Task.Life)
	number(p, &o.Task.Evidence)
	for n := range s.Nodes {
		a := &o.Answers[n]
		number(p, &a.Count)
		if a.Count > 0 {
			number(p, &a.UID)
			number(p, &a.Machine)
			number(p, &a.Boot)
		}
	}
}

func (p *pen) life(l *Life) {
	number(p, &l.Pod)
	p.flags(&l.Deleting, &l.Finalizer, &l.HadID, &l.SandboxGone, &l.Attested, &l.Follows, &l.Unfollowed)
	number(p, &l.Node)
	number(p, &l.Status)
	number(p, &l.Phase)
	for m := range l.Kubelets {
		number(p, &l.Kubelets[m])
	}
	number(p, &l.Cycle)
	number(p, &l.Late)
	if l.Cycle == CycleNone {
		return
	}
	number(p, &l.Target)
	number(p, &l.TargetUID)
	number(p, &l.TargetMachine)
	number(p, &l.TargetBoot)
	p.record(&l.Read)
}

func (p *pen) record(r *Record) {
	number(p, &r.Phase)
	if r.Phase == NoRecord {
		return
	}
	number(p, &r.Of)
	p.flags(&r.Seen, &r.Reported, &r.BoundOnce)
	number(p, &r.Evidence)
	number(p, &r.Departure)
	for i := range r.Candidates {
		c := &r.Candidates[i]
		number(p, &c.Node)
		if c.Node == 0 {
			return
		}
		number(p, &c.UID)
		number(p, &c.Machine)
		number(p, &c.Boots)
		number(p, &c.Later)
		number(p, &c.Removal)
	}
}
