package check

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/world"
)

// breach is an invariant that one state of the world breaks.
type breach struct {
	// by is namespace/pod or namespace/claim.
	by    string
	nodes []string
}

// breaches are those of one state.
type breaches map[subject]breach

// add lets the nodes take part in the subject's breach.
func (b breaches) add(sub subject, by string, nodes ...string) {
	b[sub] = breach{by: by, nodes: append(b[sub].nodes, nodes...)}
}

// incarnation is one running life of an identity. The place belongs to it: the
// containers of a pod share one machine and one boot of it, so the same pod UID in
// two places is two lives.
type incarnation struct {
	uid        types.UID
	node, boot string
}

// doubleRuns finds the identities that break S1, pair by pair of incarnations:
// outside says of what kind the assertion is, if any, that the pair follows from.
func doubleRuns(processes []world.Process, outside func(a, b types.UID) string) breaches {
	running := map[identity]map[incarnation]bool{}
	for _, p := range processes {
		id := identity{p.Namespace, p.Pod}
		if running[id] == nil {
			running[id] = map[incarnation]bool{}
		}
		running[id][incarnation{p.PodUID, p.Node, p.BootID}] = true
	}
	found := breaches{}
	for id, incarnations := range running {
		if len(incarnations) < 2 {
			continue
		}
		all := slices.Collect(maps.Keys(incarnations))
		for i, a := range all {
			for _, b := range all[i+1:] {
				found.add(subject{S1, id.String(), outside(a.uid, b.uid)}, id.String(), a.node, b.node)
			}
		}
	}
	return found
}

// doubleWriters finds the disks that break S2, pair by pair of writers, as doubleRuns.
func doubleWriters(writers []world.Writer, outside func(a, b types.UID) string) breaches {
	byDisk := map[string][]world.Writer{}
	for _, w := range writers {
		byDisk[w.Disk] = append(byDisk[w.Disk], w)
	}
	found := breaches{}
	for disk, of := range byDisk {
		allowed := allowedTo(of)
		if allowed == manyNodes {
			continue
		}
		by := of[0].ClaimNamespace + "/" + of[0].Claim
		for i, a := range of {
			for _, b := range of[i+1:] {
				if tooMany(a, b, allowed) {
					found.add(subject{S2, disk, outside(a.PodUID, b.PodUID)}, by, a.Node, b.Node)
				}
			}
		}
	}
	return found
}

// allowedTo is how many the access modes of one disk's writers allow. If the writers
// were given different modes, the strictest counts.
func allowedTo(writers []world.Writer) sharing {
	allowed := manyNodes
	for _, w := range writers {
		allowed = min(allowed, sharingOf(w.AccessModes))
	}
	return allowed
}

// tooMany says whether two writers of one disk are more than is allowed.
func tooMany(a, b world.Writer, allowed sharing) bool {
	switch allowed {
	case onePod:
		return a.PodUID != b.PodUID || a.Node != b.Node
	case oneNode:
		return a.Node != b.Node
	}
	return false
}

// sharing is how many may write to a disk at a time, the strictest first.
type sharing int

const (
	onePod sharing = iota
	oneNode
	manyNodes
)

// sharingOf reads access modes as a promise about writers: only ReadWriteMany allows
// writers on many nodes. The attach-detach controller lets ReadOnlyMany attach to
// many nodes too (docs/kubernetes-facts.md §5.6), but those may only read, and a path
// that is read-only is no Writer. No modes at all count as ReadWriteOnce: what is not
// known to be shared is not.
func sharingOf(modes []corev1.PersistentVolumeAccessMode) sharing {
	switch {
	case slices.Contains(modes, corev1.ReadWriteOncePod):
		return onePod
	case slices.Contains(modes, corev1.ReadWriteMany):
		return manyNodes
	}
	return oneNode
}
