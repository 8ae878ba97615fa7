package check

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/world"
)

// Release is the write that an incarnation is over, as whoever watches the API saw
// it. It is all that the checker hears of the API, and it believes none of it.
type Release struct {
	Namespace, Pod string
	PodUID         types.UID
	// Evidence is its kind. The checker only repeats it.
	Evidence string
	// Assertion says that evidence of this kind rests on somebody's word. What follows
	// from a false one is outside the trust boundary; a false proof breaks S3.
	Assertion bool
}

// release is a release with what became of it.
type release struct {
	Release
	at time.Time
	// untrue: a process of the pod ran on, or started later.
	untrue bool
	// known: its runtime knew of one of those. Where it denied all of them, it lied, and
	// nobody who asks it can know better (H22).
	known bool
}

// excused says whether what follows from an untrue release is outside the trust
// boundary: somebody's word was false, or the runtime's.
func (r *release) excused() bool { return r.Assertion || !r.known }

// Release takes in a release, at the instant in which it was written. Of several
// releases of one pod UID the first counts. What comes after Finish is ignored. It
// panics if time goes backwards.
func (c *Checker) Release(at time.Time, r Release) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished {
		return
	}
	c.advance(at)
	if c.releases[r.PodUID] == nil {
		c.releases[r.PodUID] = &release{Release: r, at: at}
	}
}

// compareReleases finds the releases that the states of one instant, in order, show
// to be untrue. Within the instant of a release the order of things is chance, and a
// process that ends in it had ended: only the last state counts, the one that lasts.
// After it every state counts, for what is over never lives again.
func (c *Checker) compareReleases(instant []world.State) {
	for i, s := range instant {
		lasts := i == len(instant)-1
		for _, p := range s.Processes {
			if r := c.releases[p.PodUID]; r != nil && (lasts || r.at.Before(c.at)) {
				r.untrue = true
				r.known = r.known || !p.Denied
			}
		}
	}
}

// cause is the false word by which two pods came to run at the same time; nil if
// there is none. The word about one of them excuses only what came after it: a pod
// that was already running then had not waited for it.
func (c *Checker) cause(a, b types.UID) *release {
	var earliest *release
	for _, pair := range [][2]types.UID{{a, b}, {b, a}} {
		r := c.releases[pair[0]]
		if r == nil || !r.untrue || !r.excused() || c.seen[pair[1]].Before(r.at) {
			continue
		}
		if earliest == nil || cmp.Or(r.at.Compare(earliest.at), cmp.Compare(r.Evidence, earliest.Evidence)) < 0 {
			earliest = r
		}
	}
	return earliest
}

// outside is the kind of the evidence that puts the two outside the trust boundary;
// empty if they are inside.
func (c *Checker) outside(a, b types.UID) string {
	if r := c.cause(a, b); r != nil {
		return r.Evidence
	}
	return ""
}

// falseProofs finds the identities that break S3.
func (c *Checker) falseProofs(processes []world.Process) breaches {
	found := breaches{}
	for _, p := range processes {
		if r := c.releases[p.PodUID]; r != nil && r.untrue && !r.excused() {
			id := identity{p.Namespace, p.Pod}.String()
			found.add(subject{invariant: S3, name: id, evidence: r.Evidence}, id, p.Node)
		}
	}
	return found
}
