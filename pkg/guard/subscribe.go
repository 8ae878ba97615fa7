package guard

import (
	"errors"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/protect"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
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
		AddFunc:    g.podChanged,
		UpdateFunc: func(_, obj any) { g.podChanged(obj) },
		DeleteFunc: g.podDeleted,
	})
	_, tenancyErr := g.tenancies.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    g.tenancySeen,
		UpdateFunc: func(_, obj any) { g.tenancySeen(obj) },
		DeleteFunc: g.tenancySeen,
	})
	g.nodes.changed = g.nodeChanged
	g.nodes.removed = func(uid types.UID) { g.recordsAt(byNodeUID, string(uid), g.notes.Add) }
	return errors.Join(g.pods.SetTransform(trimPod), podErr, tenancyErr,
		g.tenancies.AddIndexers(cache.Indexers{byNodeName: nodeNamesOfRecord, byNodeUID: nodeUIDsOfRecord}))
}

func keyOf(obj metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

// minds reports whether the pod is the guard's duty: every pod with its finalizer,
// whatever became of its owner, labels or profile; and every pod of the profiles that
// has an identity and is to be protected, which may have been bound past the plugin
// (H15). Where that hangs on claims that were not read yet, it counts as one.
func (g *Guard) minds(pod *v1.Pod) bool {
	if hasFinalizer(pod) {
		return true
	}
	_, managed := identity.Of(pod, g.args.Controllers...)
	if !managed || len(g.profiles) > 0 && !g.profiles.Has(pod.Spec.SchedulerName) {
		return false
	}
	need, _ := protect.Of(pod, g.args.Protect)
	return need == protect.Always || need == protect.IfItWrites && !g.readers.has(pod.UID)
}

// concerns is minds, or that there is a record under the pod's name.
func (g *Guard) concerns(pod *v1.Pod) bool {
	return g.minds(pod) || g.cachedRecord(keyOf(pod)) != nil
}

// podChanged takes in a state of a pod that the watch has brought, before it is judged.
func (g *Guard) podChanged(obj any) {
	if pod, ok := obj.(*v1.Pod); ok && g.concerns(pod) {
		g.witness.see(pod)
		g.queue.Add(keyOf(pod))
	}
}

// podSeen has a pod judged once more of which nothing new was seen.
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
	g.witness.see(pod)
	if dropped := g.finals.put(pod); dropped != nil {
		g.logger.V(2).Info("Too many final objects wait to be handled; the oldest counts as gone without a last word", "pod", klog.KObj(dropped), "limit", finalsMax)
	}
	if record := g.cachedRecord(keyOf(pod)); record != nil && !tenancy.Unclean(record) && isIncarnation(record, pod) {
		// The record was closed before the object went, as it should be.
		g.finals.done(keyOf(pod), pod.UID)
	}
	g.queue.Add(keyOf(pod))
}

func (g *Guard) tenancySeen(obj any) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	record, ok := obj.(*v1alpha1.Tenancy)
	if !ok {
		return
	}
	if inc := record.Status.Incarnation; inc != nil && !tenancy.Unclean(record) {
		// A replica that does not lead would keep it for good.
		g.finals.done(keyOf(record), inc.PodUID)
	}
	g.queue.Add(keyOf(record))
	if g.awaitsNote(record) {
		g.notes.Add(keyOf(record))
	}
}

// nodeChanged looks again at what runs on a node, or may: the pods that are bound to
// it, and the incarnations whose objects are gone.
func (g *Guard) nodeChanged(name string) {
	pods, err := g.pods.GetIndexer().ByIndex(byNode, name)
	if err != nil {
		g.logger.Error(err, "Pods of a node", "node", name)
	}
	for _, pod := range pods {
		g.podSeen(pod)
	}
	g.recordsAt(byNodeName, name, g.queue.Add)
	if kubeletTooOld(g.nodes.get(name)) {
		g.oldKubelets.Add(name)
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
