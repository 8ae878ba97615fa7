// Package model is the environment of the small-scope explorer: machines, kubelets, the
// API's objects, what has been written to the records, and the rules by which all of this
// may change by itself. It has the ground truth and the invariants over it, and imports
// nothing of what it judges.
//
// A State is one value without pointers. UIDs and boots are small numbers, and an
// incarnation that can no longer matter is forgotten, so that the states of a cluster
// that runs for ever are finitely many.
package model

// The limits of a State's arrays.
const (
	NodesMax    = 3
	OrdinalsMax = 3
	VolumesMax  = 3
	// LivesMax is how many incarnations of one ordinal can matter at once.
	LivesMax = 4
	// CandidatesMax is how many candidate nodes a record can have.
	CandidatesMax = 4
	// MachinesMax is how many machines have had a node's name.
	MachinesMax = 2
)

// State is everything: the truth, the API's objects, and what guard and scheduler remember.
type State struct {
	Nodes    [NodesMax]Node
	Ordinals [OrdinalsMax]Ordinal
	// Attached has a bit for each node that a volume is attached to, as the API says.
	Attached [VolumesMax]uint8
	// False: somebody has asserted what is not so. What follows is outside the trust boundary.
	False bool
	// Faults is how many have happened. It is no part of what makes two states the same.
	Faults uint8
}

// Node is a node's name: the machines that have had it, and its Node object.
type Node struct {
	Machines [MachinesMax]Machine
	Object   Object
	// Seen is the object as the guard's watch has it, at most one change behind.
	Seen Object
	// Untainted: the watch has seen the object of this UID and boot not Ready and without
	// the taint since it is not Ready.
	Untainted bool
	// UIDs is how many Node objects of the name there have been.
	UIDs uint8
}

// Machine is what is really so.
type Machine struct {
	// Known: there is such a machine.
	Known, On, Cut bool
	// Gone: it never comes back.
	Gone bool
	// Boot counts its boots, from 0.
	Boot uint8
}

// Object is a Node object.
type Object struct {
	Exists bool
	// UID counts the objects of the name, from 1. Of one that is gone it is kept, with
	// what it last said.
	UID     uint8
	Machine uint8
	Ready   bool
	// Since changes with Ready: when the condition changed last.
	Since   bool
	Tainted bool
	// Boot is the boot that it shows.
	Boot uint8
	// Word: it was removed by who knows that the machine is gone, and says so.
	Word bool
}

// Ordinal is an identity.
type Ordinal struct {
	// Lives are its incarnations that matter, the oldest first. The last one has the name.
	Lives [LivesMax]Life
	Count uint8
	// Record is the tenancy.
	Record Record
	// Made is how many incarnations there have been. Like their numbers it is for telling a
	// path, and no part of what makes two states the same.
	Made uint16
	// BoundEver: an incarnation has been bound, in truth.
	BoundEver bool
	Task      Task
	// Answers are what the guard has been told by the nodes' kubelets.
	Answers [NodesMax]Answers
}

// Life is an incarnation.
type Life struct {
	// Number counts the ordinal's incarnations, from 1.
	Number uint16
	Pod    Presence
	// Deleting: a deletionTimestamp. Finalizer: the guard's.
	Deleting, Finalizer bool
	// Node is 1 + the node that the object is bound to; 0: none.
	Node   uint8
	Status Status
	// HadID: the statuses have shown a container's ID.
	HadID bool
	Phase Phase
	// SandboxGone: a kubelet that had seen the object's generation says that there is none.
	SandboxGone bool
	// Unfollowed: the guard has started anew while the pod had ended, and cannot say that
	// no container of it was ever reported.
	Unfollowed bool
	Attested   bool
	// Kubelets is what the kubelet of each machine of the node's name does with it.
	Kubelets [MachinesMax]Kubelet
	// Cycle is how far the scheduler's binding cycle is, Target 1 + the node that it is for.
	Cycle  Cycle
	Target uint8
	// Follows: its turn comes with the bind of the ordinal before it.
	Follows bool
	// TargetUID, TargetMachine and TargetBoot are the Node's at PreBind's live read.
	TargetUID, TargetMachine, TargetBoot uint8
	// Late is 1 + the node of a binding that a dead scheduler has posted and that may land.
	Late uint8
	// Read is the record as it was read for the open, where nothing compares before it
	// swaps; otherwise the zero Record.
	Read Record
}

