package world_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// playControlled runs a story with upstream's controllers and scheduler: nodes a
// and b in one zone, and a class of every kind.
func playControlled(t *testing.T, story func(*stage) error) {
	t.Helper()
	start := func(ctx context.Context) (*engine.APIServer, error) {
		cluster, err := engine.Start(ctx, engine.Options{Scheduler: engine.Stock})
		if err != nil {
			return nil, err
		}
		return cluster.APIServer, nil
	}
	playOn(t, start, func(c *world.Config) {
		for i := range c.Nodes {
			c.Nodes[i].Zone = "z"
		}
		c.Classes = append(c.Classes,
			world.ClassSpec{Name: "local", Topology: world.Node},
			world.ClassSpec{Name: "shared", Topology: world.Anywhere},
			world.ClassSpec{Name: "open", Topology: world.Zone, Unattached: true},
		)
	}, story)
}

// asked makes a claim that the scheduler and the controllers will see to.
func (s *stage) asked(name, class string, modes ...corev1.PersistentVolumeAccessMode) error {
	if len(modes) == 0 {
		modes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	_, err := s.api.CoreV1().PersistentVolumeClaims("default").Create(s.ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, AccessModes: modes,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}, metav1.CreateOptions{})
	return err
}

// onNode lets the scheduler put a pod on a node.
func onNode(node string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.NodeName, p.Spec.NodeSelector = "", map[string]string{corev1.LabelHostname: node}
		// What is wrong with a node must not keep the test's pods from it, or off it.
		p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	}
}

