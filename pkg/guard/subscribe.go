package guard

import (
	"errors"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// byNode is the index of pods by the node that they are bound to.
const byNode = "node"

func nodeOfPod(obj any) ([]string, error) {
	pod, ok := obj.(*v1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return nil, nil
	}
	return []string{pod.Spec.NodeName}, nil
}

// subscribe has every change that may matter put the identity into the queue.
func (g *Guard) subscribe() error {
	_, podErr := g.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    g.podSeen,
		UpdateFunc: func(_, obj any) { g.podSeen(obj) },
		DeleteFunc: g.podDeleted,
	})
	_, nodeErr := g.nodes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { g.nodeChanged(nil, obj) },
		UpdateFunc: func(old, obj any) {
			g.nodeChanged(old, obj)
		},
		DeleteFunc: func(obj any) { g.nodeChanged(nil, obj) },
	})
	_, tenancyErr := g.tenancies.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    g.tenancySeen,
		UpdateFunc: func(_, obj any) { g.tenancySeen(obj) },
		DeleteFunc: g.tenancySeen,
	})
	return errors.Join(g.pods.SetTransform(trimPod), g.nodes.SetTransform(trimNode), podErr, nodeErr, tenancyErr)
}

func keyOf(obj metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

// minds reports whether the pod is the guard's duty: every pod with its finalizer,
// whatever became of its owner, labels or profile; and every StatefulSet pod of the
// profiles, which may have been bound past the plugin (H15).
func (g *Guard) minds(pod *v1.Pod) bool {
	if slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer) {
		return true
	}
	_, managed := identity.Of(pod)
	return managed && (len(g.profiles) == 0 || g.profiles.Has(pod.Spec.SchedulerName))
}

// concerns is minds, or that there is a record under the pod's name.
func (g *Guard) concerns(pod *v1.Pod) bool {
	return g.minds(pod) || g.cachedRecord(keyOf(pod)) != nil
}

func (g *Guard) podSeen(obj any) {
	if pod, ok := obj.(*v1.Pod); ok && g.concerns(pod) {
		g.queue.Add(keyOf(pod))
	}
}

// podDeleted keeps the final object. The tombstone of a relist has only the last
// state that was seen here, which is no final object: for it, a live read decides.
func (g *Guard) podDeleted(obj any) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		g.podSeen(tombstone.Obj)
		return
	}
	pod, ok := obj.(*v1.Pod)
	if !ok || !g.concerns(pod) {
		return
	}
	if !g.finals.put(pod) {
		klog.Background().Error(nil, "Too many final objects wait to be handled; the pod counts as gone without a last word", "pod", klog.KObj(pod), "limit", finalsMax)
	}
	g.queue.Add(keyOf(pod))
}

func (g *Guard) tenancySeen(obj any) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	if record, ok := obj.(*v1alpha1.Tenancy); ok {
		g.queue.Add(keyOf(record))
	}
}

// nodeChanged looks at the pods of a node again when it became another node, was
// booted, or its readiness changed. Leases and heartbeats change none of these.
func (g *Guard) nodeChanged(old, obj any) {
	node, ok := obj.(*v1.Node)
	if !ok {
		return
	}
	if before, ok := old.(*v1.Node); ok && before.UID == node.UID &&
		before.Status.NodeInfo.BootID == node.Status.NodeInfo.BootID && ready(before) == ready(node) {
		return
	}
	pods, err := g.pods.GetIndexer().ByIndex(byNode, node.Name)
	if err != nil {
		klog.Background().Error(err, "Pods of a node", "node", klog.KObj(node))
	}
	for _, pod := range pods {
		g.podSeen(pod)
	}
}

// cachedRecord is the record as the watch has it; nil if it has none.
func (g *Guard) cachedRecord(key types.NamespacedName) *v1alpha1.Tenancy {
	obj, exists, err := g.tenancies.GetStore().GetByKey(key.String())
	if err != nil || !exists {
		return nil
	}
	return obj.(*v1alpha1.Tenancy)
}

// cachedPod is the pod as the watch has it; nil if it has none.
func (g *Guard) cachedPod(key types.NamespacedName) *v1.Pod {
	obj, exists, err := g.pods.GetStore().GetByKey(key.String())
	if err != nil || !exists {
		return nil
	}
	return obj.(*v1.Pod)
}
