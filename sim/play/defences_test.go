package play_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// TestEachLineOfDefenceIsWorthSomething switches the lines of defence off, one at
// a time, in a story that leans on it, and shows which expectation then fails.
func TestEachLineOfDefenceIsWorthSomething(t *testing.T) {
	for name, tc := range map[string]struct {
		scenario string
		without  engine.Defence
		// wantUnmet are parts of the names of checks that must fail.
		wantUnmet []string
		// wantS1 says whether S1 is kept all the same.
		wantS1 bool
	}{
		"without the guard's finalizer the old object goes at once, and the scheduler's hold alone keeps S1": {
			scenario: "silent-node", without: engine.GuardFinalizer,
			wantUnmet: []string{"default/web-0 is held by the guard", "default/db-0 is held by the guard", "default/web-0 is Running at the end"},
			wantS1:    true,
		},
		"without the gate the replacement is tried again and again, and the check before the bind alone keeps S1": {
			scenario: "second-line", without: engine.Gate,
			wantUnmet: []string{"L3: no ordinal is tried while it is held"},
			wantS1:    true,
		},
		"without the check before the bind a stale view makes two": {
			scenario: "stale-view", without: engine.BindCheck,
			wantUnmet: []string{"S1 holds for default/web-0"},
			wantS1:    false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t, filepath.Join(scenarios, tc.scenario+".yaml"))
			r := run(t, s, play.Options{Scheduler: scenario.Holdfast, Without: []engine.Defence{tc.without}})
			failed := unmet(r)
			for _, want := range tc.wantUnmet {
				if !slices.ContainsFunc(failed, func(c report.Check) bool { return strings.Contains(c.Name, want) }) {
					t.Errorf("%s does not need %s: the check %q did not fail", tc.scenario, tc.without, want)
				}
			}
			broken := slices.ContainsFunc(r.Violations, func(v report.Violation) bool { return v.Invariant == "S1" })
			if broken == tc.wantS1 {
				t.Errorf("S1 kept: %t, want %t; violations: %+v", !broken, tc.wantS1, r.Violations)
			}
			for _, c := range failed {
				t.Logf("without %s: not met: %s; found: %s", tc.without, c.Name, c.Got)
			}
		})
	}
}
