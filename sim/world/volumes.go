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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
// belongs in the node's volumesInUse (docs/kubernetes-facts.md §2). It is the
// kubelet's idea of the machine's mounts, lost when the kubelet restarts.
//
//	wanted ──(attached, as the API says)──> actual ──> staged ──> published
//	       <──(forgotten: not in use)────── actual <── unstaged <── unpublished
type volumes struct {
	kubelet *kubelet
	mounts  *mounts

	mu sync.Mutex
	// wanted is the desired state of the world: the volumes that pods should have.
	wanted map[types.UID]map[corev1.UniqueVolumeName]podVolume
	// actual is the actual state: the volumes that are at the node, with or without
	// a pod that has them.
	actual map[corev1.UniqueVolumeName]*volumeAtNode
	// reported are the volumes that the API has in volumesInUse.
	reported map[corev1.UniqueVolumeName]bool
	// synced once the actual state tells of all mounts. Until then nothing new is
	// said of volumesInUse (docs/kubernetes-facts.md §2.7).
	synced bool
	// rebuilt is closed when reconstruct has done its work.
	rebuilt chan struct{}
}

// volumeAtNode is one volume of the actual state.
type volumeAtNode struct {
	// attachable volumes are in use as long as they are here. A reconstructed one
	// may be wrong about it.
	attachable bool
	pods       map[types.UID]podVolume
}

// podVolume is one CSI volume as a pod uses it.
type podVolume struct {
	name           corev1.UniqueVolumeName
	driver, handle string
	attachable     bool
	exclusive      bool // ReadWriteOncePod
	mount          mount
}

