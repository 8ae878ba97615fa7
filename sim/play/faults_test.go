package play_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// TestFaults plays stories that are about the faults, not about Holdfast: all that
// each expects must come of it, under both schedulers.
func TestFaults(t *testing.T) {
	files, err := scenario.Find(filepath.Join("testdata", "faults"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		s := load(t, file)
		for _, scheduler := range s.PlayedBy() {
			t.Run(s.Name+" under "+string(scheduler), func(t *testing.T) {
				run := run(t, s, play.Options{Scheduler: scheduler})
				for _, c := range unmet(run) {
					t.Errorf("not met: %s; found: %s", c.Name, c.Got)
				}
			})
		}
	}
}

// TestAStepThatWaitsInVainFailsTheRun: the story was not the one that was meant.
func TestAStepThatWaitsInVainFailsTheRun(t *testing.T) {
	s := load(t, filepath.Join("testdata", "faults", "guard-dies.yaml"))
	for i := range s.Timeline {
		if r := s.Timeline[i].RestartScheduler; r != nil {
			r.OnRequest.Resource = "secrets"
		}
	}
	failed := unmet(run(t, s, play.Options{Scheduler: scenario.Holdfast}))
	if !slices.ContainsFunc(failed, func(c report.Check) bool {
		return strings.HasPrefix(c.Name, "timeline[0] is played: restart the scheduler when") && strings.HasPrefix(c.Got, "no such request")
	}) {
		t.Errorf("failed are %+v, want the step", failed)
	}
}
