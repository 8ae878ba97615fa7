package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// ids are those of docs/invariants.md.
var ids = strings.Fields("S1 S2 S3 S4 S5 S6 S7 S8 S9 S10 L1 L2 L3 L4 L5 L6")

// broken is a run that broke one of them; S7 is broken by what breaks in a stale view.
func broken(id string) *Run {
	v := violation(id, "default/web", "1m", "2m")
	if id == "S7" {
		v.Invariant, v.Stale = "S4", true
	}
	return &Run{Violations: []Violation{v}}
}

func failedChecks(e scenario.Expectation, r *Run) []Check {
	return slices.DeleteFunc(Judge(e, r), func(c Check) bool { return c.OK })
}

func TestEveryInvariantCanBeBrokenAndExpected(t *testing.T) {
	for _, id := range ids {
		t.Run(id, func(t *testing.T) {
			if got := failedChecks(scenario.Expectation{}, broken(id)); len(got) != 1 {
				t.Errorf("broken and not expected: %v, want one failed check", got)
			}
			expected := scenario.Expectation{Violations: []scenario.Violation{{Invariant: id, By: "web"}}}
			if got := failedChecks(expected, broken(id)); len(got) != 0 {
				t.Errorf("broken as expected: %v", got)
			}
			if got := failedChecks(expected, &Run{}); len(got) != 1 {
				t.Errorf("expected and kept: %v, want one failed check", got)
			}
		})
	}
}

func TestWhatBreaksInAFreshViewIsNotS7(t *testing.T) {
	r := broken("S7")
	r.Violations[0].Stale = false
	if got := failedChecks(scenario.Expectation{Violations: []scenario.Violation{{Invariant: "S7", By: "web"}}}, r); len(got) != 2 {
		t.Errorf("%v, want that S7 was kept and that S4 was not", got)
	}
}

func TestThatAnInvariantHadSomethingToHold(t *testing.T) {
	r := &Run{Met: map[string]int{"L4": 1}}
	got := failedChecks(scenario.Expectation{PreconditionsMet: []string{"L4", "S8"}}, r)
	if len(got) != 1 || got[0].Name != "S8 had something to hold" {
		t.Errorf("%v, want that S8 had not", got)
	}
}