// Presence is what became of a pod object.
type Presence uint8

// The presences.
const (
	PodNone Presence = iota
	PodThere
	// PodFinal: it is gone, and the guard has its final object before it.
	PodFinal
	PodGone
)

// Status is what the pod's statuses say of its container.
type Status uint8

// The statuses.
const (
	StatusNone Status = iota
	StatusRunning
	StatusTerminated
	// StatusFiller is the kubelet's ContainerStatusUnknown.
	StatusFiller
)

// Phase is who made the pod's phase terminal.
type Phase uint8

// The phases.
const (
	PhaseOpen Phase = iota
	PhaseByKubelet
	PhaseByCollector
)

// Kubelet is what a kubelet does with an incarnation, in the present boot.
type Kubelet uint8

// What kubelets do. A container runs, really, where the kubelet is Running.
const (
	// KubeletUnaware has not heard of it.
	KubeletUnaware Kubelet = iota
	// KubeletHeard is about to start it, whatever happens to the object meanwhile.
	KubeletHeard
	KubeletRunning
	// KubeletKilled has ended its container.
	KubeletKilled
	// KubeletLacks heard of it when it was to end already, and has nothing of it.
	KubeletLacks
)

// Cycle is how far a binding cycle is.
type Cycle uint8

// The stages: each ends with a write, or with the reads for the next one.
const (
	CycleNone Cycle = iota
	// CycleReserved: it has a node, and its place on the line.
	CycleReserved
	// CycleJudged: PreBind's live reads let it through, and the pod has the finalizer.
	CycleJudged
	// CycleOpened: the record is open, and the binding about to be posted.
	CycleOpened
)

// Record is a tenancy, without what no decision reads.
type Record struct {
	Phase RecordPhase
	// Of is 1 + the life that it speaks of; OfPast: one that is forgotten.
	Of                  uint8
	Candidates          [CandidatesMax]Candidate
	Seen, Reported      bool
	BoundOnce           bool
	Evidence, Departure Evidence
}

// OfPast is a life that is no longer in the state.
const OfPast uint8 = 255

// RecordPhase is a tenancy's phase; 0: there is no record.
type RecordPhase uint8

// The phases of a record.
const (
	NoRecord RecordPhase = iota
	Vacant
	Occupied
	InDoubt
	Over
)

// Candidate is a candidate node of a record.
type Candidate struct {
	// Node is 1 + the node; 0: there is no such candidate. UID 0 is unknown.
	Node, UID, Machine uint8
	// Boots and Later have a bit for each boot.
	Boots, Later uint8
	Removal      Removal
}

// Removal is how a candidate's Node went.
type Removal uint8

// The removals, as the record has them.
const (
	NotRemoved Removal = iota
	RemovedReady
	RemovedNotReady
	RemovedWithWord
	RemovedReadyWithWord
)

// Evidence is a kind of evidence.
type Evidence uint8

// The kinds, and none.
const (
	NoEvidence Evidence = iota
	NeverBound
	KubeletConfirmed
	Rebooted
	Observed
	Fenced
	NodeRemoved
	Attested
)

// Task is what the guard is about to write on an ordinal's record.
type Task struct {
	Kind TaskKind
	// Life is the place of the incarnation.
	Life     uint8
	Evidence Evidence
}

// TaskKind is a write that follows a judgement.
type TaskKind uint8

// The tasks.
const (
	Idle TaskKind = iota
	ToDoubt
	ToClose
)

