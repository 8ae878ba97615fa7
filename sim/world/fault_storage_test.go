package world_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/world"
)

func TestADriverThatRestartsIsNotRegisteredForATime(t *testing.T) {
	play(t, func(s *stage) error {
		drivers := func() int {
			on, err := s.api.StorageV1().CSINodes().Get(s.ctx, "a", metav1.GetOptions{})
			if err != nil {
				t.Error(err)
				return -1
			}
			return len(on.Spec.Drivers)
		}
		had := drivers()
		if err := s.Apply(s.ctx, world.RestartDriver{Node: "a", DownFor: time.Minute}); err != nil {
			return err
		}
		if got := drivers(); got != 0 {
			t.Errorf("%d drivers, want none", got)
		}
		time.Sleep(61 * time.Second)
		if got := drivers(); got != had || had == 0 {
			t.Errorf("%d drivers, before %d", got, had)
		}
		return nil
	})
}

func TestStorageThatLiesHasDoneNothing(t *testing.T) {
	play(t, func(s *stage) error {
		pv, err := s.claim("data", "fencing", "a")
		if err != nil {
			return err
		}
		if err := s.storage("fencing", world.Lie, ""); err != nil {
			return err
		}
		if err := s.askFor(pv, "a"); err != nil {
			return err
		}
		if err := s.eventually(time.Minute, "it says that it is attached", func() bool {
			va := s.attachment(pv, "a")
			return va != nil && va.Status.Attached
		}); err != nil {
			return err
		}
		if w := s.State().Writers; len(w) != 0 {
			t.Errorf("writers %+v", w)
		}
		if !s.StorageLied() {
			t.Error("nobody knows of the lie")
		}
		if err := s.storage("fencing", world.Work, ""); err != nil {
			return err
		}
		if err := s.askNoMoreFor(pv, "a"); err != nil {
			return err
		}
		return s.eventually(time.Minute, "it is detached, and the lie is none any more", func() bool { return !s.StorageLied() })
	})
}
