package world

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// watchPodsUntil watches the pods of this node. As a real kubelet's, its watch begins
// when the Node exists.
func (k *kubelet) watchPodsUntil(ctx context.Context) {
	select {
	case <-k.registered:
	case <-ctx.Done():
		return
	}
	store := cache.NewUndeltaStore(func(all []any) { k.config.set(ctx, all) }, cache.MetaNamespaceKeyFunc)
	k.reflectUntil(ctx, "pods", &corev1.Pod{}, fields.OneTermEqualSelector("spec.nodeName", k.machine.spec.Name), store)
}

// reflectUntil watches with client-go's reflector, and so with its back-off and its
// choice between resuming and listing anew (docs/kubernetes-facts.md §1.2). A watch that
// the ping's silence ended is not resumed: "client connection lost" is no probable EOF
// (apimachinery pkg/watch/streamwatcher.go), reaches the reflector as an internal error
// and makes it list. So a kubelet that was cut off for longer than readIdleTimeout and
// pingTimeout sees only removals of what was deleted meanwhile.
func (k *kubelet) reflectUntil(ctx context.Context, resource string, of runtime.Object, which fields.Selector, store cache.ReflectorStore) {
	listed := cache.NewListWatchFromClient(k.api.CoreV1().RESTClient(), resource, metav1.NamespaceAll, which)
	cache.NewReflectorWithOptions(listed, of, store, cache.ReflectorOptions{
		Name: "kubelet of " + k.machine.spec.Name,
	}).RunWithContext(ctx)
}

// podOp is what the source says happened to pods.
type podOp string

const (
	opAdd    podOp = "ADD"
	opUpdate podOp = "UPDATE"
	// opDelete is a pod that got a deletionTimestamp, or a shorter grace period.
	opDelete podOp = "DELETE"
	// opRemove is a pod that is gone; all that is known of it is the last copy.
	opRemove podOp = "REMOVE"
	// opReconcile is a pod of which only the status changed.
	opReconcile podOp = "RECONCILE"
)

type podUpdate struct {
	op   podOp
	pods []*corev1.Pod
}

// updatesMax is how many updates wait for the sync loop (pkg/kubelet/config).
const updatesMax = 50

// podConfig is the pods that should be on this node, as last heard.
type podConfig struct {
	updates chan podUpdate
	// ready is closed when the source has spoken for the first time.
	ready chan struct{}
	first sync.Once

	mu   sync.Mutex
	pods map[types.UID]*corev1.Pod
}

func newPodConfig() *podConfig {
	return &podConfig{updates: make(chan podUpdate, updatesMax), ready: make(chan struct{}), pods: map[types.UID]*corev1.Pod{}}
}

// set takes the pods as they are now and passes on what that changes.
func (c *podConfig) set(ctx context.Context, all []any) {
	now := make([]*corev1.Pod, 0, len(all))
	for _, o := range all {
		now = append(now, o.(*corev1.Pod))
	}
	changes := c.merge(now)
	c.first.Do(func() { close(c.ready) })
	for _, u := range changes {
		select {
		case c.updates <- u:
		case <-ctx.Done():
			return
		}
	}
}

func (c *podConfig) merge(now []*corev1.Pod) []podUpdate {
	c.mu.Lock()
	defer c.mu.Unlock()
	var updates []podUpdate
	c.pods, updates = mergePods(c.pods, now)
	return updates
}

// seen says whether the source has spoken at all (SeenAllSources upstream).
func (c *podConfig) seen() bool {
	select {
	case <-c.ready:
		return true
	default:
		return false
	}
}

// has says whether the pod was there when the source last spoke.
func (c *podConfig) has(uid types.UID) bool { return c.get(uid) != nil }

// uids are those of all pods that were there when the source last spoke, sorted.
func (c *podConfig) uids() []types.UID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.pods))
}

// get returns the pod as last heard, or nil. It must not be written to.
func (c *podConfig) get(uid types.UID) *corev1.Pod {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pods[uid]
}

// mergePods returns the pods as known from now on, and what changed, in the order
// in which the kubelet handles it: first what is gone (pkg/kubelet/config,
// podStorage.Merge).
func mergePods(known map[types.UID]*corev1.Pod, now []*corev1.Pod) (map[types.UID]*corev1.Pod, []podUpdate) {
	next := map[types.UID]*corev1.Pod{}
	changed := map[podOp][]*corev1.Pod{}
	for _, pod := range now {
		op, merged := mergePod(known[pod.UID], pod)
		next[pod.UID] = merged
		if op != "" {
			changed[op] = append(changed[op], merged)
		}
	}
	for uid, pod := range known {
		if next[uid] == nil {
			changed[opRemove] = append(changed[opRemove], pod)
		}
	}

	var updates []podUpdate
	for _, op := range []podOp{opRemove, opAdd, opUpdate, opDelete, opReconcile} {
		if pods := changed[op]; len(pods) > 0 {
			slices.SortFunc(pods, comparePods)
			updates = append(updates, podUpdate{op, pods})
		}
	}
	return next, updates
}

// mergePod says what happened to a pod, and what the kubelet knows of it from now
// on. A change of the status alone leaves the kubelet with the generation that it
// had (checkAndUpdatePod).
func mergePod(known, now *corev1.Pod) (podOp, *corev1.Pod) {
	switch {
	case known == nil:
		return opAdd, now
	case equality.Semantic.DeepEqual(known.Spec, now.Spec) &&
		maps.Equal(known.Labels, now.Labels) && maps.Equal(known.Annotations, now.Annotations) &&
		equality.Semantic.DeepEqual(known.DeletionTimestamp, now.DeletionTimestamp) &&
		equality.Semantic.DeepEqual(known.DeletionGracePeriodSeconds, now.DeletionGracePeriodSeconds):
		if equality.Semantic.DeepEqual(known.Status, now.Status) {
			return "", known
		}
		merged := known.DeepCopy()
		merged.Status = *now.Status.DeepCopy()
		return opReconcile, merged
	case now.DeletionTimestamp != nil:
		return opDelete, now
	default:
		return opUpdate, now
	}
}

func comparePods(a, b *corev1.Pod) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}
