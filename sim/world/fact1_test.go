package world_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/holdfast-dev/holdfast/sim/world"
)

func TestFact0_7_SameNodeOverlapIsReal(t *testing.T) {
	play(t, func(s *stage) error {
		old, err := s.running("web-0", "a", stops(world.NeverStops))
		if err != nil {
			return err
		}
		if err := s.force("web-0"); err != nil {
			return err
		}
		next, err := s.running("web-0", "a")
		if err != nil {
			return err
		}
		both := false
		for _, state := range s.states {
			seen := map[types.UID]bool{}
			for _, p := range state.Processes {
				seen[p.PodUID] = true
			}
			both = both || seen[old.UID] && seen[next.UID]
		}
		if !both {
			t.Error("the new pod waited for the end of the old one")
		}
		return nil
	})
}

func TestFact1_1_ForceDeleteSeenAsUpdateKillsWithinTwoSeconds(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", stops(world.NeverStops))
		if err != nil {
			return err
		}
		time.Sleep(10 * time.Second)
		if err := s.force("web-0"); err != nil {
			return err
		}
		took, err := s.untilStopped(pod.UID, time.Minute)
		s.between(took, 2*time.Second, 2100*time.Millisecond, "the kill")
		return err
	})
}

func TestFact1_1_RemovalSeenOnlyByRelistUsesFullGrace(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", stops(world.NeverStops))
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.cut("a") },
			func() error { return s.force("web-0") },
			// Long enough for the watch to break: the kubelet lists anew.
			func() error { time.Sleep(27 * time.Minute); return s.heal("a") },
		); err != nil {
			return err
		}
		took, err := s.untilStopped(pod.UID, 10*time.Minute)
		// The reflector may be in its back-off of up to a minute.
		s.between(took, 120*time.Second, 181*time.Second, "the kill")
		return err
	})
}

func TestFact1_1_AGraceThatIsShortenedLaterDoesNotReachAKillUnderWay(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", stops(world.NeverStops))
		if err != nil {
			return err
		}
		time.Sleep(10 * time.Second)
		if err := s.remove("web-0"); err != nil {
			return err
		}
		time.Sleep(10 * time.Second)
		if err := s.force("web-0"); err != nil {
			return err
		}
		took, err := s.untilStopped(pod.UID, 10*time.Minute)
		s.between(took, 109*time.Second, 111*time.Second, "the rest of the kill")
		return err
	})
}

func TestFact1_1_NoReportAfterRemoval(t *testing.T) {
	play(t, func(s *stage) error {
		old, err := s.running("web-0", "a")
		if err != nil {
			return err
		}
		if err := steps(func() error { return s.cut("a") }, func() error { return s.force("web-0") }); err != nil {
			return err
		}
		next, err := s.running("web-0", "b")
		if err != nil {
			return err
		}
		if !s.runs(old.UID) {
			t.Error("the partitioned kubelet gave its pod up")
		}
		if err := s.heal("a"); err != nil {
			return err
		}
		if _, err := s.untilStopped(old.UID, 3*time.Minute); err != nil {
			return err
		}
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

func TestFact1_2_PartitionedKubeletKeepsItsPods(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a")
		if err != nil {
			return err
		}
		if err := s.cut("a"); err != nil {
			return err
		}
		if !s.Silent("a") || s.Silent("b") {
			t.Error("the wrong node is silent")
		}
		time.Sleep(2 * time.Hour)
		if !s.runs(pod.UID) {
			t.Error("the pod does not run any more")
		}
		return nil
	})
}

func TestFact1_2_WatchResumesAfterHeal(t *testing.T) {
	tests := map[string]struct{ cutFor, killedWithin time.Duration }{
		"before the watch broke":            {cutFor: 10 * time.Second, killedWithin: 2100 * time.Millisecond},
		"just before the watch would break": {cutFor: 40 * time.Second, killedWithin: 2100 * time.Millisecond},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) error {
				pod, err := s.running("web-0", "a", stops(world.NeverStops))
				if err != nil {
					return err
				}
				// The watch has just been heard of, so that it would break 45s into the cut.
				if err := steps(
					func() error { return s.cut("a") },
					func() error { return s.force("web-0") },
					func() error { time.Sleep(tc.cutFor); return s.heal("a") },
				); err != nil {
					return err
				}
				// Not the full grace period of 120s: the update was seen.
				took, err := s.untilStopped(pod.UID, 5*time.Minute)
				s.between(took, 2*time.Second, tc.killedWithin, "the kill")
				return err
			})
		})
	}
}

