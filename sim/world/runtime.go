package world

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
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

// startTime is what a sandbox and its containers take to come up.
const startTime = time.Second

// The exit codes of a container that stopped when it was asked to, and of one that
// was killed.
const (
	exitStopped = 0
	exitKilled  = 137
)

// containerRuntime runs the containers of one machine. It knows pods only by what
// runs of them, and it outlives the kubelet's idea of them.
type containerRuntime struct {
	machine *machine

	mu   sync.Mutex
	pods map[types.UID]*sandbox
	ips  int
}

// sandbox is what runs, or ran, of a pod.
type sandbox struct {
	// ready until the pod is killed.
	ready      bool
	ip         string
	stops      stopping
	containers []container
}

type container struct {
	name, id          string
	started, finished time.Time
	exitCode          int32
}

func (c container) running() bool { return c.finished.IsZero() }

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

// end is when and how a container ends that gets SIGTERM now and SIGKILL after grace.
func (s stopping) end(grace time.Duration) (after time.Duration, exitCode int32) {
	if s.never || s.after > grace {
		return grace, exitKilled
	}
	return s.after, exitStopped
}

func newContainerRuntime(m *machine) *containerRuntime {
	return &containerRuntime{machine: m, pods: map[types.UID]*sandbox{}}
}

// start makes the pod's sandbox and runs its containers. It leaves nothing behind
// when ctx ends first.
func (r *containerRuntime) start(ctx context.Context, pod *corev1.Pod) error {
	if err := sleep(ctx, startTime); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ips++
	s := &sandbox{ready: true, ip: r.machine.podIP(r.ips), stops: stoppingOf(pod)}
	now := time.Now()
	var processes []Process
	for _, c := range pod.Spec.Containers {
		s.containers = append(s.containers, container{name: c.Name, id: containerID(pod.UID, c.Name), started: now})
		processes = append(processes, Process{
			Namespace: pod.Namespace, Pod: pod.Name, PodUID: pod.UID, Container: c.Name,
			Node: r.machine.spec.Name, BootID: r.machine.bootID(), Started: now,
		})
	}
	r.pods[pod.UID] = s
	r.machine.ledger.starts(processes...)
	return nil
}

// kill sends SIGTERM to the pod's containers, SIGKILL after the grace period, and
// returns when none of them runs.
func (r *containerRuntime) kill(ctx context.Context, uid types.UID, grace time.Duration) error {
	r.mu.Lock()
	s := r.pods[uid]
	r.mu.Unlock()
	if s == nil {
		return nil
	}
	after, exitCode := s.stops.end(grace)
	if err := sleep(ctx, after); err != nil {
		return err
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range s.containers {
		if c := &s.containers[i]; c.running() {
			c.finished, c.exitCode = time.Now(), exitCode
		}
	}
	s.ready = false
	r.machine.ledger.ends(r.machine.spec.Name, uid)
	return nil
}

// status returns a copy of what runs or ran of a pod; the zero sandbox if nothing ever did.
func (r *containerRuntime) status(uid types.UID) sandbox {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.pods[uid]
	if s == nil {
		return sandbox{}
	}
	c := *s
	c.containers = append([]container(nil), s.containers...)
	return c
}

// forget removes the dead containers of a pod.
func (r *containerRuntime) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pods, uid)
}

func containerID(pod types.UID, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s", pod, name))
	return "containerd://" + hex.EncodeToString(sum[:])
}

// sleep waits, or returns why ctx ended first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
