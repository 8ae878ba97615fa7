package guard

import "k8s.io/apimachinery/pkg/types"

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
