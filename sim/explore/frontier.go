package explore

import "github.com/holdfast-dev/holdfast/sim/explore/model"

// frontier has the states of one depth, in batches. What was looked at can be forgotten
// while what it led to is kept: a depth and the next are most of what a walk holds.
type frontier struct {
	batches []*batch
	states  int
}

// batch is up to batchStates states, written one after the other.
type batch struct {
	places  []uint32
	ends    []uint32
	written []byte
}

// batchStates is how many states are looked at before what they led to is added.
const batchStates = 1 << 12

func (f *frontier) add(at uint32, written []byte) {
	if f.states%batchStates == 0 {
		f.batches = append(f.batches, &batch{places: make([]uint32, 0, batchStates), ends: make([]uint32, 0, batchStates)})
	}
	f.batches[len(f.batches)-1].add(at, written)
	f.states++
}

// take returns a batch and forgets it.
func (f *frontier) take(i int) *batch {
	b := f.batches[i]
	f.batches[i] = nil
	f.states -= b.len()
	return b
}

func (b *batch) len() int { return len(b.places) }

func (b *batch) add(at uint32, written []byte) {
	b.written = append(b.written, written...)
	b.places, b.ends = append(b.places, at), append(b.ends, uint32(len(b.written)))
}

// each reads back those from one place up to another.
func (b *batch) each(scope model.Scope, from, to int, visit func(at uint32, st *model.State)) {
	start := uint32(0)
	if from > 0 {
		start = b.ends[from-1]
	}
	for i := from; i < to; i++ {
		st := scope.Read(b.written[start:b.ends[i]])
		start = b.ends[i]
		visit(b.places[i], &st)
	}
}
