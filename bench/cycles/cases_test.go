package cycles

import (
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/bench/objects"
)

// pairs is how many blocks each side has; manyPairs where the two are so near each other
// that it takes more to tell them apart; mostPairs where it is their slowest pods that are
// compared, of which a block has a few.
const pairs, manyPairs, mostPairs = 5, 21, 41

// perBlock is how many pods a block of each side has. A is slow and needs few to be
// measured, B is fast and needs many.
type perBlock [2]int

// drains are what is created and then drained.
var drains = []struct {
	name string
	w    objects.Workload
	// sizes are numbers of nodes.
	sizes map[int]perBlock
}{
	// The headline: the volume is on one node. On a cluster of one node both filter the
	// same, and what A allocates there is the other plugins' part of what B does.
	{"claim=node", objects.Workload{Claim: objects.OneNode}, map[int]perBlock{1: {3, 3}, 1_000: {20, 300}, 5_000: {10, 300}, 15_000: {5, 300}}},
	// What real ordinals ask for besides.
	{"claim=node+hostnameAntiAffinity", objects.Workload{Claim: objects.OneNode, Shape: hostnameAntiAffinity}, map[int]perBlock{5_000: {10, 100}}},
	{"claim=node+zoneSpread", objects.Workload{Claim: objects.OneNode, Shape: zoneSpread}, map[int]perBlock{5_000: {10, 100}}},
	{"claim=node+zoneAffinity", objects.Workload{Claim: objects.OneNode, Shape: zoneAffinity, Neighbours: someAlike}, map[int]perBlock{5_000: {10, 100}}},
}

// singles are what single cycles are measured of.
var singles = []struct {
	name  string
	w     objects.Workload
	pairs int
	sizes map[int]perBlock
}{
	{"claim=node", objects.Workload{Claim: objects.OneNode}, pairs, map[int]perBlock{1_000: {20, 100}, 5_000: {5, 100}, 15_000: {3, 100}}},
	{"claim=zone", objects.Workload{Claim: objects.OneZone}, pairs, map[int]perBlock{1_000: {20, 20}, 5_000: {10, 10}, 15_000: {5, 5}}},
	{"claim=none", objects.Workload{Claim: objects.NoClaim, Owner: "ReplicaSet"}, mostPairs, map[int]perBlock{1_000: {50, 50}, 5_000: {50, 50}, 15_000: {50, 50}}},
	{"claim=node+nominated", objects.Workload{Claim: objects.OneNode, Nominated: true}, manyPairs, map[int]perBlock{5_000: {50, 50}}},
	{"claim=node+full", objects.Workload{Claim: objects.OneNode, Shape: large, Neighbours: everyOtherFull, OnFull: true, Fails: true}, pairs, map[int]perBlock{5_000: {3, 50}}},
}

// atLeast is how long a block of single cycles goes on.
const atLeast = 200 * time.Millisecond

func BenchmarkDrain(b *testing.B) {
	for _, c := range drains {
		for _, nodes := range sorted(c.sizes) {
			b.Run(c.name+"/"+nodesOf(nodes), func(b *testing.B) {
				for b.Loop() {
					drain(b, c.w, nodes, pairs, c.sizes[nodes]).report(b)
				}
			})
		}
	}
}

func BenchmarkCycle(b *testing.B) {
	for _, c := range singles {
		for _, nodes := range sorted(c.sizes) {
			b.Run(c.name+"/"+nodesOf(nodes), func(b *testing.B) {
				for b.Loop() {
					cycles(b, c.w, nodes, c.pairs, c.sizes[nodes], atLeast).report(b)
				}
			})
		}
	}
}

// few is a cluster in which the benchmarks' own counts can be checked at once.
const few = 30

// TestDrainsCount runs every drain small: pods go where their volumes are, A looks at
// every node for that, and B at one.
func TestDrainsCount(t *testing.T) {
	for _, c := range drains {
		t.Run(c.name, func(t *testing.T) {
			r := drain(t, c.w, few, 2, perBlock{3, 3})
			r.mustFilter(t, sideA, few)
			r.mustFilter(t, sideB, 1)
		})
	}
}

func TestCyclesCount(t *testing.T) {
	each := map[string][2]float64{
		"claim=node": {few, 1}, "claim=zone": {few, few / objects.Zones}, "claim=none": {few, few},
		"claim=node+nominated": {1, 1},
		// Preemption tries the nodes again on which it could help: to A that is every full
		// one, to B the one within reach.
		"claim=node+full": {few + few/2, 1 + 1},
	}
	for _, c := range singles {
		t.Run(c.name, func(t *testing.T) {
			r := cycles(t, c.w, few, 2, perBlock{3, 3}, 0)
			for _, s := range sides(t) {
				r.mustFilter(t, s, each[c.name][s])
			}
		})
	}
}

// TestNarrowingIsWhatIsMeasured: without it B looks at every node, as A does.
func TestNarrowingIsWhatIsMeasured(t *testing.T) {
	*withoutNarrowing = true
	t.Cleanup(func() { *withoutNarrowing = false })
	drain(t, objects.Workload{Claim: objects.OneNode}, few, 1, perBlock{3, 3}).mustFilter(t, sideB, few)
}

func (r *result) mustFilter(t *testing.T, s side, want float64) {
	t.Helper()
	if got := r.perPod(s, func(b block) float64 { return float64(b.filtered) }); got != want {
		t.Errorf("side %s filters %.2f nodes per pod, want %.2f", s, got, want)
	}
}
