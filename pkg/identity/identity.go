// Package identity tells which pods have one: a pod of a StatefulSet, or of another
// kind that is named so, has a stable name, of which at most one incarnation may run
// at a time (S1).
package identity

import (
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
)

// statefulSet is the kind whose pods always have an identity.
var statefulSet = config.ControllerKind{Group: appsv1.GroupName, Kind: "StatefulSet"}

// Identity is an ordinal of a set. It outlives its pods.
type Identity struct {
	// Namespace is the namespace of the set, of its pods and of the tenancy.
	Namespace string
	// Set is the name of the StatefulSet, or of what else makes the pods.
	Set string
	// Ordinal is never negative.
	Ordinal int32
}

// Name returns "<set>-<ordinal>", the name of the pod and of the tenancy.
func (i Identity) Name() string {
	return i.Set + "-" + strconv.FormatInt(int64(i.Ordinal), 10)
}

// String returns "namespace/name".
func (i Identity) String() string {
	return i.Namespace + "/" + i.Name()
}

// Of returns the identity of a pod whose controller owner is an apps StatefulSet, or
// of one of the other kinds, and whose name is <owner's name>-<ordinal>. It returns
// false for every other pod. Labels do not count: they can be edited while the pod
// lives.
func Of(pod *v1.Pod, others ...config.ControllerKind) (Identity, bool) {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return Identity{}, false
	}
	if kind := kindOf(owner); kind != statefulSet && !slices.Contains(others, kind) {
		return Identity{}, false
	}
	id, ok := Named(pod.Namespace, pod.Name)
	if !ok || id.Set != owner.Name {
		return Identity{}, false
	}
	return id, true
}

// kindOf leaves the version out, for it says nothing about who the owner is.
func kindOf(owner *metav1.OwnerReference) config.ControllerKind {
	group, _, found := strings.Cut(owner.APIVersion, "/")
	if !found {
		group = "" // The core group has a version only.
	}
	return config.ControllerKind{Group: group, Kind: owner.Kind}
}

// Named reads an identity from the name of a pod or of a tenancy, whoever owns it:
// false for a name that no ordinal can have. A record speaks for its name even
// where the pod has lost its owner, as by a delete of the set with
// --cascade=orphan.
func Named(namespace, name string) (Identity, bool) {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 || name[i-1] == '-' { // No name of a set ends so.
		return Identity{}, false
	}
	if !canonical(name[i+1:]) {
		return Identity{}, false
	}
	ordinal, err := strconv.ParseInt(name[i+1:], 10, 32)
	if err != nil {
		return Identity{}, false
	}
	return Identity{Namespace: namespace, Set: name[:i], Ordinal: int32(ordinal)}, true
}

// canonical tells whether a number is written as an ordinal's name has it. "web-01" and
// "web-+1" parse as 1 but are other names than "web-1": one record must never speak for
// two names.
func canonical(digits string) bool {
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return digits != "" && (digits[0] != '0' || digits == "0")
}
