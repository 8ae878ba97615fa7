package explore

import (
	"testing"

	"github.com/holdfast-dev/holdfast/sim/explore/model"
)

// TestWhatRunsIsReachable: a walk that begins with pods that run begins where one from
// nothing comes to.
func TestWhatRunsIsReachable(t *testing.T) {
	scope := model.Scope{Nodes: 2, Ordinals: 2, Volumes: 1}
	x, err := New(scope, Holdfast(), Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	x.Run()
	scope.Running = true
	running := scope.Initial()
	if !x.visited.has(fingerprintOf(x.walker().renamer.Canonical(&running)), 0) {
		t.Error("no walk comes to the state in which every ordinal runs on one node")
	}
}

// TestStatesAreReadAsWritten: what is not written makes two states one.
func TestStatesAreReadAsWritten(t *testing.T) {
	scope := model.Scope{Nodes: 2, Ordinals: 2, Volumes: 1, Faults: 2}
	x, err := New(scope, Holdfast(), Bounds{States: 3000})
	if err != nil {
		t.Fatal(err)
	}
	w, st := x.walker(), scope.Initial()
	for range 200 {
		before := st
		w.steps(&before, func(s *step) {
			got := scope.Read(scope.Write(nil, &s.after))
			want := s.after
			want.Faults = 0
			for o := range want.Ordinals {
				want.Ordinals[o].Made = 0
				for i := range want.Ordinals[o].Lives {
					want.Ordinals[o].Lives[i].Number = 0
				}
			}
			if got != want {
				t.Fatalf("after %s: got\n%+v\nwant\n%+v", s.action.Kind, got, want)
			}
			st = s.after // The last one: another way each time.
		})
	}
}
