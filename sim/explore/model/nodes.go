package model

// settleNode brings the guard's watch up to date where no record speaks of the node, and
// numbers boots and UIDs anew, so that only their order counts.
func (s Scope) settleNode(st *State, n int) {
	if !s.spokenOf(st, n) {
		node := &st.Nodes[n]
		node.Deliver()
	}
	s.dropDisplaced(st, n)
	s.renumberUIDs(st, n)
	for m := range MachinesMax {
		s.renumberBoots(st, n, m)
	}
}

// Deliver brings the guard's watch the last change of the object.
func (n *Node) Deliver() {
	before, now := n.Seen, n.Object
	if !now.Exists {
		n.Object, n.Seen, n.Untainted = Object{}, Object{}, false
		return
	}
	if before.UID != now.UID || before.Boot != now.Boot || before.Machine != now.Machine {
		n.Untainted = false
	}
	n.Untainted = !now.Ready && (n.Untainted || !now.Tainted)
	n.Seen = now
}

// spokenOf: a record that is not closed has the node as a candidate, or will.
func (s Scope) spokenOf(st *State, n int) bool {
	for o := range s.Ordinals {
		ordinal := &st.Ordinals[o]
		for _, c := range ordinal.Record.Candidates {
			if int(c.Node) == n+1 {
				return true
			}
		}
		for i := range ordinal.Count {
			if l := &ordinal.Lives[i]; int(l.Node) == n+1 || int(l.Target) == n+1 || int(l.Late) == n+1 {
				return true
			}
		}
	}
	return false
}

// dropDisplaced forgets a machine that has lost its name, once it runs nothing and no
// record speaks of it.
func (s Scope) dropDisplaced(st *State, n int) {
	node := &st.Nodes[n]
	if !node.Machines[1].Known {
		return
	}
	needed := node.Object.Exists && node.Object.Machine == 0 || node.Seen.Exists && node.Seen.Machine == 0
	s.eachNumber(st, n, func(machine *uint8, _ ...*uint8) { needed = needed || *machine == 0 })
	s.eachLife(st, n, func(l *Life) { needed = needed || l.Kubelets[0] != KubeletUnaware })
	if needed {
		return
	}
	node.Machines[0], node.Machines[1] = node.Machines[1], Machine{}
	node.Object.Machine, node.Seen.Machine = 0, 0
	s.eachNumber(st, n, func(machine *uint8, _ ...*uint8) { *machine = 0 })
	s.eachLife(st, n, func(l *Life) { l.Kubelets[0], l.Kubelets[1] = l.Kubelets[1], KubeletUnaware })
}

func (s Scope) eachLife(st *State, n int, f func(*Life)) {
	for o := range s.Ordinals {
		for i := range st.Ordinals[o].Count {
			if l := &st.Ordinals[o].Lives[i]; int(l.Node) == n+1 {
				f(l)
			}
		}
	}
}

// eachCandidate calls f for each candidate of a record that is the node.
func (s Scope) eachCandidate(st *State, n int, f func(*Candidate)) {
	for o := range s.Ordinals {
		ordinal := &st.Ordinals[o]
		ordinal.Record.eachCandidate(n, f)
		for i := range ordinal.Count {
			if l := &ordinal.Lives[i]; l.Cycle != CycleNone {
				l.Read.eachCandidate(n, f)
			}
		}
	}
}

func (r *Record) eachCandidate(n int, f func(*Candidate)) {
	for c := range r.Candidates {
		switch int(r.Candidates[c].Node) {
		case 0:
			return
		case n + 1:
			f(&r.Candidates[c])
		}
	}
}

// eachNumber calls f with the machine, UID and boot of all that speaks of the node by
// numbers, but for objects and candidates' boots. A candidate has no boot.
func (s Scope) eachNumber(st *State, n int, f func(machine *uint8, uidAndBoot ...*uint8)) {
	s.eachCandidate(st, n, func(c *Candidate) {
		if c.UID != 0 {
			f(&c.Machine, &c.UID)
		}
	})
	for o := range s.Ordinals {
		ordinal := &st.Ordinals[o]
		if a := &ordinal.Answers[n]; a.Count > 0 {
			f(&a.Machine, &a.UID, &a.Boot)
		}
		for i := range ordinal.Count {
			if l := &ordinal.Lives[i]; int(l.Target) == n+1 && l.Cycle == CycleJudged {
				f(&l.TargetMachine, &l.TargetUID, &l.TargetBoot)
			}
		}
	}
}

// ranks gives the numbers that are in use consecutive ones.
type ranks [16]uint8

func ranksOf(used uint16, first uint8) (r ranks) {
	for i := range r {
		if used&(1<<i) != 0 {
			r[i] = first
			first++
		}
	}
	return r
}

func (s Scope) renumberUIDs(st *State, n int) {
	node := &st.Nodes[n]
	var used uint16
	each := func(f func(uid *uint8)) {
		for _, object := range []*Object{&node.Object, &node.Seen} {
			if object.UID != 0 {
				f(&object.UID)
			}
		}
		s.eachNumber(st, n, func(_ *uint8, numbers ...*uint8) { f(numbers[0]) })
	}
	each(func(uid *uint8) { used |= 1 << *uid })
	r := ranksOf(used, 1)
	each(func(uid *uint8) { *uid = r[*uid] })
	node.UIDs = 0
	each(func(uid *uint8) { node.UIDs = max(node.UIDs, *uid) })
}

func (s Scope) renumberBoots(st *State, n, m int) {
	node := &st.Nodes[n]
	if !node.Machines[m].Known {
		return
	}
	var used uint16
	each := func(f func(boot *uint8)) {
		f(&node.Machines[m].Boot)
		for _, object := range []*Object{&node.Object, &node.Seen} {
			if object.UID != 0 && int(object.Machine) == m {
				f(&object.Boot)
			}
		}
		s.eachNumber(st, n, func(machine *uint8, numbers ...*uint8) {
			if int(*machine) == m && len(numbers) == 2 {
				f(numbers[1])
			}
		})
	}
	each(func(boot *uint8) { used |= 1 << *boot })
	candidates := func(f func(*Candidate)) {
		s.eachCandidate(st, n, func(c *Candidate) {
			if c.UID != 0 && int(c.Machine) == m {
				f(c)
			}
		})
	}
	shown := used
	candidates(func(c *Candidate) {
		c.Boots = oneOf(c.Boots, shown)
		used |= uint16(c.Boots) | uint16(c.Later)
	})
	r := ranksOf(used, 0)
	each(func(boot *uint8) { *boot = r[*boot] })
	candidates(func(c *Candidate) { c.Boots, c.Later = r.bits(c.Boots), r.bits(c.Later) })
}

// oneOf leaves of the boots that nothing shows any more the first: none of them can be
// reported again.
func oneOf(boots uint8, shown uint16) uint8 {
	old := boots &^ uint8(shown)
	return boots&uint8(shown) | old&-old
}

func (r ranks) bits(of uint8) (b uint8) {
	for i := range 8 {
		if of&(1<<i) != 0 {
			b |= 1 << r[i]
		}
	}
	return b
}
