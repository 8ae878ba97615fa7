package play_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// benchmarkLength is long enough in virtual time that starting the control plane
// does not count.
const benchmarkLength = 2 * time.Hour

// BenchmarkEngine measures how fast virtual time passes, with 10 nodes that renew
// their leases every 10 s and 30 pods, 20 of them with a claim. Run it as
//
//	go test ./sim/play -run '^$' -bench Engine -benchtime 1x
func BenchmarkEngine(b *testing.B) {
	for name, timeline := range map[string]string{
		"idle": "",
		"a node fails and returns every half hour": `timeline:
  - {name: cut, at: 30m, partition: {node: a-0}}
  - {at: 45m, heal: {}}
  - {at: 60m, partition: {node: a-1}}
  - {at: 75m, heal: {}}
  - {at: 90m, partition: {node: a-2}}
  - {at: 105m, heal: {}}
`,
	} {
		for _, scheduler := range scenario.Schedulers() {
			b.Run(fmt.Sprintf("%s, %s", name, scheduler), func(b *testing.B) {
				s, err := scenario.Parse("benchmark.yaml", []byte(benchmarkScenario()+timeline))
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					run, err := play.Run(s, play.Options{Scheduler: scheduler})
					if err != nil {
						b.Fatal(err)
					}
					if n := len(run.Ordinals); n != 30 {
						b.Fatalf("%d ordinals, want 30", n)
					}
				}
				virtual := benchmarkLength.Seconds() * float64(b.N)
				b.ReportMetric(virtual/b.Elapsed().Seconds(), "virtual-s/s")
			})
		}
	}
}

func benchmarkScenario() string {
	yaml := fmt.Sprintf(`apiVersion: sim.holdfast.dev/v1alpha1
kind: Scenario
cluster:
  nodeGroups:
    - {name: a, zone: a, count: 10}
  storageClasses:
    - {name: zonal}
until: %s
objects:
`, benchmarkLength)
	for _, set := range []struct{ name, claims string }{
		{"db", claimTemplate}, {"queue", claimTemplate}, {"web", ""},
	} {
		yaml += fmt.Sprintf(`  - manifest:
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
	return yaml
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
