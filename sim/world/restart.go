package world

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// sight is since when a kubelet sees what runs.
type sight struct {
	// after is how long after its start that is, and from when.
	after time.Duration
	from  time.Time
}

func (s *sight) nothing() bool { return time.Now().Before(s.from) }

// add takes up a pod that the kubelet hears of for the first time: one that is new, or
// any of its pods after a restart.
func (k *kubelet) add(ctx context.Context, pod *corev1.Pod) {
	switch {
	case k.rejected(pod):
		k.reject(pod)
	case k.sees.nothing() && isTerminal(pod.Status.Phase):
		// With an empty cache of what runs, a pod that somebody calls terminal counts as one
		// that a kubelet before this has finished: nothing is killed (pkg/kubelet/
		// pod_workers.go, isPodStatusCacheTerminal; docs/kubernetes-facts.md §10, H25).
		k.mu.Lock()
		defer k.mu.Unlock()
		k.takeAsEnded(ctx, pod, sandbox{})
	default:
		k.worker(ctx, pod).update(pod, false)
	}
}

// rejected says whether the kubelet does not admit the pod. Who is deleted or terminal is
// not asked any more (pkg/kubelet/kubelet.go, HandlePodAdditions).
func (k *kubelet) rejected(pod *corev1.Pod) bool {
	return slices.Contains(k.rejects, pod.Namespace+"/"+pod.Name) &&
		(k.reports.rejected(pod.UID) || pod.DeletionTimestamp == nil && !isTerminal(pod.Status.Phase))
}

// reject says that the pod has failed, and nothing of its containers. No worker comes to
// be: what runs of it, from before a restart, is found by housekeeping (pkg/kubelet/
// kubelet.go, rejectPod; docs/kubernetes-facts.md §10, H8).
func (k *kubelet) reject(pod *corev1.Pod) {
	k.reports.reject(pod, corev1.PodStatus{
		QOSClass: pod.Status.QOSClass, Phase: corev1.PodFailed,
		Reason: "NodeAffinity", Message: "Pod was rejected: Predicate NodeAffinity failed",
	})
}

// takeAsEnded reports a pod as over, by what the kubelet thinks ran of it, and cleans up
// after it. It is called with the lock held.
func (k *kubelet) takeAsEnded(ctx context.Context, pod *corev1.Pod, ran sandbox) {
	w := newPodWorker(ctx, k, pod)
	w.terminating, w.terminated = true, true
	w.end()
	k.workers[pod.UID] = w
	k.running.Go(func() {
		if w.relist(ctx) != nil {
			return
		}
		k.reportOf(pod, ran, true)
		if k.volumes.unmount(ctx, pod.UID) != nil {
			return
		}
		k.reports.finish(pod)
		w.setFinished()
	})
}
