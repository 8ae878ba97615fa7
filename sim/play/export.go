package play

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/holdfast-dev/holdfast/sim/decisions"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// taken is the cluster as kubectl get would show it at this moment.
func taken(ctx context.Context, cluster *engine.Cluster) (*snapshot.Cluster, error) {
	client, err := newObjectClient(cluster)
	if err != nil {
		return nil, err
	}
	c := &snapshot.Cluster{}
	for _, kind := range snapshot.Kinds {
		resource, err := client.resource(kind.GroupVersionKind, metav1.NamespaceAll)
		if err != nil {
			continue // Only a Holdfast cluster has records.
		}
		list, err := resource.List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("list of %s: %w", kind.Resource, err)
		}
		for i := range list.Items {
			o, err := typed(kind, &list.Items[i])
			if err != nil {
				return nil, err
			}
			c.Objects = append(c.Objects, o)
		}
	}
	return c, nil
}

func typed(kind snapshot.Kind, u *unstructured.Unstructured) (snapshot.Object, error) {
	o, err := snapshot.New(kind)
	if err != nil {
		return nil, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, o); err != nil {
		return nil, fmt.Errorf("%s %s: %w", kind.Kind, u.GetName(), err)
	}
	o.GetObjectKind().SetGroupVersionKind(kind.GroupVersionKind)
	return o, nil
}

// decided are the recorder's attempts, with the run that they were made in.
func decided(r *engine.Recorder, name string, s scenario.Scheduler, zero time.Time) ([]decisions.Attempt, int) {
	attempts, dropped := r.Attempts(zero)
	for i := range attempts {
		attempts[i].Scenario, attempts[i].Scheduler = name, string(s)
	}
	return attempts, dropped
}
