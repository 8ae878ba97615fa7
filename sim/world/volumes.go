package world

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// reconcilePeriod is how often the volume manager looks at what it should do.
	reconcilePeriod = 100 * time.Millisecond
	// A volume operation that did not succeed is tried again after mountRetryMin,
	// twice as long each time, up to mountRetryMax (pkg/util/goroutinemap/
	// exponentialbackoff): a volume that is attached late is mounted late.
	mountRetryMin = 500 * time.Millisecond
	mountRetryMax = 2*time.Minute + 2*time.Second
)

// volumes mounts and unmounts what the pods of one kubelet need, and knows what
// belongs in the node's volumesInUse (docs/kubernetes-facts.md §2).
type volumes struct {
	kubelet *kubelet

	mu sync.Mutex
	// wanted are the volumes of pods that should have them, mounted those that
	// pods have: the desired and the actual state of the world.
	wanted, mounted map[types.UID]map[corev1.UniqueVolumeName]podVolume
	// devices are the volumes that are mounted for the whole node.
	devices map[corev1.UniqueVolumeName]bool
	// reported are the volumes that the API has in volumesInUse.
	reported map[corev1.UniqueVolumeName]bool
}

// podVolume is one CSI volume as a pod uses it.
type podVolume struct {
	name           corev1.UniqueVolumeName
	driver, handle string
	exclusive      bool // ReadWriteOncePod
	mount          mount
}

func newVolumes(k *kubelet) *volumes {
	return &volumes{
		kubelet:  k,
		wanted:   map[types.UID]map[corev1.UniqueVolumeName]podVolume{},
		mounted:  map[types.UID]map[corev1.UniqueVolumeName]podVolume{},
		devices:  map[corev1.UniqueVolumeName]bool{},
		reported: map[corev1.UniqueVolumeName]bool{},
	}
}

// volumeName is the volume's name in the node's status.
func volumeName(driver, handle string) corev1.UniqueVolumeName {
	return corev1.UniqueVolumeName("kubernetes.io/csi/" + driver + "^" + handle)
}

// attachmentName is the name of the VolumeAttachment of a volume to a node.
func attachmentName(driver, handle, node string) string {
	sum := sha256.Sum256([]byte(handle + driver + node))
	return "csi-" + hex.EncodeToString(sum[:])
}

// inUse is the node's volumesInUse: every volume from the decision that a pod
// should have it until it is mounted nowhere on the node.
func (v *volumes) inUse() []corev1.UniqueVolumeName {
	v.mu.Lock()
	defer v.mu.Unlock()
	names := maps.Clone(v.devices)
	for _, wanted := range v.wanted {
		for name := range wanted {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// markReported takes what the API has in volumesInUse.
func (v *volumes) markReported(names []corev1.UniqueVolumeName) {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.reported)
	for _, name := range names {
		v.reported[name] = true
	}
}

func (v *volumes) isReported(name corev1.UniqueVolumeName) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reported[name]
}

// mount mounts the pod's volumes and returns when all are. Only the end of ctx
// stops it.
func (v *volumes) mount(ctx context.Context, pod *corev1.Pod) error {
	var needed []podVolume
	if err := retry(ctx, func() (err error) {
		needed, err = v.resolve(ctx, pod)
		return err
	}); err != nil {
		return err
	}
	v.want(pod.UID, needed)
	for _, volume := range needed {
		for !v.isReported(volume.name) {
			if err := sleep(ctx, reconcilePeriod); err != nil {
				return err
			}
		}
		if err := retry(ctx, func() error { return v.mountOne(ctx, pod.UID, volume) }); err != nil {
			return err
		}
	}
	return nil
}

// resolve reads the pod's claims and their volumes. Volumes that need no attaching
// are none of the world's business.
func (v *volumes) resolve(ctx context.Context, pod *corev1.Pod) ([]podVolume, error) {
	var needed []podVolume
	for _, volume := range pod.Spec.Volumes {
		claimName := claimOf(pod, volume)
		if claimName == "" {
			continue
		}
		claim, err := v.kubelet.api.CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, claimName, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		if claim.Status.Phase != corev1.ClaimBound || claim.Spec.VolumeName == "" {
			return nil, fmt.Errorf("claim %s/%s: not bound", pod.Namespace, claimName)
		}
		pv, err := v.kubelet.api.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		if csi := pv.Spec.CSI; csi != nil {
			needed = append(needed, podVolume{
				name: volumeName(csi.Driver, csi.VolumeHandle), driver: csi.Driver, handle: csi.VolumeHandle,
				exclusive: slices.Contains(pv.Spec.AccessModes, corev1.ReadWriteOncePod),
				mount: mount{
					disk: csi.VolumeHandle, node: v.kubelet.machine.spec.Name,
					namespace: pod.Namespace, pod: pod.Name, uid: pod.UID,
				},
			})
		}
	}
	return needed, nil
}

// claimOf is the name of the claim behind a pod's volume, or empty.
func claimOf(pod *corev1.Pod, volume corev1.Volume) string {
	switch {
	case volume.PersistentVolumeClaim != nil:
		return volume.PersistentVolumeClaim.ClaimName
	case volume.Ephemeral != nil:
		return pod.Name + "-" + volume.Name
	}
	return ""
}

func (v *volumes) want(uid types.UID, needed []podVolume) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wanted[uid] = map[corev1.UniqueVolumeName]podVolume{}
	for _, volume := range needed {
		v.wanted[uid][volume.name] = volume
	}
}

