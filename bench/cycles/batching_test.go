package cycles

import (
	"testing"

	"k8s.io/component-base/metrics/testutil"
	"k8s.io/kubernetes/pkg/scheduler/metrics"

	"github.com/holdfast-dev/holdfast/bench/objects"
)

// alike are pods that upstream places by what it found for the one before (opportunistic
// batching): all of one ReplicaSet, and each so large that it fills its node.
var alike = objects.Workload{Claim: objects.NoClaim, Owner: "ReplicaSet", Shape: large}

// hints is how many pods of the side were placed by what was found for another.
func hints(tb testing.TB, s side) float64 {
	v, err := testutil.GetCounterMetricValue(metrics.BatchAttemptStats.WithLabelValues(s.profile(), metrics.BatchAttemptHintUsed))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// hinted drains pods that are alike, and returns the share of each side's that needed no
// cycle of their own.
func hinted(tb testing.TB, nodes, pairs int, count perBlock) (*result, [2]float64) {
	var before, share [2]float64
	for _, s := range sides(tb) {
		before[s] = hints(tb, s)
	}
	r := drain(tb, alike, nodes, pairs, count)
	for _, s := range sides(tb) {
		share[s] = (hints(tb, s) - before[s]) / float64(pairs*count[s])
	}
	return r, share
}

// BenchmarkBatching shows that a profile with Holdfast still batches pods that are not ours.
func BenchmarkBatching(b *testing.B) {
	b.Run(nodesOf(5_000), func(b *testing.B) {
		for b.Loop() {
			r, share := hinted(b, 5_000, pairs, perBlock{50, 50})
			r.report(b)
			for _, s := range sides(b) {
				b.ReportMetric(share[s], s.String()+"-hinted/pod")
			}
			if share[sideA] > 0 && share[sideB] > 0 {
				b.ReportMetric(share[sideB]/share[sideA], "B/A-hints")
			}
		}
	})
}

func TestBatchingStaysOn(t *testing.T) {
	_, share := hinted(t, few, 1, perBlock{5, 5})
	if share != [2]float64{0.8, 0.8} {
		t.Errorf("of 5 pods that are alike 4 are to be placed by what was found for another; the default profile places %.2f of them so, Holdfast's %.2f", share[sideA], share[sideB])
	}
}
