package world_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/world"
)

func withClaim(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}}}
	}
}

// claim makes a claim that was given to a node, waits for its volume and binds the
// two, as the volume controller would.
func (s *stage) claim(name, class, node string) (*corev1.PersistentVolume, error) {
	claims := s.api.CoreV1().PersistentVolumeClaims("default")
	claim, err := claims.Create(s.ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{
			"volume.kubernetes.io/selected-node":       node,
			"volume.kubernetes.io/storage-provisioner": world.Driver,
		}},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	var pv *corev1.PersistentVolume
	if err := s.eventually(time.Minute, "volume of claim "+name, func() bool {
		pv, err = s.api.CoreV1().PersistentVolumes().Get(s.ctx, "pvc-"+string(claim.UID), metav1.GetOptions{})
		return err == nil
	}); err != nil {
		return nil, err
	}
	claim.Spec.VolumeName = pv.Name
	if claim, err = claims.Update(s.ctx, claim, metav1.UpdateOptions{}); err != nil {
		return nil, err
	}
	claim.Status.Phase = corev1.ClaimBound
	_, err = claims.UpdateStatus(s.ctx, claim, metav1.UpdateOptions{})
	return pv, err
}

func volumeName(pv *corev1.PersistentVolume) corev1.UniqueVolumeName {
	return corev1.UniqueVolumeName("kubernetes.io/csi/" + world.Driver + "^" + pv.Spec.CSI.VolumeHandle)
}

func attachmentName(pv *corev1.PersistentVolume, node string) string {
	sum := sha256.Sum256([]byte(pv.Spec.CSI.VolumeHandle + world.Driver + node))
	return "csi-" + hex.EncodeToString(sum[:])
}

// askFor makes a VolumeAttachment, as the attach-detach controller does.
func (s *stage) askFor(pv *corev1.PersistentVolume, node string) error {
	_, err := s.api.StorageV1().VolumeAttachments().Create(s.ctx, &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: attachmentName(pv, node)},
		Spec: storagev1.VolumeAttachmentSpec{
			Attacher: world.Driver, NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &pv.Name},
		},
	}, metav1.CreateOptions{})
	return err
}

// askNoMoreFor asks for the attachment's end.
func (s *stage) askNoMoreFor(pv *corev1.PersistentVolume, node string) error {
	return s.api.StorageV1().VolumeAttachments().Delete(s.ctx, attachmentName(pv, node), metav1.DeleteOptions{})
}

// attach asks for an attachment and waits for the storage to do it.
func (s *stage) attach(pv *corev1.PersistentVolume, node string) error {
	if err := s.askFor(pv, node); err != nil {
		return err
	}
	return s.eventually(time.Minute, "volume is attached", func() bool {
		va, err := s.api.StorageV1().VolumeAttachments().Get(s.ctx, attachmentName(pv, node), metav1.GetOptions{})
		return err == nil && va.Status.Attached
	})
}

