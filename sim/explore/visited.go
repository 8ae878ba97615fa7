package explore

import (
	"encoding/binary"
	"math/bits"
)

// fingerprint stands for a state in 64 bits, so that many states fit into memory. Two
// states that share one would be taken for one, and what the second leads to be missed:
// Result.Collision says how likely it is that there were any such two.
type fingerprint uint64

// fingerprintOf is the same in every run.
func fingerprintOf(b []byte) fingerprint {
	a, c := uint64(0x9e3779b97f4a7c15), uint64(0xd1b54a32d192ed03)
	mix := func(word uint64) {
		hi, lo := bits.Mul64(a^word, 0xa0761d6478bd642f)
		a = hi ^ lo
		hi, lo = bits.Mul64(c^bits.RotateLeft64(word, 29), 0xe7037ed1a0b428db)
		c = hi ^ lo ^ a
	}
	length := uint64(len(b))
	for len(b) >= 8 {
		mix(binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var rest [8]byte
	copy(rest[:], b)
	mix(binary.LittleEndian.Uint64(rest[:]))
	mix(length)
	return fingerprint(a ^ bits.RotateLeft64(c, 32))
}

// collision is the chance that any two of so many states share a fingerprint, at most.
func collision(states int) float64 {
	n := float64(states)
	return n * n / 2 / (1 << 32) / (1 << 32)
}

// visit is how a state was come to.
type visit struct {
	print  fingerprint
	parent uint32
	faults uint8
}

const (
	// blockVisits is how many visits have one piece of memory: what is there is never moved.
	blockVisits = 1 << 16
	slotsMin    = 1 << 10
)

// visited are the states that were come to, in that order. It takes some 25 bytes for each.
type visited struct {
	prints  []*[blockVisits]fingerprint
	parents []*[blockVisits]uint32
	faults  []*[blockVisits]uint8
	visits  int
	// states is how many different ones there are: one may be come to again with fewer faults.
	states int
	// slots has 1 + the last visit of each state; 0: nothing. A state's is the first free
	// one from where its fingerprint points.
	slots []uint32
}

func newVisited() *visited { return &visited{slots: make([]uint32, slotsMin)} }

func (v *visited) at(i uint32) visit {
	block, in := i/blockVisits, i%blockVisits
	return visit{v.prints[block][in], v.parents[block][in], v.faults[block][in]}
}

// slot is where the state's last visit is, or would be.
func (v *visited) slot(print fingerprint) uint32 {
	mask := uint64(len(v.slots) - 1)
	for s := uint64(print) & mask; ; s = (s + 1) & mask {
		if i := v.slots[s]; i == 0 || v.prints[(i-1)/blockVisits][(i-1)%blockVisits] == print {
			return uint32(s)
		}
	}
}

// last is the last visit of a state.
func (v *visited) last(print fingerprint) (at uint32, known bool) {
	at = v.slots[v.slot(print)]
	return at - 1, at != 0
}

// has tells whether the state is known with as few faults: whoever has more of them left
// can do all that the other can.
func (v *visited) has(print fingerprint, faults uint8) bool {
	at, known := v.last(print)
	return known && v.faults[at/blockVisits][at%blockVisits] <= faults
}

// add notes a visit, and returns its place.
func (v *visited) add(now visit) uint32 {
	if v.states >= len(v.slots)/4*3 {
		v.grow()
	}
	at := uint32(v.visits)
	block, in := at/blockVisits, at%blockVisits
	if in == 0 {
		v.prints, v.parents, v.faults = append(v.prints, new([blockVisits]fingerprint)), append(v.parents, new([blockVisits]uint32)), append(v.faults, new([blockVisits]uint8))
	}
	v.prints[block][in], v.parents[block][in], v.faults[block][in] = now.print, now.parent, now.faults
	v.visits++
	s := v.slot(now.print)
	if v.slots[s] == 0 {
		v.states++
	}
	v.slots[s] = at + 1
	return at
}

func (v *visited) grow() {
	old := v.slots
	v.slots = make([]uint32, 2*len(old))
	for _, i := range old {
		if i != 0 {
			v.slots[v.slot(v.at(i-1).print)] = i
		}
	}
}
