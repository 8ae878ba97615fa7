package play_test

import (
	"slices"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// TestEveryFaultHasItsStory: each fault of holdfast sim faults is a step of a story that
// has a golden transcript, and is played there under both schedulers. Those that only
// Holdfast knows need no more than its side.
func TestEveryFaultHasItsStory(t *testing.T) {
	ours := []string{"attest", "deleteTenancy"}
	files, err := scenario.Find(scenarios)
	if err != nil {
		t.Fatal(err)
	}
	played := map[scenario.Scheduler]map[string]bool{}
	for _, scheduler := range scenario.Schedulers() {
		played[scheduler] = map[string]bool{}
	}
	for _, file := range files {
		s := load(t, file)
		for _, scheduler := range s.PlayedBy() {
			for i := range s.Timeline {
				step := &s.Timeline[i]
				if len(step.Schedulers) == 0 || slices.Contains(step.Schedulers, scheduler) {
					played[scheduler][step.Action()] = true
				}
			}
		}
	}
	families, err := scenario.Faults()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, fault := range family.Faults {
			for _, scheduler := range scenario.Schedulers() {
				if scheduler == scenario.Default && slices.Contains(ours, fault.Name) {
					continue
				}
				if !played[scheduler][fault.Name] {
					t.Errorf("%s of the family %s is in no story under the %s scheduler: add one to sim/scenarios", fault.Name, family.Name, scheduler)
				}
			}
		}
	}
}
