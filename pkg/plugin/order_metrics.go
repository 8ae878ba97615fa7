package plugin

import (
	"time"

	"k8s.io/utils/clock"

	"github.com/holdfast-dev/holdfast/pkg/metrics"
)

// How a wait for the bind of the ordinal before ends.
const (
	waitBound     = "Bound"
	waitTimedOut  = "TimedOut"
	waitRejected  = "Rejected"
	waitCancelled = "Cancelled"
)

// turnWait measures the wait of one pod for its turn. One that never began is none.
type turnWait struct {
	clock clock.PassiveClock
	since time.Time
	// outcome is how it ends, as far as is known.
	outcome string
	ended   func(outcome string, waited time.Duration)
}

func newTurnWait(c clock.PassiveClock) *turnWait {
	return &turnWait{clock: c, since: c.Now(), outcome: waitBound}
}

// begin may be called again and again.
func (w *turnWait) begin() {
	if w.ended == nil {
		w.ended = metrics.OrderWaiting()
	}
}

func (w *turnWait) end() {
	if w.ended != nil {
		w.ended(w.outcome, w.clock.Since(w.since))
	}
}
