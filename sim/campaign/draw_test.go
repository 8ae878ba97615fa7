package campaign_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// drawn is how many plans the tests look at.
const drawn = 150

func file(t *testing.T, seed uint64, run int) (*scenario.Scenario, []byte) {
	t.Helper()
	data, err := campaign.File(campaign.Draw(seed, run).Scenario)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse("drawn.yaml", data)
	if err != nil {
		t.Fatalf("run %d of seed %d: %v", run, seed, err)
	}
	return s, data
}

func TestEveryDrawnRunIsAScenarioFile(t *testing.T) {
	for run := range drawn {
		s, _ := file(t, 1, run)
		if _, err := s.Decode(); err != nil {
			t.Fatalf("run %d: %v", run, err)
		}
		if len(s.PlayedBy()) != 2 || len(s.Timeline) == 0 {
			t.Errorf("run %d: played by %v, %d steps", run, s.PlayedBy(), len(s.Timeline))
		}
	}
}

func TestTheSameSeedDrawsTheSameRun(t *testing.T) {
	seen := map[string]int{}
	for run := range 20 {
		_, first := file(t, 7, run)
		_, again := file(t, 7, run)
		if !bytes.Equal(first, again) {
			t.Errorf("run %d is not the same twice", run)
		}
		seen[string(first)]++
		_, other := file(t, 8, run)
		seen[string(other)]++
	}
	if len(seen) != 40 {
		t.Errorf("%d different runs of 40", len(seen))
	}
}

// actionsDrawn are the steps that a campaign has to bring about.
var actionsDrawn = []string{
	"crash", "powerOn", "reboot", "terminate", "freeze", "thaw", "replace",
	"setClock", "partition", "partitionOneWay", "heal", "cutStorage", "healStorage",
	"restartKubelet", "killContainers", "stickContainers", "freeContainers", "hangRuntime", "resumeRuntime", "lieAboutStop",
	"stallWatch", "resumeWatch", "lagWatches", "dropWatch", "loseRequest", "loseAnswer", "refuse",
	"storage", "restartDriver", "setAttachLimit", "restartScheduler", "startScheduler",
	"delete", "forceDelete", "stripFinalizers", "deleteTenancy", "deleteNode", "taint", "cordon", "drain", "attest", "apply", "scale", "deleteObject",
	"fence", "unfence",
}

func TestEveryFamilyIsDrawnAndLeftOut(t *testing.T) {
	families, err := scenario.Faults()
	if err != nil {
		t.Fatal(err)
	}
	actions, on := map[string]int{}, map[string]int{}
	for run := range drawn {
		p := campaign.Draw(1, run)
		for _, f := range p.Families {
			on[f]++
		}
		for i := range p.Scenario.Timeline {
			actions[p.Scenario.Timeline[i].Action()]++
		}
	}
	for _, f := range families {
		if n := on[f.Name]; n < drawn/4 || n > drawn*3/4 {
			t.Errorf("family %s is on in %d of %d runs", f.Name, n, drawn)
		}
	}
	for _, action := range actionsDrawn {
		if actions[action] == 0 {
			t.Errorf("%s is never drawn", action)
		}
	}
}

// lies is whether a run leaves the trust boundary.
func lies(s *scenario.Scenario) bool {
	for i := range s.Timeline {
		f := s.Timeline[i].Fence
		if s.Timeline[i].LieAboutStop != nil || f != nil && (f.Fails || f.Hits != "") {
			return true
		}
	}
	return false
}

// A fence, a taint of a dead node and a word must be true but in the few runs that lie: from
// it on to its end nobody gives the machine its power.
func TestNoDrawnFenceIsFalse(t *testing.T) {
	outOfService, lying := 0, 0
	for run := range drawn {
		s, _ := file(t, 3, run)
		if lies(s) {
			lying++
			if len(s.Expect) > 0 {
				t.Errorf("run %d has a lie, and promises that all comes back", run)
			}
			continue
		}
		off, said := map[string]bool{}, map[string]bool{}
		for i := range s.Timeline {
			step := &s.Timeline[i]
			switch {
			case step.Crash != nil:
				off[step.Crash.Node] = true
			case step.PowerOn != nil:
				off[step.PowerOn.Node] = false
				if said[step.PowerOn.Node] {
					t.Errorf("run %d: power for %s, which is said to be dead", run, step.PowerOn.Node)
				}
			case step.Reboot != nil:
				if said[step.Reboot.Node] {
					t.Errorf("run %d: a reboot of %s, which is said to be dead", run, step.Reboot.Node)
				}
			case step.Replace != nil && said[step.Replace.Node]:
				t.Errorf("run %d: another machine for %s, which is said to be dead", run, step.Replace.Node)
			case step.Fence != nil:
				off[step.Fence.Node], said[step.Fence.Node] = true, true
			case step.Unfence != nil:
				off[step.Unfence.Node], said[step.Unfence.Node] = false, false
			case step.Taint != nil && step.Taint.Key == "node.kubernetes.io/out-of-service":
				outOfService++
				said[step.Taint.Node] = !step.Taint.Remove
				if !step.Taint.Remove && !off[step.Taint.Node] {
					t.Errorf("run %d: %s has power and is said to be dead", run, step.Taint.Node)
				}
			case step.Attest != nil:
				for _, g := range s.Cluster.NodeGroups {
					for j := range g.Count {
						name := fmt.Sprintf("%s-%d", g.Name, j)
						if !off[name] && !terminated(s, name) {
							t.Errorf("run %d: a word for %s while %s has power", run, step.Attest.Pod, name)
						}
					}
				}
			}
		}
	}
	if outOfService == 0 {
		t.Error("no node was ever said to be out of service")
	}
	if lying == 0 || lying > drawn/5 {
		t.Errorf("%d of %d runs lie", lying, drawn)
	}
}

func terminated(s *scenario.Scenario, node string) bool {
	for i := range s.Timeline {
		if x := s.Timeline[i].Terminate; x != nil && x.Node == node {
			return true
		}
	}
	return false
}

func TestADrawnRunTakesOffOneLockAtMost(t *testing.T) {
	for run := range drawn {
		s, _ := file(t, 5, run)
		finalizer, record := false, false
		for i := range s.Timeline {
			step := &s.Timeline[i]
			finalizer = finalizer || step.StripFinalizers != nil || step.ForceDelete != nil && step.ForceDelete.StripFinalizers
			record = record || step.DeleteTenancy != nil
		}
		if finalizer && record {
			t.Errorf("run %d takes off both locks", run)
		}
	}
}
