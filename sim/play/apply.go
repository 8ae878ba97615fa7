package play

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// applyManager is who owns the fields that kubectl apply sets.
const applyManager = "kubectl"

// objectClient writes a scenario's objects, of any kind that is served.
type objectClient struct {
	cluster *engine.Cluster
	mapper  meta.RESTMapper
	client  dynamic.Interface
}

func newObjectClient(cluster *engine.Cluster) (*objectClient, error) {
	discovery, err := kubernetes.NewForConfig(cluster.RESTConfig(world.OperatorAgent))
	if err != nil {
		return nil, err
	}
	groups, err := restmapper.GetAPIGroupResources(discovery.Discovery())
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	client, err := dynamic.NewForConfig(cluster.JSONConfig(world.OperatorAgent))
	if err != nil {
		return nil, err
	}
	return &objectClient{cluster: cluster, mapper: restmapper.NewDiscoveryRESTMapper(groups), client: client}, nil
}

// ObjectError is an object of the scenario that the API server refused.
type ObjectError struct {
	// Kind and Name of the object.
	Kind, Name string
	Err        error
}

func (e *ObjectError) Error() string { return fmt.Sprintf("%s %s: %v", e.Kind, e.Name, e.Err) }
func (e *ObjectError) Unwrap() error { return e.Err }

// create makes an object, with the scheduler of the cluster.
func (c *objectClient) create(ctx context.Context, o runtime.Object) error {
	return c.write(o, func(resource dynamic.ResourceInterface, u *unstructured.Unstructured) error {
		_, err := resource.Create(ctx, u, metav1.CreateOptions{})
		return err
	})
}

// apply makes an object or sets its fields, with the scheduler of the cluster. It takes
// the fields from whoever has them: the scenario's own objects were created by another
// way, and a step that changes them means it.
func (c *objectClient) apply(ctx context.Context, o runtime.Object) error {
	return c.write(o, func(resource dynamic.ResourceInterface, u *unstructured.Unstructured) error {
		unstructured.RemoveNestedField(u.Object, "status") // Not of this path, and never meant.
		_, err := resource.Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: applyManager, Force: true})
		return err
	})
}

func (c *objectClient) write(o runtime.Object, how func(dynamic.ResourceInterface, *unstructured.Unstructured) error) error {
	o = o.DeepCopyObject() // One scenario is played several times.
	scenario.SetSchedulerName(o, c.cluster.SchedulerName())
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{Object: content}
	resource, err := c.resource(u.GroupVersionKind(), u.GetNamespace())
	if err == nil {
		err = how(resource, u)
	}
	if err != nil {
		return &ObjectError{u.GetKind(), u.GetName(), err}
	}
	return nil
}

// resource is where objects of the kind are.
func (c *objectClient) resource(gvk schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return c.client.Resource(mapping.Resource).Namespace(namespace), nil
	}
	return c.client.Resource(mapping.Resource), nil
}
