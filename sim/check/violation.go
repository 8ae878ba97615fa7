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
	// S3, as far as the world can tell: no identity is released on a proof that is not
	// true. A false assertion does not break it, but puts what follows Outside.
	S3 Invariant = "S3"
)

// Violation is one unbroken span in which an invariant was broken.
type Violation struct {
	Invariant Invariant
	// By is namespace/pod for S1 and S3, namespace/claim for S2.
	By string
	// Outside is the kind of the false assertion that it follows from: it is outside the
	// trust boundary. Empty: inside.
	Outside string
	// Evidence is the kind of the false proof, for S3 alone.
	Evidence string
	// Nodes took part, sorted.
	Nodes []string
	// From is when it began.
	From time.Time
	// To is when it ended; zero if it lasted to the end of the run.
	To time.Time
}