// newVolumes knows nothing yet. On a machine with mounts that is not the truth:
// reconstruct must follow.
func newVolumes(k *kubelet) *volumes {
	return &volumes{
		kubelet: k, mounts: k.machine.mounts,
		wanted:   map[types.UID]map[corev1.UniqueVolumeName]podVolume{},
		actual:   map[corev1.UniqueVolumeName]*volumeAtNode{},
		reported: map[corev1.UniqueVolumeName]bool{},
		synced:   len(k.machine.mounts.pods()) == 0,
		rebuilt:  make(chan struct{}),
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

// inUse is the node's volumesInUse: every attachable volume from the decision that
// a pod should have it until it is mounted nowhere on the node
// (docs/kubernetes-facts.md §2.1). last is the list as the API has it, which stands
// until this kubelet knows better.
func (v *volumes) inUse(last []corev1.UniqueVolumeName) []corev1.UniqueVolumeName {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.synced {
		return last
	}
	names := map[corev1.UniqueVolumeName]bool{}
	for name, at := range v.actual {
		if at.attachable {
			names[name] = true
		}
	}
	for _, wanted := range v.wanted {
		for name, volume := range wanted {
			if volume.attachable {
				names[name] = true
			}
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
		if err := v.waitUntilAttached(ctx, volume); err != nil {
			return err
		}
		if err := retry(ctx, func() error { return v.mountOne(ctx, volume) }); err != nil {
			return err
		}
	}
	return nil
}

// resolve reads the pod's claims, their volumes and the drivers of those. Volumes
// of no driver are none of the world's business.
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
		csi := pv.Spec.CSI
		if csi == nil {
			continue
		}
		attachable, err := v.mustAttach(ctx, csi.Driver)
		if err != nil {
			return nil, err
		}
		needed = append(needed, podVolumeOf(pod, volume, pv, attachable, v.kubelet.machine.spec.Name))
	}
	return needed, nil
}

// podVolumeOf is a CSI volume as a pod on a node uses it.
func podVolumeOf(pod *corev1.Pod, volume corev1.Volume, pv *corev1.PersistentVolume, attachable bool, node string) podVolume {
	csi := pv.Spec.CSI
	return podVolume{
		name: volumeName(csi.Driver, csi.VolumeHandle), driver: csi.Driver, handle: csi.VolumeHandle,
		attachable: attachable,
		exclusive:  slices.Contains(pv.Spec.AccessModes, corev1.ReadWriteOncePod),
		mount: mount{
			disk: csi.VolumeHandle, node: node,
			namespace: pod.Namespace, pod: pod.Name, uid: pod.UID,
			readOnly: readsOnly(pod, volume, pv),
		},
	}
}

// mustAttach: a driver without a CSIDriver object counts as one that attaches
// (docs/kubernetes-facts.md §2.2).
func (v *volumes) mustAttach(ctx context.Context, driver string) (bool, error) {
	d, err := v.kubelet.api.StorageV1().CSIDrivers().Get(ctx, driver, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return d.Spec.AttachRequired == nil || *d.Spec.AttachRequired, nil
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

// readsOnly says whether nothing of the pod can write to a volume: because of the
// volume, of the pod's use of it, or because each container that mounts it mounts
// it read-only. A volume that no container mounts may be written to: what is not
// known to be harmless is not.
func readsOnly(pod *corev1.Pod, volume corev1.Volume, pv *corev1.PersistentVolume) bool {
	modes := pv.Spec.AccessModes
	if len(modes) > 0 && !slices.ContainsFunc(modes, func(m corev1.PersistentVolumeAccessMode) bool { return m != corev1.ReadOnlyMany }) {
		return true
	}
	if pv.Spec.CSI.ReadOnly || volume.PersistentVolumeClaim != nil && volume.PersistentVolumeClaim.ReadOnly {
		return true
	}
	mounted, written := false, false
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range containers {
			for _, m := range c.VolumeMounts {
				if m.Name == volume.Name {
					mounted, written = true, written || !m.ReadOnly
				}
			}
			// A block device is always open to writes.
			for _, d := range c.VolumeDevices {
				written = written || d.Name == volume.Name
			}
		}
	}
	return mounted && !written
}

func (v *volumes) want(uid types.UID, needed []podVolume) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wanted[uid] = map[corev1.UniqueVolumeName]podVolume{}
	for _, volume := range needed {
		v.wanted[uid][volume.name] = volume
	}
}

// waitUntilAttached puts a wanted volume into the actual state: at once if nothing
// attaches it, and otherwise when it is in volumesInUse and then in volumesAttached
// (docs/kubernetes-facts.md §2.4). A volume that is there already, for another pod
// or by reconstruction, is not asked about again.
func (v *volumes) waitUntilAttached(ctx context.Context, volume podVolume) error {
	v.mu.Lock()
	at := v.actual[volume.name]
	v.mu.Unlock()
	if at != nil {
		return ctx.Err()
	}
	if volume.attachable {
		for !v.isReported(volume.name) {
			if err := sleep(ctx, reconcilePeriod); err != nil {
				return err
			}
		}
		if err := retry(ctx, func() error { return v.verifyAttached(ctx, volume) }); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.actual[volume.name] == nil {
		v.actual[volume.name] = &volumeAtNode{attachable: volume.attachable, pods: map[types.UID]podVolume{}}
	}
	return nil
}

// verifyAttached reads the node's status, live.
func (v *volumes) verifyAttached(ctx context.Context, volume podVolume) error {
	nodeName := v.kubelet.machine.spec.Name
	node, err := v.kubelet.api.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !lists(node.Status.VolumesAttached, volume.name) {
		return fmt.Errorf("volume %s: not attached according to the status of node %s", volume.handle, nodeName)
	}
	return nil
}

func lists(attached []corev1.AttachedVolume, name corev1.UniqueVolumeName) bool {
	return slices.ContainsFunc(attached, func(a corev1.AttachedVolume) bool { return a.Name == name })
}

// mountOne stages a volume and publishes it to the pod, once a live read of the
// VolumeAttachment says that it is attached, where there is one
// (docs/kubernetes-facts.md §2.4).
func (v *volumes) mountOne(ctx context.Context, volume podVolume) error {
	if !slices.ContainsFunc(v.kubelet.machine.drivers, func(d driver) bool { return d.name == volume.driver }) {
		return fmt.Errorf("volume %s: driver %s is not among those that run on the node", volume.handle, volume.driver)
	}
	if v.kubelet.machine.plugins.isShut() {
		return fmt.Errorf("volume %s: driver %s is not registered", volume.handle, volume.driver)
	}
	if !v.mounts.ledger.reachable(v.kubelet.machine.spec.Name, volume.handle) {
		return fmt.Errorf("volume %s: the storage does not answer", volume.handle)
	}
	if volume.attachable {
		name := attachmentName(volume.driver, volume.handle, v.kubelet.machine.spec.Name)
		attachment, err := v.kubelet.api.StorageV1().VolumeAttachments().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !attachment.Status.Attached {
			return fmt.Errorf("volume %s: not attached according to volume attachment %s", volume.handle, name)
		}
	}

	v.mu.Lock()
	defer v.mu.Unlock()
	at := v.actual[volume.name]
	if volume.exclusive && !onlyPod(at.pods, volume.mount.uid) {
		return fmt.Errorf("volume %s: in use by another pod and ReadWriteOncePod", volume.handle)
	}
	v.mounts.stage(volume.name)
	v.mounts.publish(volume)
	at.pods[volume.mount.uid] = volume
	return nil
}

// onlyPod says whether no pod but this one is among them.
func onlyPod(pods map[types.UID]podVolume, uid types.UID) bool {
	for other := range pods {
		if other != uid {
			return false
		}
	}
	return true
}

// unmount takes the volumes of a pod whose containers have stopped away from it,
// and returns when it has none. The node's own mounts go a little later.
func (v *volumes) unmount(ctx context.Context, uid types.UID) error {
	if !v.has(uid) {
		return nil
	}
	if err := sleep(ctx, reconcilePeriod); err != nil {
		return err
	}
	v.unpublish(uid)
	v.kubelet.running.Go(func() { v.settle(ctx) })
	return nil
}

// has says whether the pod has volumes or should have any.
func (v *volumes) has(uid types.UID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, at := range v.actual {
		if _, ok := at.pods[uid]; ok {
			return true
		}
	}
	return len(v.wanted[uid]) > 0
}

func (v *volumes) unpublish(uid types.UID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.wanted, uid)
	for _, name := range slices.Sorted(maps.Keys(v.actual)) {
		if volume, ok := v.actual[name].pods[uid]; ok {
			v.mounts.unpublish(volume)
			delete(v.actual[name].pods, uid)
		}
	}
}

// settle gives up what no pod has or should have: it unstages it, and one look
// later forgets it. Only then does it leave volumesInUse
// (docs/kubernetes-facts.md §2.5).
func (v *volumes) settle(ctx context.Context) {
	if sleep(ctx, reconcilePeriod) != nil {
		return
	}
	v.eachUnused(v.mounts.unstage)
	if sleep(ctx, reconcilePeriod) != nil {
		return
	}
	v.eachUnused(func(name corev1.UniqueVolumeName) {
		if !v.mounts.isStaged(name) {
			delete(v.actual, name)
		}
	})
}

func (v *volumes) eachUnused(f func(corev1.UniqueVolumeName)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(v.actual)) {
		if len(v.actual[name].pods) == 0 && !v.isWanted(name) {
			f(name)
		}
	}
}

// isWanted is called with the lock held.
func (v *volumes) isWanted(name corev1.UniqueVolumeName) bool {
	for _, wanted := range v.wanted {
		if _, ok := wanted[name]; ok {
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
