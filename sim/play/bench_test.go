package play

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// clusterSizes are the numbers of nodes, and how long their stories are in virtual time:
// so short that all of them together take a few minutes.
var clusterSizes = []struct {
	nodes  int
	length time.Duration
}{{10, time.Hour}, {30, 30 * time.Minute}, {100, 6 * time.Minute}, {300, 2 * time.Minute}}

// podsPerNode is how many pods there are for each node, two of three with a claim.
const podsPerNode = 3

// sideFlag has the same meaning as in bench/cycles.
var sideFlag = flag.String("side", "both", "whose control plane is measured: A (the default scheduler's), B (Holdfast's), or both")

// measuredSchedulers are those that -side asks for.
func measuredSchedulers(b *testing.B) []scenario.Scheduler {
	switch *sideFlag {
	case "A":
		return []scenario.Scheduler{scenario.Default}
	case "B":
		return []scenario.Scheduler{scenario.Holdfast}
	case "both":
		return scenario.Schedulers()
	}
	b.Fatalf("-side=%s: want A, B or both", *sideFlag)
	return nil
}

// BenchmarkEngine measures clusters whose nodes renew their leases every 10 s and that
// have three pods a node, two of them with a claim. In the story churn one node after
// the other is cut off for half of its turn.
//
//	virtual-s/s  virtual seconds of the story per second of wall time
//	start-ms     wall time before that, until the cluster serves and schedules
//	heap-MiB     what is alive in the process at the end of the story, after a
//	             garbage collection
//	goroutines   in the process, at the same moment
//
// A cluster of 10 nodes is measured over a real etcd too.
func BenchmarkEngine(b *testing.B) {
	// What is made once per process counts for nobody.
	measure(b, benchmarkScenario(b, 10, time.Minute, false), Options{Scheduler: scenario.Holdfast})
	for _, size := range clusterSizes {
		for _, scheduler := range measuredSchedulers(b) {
			for _, churn := range []bool{false, true} {
				name := fmt.Sprintf("store=memory/scheduler=%s/story=%s/nodes=%d", scheduler, storyName(churn), size.nodes)
				b.Run(name, func(b *testing.B) {
					s := benchmarkScenario(b, size.nodes, size.length, churn)
					for b.Loop() {
						measure(b, s, Options{Scheduler: scheduler}).report(b, size.length)
					}
				})
			}
		}
	}
	for _, scheduler := range measuredSchedulers(b) {
		b.Run(fmt.Sprintf("store=etcd/scheduler=%s/story=churn/nodes=10", scheduler), func(b *testing.B) {
			const length = 20 * time.Minute
			s := benchmarkScenario(b, 10, length, true)
			for b.Loop() {
				measure(b, s, Options{Scheduler: scheduler, Store: engine.Etcd}).report(b, length)
			}
		})
	}
}

// BenchmarkChecks says what the checks of the invariants cost, in pairs.
func BenchmarkChecks(b *testing.B) {
	const length = 30 * time.Minute
	s := benchmarkScenario(b, 10, length, true)
	measured := measuredSchedulers(b)
	scheduler := measured[len(measured)-1] // Of both, Holdfast: it has more to check.
	measure(b, s, Options{Scheduler: scheduler})
	for b.Loop() {
		var costs, speeds []float64
		for range 3 {
			with := measure(b, s, Options{Scheduler: scheduler})
			without := measure(b, s, Options{Scheduler: scheduler, Unchecked: true})
			costs = append(costs, 1-without.story.Seconds()/with.story.Seconds())
			speeds = append(speeds, length.Seconds()/with.story.Seconds())
		}
		slices.Sort(costs)
		slices.Sort(speeds)
		b.ReportMetric(costs[1], "checks-cost")
		b.ReportMetric(costs[0], "checks-cost-min")
		b.ReportMetric(costs[2], "checks-cost-max")
		b.ReportMetric(speeds[1], "virtual-s/s")
	}
}

// BenchmarkWhatIf is the whole of a what-if run as a user has it: a file is read, a node
// of thirty is lost, and the table of both schedulers is written.
func BenchmarkWhatIf(b *testing.B) {
	file := filepath.Join(b.TempDir(), "what-if.yaml")
	if err := os.WriteFile(file, []byte(benchmarkYAML(30, 20*time.Minute, true)), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := scenario.Load(file)
		if err != nil {
			b.Fatal(err)
		}
		r := report.Report{Scenario: s.Name}
		for _, scheduler := range measuredSchedulers(b) {
			run, err := Run(s, Options{Scheduler: scheduler})
			if err != nil {
				b.Fatal(err)
			}
			r.Runs = append(r.Runs, *run)
		}
		if err := report.WriteJSON(io.Discard, &r); err != nil {
			b.Fatal(err)
		}
	}
}

