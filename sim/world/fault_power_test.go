package world_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/world"
)

func (s *stage) crash(node string) error   { return s.Apply(s.ctx, world.Crash{Node: node}) }
func (s *stage) powerOn(node string) error { return s.Apply(s.ctx, world.PowerOn{Node: node}) }

// boot is the boot ID of the node's process of a pod; empty if none runs.
func (s *stage) boot(uid types.UID) string {
	for _, p := range s.State().Processes {
		if p.PodUID == uid {
			return p.BootID
		}
	}
	return ""
}

func TestFact1_4_TheSamePodRunsAgainInTheNextBoot(t *testing.T) {
	play(t, func(s *stage) error {
		before, _, err := s.mounted("fencing")
		if err != nil {
			return err
		}
		boot := s.boot(before.UID)
		if err := s.crash("a"); err != nil {
			return err
		}
		if state := s.State(); len(state.Processes)+len(state.Writers) != 0 {
			t.Errorf("without power there are %+v and %+v", state.Processes, state.Writers)
		}
		if !s.Silent("a") {
			t.Error("a machine without power answers")
		}
		time.Sleep(10 * time.Minute)
		if pod, err := s.pod(before.Name, time.Second, func(*corev1.Pod) bool { return true }); err != nil || pod.Status.Phase != corev1.PodRunning {
			t.Errorf("the API says %s, %v; want what it said before", pod.Status.Phase, err)
		}
		if err := s.powerOn("a"); err != nil {
			return err
		}
		on := time.Now()
		var seen *corev1.ContainerStateTerminated
		after, err := s.pod(before.Name, time.Minute, func(p *corev1.Pod) bool {
			c := p.Status.ContainerStatuses[0]
			if c.State.Terminated != nil {
				seen = c.State.Terminated
			}
			return c.State.Running != nil && c.RestartCount == 1
		})
		if err != nil {
			return err
		}
		if seen == nil || seen.ExitCode != 255 || seen.Reason != "Unknown" || seen.FinishedAt.Time.Before(on.Truncate(time.Second)) {
			t.Errorf("first reported as %+v, want as ended now, nobody knows how", seen)
		}
		last := after.Status.ContainerStatuses[0].LastTerminationState.Terminated
		if after.UID != before.UID || last == nil || last.ExitCode != 255 {
			t.Errorf("pod %s whose container ended as %+v", after.UID, last)
		}
		node, err := s.node("a")
		if err != nil {
			return err
		}
		if now := s.boot(before.UID); now == "" || now == boot || now != node.Status.NodeInfo.BootID {
			t.Errorf("runs in boot %q, before in %q, and the node reports %q", now, boot, node.Status.NodeInfo.BootID)
		}
		if w := s.State().Writers; len(w) != 1 {
			t.Errorf("writers %+v, want the pod", w)
		}
		return nil
	})
}

func TestFact1_4_APodDeletedMeanwhileIsConfirmedAfterTheBoot(t *testing.T) {
	tests := map[string]struct {
		node       string
		wantReason string
	}{
		"containerd shows what ended with the power":      {node: "a", wantReason: "Unknown"},
		"of what the runtime forgot, the kubelet says so": {node: "b", wantReason: "ContainerStatusUnknown"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) error {
				old, err := s.running("web-0", tc.node, finalized)
				if err != nil {
					return err
				}
				if err := s.crash(tc.node); err != nil {
					return err
				}
				time.Sleep(time.Minute)
				if err := steps(func() error { return s.force("web-0") }, func() error { return s.powerOn(tc.node) }); err != nil {
					return err
				}
				pod, err := s.pod("web-0", time.Minute, func(p *corev1.Pod) bool { return p.Status.ContainerStatuses[0].State.Terminated != nil })
				if err != nil {
					return err
				}
				if c := pod.Status.ContainerStatuses[0].State.Terminated; c.Reason != tc.wantReason || pod.Status.Phase != corev1.PodFailed {
					t.Errorf("got %s, %+v; want Failed, %s", pod.Status.Phase, c, tc.wantReason)
				}
				if s.starts(old.UID) != 1 {
					t.Error("the kubelet started a pod that is being deleted")
				}
				return nil
			})
		})
	}
}

