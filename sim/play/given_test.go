package play_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// takenAt plays a scenario and returns the cluster as it is then.
func takenAt(t *testing.T, s *scenario.Scenario, scheduler scenario.Scheduler, at time.Duration) *snapshot.Cluster {
	t.Helper()
	var taken *snapshot.Cluster
	run(t, s, play.Options{Scheduler: scheduler, Until: at, Taken: func(c *snapshot.Cluster) { taken = c }})
	return taken
}

// from is a scenario in which nothing happens to a cluster.
func from(t *testing.T, c *snapshot.Cluster, write func(*bytes.Buffer, *snapshot.Cluster) error) *scenario.Scenario {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, c); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "cluster.json"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "again.yaml")
	text := "apiVersion: sim.holdfast.dev/v1alpha1\nkind: Scenario\ncluster: {from: [cluster.json]}\nuntil: 5m\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, file)
}

// places are the UID, the node, the phase and the restarts of every pod.
func places(c *snapshot.Cluster) map[string][3]string {
	all := map[string][3]string{}
	for _, pod := range snapshot.Of[*corev1.Pod](c) {
		started := ""
		for _, s := range pod.Status.ContainerStatuses {
			started += s.ContainerID
		}
		all[pod.Namespace+"/"+pod.Name] = [3]string{string(pod.UID) + " on " + pod.Spec.NodeName, string(pod.Status.Phase), started}
	}
	return all
}

// TestARunGoesOnFromWhatWasTakenOfIt: under either scheduler, five minutes after a
// cluster was taken up nothing of it has been made anew, moved, restarted or rolled,
// also where the files tell less than they could.
func TestARunGoesOnFromWhatWasTakenOfIt(t *testing.T) {
	s := load(t, filepath.Join(scenarios, "snapshot", "node-loss.yaml"))
	for name, tc := range map[string]struct {
		// without leaves an object out.
		without func(snapshot.Object) bool
		write   func(*bytes.Buffer, *snapshot.Cluster) error
		from    scenario.Scheduler
		to      scenario.Scheduler
	}{
		"a Holdfast cluster under Holdfast, with its records": {
			from: scenario.Holdfast, to: scenario.Holdfast,
		},
		"a Holdfast cluster under the default scheduler": {
			from: scenario.Holdfast, to: scenario.Default,
		},
		"a stock cluster under Holdfast, without the revisions of its sets": {
			from: scenario.Default, to: scenario.Holdfast,
			without: func(o snapshot.Object) bool { _, is := o.(*appsv1.ControllerRevision); return is },
		},
		"by the format that knows no sets": {
			from: scenario.Default, to: scenario.Default,
			write: func(b *bytes.Buffer, c *snapshot.Cluster) error { return snapshot.WriteExport(b, c) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := takenAt(t, s, tc.from, 30*time.Second)
			if tc.without != nil {
				before.Objects = slices.DeleteFunc(before.Objects, tc.without)
			}
			write := tc.write
			if write == nil {
				write = func(b *bytes.Buffer, c *snapshot.Cluster) error { return snapshot.WriteList(b, c) }
			}
			after := takenAt(t, from(t, before, write), tc.to, 5*time.Minute)

			want, got := places(before), places(after)
			if len(want) != 10 {
				t.Fatalf("%d pods were taken, want 10", len(want))
			}
			for name, place := range want {
				if got[name] != place {
					t.Errorf("pod %s: %v, want %v", name, got[name], place)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d pods, want %d", len(got), len(want))
			}
			volumes := map[string]string{}
			for _, v := range snapshot.Of[*corev1.PersistentVolume](before) {
				volumes[v.Name] = string(v.Spec.ClaimRef.UID)
			}
			for _, v := range snapshot.Of[*corev1.PersistentVolume](after) {
				if v.Status.Phase != corev1.VolumeBound || volumes[v.Name] != string(v.Spec.ClaimRef.UID) {
					t.Errorf("volume %s: %s, claim %s, want %s", v.Name, v.Status.Phase, v.Spec.ClaimRef.UID, volumes[v.Name])
				}
				if tc.write == nil && len(after.AttachedTo(v)) != 1 {
					t.Errorf("volume %s: attached to %v", v.Name, after.AttachedTo(v))
				}
			}
			if n := len(snapshot.Of[*corev1.PersistentVolume](after)); n != len(volumes) {
				t.Errorf("%d volumes, want %d", n, len(volumes))
			}
			for _, set := range snapshot.Of[*appsv1.StatefulSet](after) {
				if set.Status.CurrentRevision != set.Status.UpdateRevision || set.Status.ReadyReplicas != *set.Spec.Replicas {
					t.Errorf("set %s is rolled: %+v", set.Name, set.Status)
				}
			}
		})
	}
}
