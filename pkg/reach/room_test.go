package reach

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func roomOn(x *Index, node string, uses []Use) Room {
	rooms := x.Rooms(uses)
	return rooms.On(node)
}

func TestRoomOnANode(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	w, x := newWorld(), NewIndex()
	volume := func(name, driver string) {
		x.SetVolume(&v1.PersistentVolume{ObjectMeta: w.meta(name), Spec: v1.PersistentVolumeSpec{
			PersistentVolumeSource: v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{Driver: driver}}}})
	}
	attach := func(name, volume, node, driver string, failed time.Duration) *storagev1.VolumeAttachment {
		va := attachmentOf(w, name, volume, node)
		va.Spec.Attacher = driver
		if failed != 0 {
			va.Status.AttachError = &storagev1.VolumeError{Time: metav1.NewTime(now.Add(-failed))}
		}
		x.SetAttachment(va)
		return va
	}
	csiNode := func(name string, counts map[string]*int32) {
		c := &storagev1.CSINode{ObjectMeta: w.meta(name)}
		for driver, count := range counts {
			d := storagev1.CSINodeDriver{Name: driver}
			if count != nil {
				d.Allocatable = &storagev1.VolumeNodeResources{Count: count}
			}
			c.Spec.Drivers = append(c.Spec.Drivers, d)
		}
		x.SetCSINode(c)
	}
	volume("data", "disk")
	volume("wal", "fast")
	volume("logs", "disk")
	csiNode("a", map[string]*int32{"disk": ptr.To[int32](8), "fast": ptr.To[int32](2)})
	csiNode("b", map[string]*int32{"disk": ptr.To[int32](10), "fast": nil})
	dataOnA := attach("1", "data", "a", "disk", 0)
	attach("2", "other", "a", "fast", 5*time.Minute)
	attach("3", "another", "a", "disk", time.Minute)
	attach("4", "third", "b", "disk", 0)
	uses := []Use{{Volume: "data"}, {Volume: "wal"}}

	for name, tc := range map[string]struct {
		node string
		uses []Use
		want Room
	}{
		"one of two is attached, and the tightest driver counts": {"a", uses, Room{Volumes: 1, Attached: 1, FailedAt: now.Add(-time.Minute), SlotsLeft: 1, SlotsMax: 2}},
		"attached elsewhere, and a driver without a limit":       {"b", uses, Room{Volumes: 1, SlotsLeft: 9, SlotsMax: 10}},
		"a volume that is attached nowhere":                      {"b", []Use{{Volume: "logs"}}, Room{SlotsLeft: 9, SlotsMax: 10}},
		"a node of which nothing is known":                       {"c", uses, Room{Volumes: 1}},
		"a pod without bound claims":                             {"a", nil, Room{FailedAt: now.Add(-time.Minute)}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, roomOn(x, tc.node, tc.uses)); diff != "" {
				t.Errorf("(-want,+got):\n%s", diff)
			}
		})
	}

	final := dataOnA.DeepCopy()
	final.ResourceVersion = w.meta("1").ResourceVersion
	x.DeleteAttachment(final)
	x.DeleteCSINode(&storagev1.CSINode{ObjectMeta: w.meta("a")})
	if diff := cmp.Diff(Room{FailedAt: now.Add(-time.Minute)}, roomOn(x, "a", uses)); diff != "" {
		t.Errorf("after the attachment and the CSINode are gone (-want,+got):\n%s", diff)
	}
}
