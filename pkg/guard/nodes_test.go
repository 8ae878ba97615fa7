package guard_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/guard"
)

// editNode changes the node's taints, its status, or both.
func (c *cluster) editNode(name string, edit func(*v1.Node)) error {
	nodes := c.kube.CoreV1().Nodes()
	node, err := nodes.Get(c.ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	edit(node)
	status := node.Status
	if node, err = nodes.Update(c.ctx, node, metav1.UpdateOptions{}); err != nil {
		return err
	}
	node.Status = status
	_, err = c.kubelet.CoreV1().Nodes().UpdateStatus(c.ctx, node, metav1.UpdateOptions{})
	return err
}

// taint marks the node as out of service, as an operator does.
func taint(n *v1.Node) {
	n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: v1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: v1.TaintEffectNoExecute})
}

func untaint(n *v1.Node) {
	n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t v1.Taint) bool { return t.Key == v1.TaintNodeOutOfService })
}

// becomes sets the node's readiness. Every change is a new episode.
func becomes(ready v1.ConditionStatus) func(*v1.Node) {
	return func(n *v1.Node) {
		n.Status.Conditions[0].Status = ready
		n.Status.Conditions[0].LastTransitionTime = metav1.Now()
	}
}

func boots(id string) func(*v1.Node) {
	return func(n *v1.Node) { n.Status.NodeInfo.BootID = id }
}

// runningPod makes the ordinal run on node a, and waits for its record.
func (c *cluster) runningPod() error {
	if _, err := c.createPod("a", true); err != nil {
		return err
	}
	if err := c.strip("example.com/other"); err != nil {
		return err
	}
	if err := c.report(false); err != nil {
		return err
	}
	return c.must("the pod is on the record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool {
		return is(r, v1alpha1.Occupied) && r.Status.Incarnation.ContainerSeen
	})
}

// edit is a step that changes node a.
func (c *cluster) edit(edits ...func(*v1.Node)) func() error {
	return func() error {
		for _, edit := range edits {
			if err := c.editNode("a", edit); err != nil {
				return err
			}
			// The watch sees every state of a node that lasts a moment, as states do.
			time.Sleep(2 * time.Second)
		}
		return nil
	}
}

func (c *cluster) deleteNode() error {
	time.Sleep(time.Second)
	return c.kube.CoreV1().Nodes().Delete(c.ctx, "a", metav1.DeleteOptions{})
}

func (c *cluster) mustHold() error {
	return c.mustStay("it holds", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return is(r, v1alpha1.InDoubt) && kept(p) })
}

func (c *cluster) mustRelease(kind v1alpha1.EvidenceKind) error {
	return c.must("it is released by "+string(kind), func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return over(r, kind) && p == nil })
}

func TestAFenceOfTheNodeReleasesOnlyWhatItWasSetFor(t *testing.T) {
	for name, tc := range map[string]struct {
		edits       []func(*v1.Node)
		wantRelease bool
	}{
		"set while the node is silent":                 {[]func(*v1.Node){becomes(v1.ConditionUnknown), taint}, true},
		"set on a node that is Ready":                  {[]func(*v1.Node){taint}, false},
		"left on it from before it fell silent":        {[]func(*v1.Node){taint, becomes(v1.ConditionUnknown)}, false},
		"left on it, then taken off and set again":     {[]func(*v1.Node){taint, becomes(v1.ConditionUnknown), untaint, taint}, true},
		"set in an earlier episode that is over again": {[]func(*v1.Node){becomes(v1.ConditionUnknown), taint, becomes(v1.ConditionTrue), becomes(v1.ConditionUnknown)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) error {
				defer c.guards()()
				if err := steps(c.runningPod, c.edit(tc.edits...)); err != nil {
					return err
				}
				if err := c.deletePod(0); err != nil {
					return err
				}
				if !tc.wantRelease {
					return c.mustHold()
				}
				return c.mustRelease(v1alpha1.Fenced)
			})
		})
	}
}

// TestAGuardThatComesLateTrustsNoTaintThatIsThere: what it did not see set may have
// been left there.
func TestAGuardThatComesLateTrustsNoTaintThatIsThere(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		stop := c.guards()
		if err := steps(c.runningPod, c.edit(becomes(v1.ConditionUnknown))); err != nil {
			return err
		}
		stop()
		if err := c.edit(taint)(); err != nil {
			return err
		}
		defer c.guards()()
		if err := c.deletePod(0); err != nil {
			return err
		}
		return steps(c.mustHold, c.edit(untaint, taint), func() error { return c.mustRelease(v1alpha1.Fenced) })
	})
}

