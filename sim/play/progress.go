package play

import (
	"sync/atomic"
	"time"
)

// Progress says how far a run is. It is written in virtual time and may be read
// from outside of it at any time.
type Progress struct {
	zero    atomic.Int64
	now     atomic.Int64
	commits atomic.Int64
}

// Virtual is the virtual time since the scenario's zero; negative while the
// cluster starts.
func (p *Progress) Virtual() time.Duration {
	zero := p.zero.Load()
	if zero == 0 {
		return -1
	}
	return time.Duration(p.now.Load() - zero)
}

// Writes is how many writes the API server has committed.
func (p *Progress) Writes() int64 { return p.commits.Load() }

func (p *Progress) begin(zero time.Time) {
	if p == nil {
		return
	}
	p.zero.Store(zero.UnixNano())
	p.now.Store(zero.UnixNano())
}

func (p *Progress) commit() {
	if p == nil {
		return
	}
	p.commits.Add(1)
	p.now.Store(time.Now().UnixNano())
}
