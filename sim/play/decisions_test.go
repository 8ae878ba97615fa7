package play_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/sim/decisions"
	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// TestARecordChangesNoDecision: a story tells the same, down to its golden transcript,
// whether or not somebody writes down what the plugins say.
func TestARecordChangesNoDecision(t *testing.T) {
	for _, name := range []string{"silent-node", "order/parallel-of-twenty"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(scenarios, filepath.FromSlash(name)+".yaml")
			s := load(t, file)
			var all []decisions.Attempt
			tellsTheSame(t, file, s, "with a record", play.Options{Decided: func(attempts []decisions.Attempt, dropped int) {
				if dropped > 0 {
					t.Errorf("%d attempts are not remembered", dropped)
				}
				all = append(all, attempts...)
			}})
			if len(all) == 0 {
				t.Error("nothing is recorded")
			}
		})
	}
}

// TestEveryPluginIsHeard: an attempt that ends with a bind has a word of every
// extension point, and scores that add up.
func TestEveryPluginIsHeard(t *testing.T) {
	s := load(t, filepath.Join(scenarios, "silent-node.yaml"))
	var all []decisions.Attempt
	run(t, s, play.Options{Scheduler: scenario.Holdfast, Until: time.Minute, Decided: func(attempts []decisions.Attempt, _ int) { all = attempts }})
	i := slices.IndexFunc(all, func(a decisions.Attempt) bool { return a.Pod == "db-0" && a.SelectedNode != "" })
	if i < 0 {
		t.Fatalf("no attempt that chose a node for db-0 among %d", len(all))
	}
	a := all[i]
	if a.SelectedNode != "a-0" || a.Scheduler != "holdfast" || a.Scenario != "silent-node" || a.Number < 1 {
		t.Errorf("got %+v", a)
	}
	for point, plugin := range map[string]struct {
		said decisions.ByPlugin
		name string
	}{
		"PreFilter": {a.PreFilter, "VolumeBinding"}, "Reserve": {a.Reserve, "VolumeBinding"},
		"PreBind": {a.PreBind, "VolumeBinding"}, "Bind": {a.Bind, "Holdfast"},
		"Filter": {a.Filter["a-0"], "NodeResourcesFit"},
	} {
		if word := plugin.said[plugin.name]; word != decisions.Success && word != decisions.Passed {
			t.Errorf("%s: %s said %q", point, plugin.name, word)
		}
	}
	if len(a.Bind) == 0 || len(a.PreScore) == 0 {
		t.Errorf("bind %v, pre-score %v", a.Bind, a.PreScore)
	}
	best, most := "", int64(-1)
	for node, scores := range a.Final {
		sum := int64(0)
		for plugin, score := range scores {
			sum += score
			if n := a.Normalized[node][plugin]; n < 0 || n > 100 || n > score {
				t.Errorf("node %s: %s normalised to %d, and %d in the end", node, plugin, n, score)
			}
		}
		if sum > most {
			best, most = node, sum
		}
	}
	if best != "a-0" {
		t.Errorf("the best is %s, by %v", best, a.Final)
	}
}
