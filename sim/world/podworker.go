package world

import (
	"context"
	"errors"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// podWorker takes one pod UID through its life: it runs, is killed, is cleaned up
// after. It never goes back (pkg/kubelet/pod_workers.go).
//
//	live ──(deleted, terminal or removed)──> terminating ──(no container runs)──> terminated ──(unmounted)──> finished
type podWorker struct {
	kubelet *kubelet
	uid     types.UID
	// updated has room for one: the worker reads the newest pod when it gets to it.
	updated chan struct{}
	// live ends when the pod's end is asked for.
	live context.Context
	end  context.CancelFunc

	mu  sync.Mutex
	pod *corev1.Pod
	// grace in seconds; 0 until the end is asked for.
	grace                             int64
	terminating, terminated, finished bool
	// orphan: it was made without a pod.
	orphan bool
	// stepped is when the last step ended.
	stepped time.Time
}

func newPodWorker(ctx context.Context, k *kubelet, pod *corev1.Pod) *podWorker {
	w := &podWorker{kubelet: k, uid: pod.UID, pod: pod, updated: make(chan struct{}, 1)}
	w.live, w.end = context.WithCancel(ctx)
	return w
}

// newOrphanWorker returns the worker of a pod of which nothing is known but what
// runs of it or is mounted for it (pkg/kubelet/pod_workers.go, a RunningPod).
func newOrphanWorker(ctx context.Context, k *kubelet, uid types.UID) *podWorker {
	w := newPodWorker(ctx, k, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}})
	w.terminating, w.grace, w.orphan = true, orphanGrace, true
	return w
}

// orphanGrace is the grace period, in seconds, of containers without a pod
// (docs/kubernetes-facts.md §1.3).
const orphanGrace = 1

// terminateOrphan kills what runs and unmounts what is left. There is nobody to tell.
func (w *podWorker) terminateOrphan(ctx context.Context) {
	if w.kubelet.machine.runtime.kill(ctx, w.uid, runtimeGrace(orphanGrace)) != nil {
		return
	}
	w.setTerminated()
	if w.kubelet.volumes.unmount(ctx, w.uid) == nil {
		w.setFinished()
	}
}

// update brings the worker what the source said of its pod; removed: that it is
// gone, and pod is the last copy.
func (w *podWorker) update(pod *corev1.Pod, removed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.finished {
		return
	}
	w.pod = pod
	if removed || pod.DeletionTimestamp != nil || isTerminal(pod.Status.Phase) {
		w.terminating = true
	}
	if w.terminating && !w.terminated {
		w.grace = effectiveGrace(w.grace, pod)
		w.end()
	}
	select {
	case w.updated <- struct{}{}:
	default:
	}
}

func (w *podWorker) run(ctx context.Context) {
	defer w.end()
	if err := w.liveUntilEnd(); err != nil {
		_ = w.terminate(ctx)
	}
}

// liveUntilEnd mounts the pod's volumes, runs its containers and reports what
// becomes of it, until its end is asked for.
func (w *podWorker) liveUntilEnd() error {
	k := w.kubelet
	// The worker is started before its first update.
	if err := w.nextUpdate(w.live); err != nil {
		return err
	}
	k.report(w.latest(), false)
	if !w.runsOn() {
		return errOver
	}
	if err := k.volumes.mount(w.live, w.latest()); err != nil {
		return err
	}
	if err := k.machine.runtime.start(w.live, w.latest()); err != nil {
		return err
	}
	w.step()
	var backOff crashBackOff
	started := time.Now()
	for {
		if err := w.relist(w.live); err != nil {
			return err
		}
		k.report(w.latest(), false)
		w.step()
		select {
		case <-w.updated:
		case <-w.live.Done():
			return w.live.Err()
		case <-k.machine.runtime.ended(w.uid):
			if err := w.restart(backOff.after(time.Since(started))); err != nil {
				return err
			}
			started = time.Now()
		}
	}
}

// restart reports that the containers have ended by themselves, and starts them again
// after the back-off if the pod wants them.
func (w *podWorker) restart(wait time.Duration) error {
	k := w.kubelet
	if err := w.relist(w.live); err != nil {
		return err
	}
	k.report(w.latest(), false)
	w.step()
	if !w.runsOn() {
		return errOver
	}
	if err := sleep(w.live, wait); err != nil {
		return err
	}
	if err := k.machine.runtime.start(w.live, w.latest()); err != nil {
		return err
	}
	w.step()
	return nil
}

// errOver is what ends a pod whose containers have ended and are not to run again.
var errOver = errors.New("the containers have ended for good")

// runsOn says whether there is anything to run: false where the kubelet finds, after
// a boot, that all containers have ended and that the pod wants none of them again.
func (w *podWorker) runsOn() bool {
	pod, s := w.latest(), w.kubelet.machine.runtime.status(w.uid)
	if len(s.containers) == 0 || s.runs() {
		return true
	}
	statuses := containerStatuses(pod, s, pod.Status.ContainerStatuses)
	if !isTerminal(phaseOf(pod.Spec.RestartPolicy, statuses, false)) {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.terminating = true
	w.grace = effectiveGrace(w.grace, pod)
	w.end()
	return false
}

// terminate kills the containers, reports the final state, and lets the object go
// (docs/kubernetes-facts.md §1.6).
func (w *podWorker) terminate(ctx context.Context) error {
	k := w.kubelet
	if err := w.relist(ctx); err != nil {
		return err
	}
	k.report(w.latest(), false)
	// A shorter grace period that comes while the runtime is at it does not reach
	// it: SyncTerminatingPod works under a context of its own (pkg/kubelet/kubelet.go).
	if err := k.machine.runtime.kill(ctx, w.uid, runtimeGrace(w.graceSeconds())); err != nil {
		return err
	}
	w.setTerminated()
	k.report(w.latest(), true)
	w.step()

	if err := w.relist(ctx); err != nil {
		return err
	}
	k.report(w.latest(), true)
	if err := k.volumes.unmount(ctx, w.uid); err != nil {
		return err
	}
	k.reports.finish(w.latest())
	w.setFinished()
	return nil
}

// relist waits until the kubelet has looked at the runtime after the last step.
func (w *podWorker) relist(ctx context.Context) error {
	w.mu.Lock()
	wait := relistPeriod - time.Since(w.stepped)
	if !w.terminated {
		wait = max(wait, time.Until(w.kubelet.sees.from))
	}
	w.mu.Unlock()
	if wait > 0 {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	return w.kubelet.machine.runtime.hung.pass(ctx)
}

func (w *podWorker) nextUpdate(ctx context.Context) error {
	select {
	case <-w.updated:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *podWorker) step() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stepped = time.Now()
}

func (w *podWorker) latest() *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pod
}

func (w *podWorker) graceSeconds() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.grace
}

func (w *podWorker) setTerminated() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.terminated = true
}

func (w *podWorker) setFinished() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished = true
}

func (w *podWorker) isTerminated() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.terminated
}

func (w *podWorker) isFinished() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.finished
}

func isTerminal(p corev1.PodPhase) bool { return p == corev1.PodFailed || p == corev1.PodSucceeded }
