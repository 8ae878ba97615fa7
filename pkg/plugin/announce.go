package plugin

import (
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// announcedMax bounds the memory of announced pods. A pod that fell out of it is
// announced once more when it is gated again, which does no harm.
const announcedMax = 4096

// announce tells the user of the first time a pod is gated: upstream writes
// neither event nor condition for a gated pod (docs/kubernetes-facts.md §7).
func (pl *Holdfast) announce(pod *v1.Pod, verdict tenancy.Verdict) {
	if pl.announced.first(pod.UID) {
		pl.recorder.Eventf(pod, nil, v1.EventTypeWarning, EventHeld, actionScheduling, "%s", verdict.Message)
	}
}

// announced remembers the latest pods that were announced.
type announced struct {
	mu   sync.Mutex
	have map[types.UID]struct{}
	// ring has the same UIDs, oldest at next once it is full.
	ring []types.UID
	next int
}

func newAnnounced(limit int) *announced {
	return &announced{have: make(map[types.UID]struct{}), ring: make([]types.UID, limit)}
}

// first reports whether uid was not remembered, and remembers it.
func (a *announced) first(uid types.UID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.have[uid]; known {
		return false
	}
	delete(a.have, a.ring[a.next])
	a.ring[a.next] = uid
	a.have[uid] = struct{}{}
	a.next = (a.next + 1) % len(a.ring)
	return true
}
