package world_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/world"
)

// ready says whether a node says that it is ready.
func (s *stage) ready(name string) (bool, error) {
	node, err := s.node(name)
	if err != nil {
		return false, err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue, nil
		}
	}
	return false, nil
}

// allocatable is how many volumes the node's attaching driver says that it takes; nil:
// it does not say.
func (s *stage) allocatable(name string) (*int32, error) {
	on, err := s.api.StorageV1().CSINodes().Get(s.ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	for _, d := range on.Spec.Drivers {
		if d.Name == world.Driver && d.Allocatable != nil {
			return d.Allocatable.Count, nil
		}
	}
	return nil, nil
}

func (s *stage) stick(pod string) error {
	return s.Apply(s.ctx, world.StickContainers{Namespace: "default", Pod: pod})
}

func (s *stage) free(pod string) error {
	return s.Apply(s.ctx, world.FreeContainers{Namespace: "default", Pod: pod})
}

func TestContainersThatAreStuckEndByNoSignalAndThenByTheStrongest(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", finalized)
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.stick("web-0") },
			func() error { return s.remove("web-0") },
			// Another kubelet fares no better.
			func() error { time.Sleep(5 * time.Minute); return s.restart("a", 10*time.Second) },
		); err != nil {
			return err
		}
		time.Sleep(time.Hour)
		now, err := s.pod("web-0", time.Second, func(*corev1.Pod) bool { return true })
		if err != nil {
			return err
		}
		if !s.runs(pod.UID) || confirmed(now) == nil {
			t.Errorf("runs: %t; the kubelet says that it has stopped: %+v", s.runs(pod.UID), now.Status)
		}
		if err := s.free("web-0"); err != nil {
			return err
		}
		if s.eventually(time.Second, "the end", func() bool { return !s.runs(pod.UID) }) != nil {
			t.Error("the signals did not arrive")
		}
		now, err = s.pod("web-0", time.Minute, func(p *corev1.Pod) bool { return confirmed(p) == nil })
		if err != nil {
			return err
		}
		if code := now.Status.ContainerStatuses[0].State.Terminated.ExitCode; code != 137 {
			t.Errorf("it ended by %d, want SIGKILL", code)
		}
		return nil
	})
}

func TestContainersThatAreStuckEndWithThePower(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a")
		if err != nil {
			return err
		}
		if err := s.stick("web-0"); err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.KillContainers{Namespace: "default", Pod: "web-0", ExitCode: 1}); err == nil || !s.runs(pod.UID) {
			t.Errorf("killed: %v, runs: %t", err, s.runs(pod.UID))
		}
		if err := s.crash("a"); err != nil {
			return err
		}
		if s.runs(pod.UID) {
			t.Error("it runs without power")
		}
		if err := s.stick("web-0"); err == nil {
			t.Error("stuck what does not run")
		}
		return nil
	})
}

func TestARuntimeThatHangsStopsAndStartsNothingAndTheNodeIsNotReady(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", finalized)
		if err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.HangRuntime{Node: "a"}); err != nil {
			return err
		}
		began := time.Now()
		if err := steps(
			func() error { return s.remove("web-0") },
			func() error { _, err := s.bound("web-1", "a"); return err },
			func() error {
				return s.eventually(2*time.Minute, "the node is not ready", func() bool {
					ready, err := s.ready("a")
					return err == nil && !ready
				})
			},
		); err != nil {
			return err
		}
		// Not heard from for 30s, and the status is looked at every 10s.
		s.between(time.Since(began), 25*time.Second, 45*time.Second, "not ready")
		time.Sleep(time.Hour)
		next, err := s.pod("web-1", time.Second, func(*corev1.Pod) bool { return true })
		if err != nil {
			return err
		}
		if !s.runs(pod.UID) || s.runs(next.UID) {
			t.Errorf("the old one runs: %t, the new one: %t", s.runs(pod.UID), s.runs(next.UID))
		}
		// The lease is another loop's.
		lease, err := s.api.CoordinationV1().Leases("kube-node-lease").Get(s.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if since := time.Since(lease.Spec.RenewTime.Time); since > 11*time.Second {
			t.Errorf("the lease is %s old", since)
		}
		if err := s.Apply(s.ctx, world.ResumeRuntime{Node: "a"}); err != nil {
			return err
		}
		if _, err := s.pod("web-0", time.Minute, func(p *corev1.Pod) bool { return confirmed(p) == nil }); err != nil {
			return err
		}
		if _, err := s.pod("web-1", time.Minute, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }); err != nil {
			return err
		}
		return s.eventually(20*time.Second, "the node is ready", func() bool {
			ready, err := s.ready("a")
			return err == nil && ready
		})
	})
}

func TestAKubeletThatFindsItsRuntimeHangingIsNotReady(t *testing.T) {
	play(t, func(s *stage) error {
		if err := steps(
			func() error { return s.Apply(s.ctx, world.HangRuntime{Node: "a"}) },
			func() error { return s.restart("a", time.Second) },
		); err != nil {
			return err
		}
		time.Sleep(11 * time.Second)
		if ready, err := s.ready("a"); err != nil || ready {
			t.Errorf("ready: %t, %v", ready, err)
		}
		return nil
	})
}

func TestARuntimeThatLiesHasTheKubeletConfirmWhatIsNotSo(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", finalized)
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.Apply(s.ctx, world.LieAboutStop{Namespace: "default", Pod: "web-0"}) },
			func() error { return s.remove("web-0") },
			func() error {
				_, err := s.pod("web-0", time.Minute, func(p *corev1.Pod) bool { return confirmed(p) == nil })
				return err
			},
			// Nor does a look of another kubelet find it.
			func() error { return s.restart("a", 10*time.Second) },
		); err != nil {
			return err
		}
		time.Sleep(time.Hour)
		processes := s.State().Processes
		if len(processes) != 1 || processes[0].PodUID != pod.UID || !processes[0].Denied {
			t.Errorf("processes %+v, want one that is denied", processes)
		}
		if err := s.crash("a"); err != nil {
			return err
		}
		if s.runs(pod.UID) {
			t.Error("it outlived the power")
		}
		return nil
	})
}

func TestAPathThatAPodWasStoppedWithoutStaysOpenWhereNobodyFences(t *testing.T) {
	for class, want := range map[string]string{"fencing": "[]", "leaky": "[a]"} {
		t.Run(class, func(t *testing.T) {
			play(t, func(s *stage) error {
				_, pv, err := s.mounted(class)
				if err != nil {
					return err
				}
				if err := steps(
					func() error { return s.Apply(s.ctx, world.LieAboutStop{Namespace: "default", Pod: "web-0"}) },
					func() error { return s.remove("web-0") },
					func() error {
						return s.eventually(time.Minute, "the volume is in use no more", func() bool { return !s.inUse(pv, "a") })
					},
					func() error { return s.detach(pv, "a") },
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
