package engine

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-dev/holdfast/sim/replay"
)

// StallLimit is how long, in wall time, virtual time may stand still if Options say
// nothing else. The busiest virtual second takes a few seconds of it; a machine that is
// short of cores gets some more.
const StallLimit = time.Minute

// StalledError says that virtual time stands still: some goroutine can run for ever, or
// waits for what virtual time does not count as waiting, as for a mutex whose holder
// sleeps. The goroutines are lost, and with them whatever they use; no other run can be
// played in this process.
type StalledError struct {
	// At is the virtual time that does not pass.
	At time.Time
	// For is how long it has not, in wall time.
	For time.Duration
	// Keeping says of each goroutine that virtual time waits for what it does and where.
	Keeping []string
	// Dump has the stacks of these, and of those that may hold what they wait for, as
	// the Go runtime prints them.
	Dump string
}

func (e *StalledError) Error() string {
	text := fmt.Sprintf("virtual time has stood still at %s for %s of wall time", e.At.UTC().Format(time.RFC3339), e.For)
	for _, k := range e.Keeping {
		text += "\n  it waits for " + k
	}
	return text
}

// beat is how often, in virtual time, a bubble shows that its time passes.
const beat = time.Second

// looks is how many times in a limit somebody looks from outside. They are counted, and
// not measured, for a process that is stopped meanwhile has not stalled.
const looks = 20

// pulse is how one bubble shows to the outside that its time passes.
type pulse struct {
	// limit, in wall time; zero: nobody needs to look yet.
	limit atomic.Int64
	// beats so far, and the virtual time of the last.
	beats, at atomic.Int64
	// own is the header of a goroutine of the bubble, which names the bubble.
	own  atomic.Pointer[string]
	over atomic.Bool
}

// living is the pulse of the bubble that runs.
var living atomic.Pointer[pulse]

// start lets the pulse beat until it is over. It is called in the bubble, and only where
// a control plane runs: the beats are timers, and a bubble in which all wait for ever
// would wait for them instead of saying so.
func (p *pulse) start(limit time.Duration) {
	if limit == 0 {
		limit = StallLimit
	}
	if !p.limit.CompareAndSwap(0, int64(limit)) {
		return // It beats already: a second cluster in the same bubble.
	}
	go func() {
		p.own.Store(new(ownHeader()))
		for !p.over.Load() {
			p.at.Store(time.Now().UnixNano())
			p.beats.Add(1)
			time.Sleep(beat)
		}
	}()
}

// watch looks from outside until the bubble has ended; it returns an error if its time
// stands still before. In a deterministic build it only waits.
func (p *pulse) watch(ended <-chan struct{}) *StalledError {
	if replay.Promised {
		// Nobody outside gets a turn by the wall clock.
		<-ended
		return nil
	}
	var seen int64
	still := 0
	for {
		limit := time.Duration(p.limit.Load())
		interval := max(limit, time.Second) / looks
		select {
		case <-ended:
			return nil
		case <-time.After(interval):
		}
		if n := p.beats.Load(); limit == 0 || n != seen {
			seen, still = n, 0
			continue
		}
		if still++; still >= looks {
			return p.stalled(limit)
		}
	}
}

func (p *pulse) stalled(limit time.Duration) *StalledError {
	e := &StalledError{At: time.Unix(0, p.at.Load()), For: limit}
	header := p.own.Load()
	if header == nil {
		e.At = Epoch // Not even the first beat.
		return e
	}
	keeping, suspects := keepers(allStacks(), bubbleOf(*header))
	var dump strings.Builder
	for _, g := range keeping {
		e.Keeping = append(e.Keeping, g.describe())
		dump.WriteString(g.stack + "\n\n")
	}
	for _, g := range suspects {
		e.Keeping = append(e.Keeping, g.describe()+", which may hold what is waited for")
		dump.WriteString(g.stack + "\n\n")
	}
	e.Dump = dump.String()
	return e
}
