package world

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// reconstruct rebuilds the actual state of a kubelet that has just started from
// the mounts that it finds (docs/kubernetes-facts.md §2.6). It is called once, with
// the volumesAttached of the node's status as this kubelet has first read it.
//
//   - What was found is not in the desired state: that comes with the pods.
//   - Whether a volume is attachable is taken from the list. One that the controller
//     has removed from it already, or that was attached to an earlier Node object,
//     leaves volumesInUse while it is mounted (H12, H13).
//   - Only the directories of pods are looked at: a volume that is staged and
//     published to none is not found, and stays staged (pkg/kubelet/volumemanager/
//     reconciler/reconstruct.go, getVolumesFromPodDir).
func (v *volumes) reconstruct(attached []corev1.AttachedVolume) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for uid, volumes := range v.mounts.pods() {
		for name, volume := range volumes {
			if v.actual[name] == nil {
				v.actual[name] = &volumeAtNode{attachable: lists(attached, name), pods: map[types.UID]podVolume{}}
			}
			v.actual[name].pods[uid] = volume
		}
	}
	v.synced = true
	close(v.rebuilt)
}

// unmountOrphansUntil takes the reconstructed volumes away from pods that are gone,
// once the kubelet knows its pods. It does not look at containers, which another
// loop kills in its own time: they run on, and write through the path that they
// have in their mount namespace (docs/kubernetes-facts.md §2.6).
func (v *volumes) unmountOrphansUntil(ctx context.Context) {
	for _, condition := range []<-chan struct{}{v.rebuilt, v.kubelet.config.ready} {
		select {
		case <-condition:
		case <-ctx.Done():
			return
		}
	}
	for _, uid := range v.orphans() {
		if v.unmount(ctx, uid) != nil {
			return // Only the end of ctx stops it.
		}
	}
}

// orphans are the pods that have volumes and are gone from the API.
func (v *volumes) orphans() []types.UID {
	v.mu.Lock()
	defer v.mu.Unlock()
	var orphans []types.UID
	for _, at := range v.actual {
		for uid := range at.pods {
			if !v.kubelet.config.has(uid) && !slices.Contains(orphans, uid) {
				orphans = append(orphans, uid)
			}
		}
	}
	slices.Sort(orphans)
	return orphans
}