func storyName(churn bool) string {
	if churn {
		return "churn"
	}
	return "idle"
}

// measured is what a run took and held.
type measured struct {
	start, story time.Duration // in wall time
	heapMiB      float64
	goroutines   int
}

func (m measured) report(b *testing.B, length time.Duration) {
	b.ReportMetric(length.Seconds()/m.story.Seconds(), "virtual-s/s")
	b.ReportMetric(m.start.Seconds()*1000, "start-ms")
	b.ReportMetric(m.heapMiB, "heap-MiB")
	b.ReportMetric(float64(m.goroutines), "goroutines")
	b.ReportMetric(0, "ns/op") // The start is in it.
}

// measure plays a scenario and looks at it from inside of virtual time, where the
// cluster is still alive when the story is told.
func measure(b *testing.B, s *scenario.Scenario, o Options) measured {
	b.Helper()
	objects, err := s.Decode()
	if err != nil {
		b.Fatal(err)
	}
	o.Progress = &Progress{}
	var m measured
	began := wall()
	err = engine.InVirtualTime(func(ctx context.Context) error {
		zero := make(chan time.Time, 1)
		go func() {
			for o.Progress.Virtual() < 0 && ctx.Err() == nil {
				time.Sleep(time.Millisecond) // Of virtual time.
			}
			zero <- wall()
		}()
		run, err := play(ctx, s, objects, o)
		if err != nil {
			return err
		}
		begun := <-zero
		m.start, m.story = begun.Sub(began), wall().Sub(begun)
		m.goroutines, m.heapMiB = alive()
		if n := len(run.Ordinals); !o.Unchecked && (n == 0 || n%podsPerNode != 0) {
			return fmt.Errorf("%d ordinals, want %d for each node", n, podsPerNode)
		}
		for _, c := range run.Checks {
			if !c.OK {
				return fmt.Errorf("not met: %s; found: %s", c.Name, c.Got)
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// wall is the real time, also inside of virtual time.
func wall() time.Time {
	var t syscall.Timeval
	if err := syscall.Gettimeofday(&t); err != nil {
		panic(err) // Its only error is a bad address.
	}
	return time.Unix(t.Unix())
}

func alive() (goroutines int, heapMiB float64) {
	runtime.GC()
	runtime.GC() // Collects what pools and finalizers held over the first.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), float64(m.HeapAlloc) / (1 << 20)
}

func benchmarkScenario(b *testing.B, nodes int, until time.Duration, churn bool) *scenario.Scenario {
	b.Helper()
	s, err := scenario.Parse("benchmark.yaml", []byte(benchmarkYAML(nodes, until, churn)))
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// turnMax is how long the turn of a node is in which it is cut off.
const turnMax = 30 * time.Minute

func benchmarkYAML(nodes int, until time.Duration, churn bool) string {
	var yaml strings.Builder
	fmt.Fprintf(&yaml, `apiVersion: sim.holdfast.dev/v1alpha1
kind: Scenario
cluster:
  nodeGroups:
    - {name: a, zone: a, count: %d}
  storageClasses:
    - {name: zonal}
until: %s
objects:
`, nodes, until)
	for _, set := range []struct{ name, claims string }{
		{"db", claimTemplate}, {"queue", claimTemplate}, {"web", ""},
	} {
		fmt.Fprintf(&yaml, `  - manifest:
      apiVersion: apps/v1
      kind: StatefulSet
      metadata: {name: %[1]s}
      spec:
        serviceName: %[1]s
        replicas: %[2]d
        podManagementPolicy: Parallel
        selector: {matchLabels: {app: %[1]s}}
        template:
          metadata: {labels: {app: %[1]s}}
          spec:
            containers: [{name: main, image: "registry.example/main:1"}]
%[3]s`, set.name, nodes, set.claims)
	}
	if churn {
		turn := min(turnMax, until)
		yaml.WriteString("timeline:\n")
		for i := range int(until / turn) {
			at := time.Duration(i)*turn + turn/6
			fmt.Fprintf(&yaml, "  - {name: cut%[1]d, at: %[2]s, partition: {node: a-%[1]d}}\n  - {at: %[3]s, heal: {}}\n", i, at, at+turn/2)
		}
	}
	return yaml.String()
}

// claimTemplate is one claim per ordinal; that no container mounts it does not
// matter to the volume manager's model.
const claimTemplate = `        volumeClaimTemplates:
          - metadata: {name: data}
            spec:
              storageClassName: zonal
              accessModes: [ReadWriteOnce]
              resources: {requests: {storage: 1Gi}}
`
