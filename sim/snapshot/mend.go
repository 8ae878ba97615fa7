package snapshot

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

func nodesOf(c *Cluster) []*corev1.Node { return Of[*corev1.Node](c) }

// mend makes a whole cluster of what may be a part of one: whatever an object needs
// to be taken as it is, and that the files do not have, is added or let go.
func mend(c *Cluster) {
	giveUIDs(c)
	bindVolumes(c)
	addNamespaces(c)
	addPriorityClasses(c)
	dropOwners(c)
	noteNodes(c)
	trackManagers(c)
}

// snapshotManager is who has the fields of a pod of which nothing else is known.
const snapshotManager = "snapshot"

// trackManagers: kubectl leaves managedFields out, unless it is told otherwise, and
// the API server does not begin to keep them for an object that has none
// (apimachinery pkg/util/managedfields/internal/skipnonapplied.go). From then on
// nobody could tell what a kubelet reports from what others say.
func trackManagers(c *Cluster) {
	for _, pod := range Of[*corev1.Pod](c) {
		if len(pod.ManagedFields) > 0 {
			continue
		}
		pod.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: snapshotManager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1",
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{}}`),
		}}
	}
}

// giveUIDs: an export may have lost them.
func giveUIDs(c *Cluster) {
	for _, o := range c.Objects {
		if o.GetUID() == "" {
			o.SetUID(UID(o))
		}
	}
}

// UID looks like a random UUID and is the same for every reader.
func UID(o Object) types.UID {
	b := sha256.Sum256([]byte(Name(o)))
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16]))
}

// bindVolumes lets a volume point to its claim as it is now: import in
// kube-scheduler-simulator gives claims new UIDs.
func bindVolumes(c *Cluster) {
	claims := map[string]*corev1.PersistentVolumeClaim{}
	for _, claim := range Of[*corev1.PersistentVolumeClaim](c) {
		claims[claim.Namespace+"/"+claim.Name] = claim
	}
	for _, volume := range Of[*corev1.PersistentVolume](c) {
		ref := volume.Spec.ClaimRef
		if ref == nil || volume.Status.Phase == corev1.VolumeReleased {
			continue
		}
		if claim := claims[ref.Namespace+"/"+ref.Name]; claim != nil && claim.Spec.VolumeName == volume.Name {
			ref.UID = claim.UID
		}
	}
}

func addNamespaces(c *Cluster) {
	has := map[string]bool{}
	for _, o := range Of[*corev1.Namespace](c) {
		has[o.Name] = true
	}
	missing := map[string]bool{}
	for _, o := range c.Objects {
		if n := o.GetNamespace(); n != "" && !has[n] {
			missing[n] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		n := &corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}},
			Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
			Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
		}
		n.UID = UID(n)
		c.Objects = append(c.Objects, n)
	}
}

// addPriorityClasses: without its class no pod can be made anew.
func addPriorityClasses(c *Cluster) {
	has := map[string]bool{}
	for _, class := range Of[*schedulingv1.PriorityClass](c) {
		has[class.Name] = true
	}
	var added []string
	for _, pod := range Of[*corev1.Pod](c) {
		name := pod.Spec.PriorityClassName
		if name == "" || has[name] || strings.HasPrefix(name, systemPrefix) || pod.Spec.Priority == nil {
			continue
		}
		has[name] = true
		class := &schedulingv1.PriorityClass{
			TypeMeta:   metav1.TypeMeta{APIVersion: schedulingv1.SchemeGroupVersion.String(), Kind: "PriorityClass"},
			ObjectMeta: metav1.ObjectMeta{Name: name}, Value: *pod.Spec.Priority, PreemptionPolicy: pod.Spec.PreemptionPolicy,
		}
		class.UID = UID(class)
		c.Objects = append(c.Objects, class)
		added = append(added, name)
	}
	if len(added) > 0 {
		c.note("Added, with the values that pods have: priority classes %s", some(added))
	}
}

// dropOwners: what has an owner that does not exist is garbage to the garbage
// collector. Owners of kinds that only a custom resource has it cannot look for.
func dropOwners(c *Cluster) {
	there := map[types.UID]bool{}
	for _, o := range c.Objects {
		there[o.GetUID()] = true
	}
	owners := map[string]bool{}
	for _, o := range c.Objects {
		refs := o.GetOwnerReferences()
		kept := slices.DeleteFunc(slices.Clone(refs), func(ref metav1.OwnerReference) bool {
			if there[ref.UID] || !scheme.Recognizes(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind)) {
				return false
			}
			owners[qualified(ref.Kind, o.GetNamespace(), ref.Name)] = true
			return true
		})
		if len(kept) < len(refs) {
			o.SetOwnerReferences(kept)
		}
	}
	if len(owners) > 0 {
		c.note("Not in the snapshot, so what they own is nobody's, and no controller makes it anew: %s", some(slices.Sorted(maps.Keys(owners))))
	}
}

// noteNodes tells of pods on nodes that there are none of.
func noteNodes(c *Cluster) {
	there := map[string]bool{}
	for _, node := range nodesOf(c) {
		there[node.Name] = true
	}
	missing := map[string]bool{}
	for _, pod := range Of[*corev1.Pod](c) {
		if node := pod.Spec.NodeName; node != "" && !there[node] {
			missing[node] = true
		}
	}
	if len(missing) > 0 {
		c.note("Not in the snapshot, so nothing runs there: nodes %s", some(slices.Sorted(maps.Keys(missing))))
	}
}
