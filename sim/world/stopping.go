package world

import (
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// StopSecondsAnnotation on a pod says how long its containers take to stop after
// SIGTERM: whole seconds, or NeverStops. Absent: 1.
const (
	StopSecondsAnnotation = "sim.holdfast.dev/stop-seconds"
	NeverStops            = "never"
)

// stopping is how containers take SIGTERM.
type stopping struct {
	never bool
	after time.Duration
}

// stoppingOf reads the pod's annotation; an unreadable one counts as absent.
func stoppingOf(pod *corev1.Pod) stopping {
	said := pod.Annotations[StopSecondsAnnotation]
	if said == NeverStops {
		return stopping{never: true}
	}
	if s, err := strconv.ParseUint(said, 10, 31); err == nil {
		return stopping{after: time.Duration(s) * time.Second}
	}
	return stopping{after: time.Second}
}

// heeds says whether a container that got SIGTERM when it was asked ends by itself
// up to that time.
func (s stopping) heeds(asked, until time.Time) bool {
	return !s.never && !asked.Add(s.after).After(until)
}

// stick lets no signal reach what runs of a pod, and free all of them again.
func (r *containerRuntime) stick(uid types.UID) {
	r.withSandbox(uid, func(s *sandbox) { s.stuck.shut() })
}
func (r *containerRuntime) free(uid types.UID) {
	r.withSandbox(uid, func(s *sandbox) { s.stuck.open() })
}

// lie lets the next stop of what runs of a pod be a lie.
func (r *containerRuntime) lie(uid types.UID) { r.withSandbox(uid, func(s *sandbox) { s.lies = true }) }

func (r *containerRuntime) withSandbox(uid types.UID, do func(*sandbox)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.pods[uid]; s != nil {
		do(s)
	}
}
