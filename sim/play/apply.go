package play

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// apply creates the objects in their order, each with the scheduler of the cluster.
func apply(ctx context.Context, cluster *engine.Cluster, objects []runtime.Object) error {
	discovery, err := kubernetes.NewForConfig(cluster.RESTConfig(world.OperatorAgent))
	if err != nil {
		return err
	}
	groups, err := restmapper.GetAPIGroupResources(discovery.Discovery())
	if err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	client, err := dynamic.NewForConfig(cluster.JSONConfig(world.OperatorAgent))
	if err != nil {
		return err
	}
	for _, o := range objects {
		o = o.DeepCopyObject() // One scenario is played several times.
		scenario.SetSchedulerName(o, cluster.SchedulerName())
		if err := create(ctx, client, mapper, o); err != nil {
			return err
		}
	}
	return nil
}

// ObjectError is an object of the scenario that the API server refused.
type ObjectError struct {
	// Kind and Name of the object.
	Kind, Name string
	Err        error
}

func (e *ObjectError) Error() string { return fmt.Sprintf("%s %s: %v", e.Kind, e.Name, e.Err) }
func (e *ObjectError) Unwrap() error { return e.Err }

func create(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapper, o runtime.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{Object: content}
	gvk := u.GroupVersionKind()
	mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return &ObjectError{gvk.Kind, u.GetName(), err}
	}
	var resource dynamic.ResourceInterface = client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		resource = client.Resource(mapping.Resource).Namespace(u.GetNamespace())
	}
	if _, err := resource.Create(ctx, u, metav1.CreateOptions{}); err != nil {
		return &ObjectError{gvk.Kind, u.GetName(), err}
	}
	return nil
}
