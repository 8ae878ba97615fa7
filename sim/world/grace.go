package world

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// runtimeGraceMin is the least time that the container runtime is given between
// SIGTERM and SIGKILL (docs/kubernetes-facts.md §1.1).
const runtimeGraceMin = 2

// effectiveGrace is the grace period, in seconds, of a pod whose end was asked
// for, where current is the one of earlier requests and 0 at the first. It only
// gets shorter, and it is the spec's where the API never said one: so a removal
// that is all the kubelet ever saw of a delete gives the full period
// (docs/kubernetes-facts.md §1.1).
func effectiveGrace(current int64, pod *corev1.Pod) int64 {
	grace, said := current, false
	if d := pod.DeletionGracePeriodSeconds; d != nil && (grace == 0 || *d < grace) {
		grace, said = *d, true
	}
	if s := pod.Spec.TerminationGracePeriodSeconds; !said && grace == 0 && s != nil {
		grace = *s
	}
	return max(grace, 1)
}

// runtimeGrace is how long the runtime waits before SIGKILL.
func runtimeGrace(seconds int64) time.Duration {
	return time.Duration(max(seconds, runtimeGraceMin)) * time.Second
}
