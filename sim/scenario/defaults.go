package scenario

import (
	"maps"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// DefaultAttachSeconds is how long attaching takes.
	DefaultAttachSeconds int32 = 2
	// DefaultDetachSeconds is how long detaching takes.
	DefaultDetachSeconds int32 = 2
	// DefaultDetachFences: storage that lives up to its contract cuts off the old
	// node's writes when it detaches. One that does not must say so.
	DefaultDetachFences = true
)

// DefaultCapacity is what a machine has of whatever its group does not name.
func DefaultCapacity() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("8"),
		corev1.ResourceMemory: resource.MustParse("32Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
}

// SetDefaults fills in what the file leaves out. Timers stay absent: their
// defaults are upstream's own.
func SetDefaults(s *Scenario) {
	if s.Name == "" {
		base := filepath.Base(s.file)
		s.Name = strings.TrimSuffix(base, filepath.Ext(base))
	}
	for i := range s.Cluster.NodeGroups {
		capacity := DefaultCapacity()
		maps.Copy(capacity, s.Cluster.NodeGroups[i].Capacity)
		s.Cluster.NodeGroups[i].Capacity = capacity
	}
	for i := range s.Cluster.StorageClasses {
		class := &s.Cluster.StorageClasses[i]
		if class.Topology == "" {
			class.Topology = TopologyZone
		}
		if class.AttachRequired == nil {
			class.AttachRequired = new(class.attached())
		}
		if !*class.AttachRequired {
			continue
		}
		if class.AttachSeconds == nil {
			class.AttachSeconds = new(DefaultAttachSeconds)
		}
		if class.DetachSeconds == nil {
			class.DetachSeconds = new(DefaultDetachSeconds)
		}
		if class.DetachFences == nil {
			class.DetachFences = new(DefaultDetachFences)
		}
	}
}

// SplitName takes [namespace/]name apart; without a namespace it is default.
func SplitName(s string) (namespace, name string) {
	if namespace, name, ok := strings.Cut(s, "/"); ok {
		return namespace, name
	}
	return metav1.NamespaceDefault, s
}

// QualifiedName is namespace/name of [namespace/]name.
func QualifiedName(s string) string {
	namespace, name := SplitName(s)
	return namespace + "/" + name
}
