package guard_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// bindPod makes the ordinal as the plugin does: on the record first, then on node a.
func (c *cluster) bindPod() error {
	pod, err := c.createPod("", true)
	if err != nil {
		return err
	}
	node, err := c.kube.CoreV1().Nodes().Get(c.ctx, "a", metav1.GetOptions{})
	if err != nil {
		return err
	}
	candidate := v1alpha1.CandidateNode{Name: node.Name, UID: node.UID, BootIDs: []string{node.Status.NodeInfo.BootID}}
	if _, err := c.store.Open(c.ctx, c.id, v1alpha1.Incarnation{PodUID: pod.UID, Nodes: []v1alpha1.CandidateNode{candidate}}, time.Now()); err != nil {
		return err
	}
	return c.bind(pod)
}

// bind binds the pod to node a.
func (c *cluster) bind(pod *v1.Pod) error {
	return c.kube.CoreV1().Pods(pod.Namespace).Bind(c.ctx, &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name}, Target: v1.ObjectReference{Kind: "Node", Name: "a"},
	}, metav1.CreateOptions{})
}

// fillIn writes the last word of a kubelet that has rejected the pod and could locate
// no container of it: nothing is left of what it reported before.
func (c *cluster) fillIn() error {
	pod, err := c.pod()
	if err != nil {
		return err
	}
	pod.Status = v1.PodStatus{
		Phase: v1.PodFailed,
		ContainerStatuses: []v1.ContainerStatus{{Name: "c", State: v1.ContainerState{
			Terminated: &v1.ContainerStateTerminated{Reason: "ContainerStatusUnknown", ExitCode: 137},
		}}},
		Conditions: []v1.PodCondition{{Type: v1.PodReadyToStartContainers, Status: v1.ConditionFalse, ObservedGeneration: pod.Generation}},
	}
	_, err = c.kubelet.CoreV1().Pods(pod.Namespace).UpdateStatus(c.ctx, pod, metav1.UpdateOptions{})
	return err
}

// TestAnEndThatIsFilledInCountsOnlyOfAPodThatNeverStarted, and only for a guard that has
// seen that it did not: the object is the same in all four cases (H8, H25).
func TestAnEndThatIsFilledInCountsOnlyOfAPodThatNeverStarted(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		var errs []error
		for name, tc := range map[string]struct{ ran, away, released bool }{
			"it never ran": {released: true},
			"it never ran, and nobody was there to see": {away: true},
			"a container ran": {ran: true},
			"a container ran, and the guard was replaced": {ran: true, away: true},
		} {
			c.id.Ordinal++
			if err := c.fillInAndJudge(tc.ran, tc.away, tc.released); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
		return errors.Join(errs...)
	})
}

func (c *cluster) fillInAndJudge(ran, away, released bool) error {
	stop := c.guards()
	defer func() { stop() }()
	return steps(
		c.bindPod,
		func() error { return c.strip("example.com/other") },
		func() error {
			if !ran {
				return nil
			}
			return c.report(false)
		},
		func() error {
			time.Sleep(time.Second) // The guard has seen it.
			if away {
				stop()
				stop = func() {}
			}
			return nil
		},
		func() error { return c.deletePod(0) },
		c.fillIn,
		func() error {
			if away {
				stop = c.guards()
			}
			if released {
				return c.must("released", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return over(r, v1alpha1.KubeletConfirmed) })
			}
			return c.must("held", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
				return is(r, v1alpha1.InDoubt) && held(r, v1alpha1.HeldByGuard) && kept(p) && (away || r.Status.Incarnation.ContainerSeen)
			})
		},
	)
}

// TestABootAfterTheDeletionWasSeenIsALaterOne, also while the kubelet still has the time of
// its grace period and nothing is written yet; but not for a guard that was not there.
func TestABootAfterTheDeletionWasSeenIsALaterOne(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		var errs []error
		for name, away := range map[string]bool{"the guard saw both": false, "the guard saw neither": true} {
			c.id.Ordinal++
			if err := c.bootAndJudge(away); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
		return errors.Join(errs...)
	})
}

func (c *cluster) bootAndJudge(away bool) error {
	stop := c.guards()
	defer func() { stop() }()
	return steps(
		func() error { return c.editNode("a", boots("boot-1")) },
		c.bindPod,
		func() error { return c.strip("example.com/other") },
		func() error { return c.report(false) },
		func() error {
			time.Sleep(time.Second) // The guard has seen it.
			if away {
				stop()
				stop = func() {}
			}
			return nil
		},
		func() error { return c.deletePod(3600) },
		func() error { time.Sleep(time.Second); return nil },
		func() error { return c.editNode("a", boots("boot-2")) },
		func() error { time.Sleep(time.Second); return nil },
		func() error {
			if away {
				stop = c.guards()
				time.Sleep(time.Second)
			}
			return c.fillIn()
		},
		func() error {
			if away {
				return c.mustStay("not released", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return !is(r, v1alpha1.Over) && kept(p) })
			}
			return c.must("released", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return over(r, v1alpha1.KubeletConfirmed) })
		},
	)
}

// TestTheKubeletOfAnotherMachineConfirmsNothing: the machine that the pod was bound to is
// cut off and may have started it unreported, and another one has taken over its name.
func TestTheKubeletOfAnotherMachineConfirmsNothing(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		return steps(
			c.bindPod,
			func() error { return c.strip("example.com/other") },
			func() error { return c.deletePod(0) },
			func() error { return c.kube.CoreV1().Nodes().Delete(c.ctx, "a", metav1.DeleteOptions{}) },
			func() error { return c.createNode("a") },
			func() error { time.Sleep(time.Second); return nil },
			c.fillIn,
			func() error {
				return c.mustStay("held", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return is(r, v1alpha1.InDoubt) && kept(p) })
			},
		)
	})
}