// writing brings a pod with a new claim of a class to run on a node, and returns
// the claim's volume.
func (s *stage) writing(name, class, node string, change ...func(*corev1.Pod)) (*corev1.Pod, *corev1.PersistentVolume, error) {
	if err := s.asked("data-"+name, class); err != nil {
		return nil, nil, err
	}
	pod, err := s.running(name, "", append(change, onNode(node), withClaim("data-"+name))...)
	if err != nil {
		return nil, nil, err
	}
	claim, err := s.api.CoreV1().PersistentVolumeClaims("default").Get(s.ctx, "data-"+name, metav1.GetOptions{})
	if err != nil {
		return nil, nil, err
	}
	pv, err := s.api.CoreV1().PersistentVolumes().Get(s.ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	return pod, pv, err
}

// attachment reads a VolumeAttachment; nil if there is none.
func (s *stage) attachment(pv *corev1.PersistentVolume, node string) *storagev1.VolumeAttachment {
	va, err := s.api.StorageV1().VolumeAttachments().Get(s.ctx, attachmentName(pv, node), metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		s.t.Error(err)
	}
	if err != nil {
		return nil
	}
	return va
}

// listed says whether the node's volumesAttached has the volume.
func (s *stage) listed(pv *corev1.PersistentVolume, node string) bool {
	n, err := s.api.CoreV1().Nodes().Get(s.ctx, node, metav1.GetOptions{})
	return err == nil && slices.ContainsFunc(n.Status.VolumesAttached, func(a corev1.AttachedVolume) bool { return a.Name == volumeName(pv) })
}

func (s *stage) storage(class string, attach, detach world.Answer) error {
	return s.Apply(s.ctx, world.Storage{Class: class, Attach: attach, Detach: detach})
}

// code is the gRPC code of a VolumeAttachment's error; OK if there is none.
func code(e *storagev1.VolumeError) codes.Code {
	if e == nil || e.ErrorCode == nil {
		return codes.OK
	}
	return codes.Code(*e.ErrorCode)
}

func (s *stage) writersOn() string {
	nodes := []string{}
	for _, w := range s.State().Writers {
		nodes = append(nodes, w.Node)
	}
	return fmt.Sprint(nodes)
}

func TestFact2_2_WhatIsNotAttachedIsNowhereInTheAPI(t *testing.T) {
	playControlled(t, func(s *stage) error {
		for class, want := range map[string]struct {
			driver string
			// key and value are the volume's node affinity.
			key, value string
		}{
			"local":  {world.LocalDriver, world.LocalNodeLabel, "a"},
			"shared": {world.AnywhereDriver, "", ""},
			"open":   {world.UnattachedZonalDriver, corev1.LabelTopologyZone, "z"},
		} {
			_, pv, err := s.writing(class, class, "a")
			if err != nil {
				return err
			}
			if pv.Spec.CSI.Driver != want.driver {
				t.Errorf("%s: driver %s, want %s", class, pv.Spec.CSI.Driver, want.driver)
			}
			key, value := "", ""
			if affinity := pv.Spec.NodeAffinity; affinity != nil {
				e := affinity.Required.NodeSelectorTerms[0].MatchExpressions[0]
				key, value = e.Key, e.Values[0]
			}
			if key != want.key || value != want.value {
				t.Errorf("%s: for nodes with %q=%q, want %q=%q", class, key, value, want.key, want.value)
			}
		}
		time.Sleep(2 * time.Minute)
		attachments, err := s.api.StorageV1().VolumeAttachments().List(s.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		node, err := s.api.CoreV1().Nodes().Get(s.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(attachments.Items)+len(node.Status.VolumesInUse)+len(node.Status.VolumesAttached) > 0 {
			t.Errorf("attachments %v, in use %v, attached %v: want none", attachments.Items, node.Status.VolumesInUse, node.Status.VolumesAttached)
		}
		if got := s.writersOn(); got != "[a a a]" {
			t.Errorf("writers on %s, want three on a", got)
		}
		drivers, err := s.api.StorageV1().CSINodes().Get(s.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, d := range drivers.Spec.Drivers {
			object, err := s.api.StorageV1().CSIDrivers().Get(s.ctx, d.Name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if *object.Spec.AttachRequired != (d.Name == world.Driver) {
				t.Errorf("driver %s: attach required %t", d.Name, *object.Spec.AttachRequired)
			}
		}
		if len(drivers.Spec.Drivers) != 4 {
			t.Errorf("drivers on node a: %+v, want 4", drivers.Spec.Drivers)
		}
		return nil
	})
}

func TestHazard14_NothingGatesAVolumeThatIsNotAttached(t *testing.T) {
	playControlled(t, func(s *stage) error {
		old, _, err := s.writing("web-0", "shared", "a")
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.cut("a") },
			func() error { return s.force("web-0") },
		); err != nil {
			return err
		}
		if _, err := s.running("web-0", "", onNode("b"), withClaim("data-web-0")); err != nil {
			return err
		}
		if got := s.writersOn(); got != "[a b]" || !s.runs(old.UID) {
			t.Errorf("writers on %s, want a and b", got)
		}
		return nil
	})
}

func TestFact5_1_NoLongerDesired(t *testing.T) {
	for name, tc := range map[string]struct {
		status       string
		wantDetached bool
	}{
		"being deleted, and its status says running": {status: `{}`},
		"being deleted, and its status says waiting": {
			status:       `{"status":{"containerStatuses":[{"name":"c","image":"image","imageID":"","ready":false,"restartCount":0,"state":{"waiting":{}}}]}}`,
			wantDetached: true,
		},
		"failed, although its status says running": {status: `{"status":{"phase":"Failed"}}`, wantDetached: true},
	} {
		t.Run(name, func(t *testing.T) {
			playControlled(t, func(s *stage) error {
				old, pv, err := s.writing("web-0", "leaky", "a", finalized)
				if err != nil {
					return err
				}
				if err := steps(
					func() error { return s.cut("a") },
					func() error { return s.force("web-0") },
					func() error {
						_, err := s.api.CoreV1().Pods("default").Patch(s.ctx, "web-0", types.MergePatchType, []byte(tc.status), metav1.PatchOptions{}, "status")
						return err
					},
				); err != nil {
					return err
				}
				time.Sleep(15 * time.Minute)
				if detached := s.attachment(pv, "a") == nil; detached != tc.wantDetached {
					t.Errorf("detached %t, want %t", detached, tc.wantDetached)
				}
				if !s.runs(old.UID) {
					t.Error("the pod does not run any more")
				}
				return nil
			})
		})
	}
}

func TestFact5_2_AMissingNodeIsDetachedFromByForce(t *testing.T) {
	playControlled(t, func(s *stage) error {
		old, pv, err := s.writing("web-0", "leaky", "a")
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.cut("a") },
			func() error { return s.api.CoreV1().Nodes().Delete(s.ctx, "a", metav1.DeleteOptions{}) },
			func() error { return s.force("web-0") },
		); err != nil {
			return err
		}
		start := time.Now()
		if err := s.eventually(10*time.Minute, "volume is detached", func() bool { return s.attachment(pv, "a") == nil }); err != nil {
			return err
		}
		s.between(time.Since(start), 6*time.Minute, 6*time.Minute+10*time.Second, "the forced detach")
		if got := s.writersOn(); got != "[a]" || !s.runs(old.UID) {
			t.Errorf("writers on %s, want a: its process runs on", got)
		}
		return nil
	})
}

func TestFact5_5_VolumesAttachedIsClearedBeforeTheDetach(t *testing.T) {
	playControlled(t, func(s *stage) error {
		_, pv, err := s.writing("web-0", "fencing", "a")
		if err != nil {
			return err
		}
		if !s.listed(pv, "a") || !s.inUse(pv, "a") {
			t.Error("mounted, and not in volumesAttached or not in volumesInUse")
		}
		if err := steps(
			func() error { return s.storage("fencing", "", world.Hang) },
			func() error { return s.remove("web-0") },
			func() error {
				return s.eventually(time.Minute, "detach is asked for", func() bool {
					va := s.attachment(pv, "a")
					return va != nil && va.DeletionTimestamp != nil
				})
			},
		); err != nil {
			return err
		}
		time.Sleep(time.Minute)
		va := s.attachment(pv, "a")
		if va == nil || !va.Status.Attached || va.Status.DetachError != nil || len(va.Finalizers) != 1 {
			t.Errorf("under way: %+v, want attached and without an error", va)
		}
		if s.listed(pv, "a") || s.inUse(pv, "a") {
			t.Error("under way: in volumesAttached or in volumesInUse")
		}
		if err := s.storage("fencing", "", world.Work); err != nil {
			return err
		}
		return s.eventually(time.Second, "attachment is gone", func() bool { return s.attachment(pv, "a") == nil })
	})
}

// H11: the attachment of which a detach has failed is uncertain, and that does not
// block. What keeps the second node out is the storage alone.
func TestFact5_6_AfterAFailedDetachTheSecondNodeIsAttachedAtOnce(t *testing.T) {
	playControlled(t, func(s *stage) error {
		_, pv, err := s.writing("web-0", "fencing", "a")
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.storage("fencing", "", world.Fail) },
			func() error { return s.remove("web-0") },
			func() error {
				return s.eventually(time.Minute, "pod is gone", func() bool {
					_, err := s.api.CoreV1().Pods("default").Get(s.ctx, "web-0", metav1.GetOptions{})
					return apierrors.IsNotFound(err)
				})
			},
		); err != nil {
			return err
		}
		next, err := s.bound("web-0", "", onNode("b"), withClaim("data-web-0"))
		if err != nil {
			return err
		}
		if err := s.eventually(time.Minute, "detach has failed", func() bool {
			va := s.attachment(pv, "a")
			return va != nil && va.Status.DetachError != nil
		}); err != nil {
			return err
		}
		start := time.Now()
		if err := s.eventually(time.Minute, "attach to b is asked for", func() bool { return s.attachment(pv, "b") != nil }); err != nil {
			return err
		}
		s.between(time.Since(start), 0, 10*time.Second, "from the failed detach to the attach elsewhere")

		if err := s.eventually(10*time.Second, "attach to b is refused", func() bool {
			va := s.attachment(pv, "b")
			return va.Status.AttachError != nil
		}); err != nil {
			return err
		}
		first, second := s.attachment(pv, "a"), s.attachment(pv, "b")
		if first == nil || !first.Status.Attached || first.DeletionTimestamp == nil || code(first.Status.DetachError) != codes.Internal {
			t.Errorf("attachment to a: %+v, want attached, being deleted, with an internal error", first)
		}
		if second.Status.Attached || second.DeletionTimestamp != nil || code(second.Status.AttachError) != codes.FailedPrecondition {
			t.Errorf("attachment to b: %+v, want not attached, refused for a precondition", second)
		}
		time.Sleep(10 * time.Minute)
		if s.runs(next.UID) {
			t.Error("the second pod runs while the storage has the disk at the first node")
		}

		if err := s.storage("fencing", "", world.Work); err != nil {
			return err
		}
		// Twice the attacher's longest back-off, and the kubelet's.
		if _, err := s.pod("web-0", 13*time.Minute, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }); err != nil {
			return err
		}
		if got := s.writersOn(); got != "[b]" || s.attachment(pv, "a") != nil {
			t.Errorf("in the end: writers on %s, want b; attachment to a: %+v", got, s.attachment(pv, "a"))
		}
		return nil
	})
}