// detach takes the attachment back and waits for the storage to do it.
func (s *stage) detach(pv *corev1.PersistentVolume, node string) error {
	attachments, name := s.api.StorageV1().VolumeAttachments(), attachmentName(pv, node)
	if err := attachments.Delete(s.ctx, name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return s.eventually(time.Minute, "volume is detached", func() bool {
		_, err := attachments.Get(s.ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

// listAttached writes the node's volumesAttached.
func (s *stage) listAttached(pv *corev1.PersistentVolume, node string) error {
	patch := fmt.Appendf(nil, `{"status":{"volumesAttached":[{"name":%q,"devicePath":""}]}}`, volumeName(pv))
	_, err := s.api.CoreV1().Nodes().Patch(s.ctx, node, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

func (s *stage) inUse(pv *corev1.PersistentVolume, node string) bool {
	n, err := s.api.CoreV1().Nodes().Get(s.ctx, node, metav1.GetOptions{})
	return err == nil && slices.Contains(n.Status.VolumesInUse, volumeName(pv))
}

// mounted brings a pod with a volume of a class to run on node a.
func (s *stage) mounted(class string, change ...func(*corev1.Pod)) (*corev1.Pod, *corev1.PersistentVolume, error) {
	pv, err := s.claim("data", class, "a")
	if err != nil {
		return nil, nil, err
	}
	if err := steps(
		func() error { return s.attach(pv, "a") },
		func() error { return s.listAttached(pv, "a") },
	); err != nil {
		return nil, nil, err
	}
	pod, err := s.running("web-0", "a", append(change, withClaim("data"))...)
	return pod, pv, err
}

func TestFact2_InUseBeforeMount(t *testing.T) {
	play(t, func(s *stage) error {
		pv, err := s.claim("data", "fencing", "a")
		if err != nil {
			return err
		}
		terms := pv.Spec.NodeAffinity.Required.NodeSelectorTerms
		if e := terms[0].MatchExpressions[0]; e.Key != corev1.LabelTopologyZone || !slices.Equal(e.Values, []string{"z1"}) {
			t.Errorf("the volume is not in the node's zone: %+v", e)
		}
		pod, err := s.bound("web-0", "a", withClaim("data"))
		if err != nil {
			return err
		}
		if err := s.eventually(11*time.Second, "volume is in volumesInUse", func() bool { return s.inUse(pv, "a") }); err != nil {
			return err
		}
		stillWaits := func(what string) {
			time.Sleep(time.Minute)
			if s.runs(pod.UID) {
				t.Errorf("the pod runs although its volume is %s", what)
			}
		}
		stillWaits("not attached")
		if err := s.attach(pv, "a"); err != nil {
			return err
		}
		stillWaits("not in volumesAttached")
		if err := s.listAttached(pv, "a"); err != nil {
			return err
		}
		// The kubelet's back-off has grown by now.
		if _, err := s.pod("web-0", 3*time.Minute, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }); err != nil {
			return err
		}
		writers := s.State().Writers
		if len(writers) != 1 || writers[0].Claim != "data" || writers[0].PodUID != pod.UID || writers[0].Node != "a" {
			t.Errorf("writers: %+v", writers)
		}
		return nil
	})
}

func TestFact2_5_InUseUntilUnmounted(t *testing.T) {
	play(t, func(s *stage) error {
		pod, pv, err := s.mounted("fencing", stops("30"))
		if err != nil {
			return err
		}
		if err := s.remove("web-0"); err != nil {
			return err
		}
		took, err := s.untilStopped(pod.UID, time.Minute)
		if err != nil {
			return err
		}
		s.between(took, 29*time.Second, 32*time.Second, "the stop")
		if !s.inUse(pv, "a") {
			t.Error("the volume left volumesInUse before the container stopped")
		}
		return s.eventually(13*time.Second, "volume is out of volumesInUse", func() bool { return !s.inUse(pv, "a") })
	})
}

func TestFact2_4_NoMountWithoutTheAPI(t *testing.T) {
	play(t, func(s *stage) error {
		pv, err := s.claim("data", "fencing", "a")
		if err != nil {
			return err
		}
		pod, err := s.bound("web-0", "a", withClaim("data"))
		if err != nil {
			return err
		}
		if err := steps(
			func() error { return s.attach(pv, "a") },
			func() error { return s.cut("a") },
			func() error { return s.listAttached(pv, "a") },
		); err != nil {
			return err
		}
		time.Sleep(time.Hour)
		if s.runs(pod.UID) {
			t.Error("mounted although the kubelet could not read that it is attached")
		}
		return nil
	})
}

func TestDetachUnderARunningPod(t *testing.T) {
	for class, wantWriters := range map[string]int{"fencing": 0, "leaky": 1} {
		t.Run(class, func(t *testing.T) {
			play(t, func(s *stage) error {
				pod, pv, err := s.mounted(class)
				if err != nil {
					return err
				}
				if got := len(s.State().Writers); got != 1 {
					t.Errorf("%d writers before the detach, want 1", got)
				}
				start := time.Now()
				if err := s.detach(pv, "a"); err != nil {
					return err
				}
				s.between(time.Since(start), 2*time.Second, 2200*time.Millisecond, "the detach")
				if !s.runs(pod.UID) {
					t.Error("the pod does not run any more")
				}
				if got := len(s.State().Writers); got != wantWriters {
					t.Errorf("%d writers after the detach, want %d", got, wantWriters)
				}
				return nil
			})
		})
	}
}
