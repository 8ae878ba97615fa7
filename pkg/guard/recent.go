package guard

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// recent remembers the latest values by UID. Beyond its limit the oldest UID goes.
type recent[V any] struct {
	limit int
	order []types.UID
	of    map[types.UID]V
}

func newRecent[V any](limit int) *recent[V] {
	return &recent[V]{limit: limit, of: map[types.UID]V{}}
}

func (r *recent[V]) put(uid types.UID, v V) {
	if _, known := r.of[uid]; !known {
		r.order = append(r.order, uid)
	}
	r.of[uid] = v
	if len(r.order) > r.limit {
		delete(r.of, r.order[0])
		r.order = r.order[1:]
	}
}

func (r *recent[V]) get(uid types.UID) (V, bool) {
	v, ok := r.of[uid]
	return v, ok
}

// uids remembers the latest UIDs, for several goroutines.
type uids struct {
	mu     sync.Mutex
	recent *recent[struct{}]
}

func newUIDs(limit int) *uids { return &uids{recent: newRecent[struct{}](limit)} }

// add remembers the UID, and reports whether it was not remembered.
func (u *uids) add(uid types.UID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, known := u.recent.get(uid)
	u.recent.put(uid, struct{}{})
	return !known
}

func (u *uids) has(uid types.UID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, known := u.recent.get(uid)
	return known
}
