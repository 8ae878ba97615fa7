package guard

import (
	"slices"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// finalsMax bounds how many final objects wait to be handled. Beyond it the oldest is
// dropped: its incarnation counts as gone without a last word, and holds.
const finalsMax = 4096

// handledMax bounds how many of those that were handled are still remembered.
const handledMax = 1024

// finals keeps the objects of DELETED events until they are handled: nothing else
// shows any more how a pod ended. Tombstones of a relist do not belong here, for
// they are not final.
//
// Those that were handled are remembered for a while: a scheduler that is slow may open
// the record of a pod only after its last word was heard, and nobody will say it again.
type finals struct {
	mu      sync.Mutex
	limit   int
	handled *recent[*v1.Pod]
	// order has all of them, oldest first.
	order []*v1.Pod
	byKey map[types.NamespacedName][]*v1.Pod
}

func newFinals(limit int) *finals {
	return &finals{limit: limit, handled: newRecent[*v1.Pod](handledMax), byKey: make(map[types.NamespacedName][]*v1.Pod)}
}

// put keeps the final object of a pod, and returns the one that had to go for it.
func (f *finals) put(pod *v1.Pod) (dropped *v1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.order) >= f.limit {
		dropped = f.order[0]
		f.remove(keyOf(dropped), dropped.UID)
	}
	f.order = append(f.order, pod)
	f.byKey[keyOf(pod)] = append(f.byKey[keyOf(pod)], pod)
	return dropped
}

// of returns the final objects under a name, oldest first.
func (f *finals) of(key types.NamespacedName) []*v1.Pod {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.byKey[key])
}

// done drops the final object of a pod that was handled, here or by another replica.
func (f *finals) done(key types.NamespacedName, uid types.UID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, pod := range f.byKey[key] {
		if pod.UID == uid {
			f.handled.put(uid, pod)
		}
	}
	f.remove(key, uid)
}

// lastWord is the final object of a pod that was handled; nil if there was none, or it is
// forgotten.
func (f *finals) lastWord(uid types.UID) *v1.Pod {
	f.mu.Lock()
	defer f.mu.Unlock()
	pod, _ := f.handled.get(uid)
	return pod
}

// remove is called with the lock held.
func (f *finals) remove(key types.NamespacedName, uid types.UID) {
	if len(f.byKey[key]) == 0 {
		return
	}
	is := func(p *v1.Pod) bool { return p.UID == uid && keyOf(p) == key }
	f.order = slices.DeleteFunc(f.order, is)
	if f.byKey[key] = slices.DeleteFunc(f.byKey[key], is); len(f.byKey[key]) == 0 {
		delete(f.byKey, key)
	}
}
