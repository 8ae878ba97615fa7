package guard_test

import (
	"time"

	"testing"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// TestARecordIsCollectedWhenNothingIsLeft: not while its set is there, not while a
// claim of it is or its volume is attached, and not before its receipt could be read.
func TestARecordIsCollectedWhenNothingIsLeft(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		if err := c.createSet(); err != nil {
			return err
		}
		if err := c.createClaim("data", v1.ReadWriteOnce); err != nil {
			return err
		}
		defer c.guards()()
		if _, err := c.createPod("a", true, withClaim("data")); err != nil {
			return err
		}
		stays := func(what string, wait time.Duration) func() error {
			return func() error {
				time.Sleep(wait)
				return c.mustStay(what, func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return over(r, v1alpha1.KubeletConfirmed) })
			}
		}
		return steps(
			func() error { return c.strip("example.com/other") },
			func() error { return c.report(false) },
			func() error { return c.deletePod(0) },
			func() error {
				return c.must("it is in doubt", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.InDoubt) })
			},
			func() error { return c.report(true) },
			func() error {
				return c.must("it is over and gone", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return over(r, v1alpha1.KubeletConfirmed) && p == nil })
			},
			stays("its set may make its pod again", 3*time.Hour),
			c.deleteSet,
			stays("its claim has its data", 3*time.Hour),
			func() error { return c.attach("pv-data", "a") },
			func() error { return c.deleteClaim("data") },
			stays("its volume is attached to where it ran", 3*time.Hour),
			func() error {
				return c.kube.StorageV1().VolumeAttachments().Delete(c.ctx, "pv-data", metav1.DeleteOptions{})
			},
			func() error {
				time.Sleep(11 * time.Minute)
				return c.must("it goes, finalizer and all", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return r == nil })
			},
		)
	})
}

func TestAReceiptStaysForAWhile(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		if err := c.openAndClose(); err != nil {
			return err
		}
		time.Sleep(50 * time.Minute)
		if err := c.must("it can still be read", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return over(r, v1alpha1.Attested) }); err != nil {
			return err
		}
		time.Sleep(30 * time.Minute)
		return c.must("it goes", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return r == nil })
	})
}

// TestAnErrorCollectsNothing: unknown holds.
func TestAnErrorCollectsNothing(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		if err := c.openAndClose(); err != nil {
			return err
		}
		c.wire.fail("GET statefulsets/web", true)
		time.Sleep(3 * time.Hour)
		if err := c.must("it stays", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return over(r, v1alpha1.Attested) }); err != nil {
			return err
		}
		c.wire.fail("GET statefulsets/web", false)
		time.Sleep(11 * time.Minute)
		return c.must("it goes", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return r == nil })
	})
}

// openAndClose leaves the record of an incarnation that is over.
func (c *cluster) openAndClose() error {
	if _, err := c.store.Open(c.ctx, c.id, v1alpha1.Incarnation{PodUID: "other"}, time.Now()); err != nil {
		return err
	}
	_, err := c.store.Close(c.ctx, c.id, v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: "other", Source: "ann", Time: metav1.Now()})
	return err
}

func (c *cluster) createSet() error {
	labels := map[string]string{"app": "web"}
	_, err := c.kube.AppsV1().StatefulSets(c.id.Namespace).Create(c.ctx, &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: c.id.Set},
		Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: v1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "i"}}},
			},
		},
	}, metav1.CreateOptions{})
	return err
}

func (c *cluster) deleteSet() error {
	return c.kube.AppsV1().StatefulSets(c.id.Namespace).Delete(c.ctx, c.id.Set, metav1.DeleteOptions{})
}

// attach makes a VolumeAttachment that is named like the volume.
func (c *cluster) attach(volume, node string) error {
	_, err := c.kube.StorageV1().VolumeAttachments().Create(c.ctx, &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: volume},
		Spec: storagev1.VolumeAttachmentSpec{Attacher: "disks.example", NodeName: node,
			Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume}},
	}, metav1.CreateOptions{})
	return err
}

// deleteClaim does the work of the controller that protects claims, too.
func (c *cluster) deleteClaim(name string) error {
	claims := c.kube.CoreV1().PersistentVolumeClaims(c.id.Namespace)
	if err := claims.Delete(c.ctx, name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	_, err := claims.Patch(c.ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	return err
}
