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
	// S9: no node gets more than it has room for, also from two schedulers.
	S9 Invariant = "S9"
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
	// Nodes took part, sorted.
	Nodes []string
	// From is when it began.
	From time.Time
	// To is when it ended; zero if it lasted to the end of the run.
	To time.Time
}