func TestTwoBootsAfterTheDeletionReleaseAndOneDoesNot(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		return steps(
			c.runningPod,
			c.edit(boots("boot-2"), becomes(v1.ConditionUnknown)),
			func() error { return c.deletePod(0) },
			func() error { return c.strip(v1alpha1.PodFinalizer) },
			func() error {
				return c.must("the boots up to the deletion are on the record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool {
					return is(r, v1alpha1.InDoubt) && slices.Equal(r.Status.Incarnation.Nodes[0].BootIDs, []string{"boot-1", "boot-2"})
				})
			},
			c.edit(boots("boot-3")),
			func() error {
				return c.mustStay("one boot is not enough", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.InDoubt) })
			},
			c.edit(boots("boot-4")),
			func() error { return c.mustRelease(v1alpha1.Rebooted) },
		)
	})
}

// cloudSays writes the event of the cloud controller about a Node.
func (c *cluster) cloudSays(component string, uid types.UID) error {
	_, err := c.kube.CoreV1().Events("default").Create(c.ctx, &v1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "default", GenerateName: "a."},
		InvolvedObject: v1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: "a", UID: uid},
		Reason:         "DeletingNode", Type: v1.EventTypeNormal, Source: v1.EventSource{Component: component},
		Message: "Deleting node a because it does not exist in the cloud provider",
	}, metav1.CreateOptions{})
	return err
}

func TestARemovedNodeReleasesIfTheCloudSaysThatItsInstanceIsGone(t *testing.T) {
	const cloud = "cloud-node-lifecycle-controller"
	uidOf := func(c *cluster) (types.UID, error) {
		node, err := c.kube.CoreV1().Nodes().Get(c.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		return node.UID, nil
	}
	for name, tc := range map[string]struct {
		// before and after the node's deletion, given its UID.
		before, after func(c *cluster, uid types.UID) error
		wantRelease   bool
	}{
		"somebody deleted it (H3)": {},
		"the cloud's event came before": {
			before: func(c *cluster, uid types.UID) error { return c.cloudSays(cloud, uid) }, wantRelease: true,
		},
		"the cloud's event came after": {
			after: func(c *cluster, uid types.UID) error { return c.cloudSays(cloud, uid) }, wantRelease: true,
		},
		"somebody else said so": {
			before: func(c *cluster, uid types.UID) error { return c.cloudSays("kubectl", uid) },
		},
		"the cloud spoke of another node": {
			before: func(c *cluster, uid types.UID) error { return c.cloudSays(cloud, "another") },
		},
		"the machine came back under its name": {
			before: func(c *cluster, uid types.UID) error { return c.cloudSays(cloud, uid) },
			after:  func(c *cluster, _ types.UID) error { return c.createNode("a") },
		},
		"the machine came back under another name": {
			before: func(c *cluster, uid types.UID) error { return c.cloudSays(cloud, uid) },
			after:  func(c *cluster, _ types.UID) error { return c.createNode("b") },
		},
		// Before the deletion a new machine of the name would be one that starts the pod.
		"a new machine took its name after the deletion": {
			before: func(c *cluster, uid types.UID) error {
				return errors.Join(c.cloudSays(cloud, uid), c.deletePod(0))
			},
			after: func(c *cluster, _ types.UID) error {
				if err := c.createNode("a"); err != nil {
					return err
				}
				return c.editNode("a", boots("boot-of-a-new-machine"))
			},
			wantRelease: true,
		},
		"a new machine took its name before": {
			before: func(c *cluster, uid types.UID) error { return c.cloudSays(cloud, uid) },
			after: func(c *cluster, _ types.UID) error {
				if err := c.createNode("a"); err != nil {
					return err
				}
				return c.editNode("a", boots("boot-of-a-new-machine"))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) error {
				defer c.guards()()
				if err := steps(c.runningPod, c.edit(becomes(v1.ConditionUnknown))); err != nil {
					return err
				}
				uid, err := uidOf(c)
				if err != nil {
					return err
				}
				for _, step := range []func(*cluster, types.UID) error{
					tc.before, func(c *cluster, _ types.UID) error { return c.deleteNode() }, tc.after,
				} {
					if step == nil {
						continue
					}
					if err := step(c, uid); err != nil {
						return err
					}
				}
				time.Sleep(2 * time.Second)
				if err := c.deletePod(0); err != nil && !apierrors.IsNotFound(err) {
					return err
				}
				if !tc.wantRelease {
					return c.mustHold()
				}
				return c.mustRelease(v1alpha1.NodeRemoved)
			})
		})
	}
}

