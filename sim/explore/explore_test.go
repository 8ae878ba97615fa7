package explore_test

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/sim/explore"
	"github.com/holdfast-dev/holdfast/sim/explore/model"
)

// run walks the scope; the walk's print is the test's log.
func run(t *testing.T, scope model.Scope, decisions explore.Decisions, bounds explore.Bounds) *explore.Result {
	t.Helper()
	return runBy(t, runtime.GOMAXPROCS(0), scope, decisions, bounds)
}

func runBy(t *testing.T, workers int, scope model.Scope, decisions explore.Decisions, bounds explore.Bounds) *explore.Result {
	t.Helper()
	x, err := explore.New(scope, decisions, bounds)
	if err != nil {
		t.Fatal(err)
	}
	x.Workers = workers
	r := x.Run()
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text.String())
	return r
}

// small are the walks that every change has to pass. None of them is random, and but for
// the last two each sees every state of its scope.
var small = map[string]struct {
	scope  model.Scope
	bounds explore.Bounds
}{
	"one ordinal and two faults, from the beginning": {
		scope: model.Scope{Nodes: 2, Ordinals: 1, Volumes: 1, Faults: 2},
	},
	"one ordinal and two faults, whose kubelets are asked": {
		scope:  model.Scope{Nodes: 2, Ordinals: 1, Faults: 2, Running: true, Observe: true},
		bounds: explore.Bounds{Kinds: []model.ActionKind{model.Cut, model.StripFinalizer, model.CrashGuard}},
	},
	"one ordinal and two faults, where the removal of a node that is down counts": {
		scope:  model.Scope{Nodes: 2, Ordinals: 1, Faults: 2, Running: true, WhenDown: true},
		bounds: explore.Bounds{Kinds: []model.ActionKind{model.Cut, model.PowerOff, model.DeleteNode, model.StripFinalizer}},
	},
	"two ordinals that share a volume, without faults": {
		scope: model.Scope{Nodes: 2, Ordinals: 2, Volumes: 1},
	},
	"two ordinals and three faults, from the beginning, as far as 150,000 states": {
		scope:  model.Scope{Nodes: 2, Ordinals: 2, Volumes: 1, Faults: 3},
		bounds: explore.Bounds{States: 150_000},
	},
	"two ordinals and three faults, both running, as far as 250,000 states": {
		scope:  model.Scope{Nodes: 2, Ordinals: 2, Volumes: 1, Faults: 3, Running: true},
		bounds: explore.Bounds{States: 250_000},
	},
}

func TestNoStateViolatesAnInvariant(t *testing.T) {
	rules, faults := map[string]int{}, map[string]int{}
	failures, outOfReach := 0, 0
	for name, tc := range small {
		t.Run(name, func(t *testing.T) {
			r := run(t, tc.scope, explore.Holdfast(), tc.bounds)
			if r.Violation != nil {
				t.Errorf("%s: %s, after %d steps", r.Violation.Invariant, r.Violation.What, len(r.Path))
			}
			if (r.Stopped != "") != (tc.bounds.States > 0) {
				t.Errorf("it ended %q", r.Stopped)
			}
			for _, c := range r.Rules {
				rules[c.Name] += c.Times
			}
			for _, c := range r.Faults {
				faults[c.Name] += c.Times
			}
			failures, outOfReach = failures+r.ReadFailures, outOfReach+r.OutOfReach
		})
	}
	for what, counts := range map[string]map[string]int{"rule": rules, "fault": faults, "other": {"failed reads": failures, "out of reach": outOfReach}} {
		for name, times := range counts {
			if times == 0 {
				t.Errorf("%s %s has never been: what was seen says nothing of it", what, name)
			}
		}
	}
}

// TestTwoWalksAreTheSame for any number of workers.
func TestTwoWalksAreTheSame(t *testing.T) {
	scope := model.Scope{Nodes: 2, Ordinals: 2, Volumes: 1, Faults: 2}
	var prints []string
	for _, workers := range []int{1, 3} {
		r := runBy(t, workers, scope, explore.Holdfast(), explore.Bounds{States: 20_000})
		r.Seconds = 0
		var out bytes.Buffer
		if err := r.WriteJSON(&out); err != nil {
			t.Fatal(err)
		}
		prints = append(prints, out.String())
	}
	if prints[0] != prints[1] {
		t.Errorf("one worker:\n%s\nthree:\n%s", prints[0], prints[1])
	}
}

func TestAFalseAssertionIsCountedApart(t *testing.T) {
	scope := model.Scope{Nodes: 2, Ordinals: 1, Volumes: 1, Faults: 1, Running: true, Lies: true}
	r := run(t, scope, explore.Holdfast(), explore.Bounds{})
	if r.Violation != nil {
		t.Errorf("%s: %s", r.Violation.Invariant, r.Violation.What)
	}
	if r.Outside == 0 {
		t.Error("no false assertion has done any harm: the model has gone soft")
	}
}

// TestAKubeletOfAReusedNameDoesNotSpeakForAnother walks what the other walks leave out to
// stay small: a name that passes to another machine under a pod that nobody has reported.
func TestAKubeletOfAReusedNameDoesNotSpeakForAnother(t *testing.T) {
	scope := model.Scope{Nodes: 2, Ordinals: 1, Faults: 2, Reuse: true}
	bounds := explore.Bounds{Kinds: []model.ActionKind{model.Cut, model.DeleteNode}}
	if r := run(t, scope, explore.Holdfast(), bounds); r.Violation != nil {
		t.Errorf("got %v, want none", r.Violation)
	}
	d := explore.Holdfast()
	d.Fence = func(s fence.Subject) fence.Verdict {
		s.TakenOver = false
		return fence.Judge(fence.FactsOf(s))
	}
	if r := run(t, scope, d, bounds); r.Violation == nil || r.Violation.Invariant != "S3" {
		t.Errorf("with every kubelet believed: got %v, want S3", r.Violation)
	}
}

func TestScopesThatTheModelHasNoRoomForAreRefused(t *testing.T) {
	for want, scope := range map[string]model.Scope{
		"nodes 4: not in the range [1, 3]":    {Nodes: 4, Ordinals: 1},
		"ordinals 0: not in the range [1, 3]": {Nodes: 1},
		"volumes 2: not in the range [0, 1]":  {Nodes: 1, Ordinals: 1, Volumes: 2},
		"faults 9: not in the range [0, 6]":   {Nodes: 1, Ordinals: 1, Faults: 9},
	} {
		if _, err := explore.New(scope, explore.Holdfast(), explore.Bounds{}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestTheResultIsAnObjectOfTheSimulator(t *testing.T) {
	var out bytes.Buffer
	if err := run(t, model.Scope{Nodes: 1, Ordinals: 1}, explore.Holdfast(), explore.Bounds{}).WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		APIVersion, Kind string
		States           int
		Complete         bool
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.APIVersion, "sim.holdfast.dev/") || got.Kind != "Exploration" || got.States == 0 || !got.Complete {
		t.Errorf("%+v", got)
	}
}
