package etcdmem

import "time"

// limits bounds everything that a caller can make grow. The values are those of
// an etcd with default flags where it has one, so that what fits here fits there.
type limits struct {
	// requestBytes bounds keys and values of one write: "request is too large".
	requestBytes int64
	// txnOps bounds each list of a transaction: "too many operations in txn request".
	txnOps int
	// spaceBytes bounds all versions of all keys: beyond it a put is refused with
	// "database space exceeded", while reads, deletes and compaction go on. Unlike an
	// etcd's, the store accepts puts again as soon as a compaction made room.
	spaceBytes int64
	// leases bounds the leases alive; a grant beyond it is ResourceExhausted.
	leases int
	// watches bounds the watches open; one beyond it is cancelled with a reason.
	watches int
	// watchQueue bounds the changes held for one slow reader. Beyond it the watch
	// reads on from the log, and is cancelled if a compaction comes first.
	watchQueue int
	// replayRevisions bounds the revisions in one response of a watch that reads the log.
	replayRevisions int
	// streamKeys bounds the keys in one chunk of a streamed range.
	streamKeys int
}

func defaultLimits() limits {
	return limits{
		requestBytes:    1536 << 10,
		txnOps:          128,
		spaceBytes:      2 << 30,
		leases:          100_000,
		watches:         100_000,
		watchQueue:      1000,
		replayRevisions: 1000,
		streamKeys:      500,
	}
}

const (
	// recordBytes is what a version costs besides its key and value: the record
	// itself, its places in the key's history and in the log.
	recordBytes = 192

	// leaseTTLMinSeconds is an etcd's minimum at its default election timeout of 1 s:
	// one and a half timeouts, rounded up.
	leaseTTLMinSeconds = 2
	leaseTTLMaxSeconds = 9_000_000_000

	// progressIntervalDefault is how often an etcd tells an idle watch that asked for
	// progress how far it is, unless its flags say otherwise.
	progressIntervalDefault = 10 * time.Minute
)
