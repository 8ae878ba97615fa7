package limits

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"

	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// attachmentsByVolume is the index of VolumeAttachments by PersistentVolume.
const attachmentsByVolume = Name + "/volume"

// index makes the index, unless the plugin of another profile has.
func index(attachments cache.SharedIndexInformer) error {
	err := attachments.AddIndexers(cache.Indexers{attachmentsByVolume: func(obj any) ([]string, error) {
		if volume := volumeOf(obj); volume != "" {
			return []string{volume}, nil
		}
		return nil, nil
	}})
	if _, made := attachments.GetIndexer().GetIndexers()[attachmentsByVolume]; made {
		return nil
	}
	return fmt.Errorf("%s: index of VolumeAttachments: %w", Name, err)
}

// volumeOf returns the name of the PersistentVolume that is attached, or "".
func volumeOf(obj any) string {
	attachment, ok := obj.(*storagev1.VolumeAttachment)
	if !ok || attachment.Spec.Source.PersistentVolumeName == nil {
		return ""
	}
	return *attachment.Spec.Source.PersistentVolumeName
}

// attachedTo returns the nodes to which any of the volumes is attached, or is being
// attached or detached, and which of them.
func (pl *Limits) attachedTo(volumes sets.Set[string]) (map[string]sets.Set[string], error) {
	nodes := map[string]sets.Set[string]{}
	for volume := range volumes {
		attachments, err := pl.attachments.ByIndex(attachmentsByVolume, volume)
		if err != nil {
			return nil, fmt.Errorf("%s: attachments of volume %s: %w", Name, volume, err)
		}
		for _, obj := range attachments {
			node := obj.(*storagev1.VolumeAttachment).Spec.NodeName
			if nodes[node] == nil {
				nodes[node] = sets.New[string]()
			}
			nodes[node].Insert(volume)
		}
	}
	return nodes, nil
}

// volumesOf returns the volumes that the pod's claims are bound to. A claim that is
// not there is for upstream's Filter to refuse.
func (pl *Limits) volumesOf(pod *v1.Pod) sets.Set[string] {
	volumes := sets.New[string]()
	for _, name := range tenancy.ClaimsOf(pod) {
		claim, err := pl.claims.PersistentVolumeClaims(pod.Namespace).Get(name)
		if err == nil && claim.Spec.VolumeName != "" {
			volumes.Insert(claim.Spec.VolumeName)
		}
	}
	return volumes
}
