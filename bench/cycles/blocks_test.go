package cycles

import (
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
)

// side is one of the two that are compared.
type side int

const (
	sideA side = iota
	sideB
)

// profile is the side's name in pods.
func (s side) profile() string {
	return []string{v1.DefaultSchedulerName, schedulermanifest.ProfileName}[s]
}

func (s side) String() string { return []string{"A", "B"}[s] }

var sideFlag = flag.String("side", "both", "the side that is measured: A (the default profile), B (Holdfast's), or both; with one alone there are no ratios")

// sides are those that were asked for.
func sides(tb testing.TB) []side {
	switch *sideFlag {
	case "A":
		return []side{sideA}
	case "B":
		return []side{sideB}
	case "both":
		return []side{sideA, sideB}
	}
	tb.Fatalf("-side=%s: want A, B or both", *sideFlag)
	return nil
}

// turns is the order of blocks, A B B A A B ...: a drift of the machine, and what one
// block leaves behind for the next, then falls on both sides alike.
func turns(tb testing.TB, pairs int) []side {
	var order []side
	for i := range pairs {
		both := sides(tb)
		if i%2 == 1 {
			slices.Reverse(both)
		}
		order = append(order, both...)
	}
	return order
}

// block is what one side did in one turn.
type block struct {
	pods     int
	took     time.Duration
	allocs   uint64
	filtered int64
	// each is how long each pod took; empty where they overlap.
	each []time.Duration
}

func (b block) perPod() float64 { return float64(b.took.Nanoseconds()) / float64(b.pods) }

// result has the blocks of both sides; the i-th of each are a pair.
type result struct {
	blocks [2][]block
	// depth is how many pods at least were in the queue when a block began; 0 if none was
	// drained.
	depth int
}

// add runs f as the side's next block, after the garbage of the one before is gone.
func (r *result) add(tb testing.TB, s side, f func(b *block)) {
	var b block
	var before, after runtime.MemStats
	earlier := filtered(tb, s)
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	f(&b)
	b.took = time.Since(start)
	runtime.ReadMemStats(&after)
	b.allocs = after.Mallocs - before.Mallocs
	b.filtered = filtered(tb, s) - earlier
	r.blocks[s] = append(r.blocks[s], b)
}

// perPod is the mean of what f says of the side's blocks, for each pod.
func (r *result) perPod(s side, f func(block) float64) float64 {
	sum, pods := 0.0, 0
	for _, b := range r.blocks[s] {
		sum, pods = sum+f(b), pods+b.pods
	}
	return sum / float64(pods)
}

// report gives the figures of the sides, and the ratios of the pairs: how many times as
// long A takes as B, which is how many times as many pods B handles in a time.
func (r *result) report(b *testing.B) {
	for _, s := range sides(b) {
		var times []float64
		var each []time.Duration
		for _, x := range r.blocks[s] {
			times = append(times, x.perPod())
			each = append(each, x.each...)
		}
		if r.depth > 0 {
			b.ReportMetric(1e9/median(times), s.String()+"-pods/s")
		} else {
			b.ReportMetric(median(times), s.String()+"-ns/pod")
			b.ReportMetric(p99(each), s.String()+"-p99-ns")
		}
		b.ReportMetric(r.perPod(s, func(x block) float64 { return float64(x.allocs) }), s.String()+"-allocs/pod")
		b.ReportMetric(r.perPod(s, func(x block) float64 { return float64(x.filtered) }), s.String()+"-filtered/pod")
	}
	b.ReportMetric(0, "ns/op") // The setup is in it: it says nothing.
	if r.depth > 0 {
		b.ReportMetric(float64(r.depth), "queue-min")
	}
	if len(sides(b)) < 2 {
		return
	}
	reportRatios(b, "A/B", r.ratios(block.perPod))
	if r.depth == 0 {
		reportRatios(b, "A/B-p99", r.ratios(func(x block) float64 { return p99(x.each) }))
	}
}

func (r *result) ratios(of func(block) float64) []float64 {
	var all []float64
	for i := range r.blocks[sideA] {
		all = append(all, of(r.blocks[sideA][i])/of(r.blocks[sideB][i]))
	}
	return all
}

// reportRatios gives the median over the pairs, and the least and the greatest.
func reportRatios(b *testing.B, name string, values []float64) {
	b.ReportMetric(median(values), name)
	b.ReportMetric(slices.Min(values), name+"-min")
	b.ReportMetric(slices.Max(values), name+"-max")
}

func p99(each []time.Duration) float64 {
	values := make([]float64, 0, len(each))
	for _, d := range each {
		values = append(values, float64(d.Nanoseconds()))
	}
	return quantile(values, 0.99)
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile is that of the values; between two of them, the lower.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(float64(len(sorted)-1)*q)]
}

func sorted(sizes map[int]perBlock) []int { return slices.Sorted(maps.Keys(sizes)) }

func nodesOf(n int) string { return fmt.Sprintf("nodes=%d", n) }
