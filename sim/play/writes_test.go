package play

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// The life of an ordinal whose pods have the finalizer from their creation on, as the
// admission policy gives it to them: it is made, deleted and made again, and scaled away.
const lifeOfAnOrdinal = `apiVersion: sim.holdfast.dev/v1alpha1
kind: Scenario
cluster:
  nodeGroups: [{name: a, zone: a, count: 1}]
objects:
  - manifest:
      apiVersion: apps/v1
      kind: StatefulSet
      metadata: {name: web}
      spec:
        serviceName: web
        replicas: 1
        selector: {matchLabels: {app: web}}
        template:
          metadata: {labels: {app: web}%s}
          spec:
            terminationGracePeriodSeconds: 10
            containers: [{name: main, image: "registry.example/main:1"}]
timeline:
  - {at: 2m, delete: {pod: web-0}}
  - {at: 4m, scale: {statefulSet: web, replicas: 0}}
until: 6m
`

// placing are the components that differ. What the controller and the kubelet write is the
// same under both, but for a repeated delete that comes in some runs.
var placing = []string{"kube-scheduler", "holdfast-guard"}

// phases of the life, each two minutes long.
var phases = []string{"first incarnation", "deletion and next incarnation", "deletion"}

// writes plays the life under one scheduler and counts, in each phase, what scheduler and
// guard write of pods and of tenancies. Events are apart: they are no object of the pod's.
func writes(tb testing.TB, scheduler scenario.Scheduler) [3]int {
	tb.Helper()
	finalizer := ""
	if scheduler == scenario.Holdfast {
		finalizer = ", finalizers: [holdfast.dev/tenancy]"
	}
	s, err := scenario.Parse("life.yaml", fmt.Appendf(nil, lifeOfAnOrdinal, finalizer))
	if err != nil {
		tb.Fatal(err)
	}
	var mu sync.Mutex
	var counts [3]int
	var zero time.Time
	run, err := Run(s, Options{Scheduler: scheduler, OnRequest: func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if zero.IsZero() {
			zero = time.Now()
		}
		agent, _, _ := strings.Cut(r.UserAgent(), "/")
		if !slices.Contains(placing, agent) || r.Method == http.MethodGet || !strings.Contains(r.URL.Path, "/pods") && !strings.Contains(r.URL.Path, "/tenancies") {
			return
		}
		phase := min(int(time.Since(zero)/(2*time.Minute)), len(phases)-1)
		counts[phase]++
		tb.Logf("%s, %s: %s %s by %s", scheduler, phases[phase], r.Method, r.URL.Path, r.UserAgent())
	}})
	if err != nil {
		tb.Fatal(err)
	}
	for _, c := range run.Checks {
		if !c.OK {
			tb.Errorf("not met under the %s scheduler: %s; found: %s", scheduler, c.Name, c.Got)
		}
	}
	return counts
}

// extraWrites is what Holdfast writes over the default scheduler.
func extraWrites(tb testing.TB) (first, later, deletion int) {
	ours, stock := writes(tb, scenario.Holdfast), writes(tb, scenario.Default)
	deletion = ours[2] - stock[2]
	return ours[0] - stock[0], ours[1] - stock[1] - deletion, deletion
}

// TestWhatAnOrdinalCostsInWrites: the first incarnation costs two more (the record and its
// status), a later one the second of them, and a deletion two (the evidence and the
// finalizer).
func TestWhatAnOrdinalCostsInWrites(t *testing.T) {
	first, later, deletion := extraWrites(t)
	if first != 2 || later != 1 || deletion != 2 {
		t.Errorf("over the default scheduler there are %d more writes for the first incarnation, %d for a later one and %d at a deletion; they were 2, 1 and 2", first, later, deletion)
	}
}

// BenchmarkWrites gives the same for the report; of one side alone, what that side writes.
func BenchmarkWrites(b *testing.B) {
	for b.Loop() {
		if sides := measuredSchedulers(b); len(sides) == 1 {
			counts := writes(b, sides[0])
			b.ReportMetric(float64(counts[0]), "first-writes/side")
			b.ReportMetric(float64(counts[1]), "deletion-and-later-writes/side")
			b.ReportMetric(float64(counts[2]), "deletion-writes/side")
			continue
		}
		first, later, deletion := extraWrites(b)
		b.ReportMetric(float64(first), "first-writes")
		b.ReportMetric(float64(later), "later-writes")
		b.ReportMetric(float64(deletion), "deletion-writes")
	}
}
