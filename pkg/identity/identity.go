// Package identity tells which pods have one: a pod of a StatefulSet has a
// stable name, of which at most one incarnation may run at a time (S1).
package identity

import (
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Identity is an ordinal of a StatefulSet. It outlives its pods.
type Identity struct {
	// Namespace is the namespace of the set, of its pods and of the tenancy.
	Namespace string
	// Set is the name of the StatefulSet.
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

// Of returns the identity of a pod whose controller owner is an apps StatefulSet
// and whose name is <owner's name>-<ordinal>. It returns false for every other
// pod. Labels do not count: they can be edited while the pod lives.
func Of(pod *v1.Pod) (Identity, bool) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.Kind != "StatefulSet" {
		return Identity{}, false
	}
	// The version is left open, for it says nothing about who the owner is.
	if group, _, found := strings.Cut(owner.APIVersion, "/"); !found || group != appsv1.GroupName {
		return Identity{}, false
	}
	id, ok := Named(pod.Namespace, pod.Name)
	if !ok || id.Set != owner.Name {
		return Identity{}, false
	}
	return id, true
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
	ordinal, err := strconv.ParseInt(name[i+1:], 10, 32)
	if err != nil || ordinal < 0 {
		return Identity{}, false
	}
	id := Identity{Namespace: namespace, Set: name[:i], Ordinal: int32(ordinal)}
	// "web-01" and "web-+1" parse as 1 but are other names than "web-1": one
	// record must never speak for two names.
	if id.Name() != name {
		return Identity{}, false
	}
	return id, true
}
