package plugin

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

const (
	// arrivalsMax bounds how many pods are woken at once when there is nothing left that
	// the arrival waits for. What is beyond it waits for the queue's own flush, five
	// minutes at most (docs/kubernetes-facts.md §7).
	arrivalsMax = 16384
	// Pods that were judged a moment ago may not be in the queue yet when the others
	// are woken, and would be passed over: they are woken again a little later.
	wakings     = 3
	wakingPause = time.Second
)

// notAdopted holds every pod while the pods that ran before Holdfast came are not all
// on the record.
var notAdopted = tenancy.Verdict{
	Held:   true,
	Reason: tenancy.ReasonNotAdopted,
	Message: "Holdfast has just come to this cluster and has not yet recorded every pod that runs. " +
		"The end of its first pass, a matter of seconds while the API server answers, would release it.",
}

// notRead holds a pod while the caches that say whether it is held are not filled.
var notRead = tenancy.Verdict{
	Held:   true,
	Reason: tenancy.ReasonNotRead,
	Message: "The scheduler has just started and has not yet read which ordinals are held. " +
		"The end of its first reading, a matter of moments while the API server answers, would release it.",
}

// arrival is the time until a process that has just started knows whom to hold: every
// pod that was there is on the record, and the records have been read.
type arrival struct {
	over <-chan struct{}
	// filled are closed, each when one of the caches that the gate goes by is filled. The
	// scheduler itself tries nothing before that, but it queues pods as it lists them, and
	// asks PreEnqueue for no pod that is queued already: a pod of which no record was seen
	// would cost an attempt that PreFilter refuses (L3).
	filled []<-chan struct{}

	mu sync.Mutex
	// waiting are the pods that were gated meanwhile, by namespace/name.
	waiting map[string]*v1.Pod
}

func newArrival(over <-chan struct{}, filled ...<-chan struct{}) *arrival {
	return &arrival{over: over, filled: filled, waiting: map[string]*v1.Pod{}}
}

// isOver reports whether pods may be placed: a bind does not go by the caches.
func (a *arrival) isOver() bool { return isClosed(a.over) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// gate holds a pod until the arrival is over, and remembers to wake it. A pod that no
// record can hold waits for no cache.
func (a *arrival) gate(pod *v1.Pod, holdable func() bool) tenancy.Verdict {
	verdict := tenancy.Verdict{}
	switch {
	case !a.isOver():
		verdict = notAdopted
	case !a.isFilled() && holdable():
		verdict = notRead
	default:
		return verdict
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) < arrivalsMax {
		a.waiting[klog.KObj(pod).String()] = pod
	}
	return verdict
}

func (a *arrival) isFilled() bool {
	for _, filled := range a.filled {
		if !isClosed(filled) {
			return false
		}
	}
	return true
}

// wakeWhenOver has the queue look again at the pods that were gated. No event could:
// what they waited for is no object of the scheduler's.
func (a *arrival) wakeWhenOver(ctx context.Context, handle fwk.Handle) {
	for _, due := range append([]<-chan struct{}{a.over}, a.filled...) {
		select {
		case <-due:
		case <-ctx.Done():
			return
		}
	}
	pause := time.NewTicker(wakingPause)
	defer pause.Stop()
	for range wakings {
		a.mu.Lock()
		waiting := a.waiting
		a.waiting = map[string]*v1.Pod{}
		a.mu.Unlock()
		if len(waiting) > 0 {
			handle.Activate(klog.FromContext(ctx), waiting)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}
