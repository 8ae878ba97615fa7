package fence

import (
	"encoding/json"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

const (
	// kubeletManager is the field manager that a kubelet writes statuses as.
	kubeletManager = "kubelet"
	// statusSubresource is the subresource of a pod that kubelets write.
	statusSubresource = "status"
	// reasonContainerStatusUnknown is the kubelet's ContainerReasonStatusUnknown
	// (pkg/kubelet/container/runtime.go): it could not locate the container.
	reasonContainerStatusUnknown = "ContainerStatusUnknown"
)

// Subject is an incarnation, and what is known that may bear on it.
type Subject struct {
	// UID is the incarnation's pod UID.
	UID types.UID
	// Pod is the object as it was seen, complete with managedFields, or nil if it is
	// gone; an object of another UID says only that UID's is gone, and that only if
	// it was read live.
	Pod *v1.Pod
	// Sight is how the object was seen.
	Sight Sight
	// Incarnation is the one on the record. Without one that speaks of this UID
	// nobody can say that no container was seen, so that counts as seen, nor on which
	// machines it may run.
	Incarnation *v1alpha1.Incarnation
	// NeverStarted: who judges has followed the pod without a gap up to this very object,
	// from when no container of it can have been reported, and none was. Else one counts
	// as seen, whatever the object shows.
	NeverStarted bool
	// TakenOver: the node that the pod is bound to is another machine by now, as the
	// function of that name tells. Then the pod's status is no word about its containers.
	TakenOver bool
	// Nodes is what is known now of the nodes on the record.
	Nodes Nodes
	// Kubelets are what kubelets answered since the deletion was seen, oldest first.
	Kubelets []KubeletSight
	// Attestations are all of the record's.
	Attestations []v1alpha1.Attestation
}

// FactsOf derives the facts about an incarnation.
func FactsOf(s Subject) Facts {
	if s.UID == "" {
		return Facts{Sight: SightUnknown, Containers: ContainersUnknown, ContainerSeen: true, Machines: MachinesUnknown, Fence: FenceNone}
	}
	inc, pod := s.Incarnation, s.Pod
	if inc != nil && inc.PodUID != s.UID {
		inc = nil
	}
	f := Facts{
		Sight:         sightOf(s),
		Containers:    ContainersUnknown,
		ContainerSeen: inc == nil || inc.ContainerSeen || !s.NeverStarted,
		Attested: slices.ContainsFunc(s.Attestations, func(a v1alpha1.Attestation) bool {
			return a.PodUID == s.UID
		}),
	}
	if f.Sight != SightLive && f.Sight != SightFinal {
		// An object that came with neither is a remembered one: not evidence.
		pod = nil
	}

	boundTo := ""
	if pod != nil {
		boundTo = pod.Spec.NodeName
		f.Deleting = pod.DeletionTimestamp != nil
		f.Bound = boundTo != ""
		f.Terminal = pod.Status.Phase == v1.PodFailed || pod.Status.Phase == v1.PodSucceeded
		f.Containers = containersOf(pod)
		if s.TakenOver && f.Containers == ContainersStopped {
			f.Containers = ContainersUnknown
		}
		f.Filler = slices.ContainsFunc(statusesOf(pod), isFiller)
		f.ContainerSeen = f.ContainerSeen || ContainerSeen(pod)
		f.PhaseByKubelet = phaseByKubelet(pod.ManagedFields)
		f.SandboxGone = sandboxIsGone(pod)
	}
	candidates := candidatesOf(inc, boundTo)
	f.Machines = machinesOf(candidates, s.Nodes)
	f.NewBoot = f.Bound && allBootedAnew(candidates, s.Nodes)
	f.Fence = fenceOf(candidates, s.Nodes)
	f.Observed = observed(inc, candidates, s.Kubelets)
	return f
}

// sightOf is how the incarnation's own object was seen.
func sightOf(s Subject) Sight {
	switch {
	case s.Sight != SightLive && s.Sight != SightFinal:
		return s.Sight
	case s.Pod == nil:
		return SightUnknown
	case s.Pod.UID != s.UID && s.Sight == SightLive:
		return SightGone
	case s.Pod.UID != s.UID:
		return SightUnknown
	}
	return s.Sight
}

// ContainerSeen tells whether the object shows that a container of the pod ever
// had an ID. False proves nothing: a container may run unreported (H20).
func ContainerSeen(pod *v1.Pod) bool {
	return slices.ContainsFunc(statusesOf(pod), hadID)
}

// statusesOf returns the statuses of all containers of all kinds.
func statusesOf(pod *v1.Pod) []v1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses)
}

// hadID tells whether the container was ever created, as far as its status shows.
// The kubelet drops the ID of a container that it can no longer locate, but leaves
// a termination state or a restart count behind.
func hadID(s v1.ContainerStatus) bool {
	return s.ContainerID != "" ||
		s.RestartCount > 0 ||
		s.State.Running != nil ||
		s.State.Terminated != nil && s.State.Terminated.ContainerID != "" ||
		s.LastTerminationState.Running != nil ||
		s.LastTerminationState.Terminated != nil
}

