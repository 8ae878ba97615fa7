package plugin

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

const (
	// announcedMax bounds the memory of announced pods. A pod that fell out of it is
	// announced once more when it is gated again, which does no harm.
	announcedMax = 4096
	// announceAgain is after how long a pod that is still gated is announced again. The
	// API server forgets an event after an hour; the queue judges a gated pod anew every
	// 5 minutes (docs/kubernetes-facts.md §7). So there is always one to be read (L6).
	announceAgain = 30 * time.Minute
	// noteBytesMax is what the API server takes for the note of an event.
	noteBytesMax = 1024
)

// announce tells the user that a pod is gated, and again when that is for another
// reason or has lasted: upstream writes neither event nor condition for a gated pod
// (docs/kubernetes-facts.md §7).
func (pl *Holdfast) announce(ctx context.Context, pod *v1.Pod, verdict tenancy.Verdict) {
	if !pl.announced.due(pod.UID, verdict.Reason, pl.clock.Now()) {
		return
	}
	klog.FromContext(ctx).V(4).Info("Gated", "pod", klog.KObj(pod), "podUID", pod.UID, "reason", verdict.Reason)
	pl.recorder.Eventf(pod, nil, v1.EventTypeWarning, EventHeld, actionScheduling, "%s", note(verdict.Message))
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil && !toldByGuard(verdict.Reason) {
		set := &v1.ObjectReference{APIVersion: owner.APIVersion, Kind: owner.Kind, Namespace: pod.Namespace, Name: owner.Name, UID: owner.UID}
		pl.recorder.Eventf(set, nil, v1.EventTypeWarning, EventHeld, actionScheduling, "%s", note(pod.Name+": "+verdict.Message))
	}
}

// toldByGuard reports whether the guard tells the set, and keeps a condition on the
// pod: it does of incarnations that it cannot prove to be over.
func toldByGuard(reason tenancy.Reason) bool {
	return reason == tenancy.ReasonInDoubt || reason == tenancy.ReasonOccupied
}

func note(message string) string {
	if len(message) > noteBytesMax {
		return message[:noteBytesMax]
	}
	return message
}

// announced remembers what the latest pods were told, and when.
type announced struct {
	mu   sync.Mutex
	have map[types.UID]announcement
	// ring has the same UIDs, oldest at next once it is full.
	ring []types.UID
	next int
}

type announcement struct {
	reason tenancy.Reason
	at     time.Time
}

func newAnnounced(limit int) *announced {
	return &announced{have: make(map[types.UID]announcement), ring: make([]types.UID, limit)}
}

// due reports whether the pod is to be told, and remembers that it was.
func (a *announced) due(uid types.UID, reason tenancy.Reason, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, known := a.have[uid]
	if known && last.reason == reason && now.Sub(last.at) < announceAgain {
		return false
	}
	if !known {
		delete(a.have, a.ring[a.next])
		a.ring[a.next] = uid
		a.next = (a.next + 1) % len(a.ring)
	}
	a.have[uid] = announcement{reason: reason, at: now}
	return true
}
