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
	for end := now.Add(10 * time.Minute); now.Before(end); now = now.Add(time.Second) {
		for _, g := range guards {
			if g.said.wait("uid", record, v1alpha1.HeldByGuard, g.sees, now) == 0 && heldCondition(record).Message != g.sees {
				record = heldRecord(v1alpha1.HeldByGuard, g.sees)
				g.said.put("uid", words{v1alpha1.HeldByGuard, g.sees, now})
				writes++
			}
		}
	}
	if most := 2 * (1 + int(10*time.Minute/restateAfter)); writes > most || writes < 2 {
		t.Errorf("%d writes in ten minutes, want 2 to %d", writes, most)
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
