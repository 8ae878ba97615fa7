package world

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The reasons of the kubelet's own conditions and states.
const (
	reasonContainersNotReady = "ContainersNotReady"
	reasonPodCompleted       = "PodCompleted"
	reasonPodFailed          = "PodFailed"
	reasonSandboxNotReady    = "PodSandboxNotReady"
	reasonCreating           = "ContainerCreating"
	reasonCompleted          = "Completed"
	reasonError              = "Error"
	// reasonStatusUnknown marks a container of which the kubelet found nothing when
	// the pod was over, and that it reports as terminated all the same
	// (docs/kubernetes-facts.md §1.6).
	reasonStatusUnknown = "ContainerStatusUnknown"
)

// generateStatus is what the kubelet reports of a pod: what the runtime shows,
// on the ground of what it reported before. With over, no container runs and none
// will be started (pkg/kubelet/kubelet_pods.go, generateAPIPodStatus).
func generateStatus(pod *corev1.Pod, s sandbox, old corev1.PodStatus, over bool) corev1.PodStatus {
	status := corev1.PodStatus{
		QOSClass:              pod.Status.QOSClass,
		InitContainerStatuses: initContainerStatuses(pod, s),
		ContainerStatuses:     containerStatuses(pod, s, old.ContainerStatuses),
	}
	if s.ip != "" {
		status.PodIP, status.PodIPs = s.ip, []corev1.PodIP{{IP: s.ip}}
	}

	status.Phase = phaseOf(pod.Spec.RestartPolicy, status.ContainerStatuses, over)
	switch {
	case isTerminal(pod.Status.Phase):
		// Somebody else may have made it terminal: there is no way back.
		status.Phase = pod.Status.Phase
	case isTerminal(old.Phase) && !isTerminal(status.Phase):
		status.Phase = old.Phase
	}
	if status.Phase == old.Phase {
		status.Reason, status.Message = old.Reason, old.Message
	}

	for _, c := range pod.Status.Conditions {
		if !kubeletOwns(c.Type) {
			status.Conditions = append(status.Conditions, c)
		}
	}
	status.Conditions = append(status.Conditions, kubeletConditions(pod, s, status)...)
	return status
}

// phaseOf is the phase that follows from the states of the regular containers
// (pkg/kubelet/kubelet_pods.go, getPhase). Outside of its end, a pod whose
// containers are to be restarted counts as running.
func phaseOf(policy corev1.RestartPolicy, containers []corev1.ContainerStatus, over bool) corev1.PodPhase {
	var running, waiting, stopped, succeeded int
	for _, c := range containers {
		switch {
		case c.State.Running != nil:
			running++
		case c.State.Terminated != nil:
			stopped++
			if c.State.Terminated.ExitCode == 0 {
				succeeded++
			}
		case c.LastTerminationState.Terminated != nil:
			// It waits to run again.
			stopped++
		default:
			waiting++
		}
	}
	switch {
	case waiting > 0 || running+stopped == 0:
		return corev1.PodPending
	case running > 0:
		return corev1.PodRunning
	case !over && (policy == corev1.RestartPolicyAlways || policy == corev1.RestartPolicyOnFailure && stopped != succeeded):
		return corev1.PodRunning
	case stopped == succeeded:
		return corev1.PodSucceeded
	default:
		return corev1.PodFailed
	}
}

func containerStatuses(pod *corev1.Pod, s sandbox, old []corev1.ContainerStatus) []corev1.ContainerStatus {
	statuses := make([]corev1.ContainerStatus, 0, len(pod.Spec.Containers))
	for _, spec := range pod.Spec.Containers {
		i := slices.IndexFunc(s.containers, func(c container) bool { return c.name == spec.Name })
		if i < 0 {
			statuses = append(statuses, missingStatus(pod, spec, old))
			continue
		}
		statuses = append(statuses, containerStatus(spec, s.containers[i]))
	}
	slices.SortFunc(statuses, func(a, b corev1.ContainerStatus) int { return cmp.Compare(a.Name, b.Name) })
	return statuses
}

