package world_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/world"
)

func TestAClockThatIsWrongIsInWhatItsNodeWritesAndNowhereElse(t *testing.T) {
	play(t, func(s *stage) error {
		// ahead is by how much the newest lease of a node is.
		ahead := func(node string) time.Duration {
			lease, err := s.api.CoordinationV1().Leases("kube-node-lease").Get(s.ctx, node, metav1.GetOptions{})
			if err != nil {
				t.Error(err)
				return 0
			}
			return time.Until(lease.Spec.RenewTime.Time)
		}
		is := func(what string, got, want time.Duration) {
			t.Helper()
			// A lease is up to 10s old.
			if got < want-11*time.Second || got > want {
				t.Errorf("%s: %s ahead, want %s", what, got, want)
			}
		}
		if err := s.Apply(s.ctx, world.SetClock{Node: "a", Ahead: time.Hour}); err != nil {
			return err
		}
		time.Sleep(11 * time.Second)
		is("a", ahead("a"), time.Hour)
		is("b", ahead("b"), 0)

		pod, err := s.running("web-0", "a")
		if err != nil {
			return err
		}
		for what, at := range map[string]metav1.Time{
			"the pod's start":       *pod.Status.StartTime,
			"the container's start": pod.Status.ContainerStatuses[0].State.Running.StartedAt,
		} {
			is(what, time.Until(at.Time), time.Hour)
		}
		// How long things take is the world's.
		if err := s.remove("web-0"); err != nil {
			return err
		}
		took, err := s.untilStopped(pod.UID, time.Minute)
		if err != nil {
			return err
		}
		s.between(took, time.Second, 3*time.Second, "the stop")

		if err := s.Apply(s.ctx, world.SetClock{Node: "a", Ahead: -time.Hour, GainsPerMinute: 30 * time.Second}); err != nil {
			return err
		}
		time.Sleep(10 * time.Minute)
		if got := ahead("a"); got < -55*time.Minute-16*time.Second || got > -55*time.Minute {
			t.Errorf("a clock an hour back that gains 30s a minute is %s ahead after ten minutes", got)
		}
		if err := s.Apply(s.ctx, world.SetClock{Node: "a"}); err != nil {
			return err
		}
		time.Sleep(11 * time.Second)
		is("a, set right,", ahead("a"), 0)
		node, err := s.node("a")
		if err != nil {
			return err
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
				t.Errorf("condition %+v", c)
			}
		}
		return nil
	})
}