// mountOne mounts a volume that is in volumesInUse, once live reads of the node
// and of the VolumeAttachment both say that it is attached
// (docs/kubernetes-facts.md §2.4).
func (v *volumes) mountOne(ctx context.Context, uid types.UID, volume podVolume) error {
	nodeName := v.kubelet.machine.spec.Name
	node, err := v.kubelet.api.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(node.Status.VolumesAttached, func(a corev1.AttachedVolume) bool { return a.Name == volume.name }) {
		return fmt.Errorf("volume %s: not attached according to the status of node %s", volume.handle, nodeName)
	}
	name := attachmentName(volume.driver, volume.handle, nodeName)
	attachment, err := v.kubelet.api.StorageV1().VolumeAttachments().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !attachment.Status.Attached {
		return fmt.Errorf("volume %s: not attached according to volume attachment %s", volume.handle, name)
	}

	v.mu.Lock()
	defer v.mu.Unlock()
	for other, mounted := range v.mounted {
		if _, ok := mounted[volume.name]; ok && volume.exclusive && other != uid {
			return fmt.Errorf("volume %s: in use by another pod and ReadWriteOncePod", volume.handle)
		}
	}
	if v.mounted[uid] == nil {
		v.mounted[uid] = map[corev1.UniqueVolumeName]podVolume{}
	}
	v.mounted[uid][volume.name], v.devices[volume.name] = volume, true
	v.kubelet.machine.ledger.mountsDisk(volume.mount)
	return nil
}

// unmount takes the volumes of a pod whose containers have stopped away from it,
// and returns when it has none. The node's own mounts go a little later.
func (v *volumes) unmount(ctx context.Context, uid types.UID) error {
	v.mu.Lock()
	none := len(v.wanted[uid])+len(v.mounted[uid]) == 0
	v.mu.Unlock()
	if none {
		return nil
	}
	if err := sleep(ctx, reconcilePeriod); err != nil {
		return err
	}

	v.mu.Lock()
	defer v.mu.Unlock()
	mounted := v.mounted[uid]
	delete(v.wanted, uid)
	delete(v.mounted, uid)
	for _, name := range slices.Sorted(maps.Keys(mounted)) {
		v.kubelet.machine.ledger.unmountsDisk(mounted[name].mount)
	}
	v.kubelet.running.Go(func() {
		if sleep(ctx, reconcilePeriod) == nil {
			v.unmountDevices()
		}
	})
	return nil
}

// unmountDevices gives up what no pod has or should have: only now does it leave
// volumesInUse (docs/kubernetes-facts.md §2.5).
func (v *volumes) unmountDevices() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name := range v.devices {
		if !uses(v.mounted, name) && !uses(v.wanted, name) {
			delete(v.devices, name)
		}
	}
}

func uses(pods map[types.UID]map[corev1.UniqueVolumeName]podVolume, name corev1.UniqueVolumeName) bool {
	for _, volumes := range pods {
		if _, ok := volumes[name]; ok {
			return true
		}
	}
	return false
}

// retry calls f until it succeeds or ctx ends.
func retry(ctx context.Context, f func() error) error {
	for wait := mountRetryMin; f() != nil; wait = min(2*wait, mountRetryMax) {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	return ctx.Err()
}
