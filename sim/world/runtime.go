package world

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// startTime is what a sandbox and its containers take to come up.
const startTime = time.Second

// The exit codes of a container that stopped when it was asked to, of one that was
// killed, and of one whose end the runtime did not see: containerd's, with the
// reason that it gives (pkg/cri/server/restart.go).
const (
	exitStopped = 0
	exitKilled  = 137
	exitUnknown = 255

	reasonUnknown = "Unknown"
)

// containerRuntime runs the containers of one machine. It knows pods only by what
// runs of them, and it outlives the kubelet's idea of them. It is containerd: its
// metadata is on the disk and outlives the power too.
type containerRuntime struct {
	machine *machine
	// forgets: what it knew is gone after a boot, as where CRI-O wipes its storage.
	forgets bool
	// frozen is shut while nothing on the machine goes on.
	frozen gate
	// hung is shut while the runtime answers nobody.
	hung gate

	mu sync.Mutex
	// powered ends with the power.
	powered context.Context
	bootID  string
	pods    map[types.UID]*sandbox
	// sandboxes counts all that it ever made.
	sandboxes int
}

// sandbox is what runs, or ran, of a pod.
type sandbox struct {
	// ready until the pod is killed.
	ready bool
	ip    string
	stops stopping
	// asked is when the containers got SIGTERM; zero before.
	asked time.Time
	// stopped is closed once no container runs.
	stopped    chan struct{}
	containers []container
	// dies is how its containers end by themselves, again and again; nil: they do not.
	dies *death
	// stuck is shut while no signal ends them; killed says that SIGKILL was sent.
	stuck  *gate
	killed bool
	// lies: the runtime will say that it has stopped them, and will not have.
	lies bool
}

func newSandbox(pod *corev1.Pod, ip string) *sandbox {
	return &sandbox{ready: true, ip: ip, stops: stoppingOf(pod), stopped: make(chan struct{}), stuck: &gate{}}
}

func (s *sandbox) runs() bool {
	return s != nil && slices.ContainsFunc(s.containers, container.running)
}

type container struct {
	name, id          string
	started, finished time.Time
	exitCode          int32
	// reason of the end; empty: the one that goes with the exit code.
	reason string
	// lost: it ended with the power, and the runtime does not know it yet.
	lost bool
	// attempt counts from 0; before is how the attempt before ended.
	attempt int32
	before  *container
}

func (c container) running() bool { return c.finished.IsZero() }

func newContainerRuntime(m *machine) *containerRuntime {
	return &containerRuntime{machine: m, forgets: m.spec.RuntimeForgets, pods: map[types.UID]*sandbox{}}
}