// missingStatus is that of a container which the runtime does not know: it was never
// made, or the runtime has forgotten it (pkg/kubelet/kubelet_pods.go,
// convertToAPIContainerStatuses).
func missingStatus(pod *corev1.Pod, spec corev1.Container, old []corev1.ContainerStatus) corev1.ContainerStatus {
	no := false
	status := corev1.ContainerStatus{
		Name: spec.Name, Image: spec.Image, Started: &no,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reasonCreating}},
	}
	i := slices.IndexFunc(old, func(c corev1.ContainerStatus) bool { return c.Name == spec.Name })
	if i < 0 {
		return status
	}
	was := old[i]
	if was.State.Terminated != nil {
		return was
	}
	status.RestartCount, status.LastTerminationState = was.RestartCount, was.LastTerminationState
	if was.State.Running == nil || status.LastTerminationState.Terminated != nil {
		return status
	}
	status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
		Reason: reasonStatusUnknown, ExitCode: exitKilled,
		Message: "The container could not be located when the pod was deleted.  The container used to be Running",
	}
	if pod.DeletionTimestamp == nil {
		status.RestartCount++
	}
	return status
}

func containerStatus(spec corev1.Container, c container) corev1.ContainerStatus {
	running, started := c.running(), seconds(metav1.NewTime(c.started))
	status := corev1.ContainerStatus{
		Name: spec.Name, Image: spec.Image, ImageID: spec.Image, ContainerID: c.id,
		Ready: running, Started: &running, RestartCount: c.attempt,
	}
	if c.before != nil {
		status.LastTerminationState.Terminated = terminatedState(*c.before)
	}
	if running {
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: started}
	} else {
		status.State.Terminated = terminatedState(c)
	}
	return status
}

func terminatedState(c container) *corev1.ContainerStateTerminated {
	reason := c.reason
	switch {
	case reason != "":
	case c.exitCode == exitStopped:
		reason = reasonCompleted
	default:
		reason = reasonError
	}
	return &corev1.ContainerStateTerminated{
		ExitCode: c.exitCode, Reason: reason, ContainerID: c.id,
		StartedAt: seconds(metav1.NewTime(c.started)), FinishedAt: seconds(metav1.NewTime(c.finished)),
	}
}

// initContainerStatuses: init containers end well at the moment the pod starts.
func initContainerStatuses(pod *corev1.Pod, s sandbox) []corev1.ContainerStatus {
	var statuses []corev1.ContainerStatus
	for _, spec := range pod.Spec.InitContainers {
		status := corev1.ContainerStatus{
			Name: spec.Name, Image: spec.Image,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reasonCreating}},
		}
		if len(s.containers) > 0 {
			at := s.containers[0].started
			status = containerStatus(spec, container{name: spec.Name, id: containerID(pod.UID, spec.Name, 0), started: at, finished: at})
			status.Ready = true
		}
		statuses = append(statuses, status)
	}
	return statuses
}

// kubeletOwns says whether a pod condition is the kubelet's alone.
func kubeletOwns(of corev1.PodConditionType) bool {
	switch of {
	case corev1.PodScheduled, corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady:
		return true
	}
	return false
}

// kubeletConditions are the conditions that follow from the rest of the status
// (pkg/kubelet/status/generate.go). Each is stamped with the generation that the
// kubelet has seen.
func kubeletConditions(pod *corev1.Pod, s sandbox, status corev1.PodStatus) []corev1.PodCondition {
	condition := func(of corev1.PodConditionType, holds bool, reason string) corev1.PodCondition {
		c := corev1.PodCondition{Type: of, ObservedGeneration: pod.Generation, Status: corev1.ConditionTrue, Reason: reason}
		if !holds {
			c.Status = corev1.ConditionFalse
		}
		return c
	}

	sandboxReason := ""
	if !s.ready {
		sandboxReason = reasonSandboxNotReady
	}
	ready, readyReason := true, ""
	switch {
	case status.Phase == corev1.PodSucceeded:
		ready, readyReason = false, reasonPodCompleted
	case status.Phase == corev1.PodFailed:
		ready, readyReason = false, reasonPodFailed
	case slices.ContainsFunc(status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return !c.Ready }):
		ready, readyReason = false, reasonContainersNotReady
	}
	initialized := len(pod.Spec.InitContainers) == 0 || len(s.containers) > 0
	return []corev1.PodCondition{
		condition(corev1.PodReadyToStartContainers, s.ready, sandboxReason),
		condition(corev1.PodInitialized, initialized, ""),
		condition(corev1.PodReady, ready && gatesReady(pod), readyReason),
		condition(corev1.ContainersReady, ready, readyReason),
		condition(corev1.PodScheduled, true, ""),
	}
}

