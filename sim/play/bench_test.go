package play

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// benchmarkLengths is how long a story is in virtual time: a multiple of
// failureEvery, and over the slower store short enough that all stories together
// take less than three minutes.
var benchmarkLengths = map[engine.StoreKind]time.Duration{
	engine.Memory: time.Hour,
	engine.Etcd:   30 * time.Minute,
}

// In the story of failures a node is cut off for failureLength every failureEvery.
const (
	failureEvery  = 30 * time.Minute
	failureFirst  = 5 * time.Minute
	failureLength = 15 * time.Minute
)

// BenchmarkEngine measures a cluster of 10 nodes, which renew their leases every
// 10 s, and 30 pods, 20 of them with a claim:
//
//	virtual-s/s  virtual seconds of the story per second of wall time
//	start-ms     wall time before that, until the cluster serves and schedules
//	heap-MiB     what is alive at the end of the story, after a garbage collection,
//	             less what was alive before the run
//	goroutines   the same for goroutines
//
// Run it as
//
//	go test ./sim/play -run '^$' -bench Engine -benchtime 1x
func BenchmarkEngine(b *testing.B) {
	// What is made once per process counts for nobody.
	measure(b, benchmarkScenario(b, time.Minute, false), Options{Scheduler: scenario.Holdfast})
	for _, store := range engine.StoreKinds() {
		for _, scheduler := range scenario.Schedulers() {
			for _, story := range []struct {
				name  string
				fails bool
			}{{"idle", false}, {"failures", true}} {
				b.Run(fmt.Sprintf("store=%s/scheduler=%s/story=%s", store, scheduler, story.name), func(b *testing.B) {
					length := benchmarkLengths[store]
					s := benchmarkScenario(b, length, story.fails)
					var sum measured
					for b.Loop() {
						m := measure(b, s, Options{Scheduler: scheduler, Store: store})
						sum.start += m.start
						sum.story += m.story
						sum.heapMiB += m.heapMiB
						sum.goroutines += m.goroutines
					}
					n := float64(b.N)
					b.ReportMetric(n*length.Seconds()/sum.story.Seconds(), "virtual-s/s")
					b.ReportMetric(sum.start.Seconds()*1000/n, "start-ms")
					b.ReportMetric(sum.heapMiB/n, "heap-MiB")
					b.ReportMetric(float64(sum.goroutines)/n, "goroutines")
				})
			}
		}
	}
}

// measured is what a run took and held.
type measured struct {
	start, story time.Duration // in wall time
	heapMiB      float64
	goroutines   int
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
	goroutines, heapMiB := alive()
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
		if n := len(run.Ordinals); n != 30 {
			return fmt.Errorf("%d ordinals, want 30", n)
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
	m.goroutines -= goroutines
	m.heapMiB -= heapMiB
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
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), float64(m.HeapAlloc) / (1 << 20)
}

func benchmarkScenario(b *testing.B, until time.Duration, fails bool) *scenario.Scenario {
	b.Helper()
	var yaml strings.Builder
	fmt.Fprintf(&yaml, `apiVersion: sim.holdfast.dev/v1alpha1
kind: Scenario
cluster:
  nodeGroups:
    - {name: a, zone: a, count: 10}
  storageClasses:
    - {name: zonal}
until: %s
objects:
`, until)
	for _, set := range []struct{ name, claims string }{
		{"db", claimTemplate}, {"queue", claimTemplate}, {"web", ""},
	} {
		fmt.Fprintf(&yaml, `  - manifest:
      apiVersion: apps/v1
      kind: StatefulSet
      metadata: {name: %[1]s}
      spec:
        serviceName: %[1]s
        replicas: 10
        podManagementPolicy: Parallel
        selector: {matchLabels: {app: %[1]s}}
        template:
          metadata: {labels: {app: %[1]s}}
          spec:
            containers: [{name: main, image: "registry.example/main:1"}]
%[2]s`, set.name, set.claims)
	}
	if fails {
		yaml.WriteString("timeline:\n")
		for i := range int(until / failureEvery) {
			at := time.Duration(i)*failureEvery + failureFirst
			fmt.Fprintf(&yaml, "  - {name: cut%[1]d, at: %[2]s, partition: {node: a-%[1]d}}\n  - {at: %[3]s, heal: {}}\n", i, at, at+failureLength)
		}
	}
	s, err := scenario.Parse("benchmark.yaml", []byte(yaml.String()))
	if err != nil {
		b.Fatal(err)
	}
	return s
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