func TestFact1_4_ARuntimeThatForgetsStartsAnew(t *testing.T) {
	play(t, func(s *stage) error {
		old, err := s.running("web-0", "b")
		if err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.Reboot{Node: "b", DownFor: 30 * time.Second}); err != nil {
			return err
		}
		took := time.Now()
		if err := s.eventually(time.Minute, "the pod runs again", func() bool { return s.runs(old.UID) }); err != nil {
			return err
		}
		s.between(time.Since(took), 31*time.Second, 35*time.Second, "the reboot")
		pod, err := s.pod("web-0", time.Minute, func(p *corev1.Pod) bool {
			return p.Status.ContainerStatuses[0].ContainerID != old.Status.ContainerStatuses[0].ContainerID &&
				p.Status.ContainerStatuses[0].State.Running != nil
		})
		if err != nil {
			return err
		}
		if pod.Status.Phase != corev1.PodRunning {
			t.Errorf("phase %s", pod.Status.Phase)
		}
		return nil
	})
}

func TestAPodThatIsNotToRunAgainFailsWithTheBoot(t *testing.T) {
	play(t, func(s *stage) error {
		old, err := s.running("once", "a", func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever })
		if err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.Reboot{Node: "a", DownFor: 30 * time.Second}); err != nil {
			return err
		}
		if _, err := s.pod("once", time.Minute, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed }); err != nil {
			return err
		}
		time.Sleep(time.Minute)
		if s.starts(old.UID) != 1 {
			t.Error("it ran again")
		}
		return nil
	})
}

func TestThePowerAndTheNetworkAreTwoThings(t *testing.T) {
	play(t, func(s *stage) error {
		if err := steps(func() error { return s.crash("a") }, func() error { return s.cut("a") }, func() error { return s.heal("a") }); err != nil {
			return err
		}
		if !s.Silent("a") {
			t.Error("the heal gave a machine power")
		}
		if err := steps(func() error { return s.cut("a") }, func() error { return s.powerOn("a") }); err != nil {
			return err
		}
		if !s.Silent("a") {
			t.Error("the return of power healed the network")
		}
		before, err := s.node("a")
		if err != nil {
			return err
		}
		time.Sleep(10 * time.Minute)
		if err := s.heal("a"); err != nil {
			return err
		}
		return s.eventually(40*time.Second, "the node reports its second boot", func() bool {
			now, err := s.node("a")
			return err == nil && now.UID == before.UID && now.Status.NodeInfo.BootID != before.Status.NodeInfo.BootID
		})
	})
}

func TestACrashCallsOffWhatWasPutOff(t *testing.T) {
	tests := map[string]world.Fault{
		"the start of a kubelet": world.RestartKubelet{Node: "a", DownFor: 10 * time.Second},
		"the end of a reboot":    world.Reboot{Node: "a", DownFor: 10 * time.Second},
	}
	for name, putOff := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) error {
				if err := s.Apply(s.ctx, putOff); err != nil {
					return err
				}
				time.Sleep(5 * time.Second)
				if err := s.crash("a"); err != nil {
					return err
				}
				lease, err := s.api.CoordinationV1().Leases("kube-node-lease").Get(s.ctx, "a", metav1.GetOptions{})
				if err != nil {
					return err
				}
				time.Sleep(10 * time.Minute)
				later, err := s.api.CoordinationV1().Leases("kube-node-lease").Get(s.ctx, "a", metav1.GetOptions{})
				if err != nil {
					return err
				}
				if !s.Silent("a") || !later.Spec.RenewTime.Equal(lease.Spec.RenewTime) {
					t.Error("a machine without power came back by itself")
				}
				if err := s.Apply(s.ctx, world.RestartKubelet{Node: "a", DownFor: time.Second}); err == nil {
					t.Error("a kubelet was restarted without power")
				}
				if err := s.powerOn("a"); err != nil {
					return err
				}
				_, err = s.running("web-0", "a")
				return err
			})
		})
	}
}

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
