package cycles

import (
	"fmt"
	"slices"
	"testing"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/bench/objects"
)

// ordinary are pods that are not ours, in Holdfast's profile.
var ordinary = objects.Workload{Claim: objects.NoClaim, Owner: "ReplicaSet"}

// beside drains ordinary pods of Holdfast's profile in two clusters in turns, one of
// which has held pods too. It returns how fast the one with them is against the one
// without, pair by pair, and how often a held pod was tried.
func beside(tb testing.TB, held, nodes, pairs, perBlock int) (ratios []float64, attempts int) {
	order := slices.Repeat([]side{sideB}, pairs)
	with := ordinary
	with.Held = held
	clusters := [2]*bench{
		setUp(tb, ordinary, nodes, order, [2]int{0, perBlock}),
		setUp(tb, with, nodes, order, [2]int{0, perBlock}),
	}
	for _, x := range clusters {
		x.StartQueue(tb.Context())
		await(tb, "the ordinary pods are in the queue, and no other", func() bool {
			return len(x.Scheduler.SchedulingQueue.PodsInActiveQ()) == pairs*perBlock
		})
		*x.watch(tb) = sideB
	}
	var results [2]result
	for i := range pairs {
		for _, which := range [][]int{{0, 1}, {1, 0}}[i%2] {
			x := clusters[which]
			results[which].add(tb, sideB, func(m *block) {
				for range perBlock {
					x.Scheduler.ScheduleOne(tb.Context())
					m.pods++
				}
				await(tb, "the block is bound", func() bool { return x.Bound() == int64((i+1)*perBlock) })
			})
		}
	}
	for i := range pairs {
		ratios = append(ratios, results[0].blocks[sideB][i].perPod()/results[1].blocks[sideB][i].perPod())
	}
	for _, pod := range clusters[1].held {
		attempts += clusters[1].attempts(tb, pod)
	}
	return ratios, attempts
}

// attempts is how often the pod, which waits, was tried.
func (x *bench) attempts(tb testing.TB, pod *v1.Pod) int {
	waiting, ok := x.Scheduler.SchedulingQueue.GetPod(pod.Name, pod.Namespace, nil)
	if !ok {
		tb.Fatalf("pod %s does not wait", pod.Name)
	}
	return waiting.Attempts
}

// BenchmarkHeld is a storm: 2,000 pods are held beside 5,000 ordinary ones. A block is a
// fraction of a second, in which anything else that the machine does weighs much, and the
// two differ by little: so there are many of them, in clusters that are made anew.
func BenchmarkHeld(b *testing.B) {
	const held, ordinary, pairs, clusters = 2_000, 5_000, 40, 3
	b.Run(fmt.Sprintf("held=%d/%s", held, nodesOf(1_000)), func(b *testing.B) {
		if *sideFlag == sideA.String() {
			b.Skip("both clusters are of side B")
		}
		for b.Loop() {
			var ratios []float64
			var attempts int
			for range clusters {
				r, tried := beside(b, held, 1_000, pairs, ordinary/pairs)
				ratios, attempts = append(ratios, r...), attempts+tried
			}
			reportRatios(b, "held/none", ratios)
			b.ReportMetric(float64(attempts), "held-attempts")
			b.ReportMetric(0, "ns/op")
		}
	})
}

func TestHeldPodsAreNotTried(t *testing.T) {
	if _, attempts := beside(t, 5, few, 2, 3); attempts != 0 {
		t.Errorf("held pods were tried %d times", attempts)
	}
}
