package world_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/holdfast-dev/holdfast/sim/world"
)

func TestANodeThatIsCutOffFromItsStorageWritesToNothingAndStaysReady(t *testing.T) {
	playControlled(t, func(s *stage) error {
		pod, pv, err := s.writing("web-0", "fencing", "a")
		if err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.CutStorage{Node: "a"}); err != nil {
			return err
		}
		time.Sleep(10 * time.Minute)
		if w := s.State().Writers; len(w) != 0 || !s.runs(pod.UID) {
			t.Errorf("writers %+v, runs: %t; want a process that writes to nothing", w, s.runs(pod.UID))
		}
		if va := s.attachment(pv, "a"); va == nil || !va.Status.Attached {
			t.Errorf("attachment %+v, want it as it was", va)
		}
		if ready, err := s.ready("a"); err != nil || !ready {
			t.Errorf("ready: %t, %v", ready, err)
		}
		if err := s.Apply(s.ctx, world.HealStorage{Node: "a"}); err != nil {
			return err
		}
		if got := s.writersOn(); got != "[a]" {
			t.Errorf("writers on %s after the heal", got)
		}
		return nil
	})
}

func TestNothingIsAttachedToOrMountedOnANodeWithoutStorage(t *testing.T) {
	play(t, func(s *stage) error {
		// Attached before, mounted while it is cut.
		pv, err := s.claim("data", "fencing", "a")
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.attach(pv, "a") },
			func() error { return s.listAttached(pv, "a") },
			func() error { return s.Apply(s.ctx, world.CutStorage{Node: "a"}) },
		); err != nil {
			return err
		}
		pod, err := s.bound("web-0", "a", withClaim("data"))
		if err != nil {
			return err
		}
		late, err := s.claim("late", "fencing", "a")
		if err != nil {
			return err
		}
		if err := s.askFor(late, "a"); err != nil {
			return err
		}
		time.Sleep(5 * time.Minute)
		if va := s.attachment(late, "a"); va == nil || va.Status.Attached || code(va.Status.AttachError) != codes.DeadlineExceeded {
			t.Errorf("attachment %+v, want an error", va)
		}
		if s.runs(pod.UID) {
			t.Error("the pod runs although its volume cannot be mounted")
		}
		if err := s.Apply(s.ctx, world.HealStorage{Node: "a"}); err != nil {
			return err
		}
		// The back-off of mounts is 2m2s at most, that of the attacher 5m.
		return s.eventually(6*time.Minute, "both work again", func() bool {
			return s.runs(pod.UID) && s.attachment(late, "a").Status.Attached
		})
	})
}

func TestAPathThatWasNotFencedIsWrittenToAfterTheHeal(t *testing.T) {
	for class, want := range map[string]string{"fencing": "[]", "leaky": "[a]"} {
		t.Run(class, func(t *testing.T) {
			play(t, func(s *stage) error {
				_, pv, err := s.mounted(class)
				if err != nil {
					return err
				}
				if err := steps(
					func() error { return s.Apply(s.ctx, world.CutStorage{Node: "a"}) },
					// The storage cuts off whom it does not reach.
					func() error { return s.detach(pv, "a") },
					func() error { return s.Apply(s.ctx, world.HealStorage{Node: "a"}) },
				); err != nil {
					return err
				}
				if got := s.writersOn(); got != want {
					t.Errorf("writers on %s, want %s", got, want)
				}
				return nil
			})
		})
	}
}

func TestAnAttachLimitChangesInTheStorageAndInCSINodeOrNot(t *testing.T) {
	play(t, func(s *stage) error {
		one, err := s.claim("one", "fencing", "a")
		if err != nil {
			return err
		}
		two, err := s.claim("two", "fencing", "a")
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.attach(one, "a") },
			func() error { return s.Apply(s.ctx, world.SetAttachLimit{Node: "a", Limit: 1, Untold: true}) },
			func() error { return s.askFor(two, "a") },
		); err != nil {
			return err
		}
		time.Sleep(time.Minute)
		if va := s.attachment(two, "a"); va.Status.Attached || code(va.Status.AttachError) != codes.ResourceExhausted {
			t.Errorf("attachment %+v, want it refused", va.Status)
		}
		if n, err := s.allocatable("a"); err != nil || n != nil {
			t.Errorf("CSINode says %v, %v; nobody was to be told", n, err)
		}
		if err := s.Apply(s.ctx, world.SetAttachLimit{Node: "a", Limit: 2}); err != nil {
			return err
		}
		if n, err := s.allocatable("a"); err != nil || n == nil || *n != 2 {
			t.Errorf("CSINode says %v, %v; want 2", n, err)
		}
		// A restart of the driver tells the same.
		if err := s.Apply(s.ctx, world.RestartDriver{Node: "a", DownFor: time.Second}); err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
		if n, err := s.allocatable("a"); err != nil || n == nil || *n != 2 {
			t.Errorf("after a restart of the driver CSINode says %v, %v; want 2", n, err)
		}
		return s.eventually(5*time.Minute, "the second is attached", func() bool { return s.attachment(two, "a").Status.Attached })
	})
}
