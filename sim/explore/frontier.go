package explore

import (
	"encoding/binary"
	"math/bits"

	"github.com/holdfast-dev/holdfast/sim/explore/model"
)

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

// each reads them back, until visit returns false.
func (f *frontier) each(visit func(at uint32, st *model.State) bool) {
	start := 0
	for i, at := range f.places {
		st := f.scope.Read(f.written[start:f.ends[i]])
		start = f.ends[i]
		if !visit(at, &st) {
			return
		}
	}
}

// hash stands for a state. It has 128 bits: that two of a thousand million states share
// one has a chance below one in 10^20.
type hash [2]uint64

// hashOf is the same in every run.
func hashOf(b []byte) hash {
	h := hash{0x9e3779b97f4a7c15, 0xd1b54a32d192ed03}
	for len(b) >= 8 {
		h.mix(binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var rest [8]byte
	copy(rest[:], b)
	h.mix(binary.LittleEndian.Uint64(rest[:]))
	h.mix(uint64(len(b)))
	return h
}

func (h *hash) mix(word uint64) {
	hi, lo := bits.Mul64(h[0]^word, 0xa0761d6478bd642f)
	h[0] = hi ^ lo
	hi, lo = bits.Mul64(h[1]^bits.RotateLeft64(word, 29), 0xe7037ed1a0b428db)
	h[1] = hi ^ lo ^ h[0]
}
