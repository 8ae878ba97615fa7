package guard

import (
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// Two guards whose watches differ say different things of one incarnation, and each is woken
// by what the other one writes. That must not go on as fast as they can write.
func TestTwoGuardsDoNotTakeTurnsForEver(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	record := heldRecord(v1alpha1.HeldByGuard, "")
	guards := []struct {
		said *said
		sees string
	}{{newSaid(), "it is not ready"}, {newSaid(), "it is silent"}}
	writes := 0
	for end := now.Add(time.Hour); now.Before(end); now = now.Add(time.Second) {
		for _, g := range guards {
			if g.said.wait("uid", record, v1alpha1.HeldByGuard, g.sees, now) == 0 && heldCondition(record).Message != g.sees {
				record = heldRecord(v1alpha1.HeldByGuard, g.sees)
				g.said.put("uid", words{v1alpha1.HeldByGuard, g.sees, now})
				writes++
			}
		}
	}
	if writes > 12 || writes < 4 {
		t.Errorf("%d writes in an hour, want 4 to 12 (L3)", writes)
	}
}

func TestAGuardSaysAtOnceWhatIsNewAlsoAgainstAnother(t *testing.T) {
	s, now := newSaid(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s.put("uid", words{v1alpha1.HeldByGuard, "it is silent", now})
	others := heldRecord(v1alpha1.HeldByGuard, "it is not ready")
	if wait := s.wait("uid", others, v1alpha1.HeldByGuard, "it is silent", now.Add(time.Minute)); wait != restateAfter-time.Minute {
		t.Errorf("it repeats itself after %s", wait)
	}
	if wait := s.wait("uid", others, v1alpha1.HeldByGuard, "it is fenced too early", now.Add(time.Minute)); wait != 0 {
		t.Errorf("news waits %s", wait)
	}
}

func TestAGuardAloneSaysAtOnceWhatIsNew(t *testing.T) {
	s, now := newSaid(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, message := range []string{"first", "second", "third"} {
		before := heldRecord(v1alpha1.HeldByGuard, "before")
		if message != "first" {
			before = heldRecord(v1alpha1.HeldByGuard, s.recent.of["uid"].message)
		}
		if wait := s.wait("uid", before, v1alpha1.HeldByGuard, message, now); wait != 0 {
			t.Errorf("%s: waits %s", message, wait)
		}
		s.put("uid", words{v1alpha1.HeldByGuard, message, now})
	}
}
