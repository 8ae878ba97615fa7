package world_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/world"
)

func (s *stage) restart(node string, downFor time.Duration) error {
	return s.Apply(s.ctx, world.RestartKubelet{Node: node, DownFor: downFor})
}

func (s *stage) node(name string) (*corev1.Node, error) {
	return s.api.CoreV1().Nodes().Get(s.ctx, name, metav1.GetOptions{})
}

// starts counts how often a container of the pod was started.
func (s *stage) starts(uid types.UID) int {
	started := map[time.Time]bool{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range s.states {
		for _, p := range state.Processes {
			if p.PodUID == uid {
				started[p.Started] = true
			}
		}
	}
	return len(started)
}

func TestFact1_3_ContainersOutliveTheirKubeletAndAreTakenUp(t *testing.T) {
	play(t, func(s *stage) error {
		before, err := s.running("web-0", "a")
		if err != nil {
			return err
		}
		nodeBefore, err := s.node("a")
		if err != nil {
			return err
		}
		if err := s.restart("a", 10*time.Second); err != nil {
			return err
		}
		time.Sleep(2 * time.Minute)
		if n := s.starts(before.UID); n != 1 || !s.runs(before.UID) {
			t.Errorf("%d starts, runs: %t; want one process all the time", n, s.runs(before.UID))
		}
		after, err := s.pod("web-0", time.Second, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
		if err != nil {
			return err
		}
		was, is := before.Status.ContainerStatuses[0], after.Status.ContainerStatuses[0]
		if is.ContainerID != was.ContainerID || is.RestartCount != 0 {
			t.Errorf("container %s restarted %d times, want %s as it was", is.ContainerID, is.RestartCount, was.ContainerID)
		}
		nodeAfter, err := s.node("a")
		if err != nil {
			return err
		}
		if nodeAfter.UID != nodeBefore.UID || nodeAfter.Status.NodeInfo.BootID != nodeBefore.Status.NodeInfo.BootID {
			t.Error("the restarted kubelet has another node or another boot")
		}
		// It minds the pod again.
		if err := s.force("web-0"); err != nil {
			return err
		}
		took, err := s.untilStopped(before.UID, time.Minute)
		s.between(took, time.Second, 1100*time.Millisecond, "the kill")
		return err
	})
}

func TestFact1_3_WithoutAKubeletNothingIsStartedKilledOrReported(t *testing.T) {
	play(t, func(s *stage) error {
		old, err := s.running("web-0", "a", finalized)
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.restart("a", time.Hour) },
			func() error { return s.force("web-0") },
			func() error { _, err := s.bound("web-1", "a"); return err },
		); err != nil {
			return err
		}
		time.Sleep(59 * time.Minute)
		next, err := s.pod("web-1", time.Second, func(p *corev1.Pod) bool { return true })
		if err != nil {
			return err
		}
		if !s.runs(old.UID) || s.runs(next.UID) || next.Status.StartTime != nil {
			t.Error("somebody killed, started or reported")
		}
		if _, err := s.pod("web-0", 2*time.Minute, func(p *corev1.Pod) bool { return confirmed(p) == nil }); err != nil {
			return err
		}
		_, err = s.running("web-2", "a")
		return err
	})
}

func TestFact1_3_ARestartedKubeletBehindAPartitionTouchesNothing(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", stops(world.NeverStops))
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.cut("a") },
			func() error { return s.force("web-0") },
			func() error { return s.restart("a", 10*time.Second) },
		); err != nil {
			return err
		}
		time.Sleep(2 * time.Hour)
		if !s.runs(pod.UID) {
			t.Error("the kubelet killed what it could not know to be an orphan")
		}
		if err := s.heal("a"); err != nil {
			return err
		}
		// Up to 7s until it registers, up to 2s until housekeeping, 2s for the kill: not
		// the pod's own 120s, for nobody knows its specification any more.
		took, err := s.untilStopped(pod.UID, time.Minute)
		s.between(took, 2*time.Second, 12*time.Second, "the kill")
		return err
	})
}

func TestFact1_3_OrphansAreKilledWithoutAStatus(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", stops(world.NeverStops))
		if err != nil {
			return err
		}
		if err := steps(func() error { return s.restart("a", 10*time.Second) }, func() error { return s.force("web-0") }); err != nil {
			return err
		}
		next, err := s.running("web-0", "b")
		if err != nil {
			return err
		}
		took, err := s.untilStopped(pod.UID, time.Minute)
		if err != nil {
			return err
		}
		// Of the ten seconds some are gone.
		s.between(took, 4*time.Second, 14*time.Second, "the kill")
		time.Sleep(time.Minute)
		after, err := s.api.CoreV1().Pods("default").Get(s.ctx, "web-0", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if after.UID != next.UID || after.ResourceVersion != next.ResourceVersion {
			t.Errorf("somebody wrote to the new pod: %+v", after.Status)
		}
		return nil
	})
}

