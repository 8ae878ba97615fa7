package report

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// APIVersion of the machine-readable output.
	APIVersion = "sim.holdfast.dev/v1alpha1"
	// Kind of the machine-readable output.
	Kind = "RunReport"
)

// Report is the outcome of one scenario under one or more schedulers.
type Report struct {
	metav1.TypeMeta `json:",inline"`

	Scenario    string `json:"scenario"`
	File        string `json:"file,omitempty"`
	Description string `json:"description,omitempty"`
	Runs        []Run  `json:"runs"`
	// Broken are the runs with steps that would break a promise, where they were asked for.
	Broken []BrokenRun `json:"broken,omitempty"`
	// Passed: every expectation and every invariant that was not expected to break held.
	Passed bool `json:"passed"`
}

// Run is the outcome under one scheduler. All times are virtual, since time zero
// of the scenario.
type Run struct {
	Scheduler string `json:"scheduler"`
	// Until is when the run ended.
	Until metav1.Duration `json:"until"`
	// Notes say what was assumed of a snapshot, and what was left out of it.
	Notes []string `json:"notes,omitempty"`
	// Events in order of time.
	Events []Event `json:"events"`
	// Faults are what the timeline did, in order, and until when each lasted.
	Faults []Fault `json:"faults,omitempty"`
	// Ordinals sorted by namespace, set and ordinal.
	Ordinals []Ordinal `json:"ordinals"`
	// Violations in order of their beginning.
	Violations []Violation `json:"violations,omitempty"`
	// Holds in order of their beginning.
	Holds []Hold `json:"holds,omitempty"`
	// Announced are the Kubernetes events of the run, each once, in the order in which
	// they were first seen.
	Announced []Announcement `json:"announced,omitempty"`
	// Pods in the order in which they were created, of whatever made them.
	Pods []Pod `json:"pods,omitempty"`
	// Claims sorted by name.
	Claims []Claim `json:"claims,omitempty"`
	// DNS has the names that follow from Services and EndpointSlices, sorted.
	DNS []Name `json:"dns,omitempty"`
	// Unseen says what there was more of than is written down here.
	Unseen []string `json:"unseen,omitempty"`
	// Met is how often each invariant had something to hold, for those that the API
	// writes show. One that never had says nothing of the run.
	Met map[string]int `json:"preconditionsMet,omitempty"`
	// Unasked are violations of what this scheduler never promised: they fail nothing.
	Unasked []Violation `json:"unasked,omitempty"`
	// Replaced says how long replacements that could be bound waited for it (L1).
	Replaced *Latency `json:"replaced,omitempty"`
	// StoppedAtFirst: the run ended early, at its first violation.
	StoppedAtFirst bool `json:"stoppedAtFirst,omitempty"`
	// Trace tells two runs apart by all that was written; nil if nobody promises that
	// they repeat each other.
	Trace *Trace `json:"trace,omitempty"`
	// Checks are the expectations, and the invariants, each with its outcome.
	Checks []Check `json:"checks"`
	// Wall is how long the run took, in wall time: the one field that differs from run
	// to run of one story.
	Wall metav1.Duration `json:"wall,omitzero"`
}

// Trace is the fingerprint of a run: in a deterministic build the same story has the
// same from the same seed.
type Trace struct {
	Seed uint64 `json:"seed"`
	// Writes is how many changes the store committed.
	Writes int `json:"writes"`
	// SHA256 of all of them: instant, revision, key and value, in their order.
	SHA256 string `json:"sha256"`
}

// Passed is true if every check is.
func (r *Run) Passed() bool {
	for _, c := range r.Checks {
		if !c.OK {
			return false
		}
	}
	return true
}

// EventKind says what happened to an ordinal or to the cluster.
type EventKind string

// What the transcript tells, in words that docs/design.md defines.
const (
	// Step: the timeline did something. Ordinal is empty.
	Step EventKind = "step"
	// NodeNotReady and NodeReady: what the API says of a node. Ordinal is empty.
	NodeNotReady EventKind = "not-ready"
	NodeReady    EventKind = "ready"
	// Created: a pod object appeared.
	Created EventKind = "created"
	// Bound: a pod was bound to a node.
	Bound EventKind = "bound"
	// Started: a container process of the pod started, in the world.
	Started EventKind = "started"
	// Stopped: its last container process ended, in the world.
	Stopped EventKind = "stopped"
	// DeletionAsked: the pod object got its deletionTimestamp.
	DeletionAsked EventKind = "deletion-asked"
	// Removed: the pod object is gone.
	Removed EventKind = "removed"
	// Lost: its node went silent with the process running; the API cannot know.
	Lost EventKind = "lost"
	// Over: the record says that the incarnation is over, by Evidence. Not told where
	// it ends a hold: Released tells that.
	Over EventKind = "over"
	// Held and Released: an identity, by guard or scheduler, with why and what would end it.
	Held     EventKind = "held"
	Released EventKind = "released"
)