func TestFact5_6_AnAttachThatTimedOutDoesNotBlockEither(t *testing.T) {
	playControlled(t, func(s *stage) error {
		pv, err := s.unanswered()
		if err != nil {
			return err
		}
		// The controller waits two minutes for an attach, and as long for the detach.
		time.Sleep(150 * time.Second)
		if err := s.force("web-0"); err != nil {
			return err
		}
		if _, err := s.bound("web-0", "", onNode("b"), withClaim("data-web-0")); err != nil {
			return err
		}
		if err := s.eventually(5*time.Minute, "attach to b is asked for", func() bool { return s.attachment(pv, "b") != nil }); err != nil {
			return err
		}
		old := s.attachment(pv, "a")
		if old == nil || old.Status.Attached || old.Status.AttachError != nil {
			t.Errorf("attachment to a: %+v, want unanswered", old)
		}
		if err := s.storage("fencing", world.Work, ""); err != nil {
			return err
		}
		// One of them comes first; a's is taken back, and b's tried again.
		_, err = s.pod("web-0", 15*time.Minute, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
		if got := s.writersOn(); err == nil && got != "[b]" {
			t.Errorf("writers on %s, want b", got)
		}
		return err
	})
}

func TestFact5_6_ManyNodesAreNotCheckedAndOnlyWritersCount(t *testing.T) {
	for name, tc := range map[string]struct {
		modes       []corev1.PersistentVolumeAccessMode
		second      func(*corev1.Pod)
		wantWriters string
	}{
		"ReadWriteMany, two that write": {
			modes:  []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
			second: func(*corev1.Pod) {}, wantWriters: "[a b]",
		},
		"ReadWriteOnce beside ReadOnlyMany, the second reads": {
			modes:       []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadOnlyMany},
			second:      func(p *corev1.Pod) { p.Spec.Volumes[0].PersistentVolumeClaim.ReadOnly = true },
			wantWriters: "[a]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			playControlled(t, func(s *stage) error {
				if err := s.asked("data", "fencing", tc.modes...); err != nil {
					return err
				}
				if _, err := s.running("web-0", "", onNode("a"), withClaim("data")); err != nil {
					return err
				}
				if _, err := s.running("web-1", "", onNode("b"), withClaim("data"), tc.second); err != nil {
					return err
				}
				if got := s.writersOn(); got != tc.wantWriters {
					t.Errorf("writers on %s, want %s", got, tc.wantWriters)
				}
				return nil
			})
		})
	}
}

