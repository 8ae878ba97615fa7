package world

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// onMachine is a machine without a cluster on which two pods write to two disks
// and which is attached to both; the API knows both pods.
type onMachine struct {
	machine *machine
	running sync.WaitGroup
}

func newOnMachine() *onMachine {
	l := newLedger(nil)
	o := &onMachine{machine: &machine{spec: NodeSpec{Name: "a"}, ledger: l, mounts: newMounts("a", l)}}
	for _, pod := range []string{"p1", "p2"} {
		volume := diskOf(pod)
		l.provisions(disk{handle: volume.handle, class: ClassSpec{DetachFences: true}})
		_ = l.attaches(volume.handle, "a")
		o.machine.mounts.stage(volume.name)
		o.machine.mounts.publish(volume)
		l.starts(Process{Pod: pod, PodUID: types.UID(pod), Container: "c", Node: "a"})
	}
	return o
}

// diskOf is the volume of a pod on the machine.
func diskOf(pod string) podVolume {
	handle := "disk-" + pod
	return podVolume{
		name: volumeName(Driver, handle), driver: Driver, handle: handle, attachable: true,
		mount: mount{disk: handle, node: "a", pod: pod, uid: types.UID(pod)},
	}
}

// restarted is the volume manager of a new kubelet.
func (o *onMachine) restarted() *volumes {
	return newVolumes(&kubelet{machine: o.machine, config: newPodConfig()})
}

func (o *onMachine) writers() string {
	disks := []string{}
	for _, w := range o.machine.ledger.state().Writers {
		disks = append(disks, w.Disk)
	}
	return fmt.Sprint(disks)
}

func attachedTo(volumes ...podVolume) []corev1.AttachedVolume {
	var attached []corev1.AttachedVolume
	for _, v := range volumes {
		attached = append(attached, corev1.AttachedVolume{Name: v.name})
	}
	return attached
}

func names(volumes ...podVolume) string {
	all := []corev1.UniqueVolumeName{}
	for _, v := range volumes {
		all = append(all, v.name)
	}
	return fmt.Sprint(all)
}

func TestFact2_7_TheOldListStandsUntilTheActualStateIsKnown(t *testing.T) {
	o := newOnMachine()
	v := o.restarted()
	last := []corev1.UniqueVolumeName{"as the API has it"}
	if got := v.inUse(last); fmt.Sprint(got) != fmt.Sprint(last) {
		t.Errorf("before: %v, want %v", got, last)
	}
	v.reconstruct(attachedTo(diskOf("p1"), diskOf("p2")))
	if got, want := fmt.Sprint(v.inUse(last)), names(diskOf("p1"), diskOf("p2")); got != want {
		t.Errorf("afterwards: %s, want %s", got, want)
	}
}

func TestFact2_6_NotInVolumesAttachedIsNotInUseWhileMounted(t *testing.T) {
	o := newOnMachine()
	v := o.restarted()
	v.reconstruct(attachedTo(diskOf("p1")))
	if got, want := fmt.Sprint(v.inUse(nil)), names(diskOf("p1")); got != want {
		t.Errorf("in use: %s, want %s", got, want)
	}
	if got, want := o.writers(), "[disk-p1 disk-p2]"; got != want {
		t.Errorf("writers: %s, want %s", got, want)
	}
	// A pod that is known brings it back.
	v.want("p2", []podVolume{diskOf("p2")})
	if got, want := fmt.Sprint(v.inUse(nil)), names(diskOf("p1"), diskOf("p2")); got != want {
		t.Errorf("in use by a known pod: %s, want %s", got, want)
	}
}

func TestFact2_6_VolumesOfPodsThatAreGoneAreUnmountedWithoutALookAtContainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		o := newOnMachine()
		v := o.restarted()
		o.running.Go(func() { v.unmountOrphansUntil(ctx) })
		v.reconstruct(attachedTo(diskOf("p1"), diskOf("p2")))
		time.Sleep(time.Hour)
		if got := len(o.machine.mounts.pods()); got != 2 {
			t.Errorf("%d pods have mounts before the kubelet knows its pods, want 2", got)
		}

		o.running.Go(func() {
			for range v.kubelet.config.updates {
			}
		})
		v.kubelet.config.set(ctx, []any{&corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "p1"}}})
		time.Sleep(time.Second)
		if pods := o.machine.mounts.pods(); len(pods) != 1 || pods["p1"] == nil {
			t.Errorf("mounts of pods: %v, want those of p1", pods)
		}
		if o.machine.mounts.isStaged(diskOf("p2").name) {
			t.Error("the volume of the pod that is gone is still staged")
		}
		if got, want := fmt.Sprint(v.inUse(nil)), names(diskOf("p1")); got != want {
			t.Errorf("in use: %s, want %s", got, want)
		}
		// Nobody has killed its container yet.
		if got, want := o.writers(), "[disk-p1 disk-p2]"; got != want {
			t.Errorf("writers: %s, want %s", got, want)
		}
		o.machine.ledger.ends("a", "p2")
		if got, want := o.writers(), "[disk-p1]"; got != want {
			t.Errorf("writers once the container is dead: %s, want %s", got, want)
		}
		end()
		close(v.kubelet.config.updates)
		o.running.Wait()
	})
}