// Event is one line of the transcript.
type Event struct {
	At metav1.Duration `json:"at"`
	// Ordinal is namespace/pod; empty for what concerns the whole cluster.
	Ordinal string    `json:"ordinal,omitempty"`
	Kind    EventKind `json:"kind"`
	Node    string    `json:"node,omitempty"`
	// Incarnation counts the pod UIDs of the ordinal, from 1.
	Incarnation int `json:"incarnation,omitempty"`
	// By is guard or scheduler, for Held and Released.
	By string `json:"by,omitempty"`
	// Evidence is the kind, for Over and Released.
	Evidence string `json:"evidence,omitempty"`
	// Detail is a sentence: why held and what would release it, what a step did.
	Detail string `json:"detail,omitempty"`
}

// Fault is a step of the timeline and its effect.
type Fault struct {
	// Kind is the action's name in the format: partition.
	Kind string `json:"kind"`
	// What says what was done, in words.
	What string `json:"what"`
	// Node that it was done to; empty: none, or all.
	Node string          `json:"node,omitempty"`
	From metav1.Duration `json:"from"`
	// To is From for what takes no time, and absent for what lasted to the end.
	To *metav1.Duration `json:"to,omitempty"`
	// EndedBy says what ended it; empty: it ended by itself, or not.
	EndedBy string `json:"endedBy,omitempty"`
}

// Ordinal sums up one identity.
type Ordinal struct {
	// Name is namespace/pod.
	Name string `json:"name"`
	// State at the end: Running, Held, Pending or Absent.
	State string `json:"state"`
	// Unprovable: it is held, and the last word of its kubelet is that it could not locate
	// a container (ContainerStatusUnknown). What is left as proof is a boot of the machine;
	// else it takes a human (docs/kubernetes-facts.md §10, H25).
	Unprovable bool `json:"unprovable,omitempty"`
	// Incarnations that had a running process.
	Incarnations int `json:"incarnations"`
	// Nodes it ran on, in order of first start.
	Nodes []string `json:"nodes,omitempty"`
	// LastStart is when its latest process started.
	LastStart *metav1.Duration `json:"lastStart,omitempty"`
	// Down is the time without a running process, after the first start.
	Down metav1.Duration `json:"down"`
	// Twice is the time in which two incarnations ran.
	Twice metav1.Duration `json:"twice"`
	// TwiceOutside is the part of Twice that is outside the trust boundary.
	TwiceOutside metav1.Duration `json:"twiceOutside,omitzero"`
	// AttemptsWhileHeld counts scheduling attempts made while it was held (L3).
	AttemptsWhileHeld int `json:"attemptsWhileHeld"`
}

// Violation is check.Violation in the run's time.
type Violation struct {
	Invariant string `json:"invariant"`
	By        string `json:"by"`
	// Outside is the kind of the false assertion that it follows from: it is outside the
	// trust boundary. Absent: inside.
	Outside string `json:"outside,omitempty"`
	// Evidence is the kind of the false proof, for S3.
	Evidence string `json:"evidence,omitempty"`
	// Why says what was written that must not be, for what the API writes show.
	Why string `json:"why,omitempty"`
	// Stale: a watch was stopped or late when it began (S7).
	Stale bool     `json:"stale,omitempty"`
	Nodes []string `json:"nodes"`
	// Around are the events about the moment in which it broke: a few before and after.
	Around []Event         `json:"around,omitempty"`
	From   metav1.Duration `json:"from"`
	// To is absent if it lasted to the end.
	To *metav1.Duration `json:"to,omitempty"`
}

// Hold is a span in which an identity was held.
type Hold struct {
	// Ordinal is namespace/pod.
	Ordinal string `json:"ordinal"`
	// By is guard or scheduler.
	By   string          `json:"by"`
	From metav1.Duration `json:"from"`
	// To is absent while not released.
	To *metav1.Duration `json:"to,omitempty"`
	// Evidence released it.
	Evidence string `json:"evidence,omitempty"`
	// Why, and what would release it.
	Why string `json:"why,omitempty"`
}

// Announcement is a Kubernetes event.
type Announcement struct {
	// At is when it was first seen.
	At     metav1.Duration `json:"at"`
	Reason string          `json:"reason"`
	// Kind and Name, namespace/name, of the object that it is about.
	Kind string `json:"kind"`
	Name string `json:"name"`
	Note string `json:"note,omitempty"`
}

// Check is one expectation or invariant.
type Check struct {
	// Name says what is checked, in one line.
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Got says what was found instead; empty if OK.
	Got string `json:"got,omitempty"`
}
