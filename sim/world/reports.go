package world

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// reportsInterval is how often reports that did not get through, or that somebody
// wrote over, are sent again.
const reportsInterval = 10 * time.Second

// reports is what the kubelet has to say of its pods, kept until it is said
// (pkg/kubelet/status/status_manager.go).
type reports struct {
	kubelet *kubelet
	wake    chan struct{}

	mu    sync.Mutex
	byPod map[types.UID]*report
}

type report struct {
	uid             types.UID
	namespace, name string
	status          corev1.PodStatus
	// version counts changes; sent is the version that the API has.
	version, sent int
	// finished: nothing of the pod is left on the machine.
	finished bool
	// rejected: the kubelet did not admit the pod.
	rejected bool
}

func newReports(k *kubelet) *reports {
	return &reports{kubelet: k, wake: make(chan struct{}, 1), byPod: map[types.UID]*report{}}
}

// get returns the status last set for a pod.
func (r *reports) get(uid types.UID) (corev1.PodStatus, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.byPod[uid]; p != nil {
		return *p.status.DeepCopy(), true
	}
	return corev1.PodStatus{}, false
}

// set takes a pod's new status; it is sent soon if it differs.
func (r *reports) set(pod *corev1.Pod, status corev1.PodStatus) {
	status.ObservedGeneration = pod.Generation
	r.put(pod, status, false)
}

// finish marks the pod's life as over and its last status as final. With that
// sent, its object is deleted.
func (r *reports) finish(pod *corev1.Pod) {
	status, ok := r.get(pod.UID)
	if !ok {
		status = pod.Status
	}
	r.put(pod, fillTerminated(pod, status), true)
}

// reject sets the status of a pod that the kubelet does not admit.
func (r *reports) reject(pod *corev1.Pod, status corev1.PodStatus) {
	r.set(pod, status)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byPod[pod.UID].rejected = true
}

// rejected says whether the kubelet did not admit a pod.
func (r *reports) rejected(uid types.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.byPod[uid]
	return p != nil && p.rejected
}

func (r *reports) put(pod *corev1.Pod, status corev1.PodStatus, finished bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, old := r.byPod[pod.UID], pod.Status
	if p != nil {
		old = p.status
	}

	now := seconds(r.kubelet.now())
	for i := range status.Conditions {
		c := &status.Conditions[i]
		if !kubeletOwns(c.Type) {
			continue
		}
		c.LastTransitionTime = now
		if was := podCondition(old.Conditions, c.Type); was != nil && was.Status == c.Status {
			c.LastTransitionTime = was.LastTransitionTime
		}
	}
	status.StartTime = &now
	if old.StartTime != nil {
		status.StartTime = old.StartTime
	}
	status.ObservedGeneration = max(status.ObservedGeneration, old.ObservedGeneration)

	if p == nil {
		p = &report{uid: pod.UID, namespace: pod.Namespace, name: pod.Name}
		r.byPod[pod.UID] = p
	} else if !finished && equalToKubelet(p.status, status) {
		return
	}
	p.status, p.finished = status, p.finished || finished
	p.version++
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// keepOnly forgets the reports of pods that are gone.
func (r *reports) keepOnly(there func(types.UID) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for uid := range r.byPod {
		if !there(uid) {
			delete(r.byPod, uid)
		}
	}
}

// sendUntil sends new reports as they come, and all that the API does not show at
// every tick.
func (r *reports) sendUntil(ctx context.Context) {
	tick := time.NewTimer(reportsInterval + r.kubelet.machine.offset)
	defer tick.Stop()
	for {
		all := false
		select {
		case <-r.wake:
		case <-tick.C:
			all = true
			tick.Reset(reportsInterval)
		case <-ctx.Done():
			return
		}
		for _, p := range r.due(all) {
			// A report that cannot be sent is due again.
			_ = r.send(ctx, p)
		}
	}
}

// due returns copies of the reports that are to be sent, by namespace and name.
func (r *reports) due(all bool) []report {
	r.mu.Lock()
	defer r.mu.Unlock()
	var due []report
	for uid, p := range r.byPod {
		pod := r.kubelet.config.get(uid)
		again := all && pod != nil && (mayDelete(pod, p.finished) || !equalToKubelet(pod.Status, p.status))
		if p.sent < p.version || again {
			due = append(due, *p)
		}
	}
	slices.SortFunc(due, func(a, b report) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name), cmp.Compare(a.uid, b.uid))
	})
	return due
}

// send writes one status, and deletes the object of a pod that is over. A pod that
// is gone has nowhere to report to (docs/kubernetes-facts.md §1.1).
func (r *reports) send(ctx context.Context, p report) error {
	pods := r.kubelet.api.CoreV1().Pods(p.namespace)
	pod, err := pods.Get(ctx, p.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case pod.UID != p.uid:
		r.forget(p.uid)
		return nil
	}

	merged := mergeStatus(pod.Status, p.status, r.kubelet.couldRun(p.uid), r.kubelet.now())
	if !equality.Semantic.DeepEqual(pod.Status, merged) {
		// The UID in the patch makes the write fail for another pod of that name.
		patch, err := patchBetween(
			corev1.Pod{Status: pod.Status},
			corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: p.uid}, Status: merged},
		)
		if err != nil {
			return fmt.Errorf("status of pod %s/%s: %w", p.namespace, p.name, err)
		}
		pod, err = pods.Patch(ctx, p.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		if err != nil {
			return err
		}
	}
	r.markSent(p)

	if !mayDelete(pod, p.finished) {
		return nil
	}
	now := int64(0)
	err = pods.Delete(ctx, p.name, metav1.DeleteOptions{
		GracePeriodSeconds: &now,
		Preconditions:      metav1.NewUIDPreconditions(string(p.uid)),
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	r.forget(p.uid)
	return nil
}

func (r *reports) markSent(p report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if kept := r.byPod[p.uid]; kept != nil {
		kept.sent = max(kept.sent, p.version)
	}
}

func (r *reports) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byPod, uid)
}

// mayDelete says whether the kubelet may remove the object: its deletion was asked
// for, its phase is terminal in the API, and nothing of it is left.
func mayDelete(pod *corev1.Pod, finished bool) bool {
	return pod.DeletionTimestamp != nil && isTerminal(pod.Status.Phase) && finished
}

// equalToKubelet compares two statuses without the conditions of others.
func equalToKubelet(a, b corev1.PodStatus) bool {
	own := func(s corev1.PodStatus) *corev1.PodStatus {
		c := s.DeepCopy()
		c.Conditions = slices.DeleteFunc(c.Conditions, func(c corev1.PodCondition) bool { return !kubeletOwns(c.Type) })
		slices.SortFunc(c.Conditions, func(a, b corev1.PodCondition) int { return cmp.Compare(a.Type, b.Type) })
		return c
	}
	return equality.Semantic.DeepEqual(own(a), own(b))
}
