package play

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

func TestSpans(t *testing.T) {
	type played struct {
		step scenario.Step
		node string
		at   time.Duration
	}
	target := &scenario.NodeTarget{}
	minute := &metav1.Duration{Duration: time.Minute}
	for name, tc := range map[string]struct {
		steps []played
		// want has kind, node, from and to of each.
		want []string
	}{
		"a partition lasts until its node is healed": {
			[]played{{scenario.Step{Partition: target}, "a", 1 * time.Minute}, {scenario.Step{Partition: target}, "b", 2 * time.Minute}, {scenario.Step{Heal: target}, "a", 3 * time.Minute}},
			[]string{"partition a 1m0s 3m0s", "partition b 2m0s -", "heal a 3m0s 3m0s"},
		},
		"a heal without a node ends all": {
			[]played{{scenario.Step{Partition: target}, "a", 1 * time.Minute}, {scenario.Step{Partition: target}, "b", 2 * time.Minute}, {scenario.Step{Heal: target}, "", 3 * time.Minute}},
			[]string{"partition a 1m0s 3m0s", "partition b 2m0s 3m0s", "heal  3m0s 3m0s"},
		},
		"to cut a node off twice changes nothing": {
			[]played{{scenario.Step{Partition: target}, "a", 1 * time.Minute}, {scenario.Step{Partition: target}, "a", 2 * time.Minute}},
			[]string{"partition a 1m0s -"},
		},
		"a reboot ends by itself, if the run is long enough": {
			[]played{{scenario.Step{Reboot: &scenario.Reboot{DownFor: minute}}, "a", 1 * time.Minute}, {scenario.Step{Reboot: &scenario.Reboot{DownFor: minute}}, "a", 9*time.Minute + time.Second}},
			[]string{"reboot a 1m0s 2m0s", "reboot a 9m1s -"},
		},
		"a taint lasts until it is taken": {
			[]played{{scenario.Step{Taint: &scenario.Taint{}}, "a", 1 * time.Minute}, {scenario.Step{Taint: &scenario.Taint{Remove: true}}, "a", 2 * time.Minute}},
			[]string{"taint a 1m0s 2m0s", "taint a 2m0s 2m0s"},
		},
		"storage that fails does so until it works": {
			[]played{{scenario.Step{Storage: &scenario.Storage{Class: "x", Attach: scenario.Fail}}, "", 1 * time.Minute}, {scenario.Step{Storage: &scenario.Storage{Class: "x", Attach: scenario.Work}}, "", 2 * time.Minute}},
			[]string{"storage  1m0s 2m0s", "storage  2m0s 2m0s"},
		},
		"a deletion takes no time": {
			[]played{{scenario.Step{Delete: &scenario.PodTarget{Pod: "web-0"}}, "", 1 * time.Minute}},
			[]string{"delete  1m0s 1m0s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s spans
			for _, p := range tc.steps {
				s.step(&p.step, p.node, p.at)
			}
			var got []string
			for _, f := range s.faults(10 * time.Minute) {
				to := "-"
				if f.To != nil {
					to = f.To.Duration.String()
				}
				got = append(got, f.Kind+" "+f.Node+" "+f.From.Duration.String()+" "+to)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want,+got):\n%s", diff)
			}
		})
	}
}
