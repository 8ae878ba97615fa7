package play

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"sync"
	"time"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/replay"
	"github.com/holdfast-dev/holdfast/sim/report"
)

// trace sums up the changes of the store. In a build that does not promise to repeat a
// run it does nothing: its sum would be another one each time.
type trace struct {
	mu     sync.Mutex
	hash   hash.Hash
	writes int
}

func newTrace() *trace { return &trace{hash: sha256.New()} }

func (t *trace) commit(at time.Time, c engine.Commit) {
	if !replay.Promised {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writes++
	for _, part := range [][]byte{
		binary.LittleEndian.AppendUint64(nil, uint64(at.UnixNano())),
		binary.LittleEndian.AppendUint64(nil, uint64(c.Revision)),
		[]byte(c.Key), c.Value,
	} {
		// With its length, so that no two lists of parts are the same bytes.
		t.hash.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
		t.hash.Write(part)
	}
}

// sum is nil where nothing is promised: a real etcd has files and goroutines of its own.
func (t *trace) sum(o Options) *report.Trace {
	if !replay.Kept() || o.Store == engine.Etcd {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return &report.Trace{Seed: o.seed(), Writes: t.writes, SHA256: hex.EncodeToString(t.hash.Sum(nil))}
}