// gatesReady says whether every readiness gate is met.
func gatesReady(pod *corev1.Pod) bool {
	for _, gate := range pod.Spec.ReadinessGates {
		c := podCondition(pod.Status.Conditions, gate.ConditionType)
		if c == nil || c.Status != corev1.ConditionTrue {
			return false
		}
	}
	return true
}

// fillTerminated is the status of a pod that is over: terminal, and every
// container terminated, those of which nothing is known with a reason that says so
// (pkg/kubelet/status/status_manager.go, TerminatePod). Where init containers never
// ran, the regular ones stay waiting (docs/kubernetes-facts.md §12).
func fillTerminated(pod *corev1.Pod, status corev1.PodStatus) corev1.PodStatus {
	status = *status.DeepCopy()
	initialized := len(pod.Spec.InitContainers) == 0 || slices.ContainsFunc(status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.State.Waiting == nil
	})
	if initialized {
		for i := range status.ContainerStatuses {
			if status.ContainerStatuses[i].State.Terminated == nil {
				status.ContainerStatuses[i].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
					Reason: reasonStatusUnknown, ExitCode: exitKilled,
					Message: "The container could not be located when the pod was terminated",
				}}
			}
		}
	}
	if !isTerminal(status.Phase) {
		status.Phase = corev1.PodFailed
	}
	return status
}

// mergeStatus is what the kubelet writes over what the API has: conditions of
// others are kept, and a pod does not become terminal while a container could
// still run (pkg/kubelet/status/status_manager.go, mergePodStatus).
func mergeStatus(inAPI, ours corev1.PodStatus, couldRun bool, now metav1.Time) corev1.PodStatus {
	merged := *ours.DeepCopy()
	merged.Conditions = nil
	for _, c := range inAPI.Conditions {
		if !kubeletOwns(c.Type) {
			merged.Conditions = append(merged.Conditions, c)
		}
	}
	for _, c := range ours.Conditions {
		if kubeletOwns(c.Type) {
			merged.Conditions = append(merged.Conditions, c)
		}
	}
	merged.ResourceClaimStatuses = inAPI.ResourceClaimStatuses
	if isTerminal(merged.Phase) && !isTerminal(inAPI.Phase) && couldRun {
		merged.Phase, merged.Reason, merged.Message = inAPI.Phase, inAPI.Reason, inAPI.Message
	}
	if isTerminal(merged.Phase) {
		reason := reasonPodFailed
		if merged.Phase == corev1.PodSucceeded {
			reason = reasonPodCompleted
		}
		for _, of := range []corev1.PodConditionType{corev1.PodReady, corev1.ContainersReady} {
			if c := podCondition(merged.Conditions, of); c != nil && c.Status == corev1.ConditionTrue {
				c.Status, c.Reason, c.LastTransitionTime = corev1.ConditionFalse, reason, seconds(now)
			}
		}
	}
	return merged
}

func podCondition(conditions []corev1.PodCondition, of corev1.PodConditionType) *corev1.PodCondition {
	for i := range conditions {
		if conditions[i].Type == of {
			return &conditions[i]
		}
	}
	return nil
}

// seconds cuts a time to the precision of the API, so that what was written
// compares equal to what is read.
func seconds(t metav1.Time) metav1.Time { return t.Rfc3339Copy() }
