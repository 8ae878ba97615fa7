package campaign

import (
	"math/rand/v2"
	"time"
)

// dice are all the chance that a run has. One stream, read in one order: the same seed
// and run give the same plan wherever they are drawn.
type dice struct{ *rand.Rand }

func newDice(seed uint64, run int) dice {
	return dice{rand.New(rand.NewPCG(seed, uint64(run)))}
}

// chance is true that often: 0 never, 1 always.
func (d dice) chance(often float64) bool { return d.Float64() < often }

// between is a number from least to most, both included.
func (d dice) between(least, most int) int { return least + d.IntN(most-least+1) }

// span is a time from least to most, in whole seconds: files are for people too.
func (d dice) span(least, most time.Duration) time.Duration {
	return time.Duration(d.between(int(least/time.Second), int(most/time.Second))) * time.Second
}

// pick is one of a list that has some.
func pick[T any](d dice, of []T) T { return of[d.IntN(len(of))] }
