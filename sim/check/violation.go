package check

import "time"

// Invariant is an ID of docs/invariants.md.
type Invariant string

const (
	// S1: at most one incarnation of an identity runs, counted over all machines.
	S1 Invariant = "S1"
	// S2: at most one node has a live write path to a ReadWriteOnce volume that a
	// running pod uses; for ReadWriteOncePod at most one pod.
	S2 Invariant = "S2"
	// S3: no identity is released on a proof that is not true, and none is bound without
	// a release. A false assertion does not break it, but puts what follows Outside.
	S3 Invariant = "S3"
	// S4: nothing but a release lets an incarnation go, or a record pass on.
	S4 Invariant = "S4"
	// S5: at its bind a pod's volumes can be used from its node.
	S5 Invariant = "S5"
	// S6: the first incarnations of a set are bound in order.
	S6 Invariant = "S6"
	// S7: S1 to S6 hold for every delay, reorder between resource kinds, replay and
	// restart of the watch. It is never broken by itself: what breaks in a stale view is
	// one of S1 to S6, marked Stale. That it was met counts what each of S3 to S6 had to
	// hold while a watch was stopped or late.
	S7 Invariant = "S7"
	// S8: a kill at any point from Reserve to PostBind leaves no reservation that outlives
	// its bound and no half-decided release. Of what is due when the scheduler's process
	// ends: a pod on the record that could be bound is bound, and a released pod loses its
	// finalizer, within 30 s of anybody being there to do it.
	S8 Invariant = "S8"
	// S9: no node gets more than it has room for, as far as the one who places pods could know.
	S9 Invariant = "S9"
	// S10: a pod without claims and without a StatefulSet owner gets the same node set and
	// the same scores as under the default profile: in none of its attempts does Holdfast's
	// plugin say anything against a node or give it a score. It is seen in runs whose
	// scheduler's attempts are recorded.
	S10 Invariant = "S10"

	// L1: proof recorded, no VolumeAttachment in the way and a feasible node exists: the
	// replacement is bound, within 30 s. A node counts as feasible only if it is Ready,
	// has no taint that keeps pods off, reaches the volumes and has room; a pod that asks
	// for anything else is not judged.
	L1 Invariant = "L1"
	// L2: every hold lists its wake set, and delivering any listed event leads to a new
	// attempt. Of a pod that was held from its first moment: within 5 s of what held it
	// being over, an attempt is seen, a bind or a word of why not. What a hold lists is
	// seen in no write.
	L2 Invariant = "L2"
	// L3: held pods do not spin: 0 scheduling attempts while held, and at most 12
	// re-judgements per hour. An attempt is one that an event tells of; a re-judgement is
	// seen if it writes the record.
	L3 Invariant = "L3"
	// L4: stable convergence: faults end and no identity is left without proof, so all
	// sets are ready within 10 virtual minutes and stay ready to the end of the run.
	L4 Invariant = "L4"
	// L5: held pods do not delay others. Of a pod that replaces nobody, whose turn it is and
	// that could be bound while another is held: it is bound within 30 s. By what factor the
	// others are slower, a pair of runs has to show.
	L5 Invariant = "L5"
	// L6: no hold of more than a minute without a reason that an operator can see, in the
	// record, the pod's condition or an event on the pod.
	L6 Invariant = "L6"
)

// Violation is one unbroken span in which an invariant was broken.
type Violation struct {
	Invariant Invariant
	// By is namespace/pod, and namespace/claim for S2.
	By string
	// Outside is the kind of the false assertion that it follows from, or of the proof of
	// a runtime that lied: it is outside the trust boundary. Empty: inside.
	Outside string
	// Evidence is the kind of the false proof, for S3 alone.
	Evidence string
	// Why says what was written that must not be; empty for what the world shows.
	Why string
	// Stale: a watch was stopped or late when it began (S7).
	Stale bool
	// Nodes took part, sorted.
	Nodes []string
	// From is when it began.
	From time.Time
	// To is when it ended; zero if it lasted to the end of the run.
	To time.Time
}
