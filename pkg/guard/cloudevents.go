package guard

import (
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// What the cloud node lifecycle controller says before it deletes a Node whose
// instance does not exist (k8s.io/cloud-provider controllers/nodelifecycle,
// docs/kubernetes-facts.md §12). The event carries the Node's UID.
const (
	instanceGoneReason    = "DeletingNode"
	instanceGoneComponent = "cloud-node-lifecycle-controller"
)

// cloudEvents is the store of a reflector of these events. It keeps none of them: it
// passes on whose instance is gone.
type cloudEvents struct {
	tell func(node types.UID)
}

func newCloudEvents(kube kubernetes.Interface, tell func(types.UID)) *cache.Reflector {
	events := cache.NewListWatchFromClient(kube.CoreV1().RESTClient(), "events", metav1.NamespaceAll, fields.SelectorFromSet(fields.Set{
		"involvedObject.kind": "Node",
		"reason":              instanceGoneReason,
	}))
	return cache.NewReflectorWithOptions(events, &v1.Event{}, &cloudEvents{tell}, cache.ReflectorOptions{Name: "guard's events of nodes"})
}

// Add takes an event.
func (c *cloudEvents) Add(obj any) error {
	e, ok := obj.(*v1.Event)
	if ok && e.Source.Component == instanceGoneComponent && e.Reason == instanceGoneReason &&
		e.InvolvedObject.Kind == "Node" && e.InvolvedObject.UID != "" {
		c.tell(e.InvolvedObject.UID)
	}
	return nil
}

// Update takes an event that was said again.
func (c *cloudEvents) Update(obj any) error { return c.Add(obj) }

// Delete takes an event that has expired: what it said is still so.
func (c *cloudEvents) Delete(any) error { return nil }

// Replace takes a list. An event is as good late as early.
func (c *cloudEvents) Replace(list []any, _ string) error {
	for _, obj := range list {
		_ = c.Add(obj) // Returns nil only.
	}
	return nil
}

// Resync is for stores that repeat what they have; this one has nothing.
func (c *cloudEvents) Resync() error { return nil }
