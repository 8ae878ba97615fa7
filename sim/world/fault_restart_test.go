package world_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/world"
)

// failedBySomebodyElse writes what PodGC writes: a phase, and nothing of containers.
func (s *stage) failedBySomebodyElse(pod string) error {
	_, err := s.api.CoreV1().Pods("default").Patch(s.ctx, pod, types.MergePatchType, []byte(`{"status":{"phase":"Failed"}}`), metav1.PatchOptions{}, "status")
	return err
}

func TestAPodThatARestartedKubeletRejectsFailsWithoutAWordOfItsContainers(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", finalized)
		if err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.RestartKubelet{
			Node: "a", DownFor: time.Second, Rejects: []string{"default/web-0"}, LooksAfter: 11 * time.Minute,
		}); err != nil {
			return err
		}
		failed, err := s.pod("web-0", time.Minute, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed })
		if err != nil {
			return err
		}
		if n := len(failed.Status.ContainerStatuses); n != 0 || !s.runs(pod.UID) {
			t.Errorf("%d container statuses, runs: %t", n, s.runs(pod.UID))
		}
		if err := s.remove("web-0"); err != nil {
			return err
		}
		time.Sleep(10 * time.Minute)
		now, err := s.pod("web-0", time.Second, func(*corev1.Pod) bool { return true })
		if err != nil {
			return err
		}
		if !s.runs(pod.UID) || confirmed(now) == nil {
			t.Errorf("runs: %t; confirmed: %t", s.runs(pod.UID), confirmed(now) == nil)
		}
		// Once it looks, with what the runtime says of the end.
		now, err = s.pod("web-0", 2*time.Minute, func(p *corev1.Pod) bool {
			return len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].State.Terminated != nil
		})
		if err != nil {
			return err
		}
		if s.runs(pod.UID) || now.Status.ContainerStatuses[0].State.Terminated.Reason == "ContainerStatusUnknown" {
			t.Errorf("runs: %t, %+v", s.runs(pod.UID), now.Status.ContainerStatuses)
		}
		return nil
	})
}

func TestAKubeletThatLooksLateTakesAFailedPodForEnded(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", finalized)
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.cut("a") },
			func() error { return s.failedBySomebodyElse("web-0") },
			func() error { return s.force("web-0") },
			func() error {
				return s.Apply(s.ctx, world.RestartKubelet{Node: "a", DownFor: time.Second, LooksAfter: 20 * time.Second})
			},
			func() error { return s.heal("a") },
		); err != nil {
			return err
		}
		said, err := s.pod("web-0", time.Minute, func(p *corev1.Pod) bool {
			return len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].State.Terminated != nil
		})
		if err != nil {
			return err
		}
		end := said.Status.ContainerStatuses[0].State.Terminated
		if end.Reason != "ContainerStatusUnknown" || end.ExitCode != 137 || !strings.Contains(end.Message, "could not be located") {
			t.Errorf("terminated by %+v", end)
		}
		time.Sleep(time.Hour)
		if !s.runs(pod.UID) {
			t.Error("somebody killed what counted as ended")
		}
		// The next kubelet looks in time.
		if err := s.restart("a", time.Second); err != nil {
			return err
		}
		_, err = s.untilStopped(pod.UID, 3*time.Minute)
		return err
	})
}

func TestAPodThatCountedAsEndedIsAnOrphanOnceItIsGone(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", finalized)
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.cut("a") },
			func() error { return s.failedBySomebodyElse("web-0") },
			func() error { return s.force("web-0") },
			func() error {
				return s.Apply(s.ctx, world.RestartKubelet{Node: "a", DownFor: time.Second, LooksAfter: 20 * time.Second})
			},
			func() error { return s.heal("a") },
		); err != nil {
			return err
		}
		time.Sleep(time.Minute)
		if err := s.Apply(s.ctx, world.StripFinalizers{Namespace: "default", Pod: "web-0"}); err != nil {
			return err
		}
		took, err := s.untilStopped(pod.UID, time.Minute)
		s.between(took, time.Second, 6*time.Second, "the kill of the orphan")
		return err
	})
}

func TestWhatAWatchDeliversLateIsNotLateTwice(t *testing.T) {
	play(t, func(s *stage) error {
		if err := s.Apply(s.ctx, world.LagWatches{Node: "a", By: 30 * time.Second}); err != nil {
			return err
		}
		began := time.Now()
		pod, err := s.bound("web-0", "a", stops(world.NeverStops))
		if err != nil {
			return err
		}
		time.Sleep(20 * time.Second)
		if err := s.force("web-0"); err != nil {
			return err
		}
		// The pod's addition and its removal are 20s apart, on arrival as well.
		if err := s.eventually(40*time.Second, "the kubelet starts what is gone", func() bool { return s.runs(pod.UID) }); err != nil {
			return err
		}
		s.between(time.Since(began), 31*time.Second, 31500*time.Millisecond, "the start")
		if _, err := s.untilStopped(pod.UID, 5*time.Minute); err != nil {
			return err
		}
		// And the grace period of 120s, of a pod that was removed.
		s.between(time.Since(began), 50*time.Second, 174*time.Second, "the end")

		if err := s.Apply(s.ctx, world.LagWatches{Node: "a"}); err != nil {
			return err
		}
		began = time.Now()
		if _, err := s.running("web-1", "a"); err != nil {
			return err
		}
		s.between(time.Since(began), time.Second, 3*time.Second, "a start in time")
		return nil
	})
}
