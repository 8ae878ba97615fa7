package guard

import (
	"context"
	"fmt"
	"slices"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
)

// removalsMax bounds how many removed nodes are remembered. Beyond it the oldest is
// forgotten: its tenancies have long been told, or hold.
const removalsMax = 4096

// nodeWatch is what the guard has seen of the nodes. It is the store of a reflector
// and not of an informer, because it must tell what it was told from what it found
// out: a taint counts only if every state of its node was seen, and a node's final
// object is the one of its DELETED event. A list tells neither.
type nodeWatch struct {
	reflector *cache.Reflector
	clock     clock.PassiveClock
	// counts says when the removal of a node is evidence.
	counts config.NodeRemoval
	// changed is told of a node that is another one, was booted, tainted, became
	// ready or ceased to be; removed of one that is gone. Both without the lock.
	changed func(name string)
	removed func(types.UID)

	mu     sync.Mutex
	listed bool
	nodes  map[string]*v1.Node
	// taints has what was seen of each node since the last list.
	taints map[string]fence.TaintWatch
	// finals has the final objects of nodes, by UID; instancesGone the UIDs of which
	// the cloud controller said that the instance is gone.
	finals        *recent[final]
	instancesGone *recent[bool]
}

// final is the last state of a node, what was seen of its taints before, and when it
// came.
type final struct {
	node   *v1.Node
	taints fence.TaintWatch
	at     metav1.Time
}

func newNodeWatch(kube kubernetes.Interface, clock clock.PassiveClock, counts config.NodeRemoval) *nodeWatch {
	w := &nodeWatch{
		clock: clock, counts: counts,
		nodes:  map[string]*v1.Node{},
		taints: map[string]fence.TaintWatch{},
		finals: newRecent[final](removalsMax), instancesGone: newRecent[bool](removalsMax),
	}
	all := cache.NewListWatchFromClient(kube.CoreV1().RESTClient(), "nodes", metav1.NamespaceAll, fields.Everything())
	w.reflector = cache.NewReflectorWithOptions(all, &v1.Node{}, w, cache.ReflectorOptions{Name: "guard's nodes"})
	return w
}

// hasSynced reports whether the nodes were listed.
func (w *nodeWatch) hasSynced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.listed
}

// Add takes the object of an ADDED event.
func (w *nodeWatch) Add(obj any) error { return w.Update(obj) }

// Update takes the object of a MODIFIED event.
func (w *nodeWatch) Update(obj any) error {
	node, ok := obj.(*v1.Node)
	if !ok {
		return nil
	}
	if w.see(trimNode(node)) {
		w.changed(node.Name)
	}
	return nil
}

// see takes the node's next state, and tells whether it differs in what matters.
func (w *nodeWatch) see(node *v1.Node) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.nodes[node.Name]
	w.nodes[node.Name] = node
	w.taints[node.Name] = w.taints[node.Name].Next(node)
	return before == nil || before.UID != node.UID || !equality.Semantic.DeepEqual(before.Status.Conditions, node.Status.Conditions) ||
		before.Status.NodeInfo.BootID != node.Status.NodeInfo.BootID || before.Status.NodeInfo.KubeletVersion != node.Status.NodeInfo.KubeletVersion || !slices.Equal(before.Spec.Taints, node.Spec.Taints)
}

// Delete takes the final object of a DELETED event.
func (w *nodeWatch) Delete(obj any) error {
	node, ok := obj.(*v1.Node)
	if !ok {
		return nil
	}
	w.mu.Lock()
	w.finals.put(node.UID, final{trimNode(node), w.taints[node.Name], metav1.NewTime(w.clock.Now())})
	delete(w.nodes, node.Name)
	delete(w.taints, node.Name)
	w.mu.Unlock()
	w.removed(node.UID)
	w.changed(node.Name)
	return nil
}