// unanswered puts a pod on node a whose volume the storage does not attach.
func (s *stage) unanswered() (*corev1.PersistentVolume, error) {
	if err := steps(
		func() error { return s.storage("fencing", world.Hang, "") },
		func() error { return s.asked("data-web-0", "fencing") },
		func() error {
			_, err := s.bound("web-0", "", onNode("a"), withClaim("data-web-0"))
			return err
		},
	); err != nil {
		return nil, err
	}
	var pv *corev1.PersistentVolume
	err := s.eventually(time.Minute, "attach to a is asked for", func() bool {
		claim, err := s.api.CoreV1().PersistentVolumeClaims("default").Get(s.ctx, "data-web-0", metav1.GetOptions{})
		if err != nil || claim.Spec.VolumeName == "" {
			return false
		}
		pv, err = s.api.CoreV1().PersistentVolumes().Get(s.ctx, claim.Spec.VolumeName, metav1.GetOptions{})
		return err == nil && s.attachment(pv, "a") != nil
	})
	return pv, err
}

func TestFact5_7_ForcedDetachAfterSixMinutes(t *testing.T) {
	playControlled(t, func(s *stage) error {
		old, pv, err := s.writing("web-0", "leaky", "a")
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.cut("a") },
			func() error { return s.force("web-0") },
		); err != nil {
			return err
		}
		start := time.Now()
		if _, err := s.bound("web-0", "", onNode("b"), withClaim("data-web-0")); err != nil {
			return err
		}
		if err := s.eventually(10*time.Minute, "forced detach", func() bool {
			second := s.attachment(pv, "b")
			first := s.attachment(pv, "a")
			detaches := first == nil || first.DeletionTimestamp != nil
			if second != nil && !detaches {
				t.Errorf("after %v: attach to b is asked for although a is attached", time.Since(start))
			}
			return detaches
		}); err != nil {
			return err
		}
		s.between(time.Since(start), 6*time.Minute, 6*time.Minute+10*time.Second, "the forced detach")
		if !s.inUse(pv, "a") {
			t.Error("volumesInUse of a node that nobody hears of has changed")
		}
		if _, err := s.pod("web-0", 3*time.Minute, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }); err != nil {
			return err
		}
		if got := s.writersOn(); got != "[a b]" || !s.runs(old.UID) {
			t.Errorf("writers on %s, want a and b: the detach does not fence", got)
		}
		return nil
	})
}

