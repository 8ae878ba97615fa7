package check

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/world"
)

// chances counts what S1 and S2 had to hold: a further incarnation of an identity that
// ran, and a further pod or node that came to write a disk for a single writer.
type chances struct {
	ran   map[identity]map[types.UID]bool
	wrote map[string]map[path]bool
	met   map[Invariant]int
}

// path is by whom and from where a disk is written.
type path struct {
	pod  types.UID
	node string
}

func newChances() chances {
	return chances{ran: map[identity]map[types.UID]bool{}, wrote: map[string]map[path]bool{}, met: map[Invariant]int{}}
}

// see takes in who runs and who writes.
func (c *chances) see(s world.State) {
	for _, p := range s.Processes {
		further(c, S1, c.ran, identity{p.Namespace, p.Pod}, p.PodUID)
	}
	for _, w := range s.Writers {
		if sharingOf(w.AccessModes) != manyNodes {
			further(c, S2, c.wrote, w.Disk, path{w.PodUID, w.Node})
		}
	}
}

// further counts who comes after others of the same.
func further[K, V comparable](c *chances, id Invariant, seen map[K]map[V]bool, of K, who V) {
	if seen[of] == nil {
		seen[of] = map[V]bool{}
	}
	if !seen[of][who] && len(seen[of]) > 0 {
		c.met[id]++
	}
	seen[of][who] = true
}

// Met, after Finish, is how often S1 and S2 had something to hold. One that never had says
// nothing of the run.
func (c *Checker) Met() map[Invariant]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chances.met
}