func TestFact1_3_AKubeletThatDiesInAKillLeavesSIGTERMBehind(t *testing.T) {
	tests := map[string]struct {
		stops string
		// after the delete, with a kubelet that is away from 2s to 62s.
		wantMin, wantMax time.Duration
	}{
		"a container that heeds it stops without a kubelet":   {stops: "20", wantMin: 20 * time.Second, wantMax: 20200 * time.Millisecond},
		"one that does not waits for the next kubelet's kill": {stops: world.NeverStops, wantMin: 182 * time.Second, wantMax: 185 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) error {
				pod, err := s.running("web-0", "a", stops(tc.stops), finalized)
				if err != nil {
					return err
				}
				time.Sleep(10 * time.Second)
				if err := s.remove("web-0"); err != nil {
					return err
				}
				time.Sleep(2 * time.Second)
				if err := s.restart("a", time.Minute); err != nil {
					return err
				}
				took, err := s.untilStopped(pod.UID, 10*time.Minute)
				if err != nil {
					return err
				}
				s.between(2*time.Second+took, tc.wantMin, tc.wantMax, "the kill")
				_, err = s.pod("web-0", 2*time.Minute, func(p *corev1.Pod) bool { return confirmed(p) == nil })
				return err
			})
		})
	}
}

func TestFact1_3_ARestartedKubeletKeepsVolumesMounted(t *testing.T) {
	play(t, func(s *stage) error {
		pod, _, err := s.mounted("fencing")
		if err != nil {
			return err
		}
		if err := s.restart("a", 10*time.Second); err != nil {
			return err
		}
		time.Sleep(time.Minute)
		if w := s.State().Writers; len(w) != 1 || w[0].PodUID != pod.UID {
			t.Errorf("writers %+v, want the pod alone", w)
		}
		if err := steps(func() error { return s.restart("a", 10*time.Second) }, func() error { return s.force(pod.Name) }); err != nil {
			return err
		}
		if _, err := s.untilStopped(pod.UID, time.Minute); err != nil {
			return err
		}
		if w := s.State().Writers; len(w) != 0 {
			t.Errorf("writers %+v, want none", w)
		}
		return nil
	})
}

func TestFact3_5_OnlyARestartRegistersANodeAgain(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", stops(world.NeverStops))
		if err != nil {
			return err
		}
		before, err := s.node("a")
		if err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.DeleteNode{Node: "a"}); err != nil {
			return err
		}
		time.Sleep(30 * time.Minute)
		if _, err := s.node("a"); !apierrors.IsNotFound(err) {
			t.Errorf("got %v, want a node that stays away", err)
		}
		if !s.runs(pod.UID) {
			t.Error("the pod stopped with its node's object")
		}
		// It keeps its watch of pods.
		if err := s.force("web-0"); err != nil {
			return err
		}
		took, err := s.untilStopped(pod.UID, time.Minute)
		if err != nil {
			return err
		}
		s.between(took, 2*time.Second, 2100*time.Millisecond, "the kill")

		if err := s.restart("a", 10*time.Second); err != nil {
			return err
		}
		var after *corev1.Node
		if err := s.eventually(12*time.Second, "the node is back", func() bool {
			after, err = s.node("a")
			return err == nil
		}); err != nil {
			return err
		}
		if after.UID == before.UID || after.Status.NodeInfo.BootID != before.Status.NodeInfo.BootID {
			t.Errorf("node %s with boot %s, want another node of the same boot", after.UID, after.Status.NodeInfo.BootID)
		}
		_, err = s.running("web-1", "a")
		return err
	})
}

func TestContainersOutliveAKubeletThatHangsAndEndAsTheyWould(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", stops("5"))
		if err != nil {
			return err
		}
		if err := s.remove(pod.Name); err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
		if err := s.Apply(s.ctx, world.Freeze{Node: "a", KubeletOnly: true}); err != nil {
			return err
		}
		if _, err := s.untilStopped(pod.UID, 10*time.Second); err != nil {
			return err
		}
		if _, err := s.api.CoreV1().Pods("default").Get(s.ctx, pod.Name, metav1.GetOptions{}); err != nil {
			t.Errorf("the pod: %v, want that nobody has let it go", err)
		}
		if err := s.restart("a", time.Second); err != nil {
			return err
		}
		return s.eventually(time.Minute, "the pod is gone", func() bool {
			_, err := s.api.CoreV1().Pods("default").Get(s.ctx, pod.Name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
	})
}

func TestContainersThatEndByThemselvesAreStartedAgain(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a")
		if err != nil {
			return err
		}
		kill := world.KillContainers{Namespace: "default", Pod: "web-0", ExitCode: 3, AgainAfter: time.Second}
		if err := s.Apply(s.ctx, kill); err != nil {
			return err
		}
		if s.runs(pod.UID) {
			t.Error("it runs on")
		}
		if s.Apply(s.ctx, kill) == nil {
			t.Error("what does not run was killed")
		}
		// At once, then after 10 s, 20 s and 40 s.
		time.Sleep(90 * time.Second)
		after, err := s.pod("web-0", time.Second, func(*corev1.Pod) bool { return true })
		if err != nil {
			return err
		}
		is := after.Status.ContainerStatuses[0]
		if is.RestartCount != 4 || is.State.Terminated == nil || is.State.Terminated.ExitCode != 3 || after.UID != pod.UID {
			t.Errorf("pod %s: %+v, want the fourth restart, ended with 3", after.UID, is)
		}
		if after.Status.PodIP != pod.Status.PodIP {
			t.Errorf("address %s, before %s; want the sandbox to stay", after.Status.PodIP, pod.Status.PodIP)
		}
		return nil
	})
}

func TestContainersOfAPodThatWantsNoRestartEndIt(t *testing.T) {
	play(t, func(s *stage) error {
		if _, err := s.running("web-0", "a", func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }); err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.KillContainers{Namespace: "default", Pod: "web-0", ExitCode: 3}); err != nil {
			return err
		}
		_, err := s.pod("web-0", time.Minute, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed })
		return err
	})
}
