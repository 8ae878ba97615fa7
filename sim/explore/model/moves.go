package model

// Moves gives every step of the environment that is possible to next, with the state
// after it. Faults are not counted here.
func (s Scope) Moves(st *State, next func(Action, State)) {
	for n := range s.Nodes {
		for m := range MachinesMax {
			s.machineMoves(st, n, m, next)
		}
		s.objectMoves(st, n, next)
	}
	for o := range s.Ordinals {
		s.podMoves(st, o, next)
		for i := range int(st.Ordinals[o].Count) {
			s.kubeletMoves(st, o, i, next)
		}
	}
	for v := range s.Volumes {
		s.volumeMoves(st, v, next)
	}
}

// present is the machine that has the node's name now. One that it has displaced stays
// off the network: two kubelets of one name would write each other's objects.
func (n *Node) present() int {
	if n.Machines[1].Known {
		return 1
	}
	return 0
}

// fresh: the guard's watch has brought the last change of the object. The next one waits
// for that, which bounds how far the watch is behind.
func (n *Node) fresh() bool { return n.Object == n.Seen }

func (s Scope) machineMoves(st *State, n, m int, next func(Action, State)) {
	node := &st.Nodes[n]
	machine := node.Machines[m]
	if !machine.Known || machine.Gone {
		return
	}
	a := func(k ActionKind) Action { return Action{Kind: k, Node: uint8(n), Machine: uint8(m)} }
	displaced := m != node.present()
	if machine.On {
		after := *st
		after.halt(n, m)
		after.Nodes[n].Machines[m].On = false
		next(a(PowerOff), after)
	}
	if displaced {
		return
	}
	switch {
	case machine.On:
		after := *st
		after.halt(n, m)
		after.Nodes[n].Machines[m].Boot++
		next(a(Reboot), after)
	case !node.Object.Tainted || s.Lies:
		// Whoever marks a node as out of service removes the mark before he lets the
		// machine run again: as long as it is there it says that nothing runs.
		after := *st
		after.Nodes[n].Machines[m].On = true
		after.Nodes[n].Machines[m].Boot++
		after.False = st.False || node.Object.Tainted
		next(a(PowerOn), after)
	}
	after := *st
	after.Nodes[n].Machines[m].Cut = !machine.Cut
	if machine.Cut {
		next(a(Heal), after)
	} else if machine.On {
		next(a(Cut), after)
	}
}

// halt ends all that runs on the machine, and what its kubelet remembers.
func (st *State) halt(n, m int) {
	for o := range st.Ordinals {
		ordinal := &st.Ordinals[o]
		for i := range ordinal.Count {
			if l := &ordinal.Lives[i]; int(l.Node) == n+1 {
				l.Kubelets[m] = KubeletUnaware
			}
		}
	}
}

func (s Scope) objectMoves(st *State, n int, next func(Action, State)) {
	node := &st.Nodes[n]
	if !node.fresh() {
		return
	}
	m := node.present()
	machine := node.Machines[m]
	object := node.Object
	talks := machine.On && !machine.Cut
	with := func(k ActionKind, change func(st *State, node *Node)) {
		after := *st
		change(&after, &after.Nodes[n])
		next(Action{Kind: k, Node: uint8(n), Machine: uint8(m)}, after)
	}
	if talks && (!object.Exists || !object.Ready || object.Boot != machine.Boot || int(object.Machine) != m) {
		with(Heartbeat, func(_ *State, node *Node) { node.report() })
	}
	if !object.Exists {
		if !node.Machines[1].Known && !talks && !s.heldTo(st, n) {
			with(ReplaceMachine, func(_ *State, node *Node) {
				node.Machines[0].Cut = true
				node.Machines[1] = Machine{Known: true, On: true}
				node.report()
			})
		}
		return
	}
	if object.Ready && !talks {
		with(TurnNotReady, func(_ *State, node *Node) { node.Object.Ready, node.Object.Since = false, !node.Object.Since })
	}
	off := !machine.On
	switch {
	case object.Tainted:
		with(RemoveTaint, func(_ *State, node *Node) { node.Object.Tainted = false })
	case off || s.Lies:
		with(SetTaint, func(st *State, node *Node) {
			node.Object.Tainted = true
			st.False = st.False || !off
		})
	}
	// With WhenDown, whoever deletes a Node that is not Ready says that its machine is off
	// for good.
	says := s.WhenDown && !object.Ready
	if !says || off || s.Lies {
		with(DeleteNode, func(st *State, node *Node) {
			node.Object.Exists = false
			node.Machines[m].Gone = says && off
			st.False = st.False || says && !off
		})
	}
	if off {
		with(TerminateInstance, func(_ *State, node *Node) {
			node.Object.Exists, node.Object.Word = false, true
			node.Machines[m].Gone = true
		})
	}
}

// report is what the kubelet of the present machine says of its node; it registers it if
// need be.
func (n *Node) report() {
	m := n.present()
	if !n.Object.Exists {
		n.UIDs++
		n.Object = Object{Exists: true, UID: n.UIDs}
	} else if !n.Object.Ready {
		n.Object.Since = !n.Object.Since
	}
	n.Object.Ready, n.Object.Machine, n.Object.Boot = true, uint8(m), n.Machines[m].Boot
}

// heldTo tells whether a pod is bound to the node that nobody has deleted: the kubelet of
// another machine of the name would start it once more, and no scheduler has a say in it.
// One that is being deleted counts too, as long as no kubelet has reported it, unless
// Scope.Reuse. So does a binding that is on its way, from Bind's live reads on: it names the
// node by its name alone.
func (s Scope) heldTo(st *State, n int) bool {
	for o := range s.Ordinals {
		ordinal := &st.Ordinals[o]
		for i := range ordinal.Count {
			l := &ordinal.Lives[i]
			bound := l.Pod == PodThere && int(l.Node) == n+1
			if bound && !(l.Deleting && (l.HadID || s.Reuse)) || int(l.Late) == n+1 || l.Cycle >= CycleJudged && int(l.Target) == n+1 {
				return true
			}
		}
	}
	return false
}

