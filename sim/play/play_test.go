package play_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden transcripts: inspect the diff; commit only what you can explain")

const (
	scenarios = "../scenarios"
	// goldenTolerance is for goldens whose first line does not state one.
	goldenTolerance = 10 * time.Second
)

func TestMain(m *testing.M) {
	engine.DiscardLogs()
	os.Exit(m.Run())
}

// TestScenarios plays every scenario under both schedulers: all that it expects
// must come of it, and the transcript must be the golden one.
func TestScenarios(t *testing.T) {
	files, err := scenario.Find(scenarios)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(file, scenarios+"/"), ".yaml"), func(t *testing.T) {
			s := load(t, file)
			r := report.Report{Scenario: s.Name}
			for _, scheduler := range s.PlayedBy() {
				run := run(t, s, play.Options{Scheduler: scheduler})
				for _, c := range unmet(run) {
					t.Errorf("%s: not met under the %s scheduler: %s; found: %s", file, scheduler, c.Name, c.Got)
				}
				r.Runs = append(r.Runs, *run)
			}
			compareGolden(t, strings.TrimSuffix(file, ".yaml")+".golden", report.Golden(r))
			for i := range s.Breaks {
				broken, err := play.Break(s, i, play.Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range broken.Checks {
					if !c.OK {
						t.Errorf("%s: breaks[%d] does not break it: %s; found: %s", file, i, c.Name, c.Got)
					}
				}
			}
		})
	}
}

// TestARealEtcdTellsTheSameStory is the cross-check of the store in memory: the
// silent node's story over a real etcd, down to the same golden transcript.
func TestARealEtcdTellsTheSameStory(t *testing.T) {
	file := filepath.Join(scenarios, "silent-node.yaml")
	s := load(t, file)
	tellsTheSame(t, file, s, "over a real etcd", play.Options{Store: engine.Etcd})
}

// tellsTheSame plays the scenario in another way, which must come to its golden
// transcript.
func tellsTheSame(t *testing.T, file string, s *scenario.Scenario, how string, o play.Options) {
	t.Helper()
	r := report.Report{Scenario: s.Name}
	for _, scheduler := range s.PlayedBy() {
		o.Scheduler = scheduler
		run := run(t, s, o)
		for _, c := range unmet(run) {
			t.Errorf("not met under the %s scheduler: %s; found: %s", scheduler, c.Name, c.Got)
		}
		r.Runs = append(r.Runs, *run)
	}
	golden, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := report.CompareGolden(string(golden), report.Golden(r), goldenTolerance); diff != "" {
		t.Errorf("%s it differs:\n%s", how, diff)
	}
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil && !(*rewrite && os.IsNotExist(err)) {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(report.RewriteGolden(string(want), got, goldenTolerance)), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := report.CompareGolden(string(want), got, goldenTolerance); diff != "" {
		t.Errorf("%s differs:\n%s\nto rewrite: go test ./sim/play -run %s -rewrite, then inspect the diff; commit only what you can explain", file, diff, t.Name())
	}
}

func load(t *testing.T, file string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, s *scenario.Scenario, o play.Options) *report.Run {
	t.Helper()
	r, err := play.Run(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// unmet are the checks that failed.
func unmet(r *report.Run) []report.Check {
	var failed []report.Check
	for _, c := range r.Checks {
		if !c.OK {
			failed = append(failed, c)
		}
	}
	return failed
}