// isFiller looks at the present state only: a filler that a later, properly
// reported life of the container has replaced is history.
func isFiller(s v1.ContainerStatus) bool {
	return s.State.Terminated != nil && s.State.Terminated.Reason == reasonContainerStatusUnknown
}

// containersOf sums up the pod's statuses. One running container of any kind is
// enough for ContainersRunning, even one that the spec does not name; and one
// container of the spec without a status of its own kind is enough for
// ContainersUnknown.
func containersOf(pod *v1.Pod) Containers {
	for _, s := range statusesOf(pod) {
		if s.State.Running != nil {
			return ContainersRunning
		}
	}
	if len(pod.Spec.Containers) == 0 {
		// No valid pod is without containers: an object that is was trimmed.
		return ContainersUnknown
	}
	for i, c := range pod.Spec.InitContainers {
		// Of a pod that is over, the kubelet calls the first one terminated in any case.
		if !isStopped(c.Name, pod.Status.InitContainerStatuses, i > 0) {
			return ContainersUnknown
		}
	}
	mayWait := !initialized(pod)
	for _, c := range pod.Spec.Containers {
		if !isStopped(c.Name, pod.Status.ContainerStatuses, mayWait) {
			return ContainersUnknown
		}
	}
	for _, c := range pod.Spec.EphemeralContainers {
		if !isStopped(c.Name, pod.Status.EphemeralContainerStatuses, true) {
			return ContainersUnknown
		}
	}
	return ContainersStopped
}

// isStopped tells whether the statuses account for the container: terminated or, if
// that is a last word of such a container, waiting without ever having been created. A
// container that waits between two lives (a crash loop) is not stopped: its kubelet is
// about to start it (H21).
func isStopped(container string, statuses []v1.ContainerStatus, mayWait bool) bool {
	found := false
	for _, s := range statuses {
		if s.Name != container {
			continue
		}
		if s.State.Terminated == nil && (!mayWait || s.State.Waiting == nil || hadID(s)) {
			return false
		}
		found = true
	}
	return found
}

// initialized tells whether the pod's regular containers may have been started, as
// far as its status shows. A kubelet ends its reports of such a pod with every one of
// them terminated (pkg/kubelet/status/status_manager.go:796, hasPodInitialized). One
// that it still calls waiting is no last word, even in a terminal phase: of a pod that
// was rejected after a restart, whose status was wiped by that, a kubelet which does
// not see yet what runs writes just this, and the fillers a moment later (H25).
func initialized(pod *v1.Pod) bool {
	inits := pod.Spec.InitContainers
	if len(inits) == 0 {
		return true
	}
	if slices.ContainsFunc(pod.Status.ContainerStatuses, func(s v1.ContainerStatus) bool {
		return s.State.Waiting == nil || s.LastTerminationState.Terminated != nil
	}) {
		return true
	}
	last := inits[len(inits)-1]
	if last.RestartPolicy != nil && *last.RestartPolicy == v1.ContainerRestartPolicyAlways {
		// A sidecar lets the others start while it runs: then the pod is not over.
		return false
	}
	return slices.ContainsFunc(pod.Status.InitContainerStatuses, func(s v1.ContainerStatus) bool {
		return s.Name == last.Name && (succeeded(s.State) || succeeded(s.LastTerminationState))
	})
}

func succeeded(s v1.ContainerState) bool { return s.Terminated != nil && s.Terminated.ExitCode == 0 }

// phaseByKubelet tells whether a kubelet is among the owners of the status's
// phase. Sharing it with another manager is good enough: a manager that writes a
// different value takes the field away from all others.
func phaseByKubelet(entries []metav1.ManagedFieldsEntry) bool {
	return slices.ContainsFunc(entries, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == kubeletManager && e.Subresource == statusSubresource && ownsPhase(e.FieldsV1)
	})
}

// ownsPhase looks for f:phase directly under f:status. What cannot be read owns nothing.
func ownsPhase(fields *metav1.FieldsV1) bool {
	if fields == nil {
		return false
	}
	var set, status map[string]json.RawMessage
	if err := json.Unmarshal(fields.GetRawBytes(), &set); err != nil {
		return false
	}
	if err := json.Unmarshal(set["f:status"], &status); err != nil {
		return false
	}
	_, owns := status["f:phase"]
	return owns
}

// sandboxIsGone tells whether a kubelet that had seen the object's present
// generation reported that the pod has no sandbox. Generation 0 comes from an API
// server that does not count pods' generations: there the comparison says nothing.
func sandboxIsGone(pod *v1.Pod) bool {
	return pod.Generation > 0 && slices.ContainsFunc(pod.Status.Conditions, func(c v1.PodCondition) bool {
		return c.Type == v1.PodReadyToStartContainers &&
			c.Status == v1.ConditionFalse &&
			c.ObservedGeneration >= pod.Generation
	})
}
