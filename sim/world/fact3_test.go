package world_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/world"
)

func TestRegistration(t *testing.T) {
	play(t, func(s *stage) error {
		node, err := s.api.CoreV1().Nodes().Get(s.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for key, want := range map[string]string{
			corev1.LabelHostname: "a", corev1.LabelTopologyZone: "z1", corev1.LabelTopologyRegion: "r",
			corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64", "disk": "ssd",
		} {
			if got := node.Labels[key]; got != want {
				t.Errorf("label %s: %q, want %q", key, got, want)
			}
		}
		if node.Annotations["volumes.kubernetes.io/controller-managed-attach-detach"] != "true" {
			t.Error("the attach-detach controller would pass over the node")
		}
		info := node.Status.NodeInfo
		if info.BootID == "" || info.MachineID == "" || info.KubeletVersion != "v1.37.1" {
			t.Errorf("node info: %+v", info)
		}
		if node.Status.Allocatable.Cpu().Value() != 8 {
			t.Errorf("allocatable: %v", node.Status.Allocatable)
		}
		csi, err := s.api.StorageV1().CSINodes().Get(s.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(csi.Spec.Drivers) != 1 || csi.Spec.Drivers[0].Name != world.Driver {
			t.Errorf("CSINode: %+v", csi.Spec)
		}
		pod, err := s.running("web-0", "a")
		if err != nil {
			return err
		}
		processes := s.State().Processes
		if len(processes) != 1 || processes[0].BootID != info.BootID || processes[0].PodUID != pod.UID {
			t.Errorf("processes: %+v, want one in boot %s", processes, info.BootID)
		}
		return nil
	})
}

func TestFact3_1_LeaseIsRenewedEveryTenSeconds(t *testing.T) {
	play(t, func(s *stage) error {
		age := func() (time.Duration, error) {
			lease, err := s.api.CoordinationV1().Leases("kube-node-lease").Get(s.ctx, "a", metav1.GetOptions{})
			if err != nil {
				return 0, err
			}
			return time.Since(lease.Spec.RenewTime.Time), nil
		}
		oldest := func(over time.Duration) (oldest time.Duration, err error) {
			for range int(over / time.Second) {
				time.Sleep(time.Second)
				now, err := age()
				if err != nil {
					return 0, err
				}
				oldest = max(oldest, now)
			}
			return oldest, nil
		}
		got, err := oldest(2 * time.Minute)
		if err != nil {
			return err
		}
		s.between(got, 9*time.Second, 10*time.Second, "the longest wait for a renewal")

		if err := s.cut("a"); err != nil {
			return err
		}
		if got, err = oldest(2 * time.Minute); err != nil {
			return err
		}
		s.between(got, 2*time.Minute, 131*time.Second, "the wait during a partition")
		if err := s.heal("a"); err != nil {
			return err
		}
		time.Sleep(8 * time.Second)
		got, err = age()
		s.between(got, 0, 8*time.Second, "the renewal after the heal")
		return err
	})
}

func TestFact2_4_NodeStatusIsWrittenOnChangeOrEveryFiveMinutes(t *testing.T) {
	play(t, func(s *stage) error {
		time.Sleep(30 * time.Second)
		var writes []time.Time
		last := ""
		for start := time.Now(); time.Since(start) < 16*time.Minute; time.Sleep(time.Second) {
			node, err := s.api.CoreV1().Nodes().Get(s.ctx, "a", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if last != "" && node.ResourceVersion != last {
				writes = append(writes, time.Now())
			}
			last = node.ResourceVersion
		}
		if len(writes) != 3 {
			t.Errorf("%d writes in 16 quiet minutes, want 3", len(writes))
		}

		// Somebody else's word about the node does not last: the kubelet's loop mends it.
		node, err := s.api.CoreV1().Nodes().Get(s.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for i := range node.Status.Conditions {
			node.Status.Conditions[i].Status = corev1.ConditionUnknown
		}
		if _, err := s.api.CoreV1().Nodes().UpdateStatus(s.ctx, node, metav1.UpdateOptions{}); err != nil {
			return err
		}
		return s.eventually(11*time.Second, "the node is Ready again", func() bool {
			node, err := s.api.CoreV1().Nodes().Get(s.ctx, "a", metav1.GetOptions{})
			if err != nil {
				return false
			}
			for _, c := range node.Status.Conditions {
				if c.Type == corev1.NodeReady {
					return c.Status == corev1.ConditionTrue
				}
			}
			return false
		})
	})
}