// Replace takes a list. What happened before it was not seen, so what was seen of
// the taints no longer counts, and a node that is missing has no final object.
func (w *nodeWatch) Replace(list []any, _ string) error {
	w.mu.Lock()
	names := make([]string, 0, len(list))
	for name := range w.nodes {
		names = append(names, name)
	}
	w.nodes, w.taints, w.listed = map[string]*v1.Node{}, map[string]fence.TaintWatch{}, true
	for _, obj := range list {
		if node, ok := obj.(*v1.Node); ok {
			w.nodes[node.Name] = trimNode(node)
			w.taints[node.Name] = fence.TaintWatch{}.Next(node)
			names = append(names, node.Name)
		}
	}
	w.mu.Unlock()
	for _, name := range names {
		w.changed(name)
	}
	return nil
}

// Resync is for stores that repeat what they have; this one does not.
func (w *nodeWatch) Resync() error { return nil }

// instanceGone takes the cloud controller's word about a Node UID.
func (w *nodeWatch) instanceGone(uid types.UID) {
	w.mu.Lock()
	w.instancesGone.put(uid, true)
	_, known := w.finals.get(uid)
	w.mu.Unlock()
	if known {
		w.removed(uid)
	}
}

// get is the node as the watch has it; nil if it has none. It must not be written to.
func (w *nodeWatch) get(name string) *v1.Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodes[name]
}

// removal is how the node of this UID went; nil if it was not seen to go.
func (w *nodeWatch) removal(uid types.UID) *v1alpha1.NodeRemoval {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, seen := w.finals.get(uid)
	if !seen {
		return nil
	}
	gone, _ := w.instancesGone.get(uid)
	removal := fence.RemovalOf(last.node, last.taints, gone, last.at)
	return &removal
}

// around is what the watch knows of the named nodes.
func (w *nodeWatch) around(names []string) fence.Nodes {
	w.mu.Lock()
	defer w.mu.Unlock()
	nodes := fence.Nodes{Booted: w.booted, Removal: w.counts}
	for _, name := range names {
		nodes.Read = append(nodes.Read, fence.NodeSight{Name: name, Node: w.nodes[name], Taints: w.taints[name]})
	}
	return nodes
}

// booted tells whether a node other than the named one shows the boot.
func (w *nodeWatch) booted(bootID, except string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, node := range w.nodes {
		if name != except && node.Status.NodeInfo.BootID == bootID {
			return true
		}
	}
	return false
}

// tooOld counts the nodes whose kubelet is too old for the promise.
func (w *nodeWatch) tooOld() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, node := range w.nodes {
		if kubeletTooOld(node) {
			n++
		}
	}
	return n
}

// liveNodes is around with the nodes read live: what a taint or the absence of a
// node proves, it proves now.
func (g *Guard) liveNodes(ctx context.Context, names []string) (fence.Nodes, error) {
	nodes := g.nodes.around(names)
	for i, sight := range nodes.Read {
		node, err := g.liveNode(ctx, sight.Name)
		if err != nil {
			return fence.Nodes{}, err
		}
		nodes.Read[i].Node = node
	}
	return nodes, nil
}

// liveNode reads the node live; nil if there is none.
func (g *Guard) liveNode(ctx context.Context, name string) (*v1.Node, error) {
	node, err := g.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", name, err)
	}
	return node, nil
}

// ready reports whether the node is there and Ready. It is evidence of nothing; it
// says whether the kubelet can be expected to end a deletion by itself.
func ready(node *v1.Node) bool {
	if node == nil {
		return false
	}
	for _, c := range node.Status.Conditions {
		if c.Type == v1.NodeReady {
			return c.Status == v1.ConditionTrue
		}
	}
	return false
}

// nodeNamesOf are the names under which the incarnation may run.
func nodeNamesOf(inc *v1alpha1.Incarnation) []string {
	if inc == nil {
		return nil
	}
	var names []string
	for _, n := range inc.Nodes {
		if !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
	}
	return names
}