func (s Scope) podMoves(st *State, o int, next func(Action, State)) {
	l, i := st.Ordinals[o].Newest()
	with := func(k ActionKind, change func(st *State, l *Life)) {
		after := *st
		change(&after, &after.Ordinals[o].Lives[i])
		next(Action{Kind: k, Ordinal: uint8(o), Life: uint8(i)}, after)
	}
	remove := func(_ *State, l *Life) {
		// The API server keeps an object that has a finalizer.
		if l.Deleting, l.SandboxGone = true, false; !l.Finalizer {
			l.Pod = PodFinal
		}
	}
	if !l.Deleting {
		with(Delete, remove)
		with(ForceDelete, remove)
	}
	if l.Finalizer {
		with(StripFinalizer, func(st *State, l *Life) {
			remove(st, l)
			l.Pod, l.Finalizer = PodFinal, false
		})
	}
	if l.Node != 0 && l.Phase == PhaseOpen {
		if object := st.Nodes[l.Node-1].Object; !object.Exists || object.Tainted && !object.Ready {
			with(CollectPod, func(st *State, l *Life) {
				if l.Phase = PhaseByCollector; !l.Deleting {
					remove(st, l)
				}
			})
		}
	}
	if l.Late != 0 {
		with(BindLate, func(st *State, l *Life) {
			if l.Node == 0 && !l.Deleting {
				l.Node, st.Ordinals[o].BoundEver = l.Late, true
			}
			l.Late = 0
		})
	}
	record := &st.Ordinals[o].Record
	if record.Phase == InDoubt && record.Of != OfPast {
		i = int(record.Of) - 1
		if of := &st.Ordinals[o].Lives[i]; !of.Attested && (s.IsOver(st, of) || s.Lies) {
			with(Attest, func(st *State, l *Life) {
				l.Attested = true
				st.False = st.False || !s.IsOver(st, l)
			})
		}
	}
}

func (s Scope) kubeletMoves(st *State, o, i int, next func(Action, State)) {
	l := &st.Ordinals[o].Lives[i]
	if l.Node == 0 {
		return
	}
	n := int(l.Node) - 1
	for m := range MachinesMax {
		machine := st.Nodes[n].Machines[m]
		if !machine.Known || !machine.On {
			continue
		}
		with := func(k ActionKind, change func(st *State, l *Life)) {
			after := *st
			change(&after, &after.Ordinals[o].Lives[i])
			next(Action{Kind: k, Ordinal: uint8(o), Life: uint8(i), Node: uint8(n), Machine: uint8(m)}, after)
		}
		if l.Kubelets[m] == KubeletHeard {
			with(KubeletStarts, func(st *State, l *Life) {
				l.Kubelets[m] = KubeletRunning
				if v := s.VolumeOf(o); v >= 0 {
					st.Attached[v] |= 1 << n
				}
			})
		}
		if machine.Cut {
			continue
		}
		if heard := l.hears(m); heard != l.Kubelets[m] {
			with(KubeletHears, func(_ *State, l *Life) { l.Kubelets[m] = heard })
		}
		reported := *l
		if reported.report(m); reported != *l {
			with(KubeletReports, func(_ *State, l *Life) { *l = reported })
		}
	}
}

// hears is what a kubelet makes of the object as it is now.
func (l *Life) hears(m int) Kubelet {
	ends := l.Deleting || l.Phase != PhaseOpen
	switch k := l.Kubelets[m]; {
	case l.Pod != PodThere && (k == KubeletRunning || k == KubeletHeard):
		return KubeletUnaware
	case l.Pod != PodThere:
		return k
	case k == KubeletUnaware && !ends:
		return KubeletHeard
	case (k == KubeletUnaware || k == KubeletHeard) && ends:
		return KubeletLacks
	case k == KubeletRunning && ends:
		return KubeletKilled
	default:
		return k
	}
}

// report is what a kubelet writes on the status of a pod that it has.
func (l *Life) report(m int) {
	if l.Pod != PodThere {
		return
	}
	switch l.Kubelets[m] {
	case KubeletRunning:
		l.Status, l.HadID = StatusRunning, true
		return
	case KubeletKilled:
		l.Status, l.HadID = StatusTerminated, true
	case KubeletLacks:
		if l.Status == StatusTerminated {
			return // What ended before the boot has been told.
		}
		l.Status = StatusFiller
	default:
		return
	}
	if l.SandboxGone = l.Deleting; l.Phase == PhaseOpen {
		l.Phase = PhaseByKubelet
	}
}

// volumeMoves: a volume is detached from a node once no pod there uses it, or by force
// where the node is not well. What is attached keeps no container from starting: the
// controller may count it as uncertain.
func (s Scope) volumeMoves(st *State, v int, next func(Action, State)) {
	for n := range s.Nodes {
		object := st.Nodes[n].Object
		if st.Attached[v]&(1<<n) == 0 || object.Exists && object.Ready && s.usedOn(st, v, n) {
			continue
		}
		after := *st
		after.Attached[v] &^= 1 << n
		next(Action{Kind: Detach, Node: uint8(n), Life: uint8(v)}, after)
	}
}

func (s Scope) usedOn(st *State, v, n int) bool {
	for o := range s.Ordinals {
		if l, _ := st.Ordinals[o].Newest(); s.VolumeOf(o) == v && int(l.Node) == n+1 {
			return true
		}
	}
	return false
}
