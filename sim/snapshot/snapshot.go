// Package snapshot reads and writes the objects of a cluster, as kubectl get has
// them and as kube-scheduler-simulator exports them.
//
// Nothing in it talks to a cluster or reads a clock: files in, objects out, and back.
package snapshot

import (
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object is an object of the API with its metadata.
type Object interface {
	metav1.Object
	runtime.Object
}

// Cluster is the objects of a cluster at one moment.
type Cluster struct {
	// Objects are of the kinds of Kinds, each with its apiVersion, kind, UID and, where
	// the kind has one, namespace. They stand in the order of the files.
	Objects []Object
	// SchedulerConfig is the KubeSchedulerConfiguration of a kube-scheduler-simulator
	// export, in JSON; nil: there is none.
	SchedulerConfig json.RawMessage
	// Notes say what was left out, and what was assumed of what the files do not tell.
	Notes []string
}

// Of returns the objects of one Go type, in their order.
func Of[T Object](c *Cluster) []T {
	var all []T
	for _, o := range c.Objects {
		if t, ok := o.(T); ok {
			all = append(all, t)
		}
	}
	return all
}

// DeepCopy returns a cluster that shares nothing with c.
func (c *Cluster) DeepCopy() *Cluster {
	r := &Cluster{SchedulerConfig: slices.Clone(c.SchedulerConfig), Notes: slices.Clone(c.Notes)}
	for _, o := range c.Objects {
		r.Objects = append(r.Objects, o.DeepCopyObject().(Object))
	}
	return r
}

// Name is kind, namespace and name of an object, for messages.
func Name(o Object) string {
	return qualified(o.GetObjectKind().GroupVersionKind().Kind, o.GetNamespace(), o.GetName())
}

func qualified(kind, namespace, name string) string {
	if namespace == "" {
		return kind + " " + name
	}
	return fmt.Sprintf("%s %s/%s", kind, namespace, name)
}

// key tells an object from all others.
type key struct {
	kind            schema.GroupKind
	namespace, name string
}

func keyOf(o Object) key {
	return key{o.GetObjectKind().GroupVersionKind().GroupKind(), o.GetNamespace(), o.GetName()}
}

// Resource is the plural name of an object's kind.
func Resource(o Object) (string, error) {
	gvk := o.GetObjectKind().GroupVersionKind()
	kind, ok := kindOf(gvk.GroupKind())
	if !ok {
		return "", fmt.Errorf("kind %s of %s is not part of a snapshot", gvk.Kind, gvk.GroupVersion())
	}
	return kind.Resource, nil
}