func TestFact2_6_AVolumeThatIsOnlyStagedIsNotFound(t *testing.T) {
	o := newOnMachine()
	o.machine.mounts.unpublish(diskOf("p2"))
	v := o.restarted()
	v.reconstruct(attachedTo(diskOf("p1"), diskOf("p2")))
	if got, want := fmt.Sprint(v.inUse(nil)), names(diskOf("p1")); got != want {
		t.Errorf("in use: %s, want %s", got, want)
	}
	if !o.machine.mounts.isStaged(diskOf("p2").name) {
		t.Error("it is not staged any more")
	}
}

func TestFact2_5_InUseUntilUnstaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOnMachine()
		v := o.restarted()
		v.reconstruct(attachedTo(diskOf("p1"), diskOf("p2")))
		v.want("p1", []podVolume{diskOf("p1")})
		o.machine.ledger.ends("a", "p1")
		if err := v.unmount(t.Context(), "p1"); err != nil {
			t.Fatal(err)
		}
		name, start := diskOf("p1").name, time.Now()
		var published, staged, inUse []time.Duration
		for range 10 {
			since := time.Since(start)
			if _, ok := o.machine.mounts.pods()["p1"]; ok {
				published = append(published, since)
			}
			if o.machine.mounts.isStaged(name) {
				staged = append(staged, since)
			}
			if slices.Contains(v.inUse(nil), name) {
				inUse = append(inUse, since)
			}
			time.Sleep(reconcilePeriod / 2)
		}
		if len(published) > 0 || len(staged) == 0 || len(inUse) <= len(staged) || len(inUse) == 10 {
			t.Errorf("published at %v, staged at %v, in use at %v: want one to end after the other", published, staged, inUse)
		}
		o.running.Wait()
	})
}

func TestPowerLossEndsMountsAndKeepsAttachments(t *testing.T) {
	o := newOnMachine()
	o.machine.mounts.unpublish(diskOf("p2")) // Its container still has it.
	if got, want := o.writers(), "[disk-p1 disk-p2]"; got != want {
		t.Fatalf("writers before: %s, want %s", got, want)
	}
	o.machine.mounts.lost()
	if got := o.writers(); got != "[]" {
		t.Errorf("writers: %s, want none", got)
	}
	if len(o.machine.mounts.pods()) > 0 || o.machine.mounts.isStaged(diskOf("p1").name) {
		t.Error("the machine still has mounts")
	}
	if !o.machine.ledger.isAttached("disk-p1") || !o.machine.ledger.isAttached("disk-p2") {
		t.Error("a disk was detached")
	}
	// A kubelet of the next boot has nothing to reconstruct.
	if got := o.restarted().inUse([]corev1.UniqueVolumeName{"before"}); len(got) != 0 {
		t.Errorf("in use in the next boot: %v", got)
	}
}

func TestReadsOnly(t *testing.T) {
	type modes = []corev1.PersistentVolumeAccessMode
	container := func(readOnly bool) corev1.Container {
		return corev1.Container{VolumeMounts: []corev1.VolumeMount{{Name: "data", ReadOnly: readOnly}}}
	}
	for name, tc := range map[string]struct {
		modes      modes
		ofVolume   bool
		ofClaim    bool
		containers []corev1.Container
		want       bool
	}{
		"a volume that no container mounts may be written to": {modes: modes{corev1.ReadWriteOnce}},
		"one of the containers writes": {
			modes: modes{corev1.ReadWriteOnce}, containers: []corev1.Container{container(true), container(false)},
		},
		"every container that mounts it reads": {
			modes: modes{corev1.ReadWriteOnce}, containers: []corev1.Container{container(true), {}}, want: true,
		},
		"a block device can be written to": {
			modes:      modes{corev1.ReadWriteOnce},
			containers: []corev1.Container{container(true), {VolumeDevices: []corev1.VolumeDevice{{Name: "data"}}}},
		},
		"the pod asks for no more":    {modes: modes{corev1.ReadWriteMany}, ofClaim: true, want: true},
		"the volume gives no more":    {modes: modes{corev1.ReadWriteMany}, ofVolume: true, want: true},
		"ReadOnlyMany alone":          {modes: modes{corev1.ReadOnlyMany}, want: true},
		"ReadOnlyMany beside another": {modes: modes{corev1.ReadOnlyMany, corev1.ReadWriteOnce}},
		"no modes at all":             {},
	} {
		t.Run(name, func(t *testing.T) {
			volume := corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ReadOnly: tc.ofClaim},
			}}
			pv := &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{
				AccessModes:            tc.modes,
				PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{ReadOnly: tc.ofVolume}},
			}}
			pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: tc.containers}}
			if got := readsOnly(pod, volume, pv); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}
