package explore

import "github.com/holdfast-dev/holdfast/sim/explore/model"

// frontier has the states of one depth, written one after the other.
type frontier struct {
	scope   model.Scope
	places  []uint32
	ends    []int
	written []byte
}

func (f *frontier) len() int { return len(f.places) }

func (f *frontier) add(at uint32, written []byte) {
	f.written = append(f.written, written...)
	f.places, f.ends = append(f.places, at), append(f.ends, len(f.written))
}

// each reads back those from one place up to another.
func (f *frontier) each(from, to int, visit func(at uint32, st *model.State)) {
	start := 0
	if from > 0 {
		start = f.ends[from-1]
	}
	for i := from; i < to; i++ {
		st := f.scope.Read(f.written[start:f.ends[i]])
		start = f.ends[i]
		visit(f.places[i], &st)
	}
}
