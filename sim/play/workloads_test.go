package play_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// everyKind has an object of each kind that makes pods, but a StatefulSet: each makes two
// pods, or one on each of two nodes, or one a minute. The DaemonSet comes by a step.
const everyKind = `apiVersion: sim.holdfast.dev/v1alpha1
kind: Scenario
cluster: {nodeGroups: [{name: a, zone: a, count: 2}]}
objects:
  - manifest: {apiVersion: apps/v1, kind: Deployment, metadata: {name: deployment}, spec: {replicas: 2, selector: {matchLabels: {of: deployment}}, template: {metadata: {labels: {of: deployment}}, spec: &pod {containers: [{name: main, image: registry.example/main}]}}}}
  - manifest: {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: replicaset}, spec: {replicas: 2, selector: {matchLabels: {of: replicaset}}, template: {metadata: {labels: {of: replicaset}}, spec: *pod}}}
  - manifest: {apiVersion: v1, kind: ReplicationController, metadata: {name: replication}, spec: {replicas: 2, selector: {of: replication}, template: {metadata: {labels: {of: replication}}, spec: *pod}}}
  - manifest: {apiVersion: batch/v1, kind: Job, metadata: {name: job}, spec: {parallelism: 2, completions: 2, template: {metadata: {labels: {of: job}}, spec: &once {restartPolicy: Never, containers: [{name: main, image: registry.example/main}]}}}}
  - manifest: {apiVersion: batch/v1, kind: CronJob, metadata: {name: cronjob}, spec: {schedule: "* * * * *", jobTemplate: {spec: {template: {metadata: {labels: {of: cronjob}}, spec: *once}}}}}
timeline:
  - at: 10s
    apply: {manifest: {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: daemonset}, spec: {selector: {matchLabels: {of: daemonset}}, template: {metadata: {labels: {of: daemonset}}, spec: *pod}}}}
until: 2m30s
expect:
  default: &made
    workloads:
      - {kind: Deployment, name: deployment, pods: 2, names: 2, addresses: 2}
      - {kind: ReplicaSet, name: replicaset, pods: 2, addresses: 2}
      - {kind: ReplicationController, name: replication, pods: 2, addresses: 2}
      - {kind: Job, name: job, pods: 2, addresses: 2}
      - {kind: DaemonSet, name: daemonset, pods: 2, addresses: 2}
  holdfast: *made
`

func TestEveryKindThatMakesPodsComesToLife(t *testing.T) {
	s, err := scenario.Parse("every-kind.yaml", []byte(everyKind))
	if err != nil {
		t.Fatal(err)
	}
	for _, scheduler := range scenario.Schedulers() {
		r := run(t, s, play.Options{Scheduler: scheduler})
		for _, c := range unmet(r) {
			t.Errorf("under the %s scheduler: %s; found: %s", scheduler, c.Name, c.Got)
		}
		// One or two minutes begin in the run, and each has a Job of its own.
		if !slices.ContainsFunc(r.Pods, func(p report.Pod) bool {
			return p.Kind == "Job" && strings.HasPrefix(p.Maker, "default/cronjob-") && p.Ready != nil
		}) {
			t.Errorf("under the %s scheduler the CronJob made no pod", scheduler)
		}
	}
}
