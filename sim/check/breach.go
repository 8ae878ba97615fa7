package check

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/world"
)

// breach is an invariant that one state of the world breaks.
type breach struct {
	subject subject
	// by is namespace/pod or namespace/claim.
	by    string
	nodes []string
}

// incarnation is one running life of an identity. The place belongs to it: the
// containers of a pod share one machine and one boot of it, so the same pod UID in
// two places is two lives.
type incarnation struct {
	uid        types.UID
	node, boot string
}

// doubleRuns finds the identities that break S1.
func doubleRuns(processes []world.Process) []breach {
	running := map[identity]map[incarnation]bool{}
	for _, p := range processes {
		id := identity{p.Namespace, p.Pod}
		if running[id] == nil {
			running[id] = map[incarnation]bool{}
		}
		running[id][incarnation{p.PodUID, p.Node, p.BootID}] = true
	}
	var found []breach
	for id, incarnations := range running {
		if len(incarnations) < 2 {
			continue
		}
		b := breach{subject: subject{S1, id.String()}, by: id.String()}
		for i := range incarnations {
			b.nodes = append(b.nodes, i.node)
		}
		found = append(found, b)
	}
	return found
}

// doubleWriters finds the disks that break S2.
func doubleWriters(writers []world.Writer) []breach {
	byDisk := map[string][]world.Writer{}
	for _, w := range writers {
		byDisk[w.Disk] = append(byDisk[w.Disk], w)
	}
	var found []breach
	for disk, of := range byDisk {
		if !tooMany(of) {
			continue
		}
		b := breach{subject: subject{S2, disk}, by: of[0].ClaimNamespace + "/" + of[0].Claim}
		for _, w := range of {
			b.nodes = append(b.nodes, w.Node)
		}
		found = append(found, b)
	}
	return found
}

// tooMany says whether the writers of one disk are more than its access modes
// allow. If the writers were given different modes, the strictest counts.
func tooMany(writers []world.Writer) bool {
	type pod struct {
		uid  types.UID
		node string
	}
	nodes, pods := map[string]bool{}, map[pod]bool{}
	allowed := manyNodes
	for _, w := range writers {
		nodes[w.Node], pods[pod{w.PodUID, w.Node}] = true, true
		allowed = min(allowed, sharingOf(w.AccessModes))
	}
	switch allowed {
	case onePod:
		return len(pods) > 1
	case oneNode:
		return len(nodes) > 1
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

// sharingOf reads access modes as the attach-detach controller does: one mode of
// many nodes is enough to let many nodes attach (docs/kubernetes-facts.md §5). Unlike
// there, no modes at all count as ReadWriteOnce: what is not known to be shared is not.
func sharingOf(modes []corev1.PersistentVolumeAccessMode) sharing {
	switch {
	case slices.Contains(modes, corev1.ReadWriteOncePod):
		return onePod
	case slices.Contains(modes, corev1.ReadWriteMany), slices.Contains(modes, corev1.ReadOnlyMany):
		return manyNodes
	}
	return oneNode
}
