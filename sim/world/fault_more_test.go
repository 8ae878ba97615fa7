package world_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/world"
)

func TestAFrozenMachineEndsNothingAndGoesOn(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", stops("5"))
		if err != nil {
			return err
		}
		if err := s.remove(pod.Name); err != nil {
			return err
		}
		time.Sleep(2 * time.Second) // SIGTERM is out, and the kill is under way.
		if err := s.Apply(s.ctx, world.Freeze{Node: "a"}); err != nil {
			return err
		}
		time.Sleep(10 * time.Minute)
		if !s.runs(pod.UID) || !s.Silent("a") {
			t.Errorf("runs: %t, silent: %t; want both", s.runs(pod.UID), s.Silent("a"))
		}
		if s.restart("a", time.Second) == nil {
			t.Error("the kubelet of a frozen machine was restarted")
		}
		if err := s.Apply(s.ctx, world.Thaw{Node: "a"}); err != nil {
			return err
		}
		took, err := s.untilStopped(pod.UID, time.Minute)
		s.between(took, 0, 5*time.Second, "the rest of the kill")
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

func TestAnotherMachineUnderTheNameIsAnotherNode(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a")
		if err != nil {
			return err
		}
		before, err := s.node("a")
		if err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.Replace{Node: "a"}); err != nil {
			return err
		}
		if s.runs(pod.UID) {
			t.Error("the old machine runs on")
		}
		return s.eventually(time.Minute, "another node registers, and runs the pod", func() bool {
			node, err := s.node("a")
			return err == nil && node.UID != before.UID && node.Status.NodeInfo.MachineID != before.Status.NodeInfo.MachineID &&
				node.Status.NodeInfo.BootID != before.Status.NodeInfo.BootID && s.runs(pod.UID)
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
		return nil
	})
}

func TestAFenceSaysWhatItIsToldAndDoesWhatItDoes(t *testing.T) {
	for name, tc := range map[string]struct {
		fence  world.Fence
		off    string
		silent bool
	}{
		"it works":                    {world.Fence{Node: "a"}, "a", true},
		"it fails":                    {world.Fence{Node: "a", Fails: true}, "a", false},
		"it hits another machine":     {world.Fence{Node: "a", Hits: "b"}, "b", true},
		"and then not the node's own": {world.Fence{Node: "a", Hits: "b"}, "a", false},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) error {
				if err := s.Apply(s.ctx, tc.fence); err != nil {
					return err
				}
				if s.Silent(tc.off) != tc.silent {
					t.Errorf("%s is silent: %t", tc.off, !tc.silent)
				}
				node, err := s.node("a")
				if err != nil {
					return err
				}
				taint := corev1.Taint{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}
				said := false
				for _, t := range node.Spec.Taints {
					said = said || t.MatchTaint(&taint)
				}
				if !said {
					t.Error("it does not say that it has done it")
				}
				return nil
			})
		})
	}
}