// TestWhatIsSaidOfAMachineWaitsForTheFirstSightOfTheDeletion: while no guard looked, a
// new machine may have taken the name and started the pod.
func TestWhatIsSaidOfAMachineWaitsForTheFirstSightOfTheDeletion(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		stop := c.guards()
		node, err := c.kube.CoreV1().Nodes().Get(c.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		err = steps(
			c.runningPod,
			c.edit(becomes(v1.ConditionUnknown)),
			func() error { return c.cloudSays("cloud-node-lifecycle-controller", node.UID) },
			c.deleteNode,
			func() error {
				return c.must("the end of the machine is on the record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool {
					removal := r.Status.Incarnation.Nodes[0].Removal
					return is(r, v1alpha1.Occupied) && removal != nil && removal.Ground == v1alpha1.InstanceGone
				})
			},
		)
		stop()
		if err != nil {
			return err
		}
		err = steps(
			func() error { return c.createNode("a") },
			c.edit(boots("boot-of-a-new-machine")),
			func() error { return c.deletePod(0) },
		)
		if err != nil {
			return err
		}
		defer c.guards()()
		return c.mustHold()
	})
}

// TestAReplicaThatDoesNotLeadWritesDownHowANodeWent: it may be the only one that saw.
func TestAReplicaThatDoesNotLeadWritesDownHowANodeWent(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		stop := c.guards()
		if err := c.runningPod(); err != nil {
			return err
		}
		stop()
		ctx, cancel := context.WithCancel(c.ctx)
		standby := c.newGuard()
		if err := standby.Watch(ctx); err != nil {
			cancel()
			return err
		}
		err := steps(c.edit(becomes(v1.ConditionUnknown)), c.deleteNode, func() error {
			return c.must("the end of the node is on the record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool {
				removal := r.Status.Incarnation.Nodes[0].Removal
				return is(r, v1alpha1.Occupied) && removal != nil && removal.Ready == v1.ConditionUnknown && removal.Ground == ""
			})
		})
		cancel()
		time.Sleep(time.Second)
		return err
	})
}

func TestPodsThatRanBeforeAreAdoptedAndOnlyThenIsAnythingPlaced(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		if _, err := c.createPod("a", false); err != nil {
			return err
		}
		c.wire.fail("POST tenancies", true)
		ctx, cancel := context.WithCancel(c.ctx)
		defer cancel()
		first := c.newGuard()
		go func() { _ = first.Run(ctx) }()
		time.Sleep(patience)
		select {
		case <-first.Adopted():
			return errors.New("marked while a pod cannot be adopted")
		default:
		}
		c.wire.fail("POST tenancies", false)
		<-first.Adopted()
		record, pod, err := c.look()
		if err != nil {
			return err
		}
		if !is(record, v1alpha1.Occupied) || record.Status.Incarnation.PodUID != pod.UID {
			return fmt.Errorf("marked before the pod is on the record: %s", asJSON(record))
		}
		if err := c.must("it has the finalizer", func(_ *v1alpha1.Tenancy, p *v1.Pod) bool { return kept(p) }); err != nil {
			return err
		}
		mark, err := c.kube.CoreV1().ConfigMaps("kube-system").Get(c.ctx, guard.AdoptionMark, metav1.GetOptions{})
		if err != nil || mark.Data["since"] == "" {
			return fmt.Errorf("mark %s: %w", asJSON(mark), err)
		}
		cancel()
		time.Sleep(time.Second)

		// The mark is the cluster's: who comes later waits for no pass.
		ctx, cancel = context.WithCancel(c.ctx)
		defer cancel()
		second := c.newGuard()
		if err := second.Watch(ctx); err != nil {
			return err
		}
		<-second.Adopted()
		cancel()
		time.Sleep(time.Second)
		return nil
	})
}
