package guard

import (
	"context"
	"sync"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/fence"
)

// witnessedMax bounds how many pods' containers are remembered. Of one beyond it nobody
// can say that it was never started, until its next update.
const witnessedMax = 1 << 17

// witness remembers whether a container of a pod was ever reported. A kubelet that
// rejects a pod wipes what it has reported, and fills it in later with "could not be
// located" (docs/kubernetes-facts.md §1.6, H8, H25): then it matters whether there ever
// was a container, and the object does not tell any more.
//
// It is in memory, for a write for every pod that starts would be the price of a record.
// So it speaks only of what this process has followed without a gap, and of the very
// object that it saw last; of anything else it does not say that there was none.
type witness struct {
	mu sync.Mutex
	// listed is the resourceVersion of the latest list. What is younger came by the watch,
	// so nothing is missing between it and the state before it. Empty while a list is
	// under way: then nothing is known to be without a gap.
	listed string
	of     *recent[testimony]
}

// testimony is what was seen of one pod.
type testimony struct {
	// resourceVersion is that of the object seen last.
	resourceVersion string
	// started: a container of it was reported.
	started bool
	// unstarted: none was, at any time before.
	unstarted bool
}

func newWitness() *witness { return &witness{of: newRecent[testimony](witnessedMax)} }

// see takes in the pod as an event has it. A pod that has not ended still shows every
// sign of a container that it ever showed, so the first sight of one is as good as
// having followed it.
func (w *witness) see(pod *v1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, _ := w.of.get(pod.UID)
	started := before.started || fence.ContainerSeen(pod)
	followed := before.unstarted && w.isYounger(pod.ResourceVersion)
	w.of.put(pod.UID, testimony{
		resourceVersion: pod.ResourceVersion,
		started:         started,
		unstarted:       !started && (followed || !terminal(pod)),
	})
}

// isYounger reports whether the event came by the watch, after the latest list.
func (w *witness) isYounger(resourceVersion string) bool {
	c, err := resourceversion.CompareResourceVersion(resourceVersion, w.listed)
	return err == nil && c > 0
}

// started reports whether a container of the pod was seen, whatever the pod shows now.
func (w *witness) started(uid types.UID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen, _ := w.of.get(uid)
	return seen.started
}

// neverStarted reports whether no container of the pod was reported up to this state of it.
func (w *witness) neverStarted(pod *v1.Pod) bool {
	if pod == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	seen, _ := w.of.get(pod.UID)
	return seen.unstarted && seen.resourceVersion == pod.ResourceVersion
}

// listsPods lists and watches all pods as an informer does, and notes where a list, and
// with it a gap, comes between two states.
func (w *witness) listsPods(kube kubernetes.Interface) cache.ListerWatcher {
	pods := kube.CoreV1().Pods(v1.NamespaceAll)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			w.listedAt("")
			list, err := pods.List(ctx, o)
			if err != nil {
				return nil, err
			}
			w.listedAt(list.ResourceVersion)
			return list, nil
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			if !ptr.Deref(o.SendInitialEvents, false) {
				return pods.Watch(ctx, o)
			}
			w.listedAt("")
			events, err := pods.Watch(ctx, o)
			if err != nil {
				return nil, err
			}
			return watch.Filter(events, w.endOfList), nil
		},
	}, kube)
}

func (w *witness) listedAt(resourceVersion string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listed = resourceVersion
}

// endOfList finds the bookmark that ends a list which comes as a stream (KEP-3157).
func (w *witness) endOfList(e watch.Event) (watch.Event, bool) {
	if pod, ok := e.Object.(*v1.Pod); ok && e.Type == watch.Bookmark && pod.Annotations[metav1.InitialEventsAnnotationKey] == "true" {
		w.listedAt(pod.ResourceVersion)
	}
	return e, true
}
