package tenancy

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/storage/ephemeral"
)

// ClaimsOf returns the names of the claims that the pod uses, those of its generic
// ephemeral volumes included, in the order of its volumes and each once: two
// volumes of a pod may use one claim, and a record names a claim once.
func ClaimsOf(pod *v1.Pod) []string {
	var claims []string
	for i := range pod.Spec.Volumes {
		name := claimOf(pod, &pod.Spec.Volumes[i])
		if name != "" && !slices.Contains(claims, name) {
			claims = append(claims, name)
		}
	}
	return claims
}

func claimOf(pod *v1.Pod, volume *v1.Volume) string {
	switch {
	case volume.PersistentVolumeClaim != nil:
		return volume.PersistentVolumeClaim.ClaimName
	case volume.Ephemeral != nil:
		return ephemeral.VolumeClaimName(pod, volume)
	}
	return ""
}
