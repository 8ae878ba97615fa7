package plugin

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// waitsMax bounds how many waiting pods are followed. One beyond it is not told, and
	// its timeout strikes with the queue's own flush, five minutes late at most
	// (docs/kubernetes-facts.md §7).
	waitsMax = 16384
	// tellAfter is how long a pod waits for another ordinal before it is told. In a
	// rollout nearly every pod waits for a moment, and an event on each would say nothing.
	tellAfter = 10 * time.Second
)

// waits are the pods that wait for another ordinal without a node.
type waits struct {
	ctx context.Context
	// activate has the queue look at a pod again.
	activate func(pod *v1.Pod)

	mu   sync.Mutex
	pods map[types.UID]*wait
}

type wait struct {
	since    time.Time
	tell     *time.Timer
	deadline time.Time
	// strike is at the deadline; nil without one.
	strike *time.Timer
}

func newWaits(ctx context.Context, activate func(*v1.Pod)) *waits {
	return &waits{ctx: ctx, activate: activate, pods: map[types.UID]*wait{}}
}

// begin notes that the pod waits, until the deadline if that is not zero. After a while
// tell is called; at the deadline the pod is woken. It reports whether the pod has been
// waiting for longer than that while.
func (w *waits) begin(pod *v1.Pod, deadline, now time.Time, tell func()) (long bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known, ok := w.pods[pod.UID]
	if !ok {
		if len(w.pods) >= waitsMax {
			return false
		}
		known = &wait{since: now, tell: time.AfterFunc(tellAfter, w.whileAlive(tell))}
		w.pods[pod.UID] = known
	}
	if !known.deadline.Equal(deadline) {
		known.stop()
		known.deadline = deadline
		if !deadline.IsZero() {
			known.strike = time.AfterFunc(deadline.Sub(now), w.whileAlive(func() { w.activate(pod) }))
		}
	}
	return now.Sub(known.since) > tellAfter
}

// end notes that the pod waits no more.
func (w *waits) end(pod types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known, ok := w.pods[pod]; ok {
		known.tell.Stop()
		known.stop()
		delete(w.pods, pod)
	}
}

func (w *waits) whileAlive(f func()) func() {
	return func() {
		if w.ctx.Err() == nil {
			f()
		}
	}
}

// stop stops the timer of the deadline.
func (w *wait) stop() {
	if w.strike != nil {
		w.strike.Stop()
	}
}
