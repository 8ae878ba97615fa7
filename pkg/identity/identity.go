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
	digits, found := strings.CutPrefix(pod.Name, owner.Name+"-")
	if !found {
		return Identity{}, false
	}
	ordinal, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || ordinal < 0 {
		return Identity{}, false
	}
	id := Identity{Namespace: pod.Namespace, Set: owner.Name, Ordinal: int32(ordinal)}
	// "web-01" and "web-+1" parse as 1 but are other names than "web-1": one
	// record must never speak for two names.
	if id.Name() != pod.Name {
		return Identity{}, false
	}
	return id, true
}
