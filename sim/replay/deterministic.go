//go:build deterministic

package replay

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	_ "unsafe" // For go:linkname.

	"github.com/google/uuid"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
)

// Promised is whether this build repeats a run.
const Promised = true

// begun is how many bubbles of this process have.
var begun int

// Kept is whether the bubble that runs repeats itself: the first of a process does. What
// ran before another one has left goroutines and addresses behind.
func Kept() bool { return begun == 1 }

// seedRuntime seeds what the runtime draws for the goroutines of a bubble. It is in the
// patched runtime alone: without the overlay the program is not linked.
//
//go:linkname seedRuntime runtime.replaySeed
func seedRuntime(seed uint64)

// letOthers lets the goroutines outside of the bubble run, which wait otherwise.
//
//go:linkname letOthers runtime.replayOthers
func letOthers()

// Begin makes everything that is drawn from now on in the bubble depend on the seed. It is
// called in the bubble, before anything else runs there.
func Begin(seed uint64) {
	begun++
	seedRuntime(seed)
	utilrand.Seed(int64(seed))
	uuid.SetRand(source{rand.NewPCG(seed, seed)})
}

// Collect collects garbage, which nothing else does in this build. It is to be called
// while every other goroutine of the bubble waits.
func Collect() {
	runtime.GC()
	letOthers()
}

// source gives bytes to those who read random ones.
type source struct{ *rand.PCG }

func (s source) Read(p []byte) (int, error) {
	var word [8]byte
	for i := range p {
		if i%len(word) == 0 {
			binary.LittleEndian.PutUint64(word[:], s.Uint64())
		}
		p[i] = word[i%len(word)]
	}
	return len(p), nil
}
