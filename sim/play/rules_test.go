package play_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// needs names, for each rule of the fence table, a scenario that cannot do without
// it, and the check that fails then.
var needs = map[string]struct{ scenario, wantUnmet string }{
	"NeverBound":                {"evidence/never-bound", "default/web-0 is Running at the end"},
	"KubeletConfirmedByPhase":   {"evidence/deleted-before-it-ran", "default/db-0 is Running at the end"},
	"KubeletConfirmedBySandbox": {"evidence/node-deleted-by-mistake", "default/web-0 is Running at the end"},
	"Rebooted":                  {"evidence/two-reboots", "default/web-0 is held by the scheduler"},
	"Observed":                  {"hazards/force-delete-on-a-connected-node", "default/web-0 is held by the scheduler"},
	"Fenced":                    {"evidence/out-of-service", "default/web-0 is held by the guard"},
	"NodeRemoved":               {"evidence/cloud-instance-terminated", "default/web-0 is Running at the end"},
	"NodeRemovedWhenDown":       {"evidence/node-removed-when-down", "default/web-0 is Running at the end"},
	"Attested":                  {"second-line", "default/web-0 is held by the scheduler"},
}

// TestEachRuleIsWorthSomething switches the rules of the fence table off, one at a
// time: the story that leans on it must then come to another end.
func TestEachRuleIsWorthSomething(t *testing.T) {
	for _, rule := range fence.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			need, known := needs[rule.Name]
			if !known {
				t.Fatalf("no scenario needs rule %s: write one, or do without the rule", rule.Name)
			}
			s := load(t, filepath.Join(scenarios, need.scenario+".yaml"))
			r := run(t, s, play.Options{Scheduler: scenario.Holdfast, WithoutRules: []string{rule.Name}})
			if !slices.ContainsFunc(unmet(r), func(c report.Check) bool { return strings.Contains(c.Name, need.wantUnmet) }) {
				t.Errorf("%s does not need %s: the check %q did not fail", need.scenario, rule.Name, need.wantUnmet)
			}
			for _, v := range r.Violations {
				t.Errorf("without %s: %+v", rule.Name, v)
			}
			for _, c := range unmet(r) {
				t.Logf("without %s: not met: %s; found: %s", rule.Name, c.Name, c.Got)
			}
		})
	}
}
