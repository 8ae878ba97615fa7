package explore

import "testing"

// TestWhatWasVisitedIsKnown beyond the first block and after the slots have grown.
func TestWhatWasVisitedIsKnown(t *testing.T) {
	const states = blockVisits + 1000
	// Fingerprints that all point to a few slots, so that they are in each other's way.
	print := func(i int) fingerprint { return fingerprint(i/7)<<32 | fingerprint(i%7) }
	v := newVisited()
	for i := range states {
		if v.has(print(i), 6) {
			t.Fatalf("state %d is known before it was visited", i)
		}
		if at := v.add(visit{print: print(i), parent: uint32(i / 2), faults: 3}); at != uint32(i) {
			t.Fatalf("visit %d has place %d", i, at)
		}
	}
	for i := range states {
		if at, known := v.last(print(i)); !known || at != uint32(i) || v.at(at) != (visit{print(i), uint32(i / 2), 3}) {
			t.Fatalf("state %d: at %d, known %t", i, at, known)
		}
	}
	if v.has(print(5), 2) || !v.has(print(5), 3) || !v.has(print(5), 4) {
		t.Error("a state that was come to with three faults does not cover those with fewer, and covers those with more")
	}
	again := v.add(visit{print: print(5), parent: 9, faults: 2})
	if at, _ := v.last(print(5)); at != again || !v.has(print(5), 2) || v.states != states || v.visits != states+1 {
		t.Errorf("come to again with fewer faults: at %d, want %d; %d states, %d visits", at, again, v.states, v.visits)
	}
}

func TestTheChanceOfACollision(t *testing.T) {
	for states, want := range map[int]float64{0: 0, 1 << 32: 0.5, 1 << 22: 1.0 / (1 << 21)} {
		if got := collision(states); got != want {
			t.Errorf("of %d states: %g, want %g", states, got, want)
		}
	}
}