// start makes the pod's sandbox and runs its containers; it leaves nothing behind
// when ctx ends first. Containers that run are left alone: a kubelet that was
// restarted takes them up. Those that ended are started once more.
func (r *containerRuntime) start(ctx context.Context, pod *corev1.Pod) error {
	if r.runs(pod.UID) {
		return ctx.Err()
	}
	if err := sleep(ctx, startTime); err != nil {
		return err
	}
	if err := r.answers(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sandboxes++
	s := newSandbox(pod, r.machine.podIP(r.sandboxes))
	if old := r.pods[pod.UID]; old != nil && old.ready {
		// Its containers ended by themselves: the sandbox is still there.
		s.ip, s.dies = old.ip, old.dies
	}
	now := time.Now()
	var processes []Process
	for _, c := range pod.Spec.Containers {
		next := container{name: c.Name, id: containerID(pod.UID, c.Name, r.sandboxes), started: r.machine.clock.now()}
		if before := r.pods[pod.UID].container(c.Name); before != nil {
			next.attempt, next.before = before.attempt+1, before
		}
		s.containers = append(s.containers, next)
		processes = append(processes, Process{
			Namespace: pod.Namespace, Pod: pod.Name, PodUID: pod.UID, Container: c.Name,
			Node: r.machine.spec.Name, BootID: r.bootID, Started: now,
		})
	}
	r.pods[pod.UID] = s
	r.machine.ledger.starts(processes...)
	r.dieLater(pod.UID, s)
	return nil
}

// container returns a copy of the container of that name, or nil. Only two attempts
// are remembered, as the kubelet reports no more.
func (s *sandbox) container(name string) *container {
	if s == nil {
		return nil
	}
	for _, c := range s.containers {
		if c.name == name {
			c.before = nil
			return &c
		}
	}
	return nil
}

// kill sends SIGTERM to the pod's containers, SIGKILL after the grace period, and
// returns when none of them runs. When ctx ends first, nobody sends SIGKILL any
// more; those that heed SIGTERM stop all the same.
func (r *containerRuntime) kill(ctx context.Context, uid types.UID, grace time.Duration) error {
	if err := r.hung.pass(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	s := r.pods[uid]
	if !s.runs() {
		if s != nil {
			s.ready = false
		}
		r.mu.Unlock()
		return ctx.Err()
	}
	now := time.Now()
	if s.asked.IsZero() {
		s.asked = now
		if powered := r.powered; !s.stops.never {
			r.machine.running.Go(func() {
				if sleep(powered, s.stops.after) == nil && r.signalled(powered, s) == nil {
					r.stop(uid, s)
				}
			})
		}
	}
	heeds := s.stops.heeds(s.asked, now.Add(grace)) && !s.stuck.isShut()
	r.mu.Unlock()

	if heeds {
		select {
		case <-s.stopped:
		case <-ctx.Done():
		}
	} else if sleep(ctx, grace) == nil && r.answers(ctx) == nil {
		r.mu.Lock()
		s.killed = true
		r.mu.Unlock()
		if r.signalled(ctx, s) == nil {
			r.stop(uid, s)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.ready = false
	return nil
}

// answers returns once the runtime does what it is asked.
func (r *containerRuntime) answers(ctx context.Context) error {
	if err := r.frozen.pass(ctx); err != nil {
		return err
	}
	return r.hung.pass(ctx)
}

// signalled returns once a signal can take effect.
func (r *containerRuntime) signalled(ctx context.Context, s *sandbox) error {
	if err := s.stuck.pass(ctx); err != nil {
		return err
	}
	return r.frozen.pass(ctx)
}

// stop ends what runs of a sandbox because it was asked to, or lets the runtime say so.
// Who has been sent SIGKILL too ends by that one.
func (r *containerRuntime) stop(uid types.UID, s *sandbox) {
	r.mu.Lock()
	defer r.mu.Unlock()
	code, end := int32(exitStopped), r.machine.ledger.ends
	if s.killed {
		code = exitKilled
	}
	if s.lies {
		end = r.machine.ledger.denies
	}
	r.end(uid, s, code, end)
}

// exit ends what runs of a sandbox.
func (r *containerRuntime) exit(uid types.UID, s *sandbox, code int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(uid, s, code, r.machine.ledger.ends)
}

// end is called with the lock held.
func (r *containerRuntime) end(uid types.UID, s *sandbox, code int32, truly func(node string, uid types.UID)) {
	if !s.runs() {
		return
	}
	for i := range s.containers {
		if c := &s.containers[i]; c.running() {
			c.finished, c.exitCode = r.machine.clock.now(), code
		}
	}
	close(s.stopped)
	truly(r.machine.spec.Name, uid)
}

// losePower ends everything at once. Nobody is left to take note of it.
func (r *containerRuntime) losePower() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.pods {
		s.ready = false
		if !s.runs() {
			continue
		}
		for i := range s.containers {
			if c := &s.containers[i]; c.running() {
				c.finished, c.lost = r.machine.clock.now(), true
			}
		}
		close(s.stopped)
	}
	r.machine.ledger.endsNode(r.machine.spec.Name)
}

// boot lets the runtime find out what the power's loss has left. Like containerd, it
// takes a container that ran and has no task any more for ended now, by a code and a
// reason that say that it does not know.
func (r *containerRuntime) boot(powered context.Context, bootID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.powered, r.bootID = powered, bootID
	r.frozen.open()
	r.hung.open()
	if r.forgets {
		clear(r.pods)
	}
	for _, s := range r.pods {
		for i := range s.containers {
			if c := &s.containers[i]; c.lost {
				c.lost, c.finished, c.exitCode, c.reason = false, r.machine.clock.now(), exitUnknown, reasonUnknown
			}
		}
	}
}

// running are the pods of which a container runs, sorted.
func (r *containerRuntime) running() []types.UID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var uids []types.UID
	for uid, s := range r.pods {
		if s.runs() {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	return uids
}

// runs says whether a container of the pod runs.
func (r *containerRuntime) runs(uid types.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pods[uid].runs()
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
	if !r.pods[uid].runs() {
		delete(r.pods, uid)
	}
}

// containerID names a container of the nth sandbox of its machine.
func containerID(pod types.UID, name string, sandbox int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", pod, name, sandbox))
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