// Answers are the last answers in a row of a node's kubelet that it lacks the incarnation
// on the record, of one Node object, machine and boot.
type Answers struct {
	Count, UID, Machine, Boot uint8
}

// Scope is how large the cluster is, and what may happen to it.
type Scope struct {
	Nodes, Ordinals, Volumes, Faults int
	// Lies: assertions may be false.
	Lies bool
	// WhenDown: the removal of a Node that is not Ready asserts that its machine is off
	// (nodeRemoval: WhenDown).
	WhenDown bool
	// Reuse: another machine may take a node's name while a pod is bound to it that no
	// kubelet has reported, and that is being deleted.
	Reuse bool
	// Observe: the guard asks kubelets (observeKubelets).
	Observe bool
	// Running: it begins with every ordinal running on the first node, and not with
	// nothing placed.
	Running bool
}

// VolumeOf is the volume that an ordinal uses, -1: none. Ordinals share volumes evenly.
func (s Scope) VolumeOf(ordinal int) int {
	if s.Volumes == 0 {
		return -1
	}
	return ordinal * s.Volumes / s.Ordinals
}

// Initial is the state before anything has happened: every machine is on, and every
// ordinal has a pod, which nobody has placed yet unless Scope.Running.
func (s Scope) Initial() State {
	var st State
	for n := range s.Nodes {
		st.Nodes[n].Machines[0] = Machine{Known: true, On: true}
		st.Nodes[n].Object = Object{Exists: true, UID: 1, Ready: true}
		st.Nodes[n].Seen = st.Nodes[n].Object
		st.Nodes[n].UIDs = 1
	}
	for o := range s.Ordinals {
		st.Ordinals[o].make()
		if s.Running {
			st.Ordinals[o].run()
			if v := s.VolumeOf(o); v >= 0 {
				st.Attached[v] = 1
			}
		}
	}
	s.Settle(&st)
	return st
}

// run has the ordinal's pod run on the first node, reported and recorded.
func (o *Ordinal) run() {
	l := &o.Lives[0]
	l.Finalizer, l.Node, l.Kubelets[0], l.Status, l.HadID = true, 1, KubeletRunning, StatusRunning, true
	o.Record = Record{Phase: Occupied, Of: 1}
	o.Record.Candidates[0] = Candidate{Node: 1, UID: 1, Boots: 1}
	o.BoundEver = true
}

// Newest is the incarnation that has the name, and its place.
func (o *Ordinal) Newest() (*Life, int) {
	i := int(o.Count) - 1
	return &o.Lives[i], i
}

// Runs tells whether a container of the incarnation runs, anywhere.
func (l *Life) Runs() bool {
	for _, k := range l.Kubelets {
		if k == KubeletRunning {
			return true
		}
	}
	return false
}

// Unclean tells whether the record's incarnation is not over.
func (r *Record) Unclean() bool { return r.Phase == Occupied || r.Phase == InDoubt }

// make gives the name to a new pod.
func (o *Ordinal) make() {
	if int(o.Count) == LivesMax {
		panic("model: more incarnations of an ordinal matter than LivesMax")
	}
	o.Made++
	o.Lives[o.Count] = Life{Number: o.Made, Pod: PodThere}
	o.Count++
}

// Before is the record as it was before its incarnation was opened, as far as anything is
// still known of that: what a copy shows that is behind. One that is behind any other
// write is no danger, for it only makes a pod wait.
func (r Record) Before() Record {
	switch {
	case !r.Unclean():
		return r
	case r.Departure == NoEvidence:
		return Record{BoundOnce: r.BoundOnce}
	}
	return Record{Phase: Over, Of: OfPast, Evidence: r.Departure, BoundOnce: r.BoundOnce}
}

// Closed is called when the record of an incarnation is closed. Who ends one that was
// never bound by a word of his own, and not because it was never bound, ends its turn too:
// the ordinals after it no longer wait (S6).
func (o *Ordinal) Closed(l *Life, e Evidence) {
	if l.Node == 0 && e != NeverBound {
		o.BoundEver = true
	}
}