func TestFact5_3_OutOfServiceDetachesAtOnceFromAReadyNode(t *testing.T) {
	playControlled(t, func(s *stage) error {
		old, pv, err := s.writing("web-0", "fencing", "a")
		if err != nil {
			return err
		}
		taint := []byte(`{"spec":{"taints":[{"key":"node.kubernetes.io/out-of-service","value":"nodeshutdown","effect":"NoExecute"}]}}`)
		if err := steps(
			func() error { return s.cut("a") },
			func() error {
				_, err := s.api.CoreV1().Nodes().Patch(s.ctx, "a", types.StrategicMergePatchType, taint, metav1.PatchOptions{})
				return err
			},
			func() error { return s.force("web-0") },
		); err != nil {
			return err
		}
		start := time.Now()
		if err := s.eventually(time.Minute, "volume is detached", func() bool { return s.attachment(pv, "a") == nil }); err != nil {
			return err
		}
		s.between(time.Since(start), 2*time.Second, 5*time.Second, "the detach")
		node, err := s.api.CoreV1().Nodes().Get(s.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
		if !ready || !s.inUse(pv, "a") || !s.runs(old.UID) {
			t.Errorf("ready %t, in use %t, runs %t: want all of it", ready, s.inUse(pv, "a"), s.runs(old.UID))
		}
		if got := s.writersOn(); got != "[]" {
			t.Errorf("writers on %s, want none: the detach fences", got)
		}
		return nil
	})
}

// H12: the new Node object has no volumesInUse, so the detach is not even forced.
func TestFact5_8_ANodeThatWasMadeAnewIsDetachedFromWhileItWrites(t *testing.T) {
	playControlled(t, func(s *stage) error {
		old, pv, err := s.writing("web-0", "leaky", "a")
		if err != nil {
			return err
		}
		nodes := s.api.CoreV1().Nodes()
		node, err := nodes.Get(s.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		anew := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: node.Labels, Annotations: node.Annotations},
			Status:     corev1.NodeStatus{Conditions: node.Status.Conditions},
		}
		if err := steps(
			func() error { return s.cut("a") },
			func() error { return nodes.Delete(s.ctx, "a", metav1.DeleteOptions{}) },
			func() error {
				_, err := nodes.Create(s.ctx, anew, metav1.CreateOptions{})
				return err
			},
			func() error { return s.force("web-0") },
		); err != nil {
			return err
		}
		if err := s.eventually(time.Minute, "volume is detached", func() bool { return s.attachment(pv, "a") == nil }); err != nil {
			return err
		}
		if got := s.writersOn(); got != "[a]" || !s.runs(old.UID) {
			t.Errorf("writers on %s, want a: its process runs on", got)
		}
		return nil
	})
}

