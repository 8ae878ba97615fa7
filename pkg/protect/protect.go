// Package protect says which pods with an identity are guarded: get a record and the
// guard's finalizer, so that their replacement waits for their end. It says nothing of
// whom they themselves wait for: that is the record's of their predecessor.
package protect

import (
	"slices"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// Need is whether a pod is to be guarded, as far as its object says.
type Need string

const (
	// Always: it is.
	Always Need = "Always"
	// IfItWrites: it is if one of its claims has a single writer (Writes).
	IfItWrites Need = "IfItWrites"
	// Never: it is not.
	Never Need = "Never"
)

// Of returns what a pod with an identity needs under the profile's word. Its
// annotation goes before that. A word that is none counts as All, for unknown holds,
// and then known is false. A pod that carries the guard's finalizer is guarded
// whatever anybody says: without a guard nobody would take it off.
func Of(pod *v1.Pod, profile config.Protection) (need Need, known bool) {
	word, known := profile, true
	if said, annotated := pod.Annotations[v1alpha1.ProtectAnnotation]; annotated {
		word = config.Protection(said)
	}
	switch word {
	case config.ProtectAll, config.ProtectWriters, config.ProtectNone:
	default:
		word, known = config.ProtectAll, false
	}
	switch {
	case word == config.ProtectAll, slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer):
		return Always, known
	case word == config.ProtectWriters && len(tenancy.ClaimsOf(pod)) > 0:
		return IfItWrites, known
	}
	return Never, known
}

// Writes tells whether one of the claims has a single writer, which two incarnations
// must never be. A claim whose access modes are not known has.
func Writes(uses []v1alpha1.VolumeUse) bool {
	return slices.ContainsFunc(uses, func(u v1alpha1.VolumeUse) bool {
		return len(u.AccessModes) == 0 || slices.ContainsFunc(u.AccessModes, func(m v1.PersistentVolumeAccessMode) bool {
			return m == v1.ReadWriteOnce || m == v1.ReadWriteOncePod
		})
	})
}
