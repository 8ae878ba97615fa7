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
	// arrivalsMax bounds how many pods are woken at once when the pods that were there
	// are on the record. What is beyond it waits for the queue's own flush, five
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

// arrival is the time until every pod that was there is on the record.
type arrival struct {
	over <-chan struct{}

	mu sync.Mutex
	// waiting are the pods that were gated meanwhile, by namespace/name.
	waiting map[string]*v1.Pod
}

func newArrival(over <-chan struct{}) *arrival {
	return &arrival{over: over, waiting: map[string]*v1.Pod{}}
}

// isOver reports whether pods may be placed.
func (a *arrival) isOver() bool {
	select {
	case <-a.over:
		return true
	default:
		return false
	}
}

// gate holds a pod until the arrival is over, and remembers to wake it.
func (a *arrival) gate(pod *v1.Pod) tenancy.Verdict {
	if a.isOver() {
		return tenancy.Verdict{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) < arrivalsMax {
		a.waiting[klog.KObj(pod).String()] = pod
	}
	return notAdopted
}

// wakeWhenOver has the queue look again at the pods that were gated. No event could:
// what they waited for is no object of the scheduler's.
func (a *arrival) wakeWhenOver(ctx context.Context, handle fwk.Handle) {
	select {
	case <-a.over:
	case <-ctx.Done():
		return
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