func TestFact1_2_AStatusThatCannotBeSentIsSentLater(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.bound("web-0", "a")
		if err != nil {
			return err
		}
		if _, err := s.pod("web-0", time.Minute, func(p *corev1.Pod) bool { return p.Status.StartTime != nil }); err != nil {
			return err
		}
		if err := s.cut("a"); err != nil {
			return err
		}
		time.Sleep(2 * time.Minute)
		now, err := s.api.CoreV1().Pods("default").Get(s.ctx, "web-0", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !s.runs(pod.UID) || now.Status.Phase != corev1.PodPending {
			t.Errorf("runs: %v, phase %s; want a pod that runs and is Pending in the API", s.runs(pod.UID), now.Status.Phase)
		}
		if err := s.heal("a"); err != nil {
			return err
		}
		_, err = s.pod("web-0", 15*time.Second, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
		return err
	})
}

func TestFact1_6_GracefulDeleteIsKubeletConfirmed(t *testing.T) {
	tests := map[string]struct {
		stops    string
		phase    corev1.PodPhase
		exitCode int32
	}{
		"stopped on SIGTERM":   {stops: "5", phase: corev1.PodSucceeded, exitCode: 0},
		"stopped only by kill": {stops: world.NeverStops, phase: corev1.PodFailed, exitCode: 137},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) error {
				if _, err := s.running("web-0", "a", stops(tc.stops)); err != nil {
					return err
				}
				w, err := s.api.CoreV1().Pods("default").Watch(s.ctx, metav1.ListOptions{})
				if err != nil {
					return err
				}
				defer w.Stop()
				if err := s.remove("web-0"); err != nil {
					return err
				}
				for e := range w.ResultChan() {
					pod, ok := e.Object.(*corev1.Pod)
					if !ok {
						return fmt.Errorf("watch: %+v", e.Object)
					}
					if terminal := pod.Status.Phase == tc.phase; terminal && s.runs(pod.UID) {
						t.Error("terminal in the API while it runs")
					}
					if e.Type != watch.Deleted {
						continue
					}
					if err := confirmed(pod); err != nil {
						t.Errorf("not confirmed: %v", err)
					}
					if pod.Status.Phase != tc.phase || pod.Status.ContainerStatuses[0].State.Terminated.ExitCode != tc.exitCode {
						t.Errorf("got %s, %+v", pod.Status.Phase, pod.Status.ContainerStatuses[0].State)
					}
					if pod.DeletionTimestamp == nil || *pod.DeletionGracePeriodSeconds != 0 {
						t.Error("the last object does not look deleted")
					}
					return nil
				}
				return fmt.Errorf("the watch ended")
			})
		})
	}
}

func TestFact1_6_ForceDeletedWithFinalizerStillReports(t *testing.T) {
	tests := map[string]time.Duration{"on a connected node": 0, "on a node that was cut off": 20 * time.Minute}
	for name, cutFor := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) error {
				if _, err := s.running("web-0", "a", finalized); err != nil {
					return err
				}
				if cutFor > 0 {
					if err := s.cut("a"); err != nil {
						return err
					}
				}
				if err := s.force("web-0"); err != nil {
					return err
				}
				time.Sleep(cutFor)
				if err := s.heal("a"); err != nil {
					return err
				}
				pod, err := s.pod("web-0", 2*time.Minute, func(p *corev1.Pod) bool { return confirmed(p) == nil })
				if err != nil {
					return err
				}
				if pod.Status.Phase != corev1.PodSucceeded || pod.DeletionTimestamp == nil {
					t.Errorf("got %s", pod.Status.Phase)
				}
				// The last finalizer gone, the object goes at once: its grace period is 0.
				patch := []byte(`{"metadata":{"finalizers":null}}`)
				if _, err := s.api.CoreV1().Pods("default").Patch(s.ctx, "web-0", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
					return err
				}
				_, err = s.api.CoreV1().Pods("default").Get(s.ctx, "web-0", metav1.GetOptions{})
				if !apierrors.IsNotFound(err) {
					t.Errorf("got %v, want not found", err)
				}
				return nil
			})
		})
	}
}

func TestFact1_6_APodThatNeverStartedIsFilledIn(t *testing.T) {
	play(t, func(s *stage) error {
		// It waits for a claim that nobody makes.
		_, err := s.bound("web-0", "a", finalized, withClaim("none"))
		if err != nil {
			return err
		}
		time.Sleep(10 * time.Second)
		if err := s.remove("web-0"); err != nil {
			return err
		}
		pod, err := s.pod("web-0", time.Minute, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed })
		if err != nil {
			return err
		}
		if c := pod.Status.ContainerStatuses[0].State.Terminated; c == nil || c.Reason != "ContainerStatusUnknown" {
			t.Errorf("got %+v, want ContainerStatusUnknown", pod.Status.ContainerStatuses[0].State)
		}
		return nil
	})
}

func TestForceDeleteStripsFinalizers(t *testing.T) {
	play(t, func(s *stage) error {
		if _, err := s.running("web-0", "a", finalized); err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.ForceDelete{Namespace: "default", Pod: "web-0", StripFinalizers: true}); err != nil {
			return err
		}
		if _, err := s.api.CoreV1().Pods("default").Get(s.ctx, "web-0", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("got %v, want not found", err)
		}
		return nil
	})
}
