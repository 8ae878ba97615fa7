package scenario

import (
	"maps"
	"path/filepath"
	"strings"
	"time"

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

	// DefaultKubeletDownFor is how long a restart leaves a node without a kubelet.
	DefaultKubeletDownFor = 10 * time.Second
	// DefaultRebootDownFor is how long a reboot leaves a machine without power.
	DefaultRebootDownFor = 30 * time.Second
	// DefaultExitCode is that of a process that got SIGKILL.
	DefaultExitCode int32 = 137
	// DefaultSchedulerDownFor is how long a restart of the scheduler's process takes.
	DefaultSchedulerDownFor = 5 * time.Second
	// DefaultErrorAfter is how long the sender of a lost request waits: a ping after 30 s
	// without a frame, and 15 s for its answer (apimachinery pkg/util/net/http.go).
	DefaultErrorAfter = 45 * time.Second
	// DefaultOutOfServiceValue is what operators write into the taint that says that
	// a node is out of service; upstream reads only the key.
	DefaultOutOfServiceValue = "nodeshutdown"
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
		if s.Cluster.NodeGroups[i].CSIDrivers == nil {
			s.Cluster.NodeGroups[i].CSIDrivers = new(true)
		}
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
	for i := range s.Timeline {
		setStepDefaults(&s.Timeline[i])
	}
	for i := range s.Breaks {
		b := &s.Breaks[i]
		if b.Under == "" && len(s.PlayedBy()) > 0 {
			b.Under = s.PlayedBy()[0]
		}
		for j := range b.Steps {
			setStepDefaults(&b.Steps[j])
		}
	}
	for _, e := range s.Expect {
		for i := range e.Workloads {
			if e.Workloads[i].Kind == "" {
				e.Workloads[i].Kind = "StatefulSet"
			}
		}
		for i := range e.Events {
			if e.Events[i].Kind == "" {
				e.Events[i].Kind = "Pod"
			}
		}
	}
}

// setStepDefaults fills in what a step leaves out.
func setStepDefaults(s *Step) {
	if k := s.KillContainers; k != nil && k.ExitCode == nil {
		k.ExitCode = new(DefaultExitCode)
	}
	if r := s.RestartDriver; r != nil && r.DownFor == nil {
		r.DownFor = &metav1.Duration{Duration: DefaultRebootDownFor}
	}
	if k := s.RestartKubelet; k != nil && k.DownFor == nil {
		k.DownFor = &metav1.Duration{Duration: DefaultKubeletDownFor}
	}
	if r := s.Reboot; r != nil && r.DownFor == nil {
		r.DownFor = &metav1.Duration{Duration: DefaultRebootDownFor}
	}
	if r := s.RestartScheduler; r != nil && r.DownFor == nil {
		r.DownFor = &metav1.Duration{Duration: DefaultSchedulerDownFor}
	}
	for _, lost := range []*LostRequest{s.LoseAnswer, s.LoseRequest} {
		if lost != nil && lost.ErrorAfter == nil {
			lost.ErrorAfter = &metav1.Duration{Duration: DefaultErrorAfter}
		}
	}
	if t := s.Taint; t != nil {
		if t.Key == "" {
			t.Key = corev1.TaintNodeOutOfService
			if t.Value == "" && !t.Remove {
				t.Value = DefaultOutOfServiceValue
			}
		}
		if t.Effect == "" {
			t.Effect = corev1.TaintEffectNoExecute
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