func TestFact5_5_ErrorsAreWrittenDownAndTheCallRetriedWithBackOff(t *testing.T) {
	play(t, func(s *stage) error {
		pv, err := s.claim("data", "fencing", "a")
		if err != nil {
			return err
		}
		if err := s.storage("fencing", world.Fail, ""); err != nil {
			return err
		}
		if err := s.askFor(pv, "a"); err != nil {
			return err
		}
		// Each call takes two seconds, and the waits double from one.
		var attempts []time.Time
		for range 600 {
			time.Sleep(time.Second)
			va := s.attachment(pv, "a")
			e := va.Status.AttachError
			if e == nil {
				continue
			}
			if va.Status.Attached || code(e) != codes.Internal || e.Message == "" {
				return fmt.Errorf("status %+v", va.Status)
			}
			if len(attempts) == 0 || !attempts[len(attempts)-1].Equal(e.Time.Time) {
				attempts = append(attempts, e.Time.Time)
			}
		}
		n := len(attempts)
		if n < 8 || n > 13 || attempts[n-1].Sub(attempts[n-2]) < 2*time.Minute {
			t.Errorf("in ten minutes %d attempts, at %v", n, attempts)
		}
		if err := s.storage("fencing", world.Work, ""); err != nil {
			return err
		}
		if err := s.eventually(6*time.Minute, "volume is attached", func() bool { return s.attachment(pv, "a").Status.Attached }); err != nil {
			return err
		}
		if va := s.attachment(pv, "a"); va.Status.AttachError != nil {
			t.Errorf("attached, with an error: %+v", va.Status)
		}
		return nil
	})
}

func TestFact5_5_BeyondTheLimitTheAttachErrorIsResourceExhausted(t *testing.T) {
	limited := func(c *world.Config) {
		for i := range c.Nodes {
			c.Nodes[i].AttachLimit = 1
		}
	}
	playOn(t, engine.StartAPIServer, limited, func(s *stage) error {
		node, err := s.api.StorageV1().CSINodes().Get(s.ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if a := node.Spec.Drivers[0].Allocatable; a == nil || a.Count == nil || *a.Count != 1 {
			t.Errorf("allocatable %+v, want 1", a)
		}
		first, err := s.claim("first", "fencing", "a")
		if err != nil {
			return err
		}
		second, err := s.claim("second", "fencing", "a")
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.attach(first, "a") },
			func() error { return s.askFor(second, "a") },
			func() error {
				return s.eventually(time.Minute, "second volume is refused", func() bool {
					return code(s.attachment(second, "a").Status.AttachError) == codes.ResourceExhausted
				})
			},
			func() error { return s.detach(first, "a") },
			func() error {
				return s.eventually(time.Minute, "second volume is attached", func() bool {
					return s.attachment(second, "a").Status.Attached
				})
			},
		); err != nil {
			return err
		}
		return nil
	})
}
