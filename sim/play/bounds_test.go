package play_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/sim/decisions"
	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// TestBoundsHaveSomethingToHold plays stories in which each bound in time has something to
// hold, and is held: a check that never had says nothing. L4 needs a run that goes on for
// longer than the stories do.
func TestBoundsHaveSomethingToHold(t *testing.T) {
	for name, tc := range map[string]struct {
		file  string
		until time.Duration
		met   []string
	}{
		"a node that returns":             {"silent-node", time.Hour, []string{"L4", "L6"}},
		"a crash in the middle":           {"evidence/restart-before-the-finalizer", 0, []string{"S8"}},
		"a replacement behind its hold":   {"second-line", 0, []string{"L3", "L6"}},
		"a scheduler that does not see":   {"stale-view", 0, []string{"S7"}},
		"a replacement on the same node":  {"hazards/h05-same-node-replacement", 0, []string{"L1"}},
		"a rolling update, and then rest": {"statefulset/rolling-update", time.Hour, []string{"L1", "L4"}},
		"a Deployment beside a set":       {"statefulset/deployment-contrast", 0, []string{"S1", "S10"}},
		"a set with claims, and again":    {"statefulset/pod-dies-other-node", 0, []string{"S1", "S3", "S4", "S5", "S6", "S9"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t, filepath.Join(scenarios, tc.file+".yaml"))
			heard := func([]decisions.Attempt, int) {} // What is said of nodes is what S10 is held to.
			r := run(t, s, play.Options{Scheduler: scenario.Holdfast, Until: tc.until, Decided: heard})
			for _, id := range tc.met {
				if r.Met[id] == 0 {
					t.Errorf("%s had nothing to hold: %v", id, r.Met)
				}
			}
			for _, v := range r.Violations {
				t.Errorf("%s is broken by %s at %s: %s", v.Invariant, v.By, v.From.Duration, v.Why)
			}
		})
	}
}

// TestStopAtFirst ends the default scheduler's run of the silent node where it first runs
// an ordinal twice, and lets Holdfast's go on to its end.
func TestStopAtFirst(t *testing.T) {
	s := load(t, filepath.Join(scenarios, "silent-node.yaml"))
	stopped := run(t, s, play.Options{Scheduler: scenario.Default, StopAtFirst: true})
	if len(stopped.Violations) == 0 || !stopped.StoppedAtFirst || stopped.Until.Duration >= s.Until.Duration {
		t.Fatalf("stopped %t at %s of %s, with %v", stopped.StoppedAtFirst, stopped.Until.Duration, s.Until.Duration, stopped.Violations)
	}
	if late := stopped.Until.Duration - stopped.Violations[0].From.Duration; late < 0 || late > time.Minute {
		t.Errorf("it went on for %s", late)
	}
	whole := run(t, s, play.Options{Scheduler: scenario.Holdfast, StopAtFirst: true})
	if whole.StoppedAtFirst || whole.Until.Duration != s.Until.Duration {
		t.Errorf("stopped %t at %s of %s", whole.StoppedAtFirst, whole.Until.Duration, s.Until.Duration)
	}
}
