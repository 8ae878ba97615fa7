package guard

import (
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// finalsMax bounds how many final objects wait to be handled. Beyond it a final
// object is dropped: its incarnation counts as gone without a last word, and holds.
const finalsMax = 4096

// finals keeps the objects of DELETED events until they are handled: nothing else
// shows any more how a pod ended. Tombstones of a relist do not belong here, for
// they are not final.
type finals struct {
	mu    sync.Mutex
	limit int
	count int
	pods  map[types.NamespacedName][]*v1.Pod
}

func newFinals(limit int) *finals {
	return &finals{limit: limit, pods: make(map[types.NamespacedName][]*v1.Pod)}
}

// put keeps the final object of a pod; false if there is no room.
func (f *finals) put(pod *v1.Pod) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count >= f.limit {
		return false
	}
	key := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
	f.pods[key] = append(f.pods[key], pod)
	f.count++
	return true
}

// of returns the final objects under a name, oldest first.
func (f *finals) of(key types.NamespacedName) []*v1.Pod {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*v1.Pod(nil), f.pods[key]...)
}

// done drops a final object that was handled.
func (f *finals) done(pod *v1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
	kept := f.pods[key][:0:0]
	for _, p := range f.pods[key] {
		if p.UID != pod.UID {
			kept = append(kept, p)
		}
	}
	f.count -= len(f.pods[key]) - len(kept)
	if len(kept) == 0 {
		delete(f.pods, key)
		return
	}
	f.pods[key] = kept
}
