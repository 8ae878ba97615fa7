package engine

import (
	"context"
	stdjson "encoding/json"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kubernetes/pkg/controller/history"

	holdfastv1alpha1 "github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// A cluster that exists already is put into the store as it is, as from a backup of
// etcd, before anything but the API server runs. Through the API it could not be:
// that gives every object another UID, and takes neither a status nor a deletion
// that is under way. The API server reads what is there, as JSON, and the watches of
// its caches tell it of all.

// keyPrefixes are where the API server keeps what is not under the plural name of
// its kind (pkg/kubeapiserver/default_storage_factory_builder.go).
var keyPrefixes = map[string]string{
	"nodes":                  "minions",
	"services":               "services/specs",
	"replicationcontrollers": "controllers",
	"tenancies":              holdfastv1alpha1.SchemeGroupVersion.Group + "/tenancies",
}

// restore puts the objects of a cluster into the store.
func restore(ctx context.Context, api *APIServer, c *snapshot.Cluster) error {
	store := api.Store.Client()
	defer func() { _ = store.Close() }() // What was written is written.
	ofSets := map[string][]*appsv1.ControllerRevision{}
	for _, o := range c.Objects {
		if revision, ok := o.(*appsv1.ControllerRevision); ok {
			if owner := metav1.GetControllerOf(o); owner != nil && owner.Kind == "StatefulSet" {
				ofSets[string(owner.UID)] = append(ofSets[string(owner.UID)], revision)
				continue
			}
		}
		if err := put(ctx, store, o); err != nil {
			return fmt.Errorf("%s: %w", snapshot.Name(o), err)
		}
	}
	client, err := kubernetes.NewForConfig(api.RESTConfig("engine"))
	if err != nil {
		return err
	}
	for _, set := range snapshot.Of[*appsv1.StatefulSet](c) {
		// As the API server has it: with the defaults of its version.
		read, err := client.AppsV1().StatefulSets(set.Namespace).Get(ctx, set.Name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("%s: %w", snapshot.Name(set), err)
		}
		revisions, err := revisionsOf(read, ofSets[string(set.UID)])
		if err != nil {
			return fmt.Errorf("%s: revisions: %w", snapshot.Name(set), err)
		}
		for _, revision := range revisions {
			if err := put(ctx, store, revision); err != nil {
				return fmt.Errorf("%s: %w", snapshot.Name(revision), err)
			}
		}
	}
	return await(ctx, client, c)
}

// await returns once the API server has read the objects: one that it cannot read it
// does not serve, and an object is to blame, not the engine.
func await(ctx context.Context, client kubernetes.Interface, c *snapshot.Cluster) error {
	for _, pod := range snapshot.Of[*corev1.Pod](c) {
		if _, err := client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{}); err != nil {
			return fmt.Errorf("%s: %w", snapshot.Name(pod), err)
		}
	}
	for _, node := range snapshot.Of[*corev1.Node](c) {
		if _, err := client.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{}); err != nil {
			return fmt.Errorf("%s: %w", snapshot.Name(node), err)
		}
	}
	return nil
}

func put(ctx context.Context, store *clientv3.Client, o snapshot.Object) error {
	key, err := snapshot.Resource(o)
	if err != nil {
		return err
	}
	if prefix, ok := keyPrefixes[key]; ok {
		key = prefix
	}
	if o.GetNamespace() != "" {
		key += "/" + o.GetNamespace()
	}
	o = o.DeepCopyObject().(snapshot.Object)
	o.SetResourceVersion("") // The store gives a new one.
	data, err := stdjson.Marshal(o)
	if err != nil {
		return err
	}
	_, err = store.Put(ctx, storePrefix+"/"+key+"/"+o.GetName(), string(data))
	return err
}

// revisionsOf are the revisions of a set, so that its controller finds the one that
// it is at: it knows a revision by the template in it, byte for byte, and otherwise
// would roll the whole set. The template may have been written by another version,
// and the scheduler's name in it is that of this run. Without revisions in the
// snapshot, the one that the set's status names has the set's template.
func revisionsOf(set *appsv1.StatefulSet, revisions []*appsv1.ControllerRevision) ([]*appsv1.ControllerRevision, error) {
	latest := set.Status.UpdateRevision
	if latest == "" {
		return revisions, nil // The controller has not seen it yet.
	}
	template, err := templateOf(set)
	if err != nil {
		return nil, err
	}
	seen := set.Status.ObservedGeneration >= set.Generation
	found := false
	for _, revision := range revisions {
		if revision.Name == latest {
			found = true
			if seen {
				revision.Data.Raw = template
			}
		} else if err := setScheduler(revision, set.Spec.Template.Spec.SchedulerName); err != nil {
			return nil, fmt.Errorf("%s: %w", revision.Name, err)
		}
		if revision.Labels == nil {
			revision.Labels = map[string]string{}
		}
		revision.Labels[history.ControllerRevisionHashLabel] = history.HashControllerRevision(revision, set.Status.CollisionCount)
	}
	if found || !seen {
		return revisions, nil
	}
	revision, err := history.NewControllerRevision(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
		set.Spec.Template.Labels, runtime.RawExtension{Raw: template}, highest(revisions)+1, set.Status.CollisionCount)
	if err != nil {
		return nil, err
	}
	revision.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ControllerRevision"))
	// The pods name it so, whatever the hash would be today.
	revision.Name, revision.Namespace = latest, set.Namespace
	revision.UID, revision.CreationTimestamp = snapshot.UID(revision), set.CreationTimestamp
	return append(revisions, revision), nil
}

func highest(revisions []*appsv1.ControllerRevision) int64 {
	var n int64
	for _, r := range revisions {
		n = max(n, r.Revision)
	}
	return n
}

// templateOf is a set's template as its controller writes it into a revision
// (pkg/controller/statefulset/stateful_set_utils.go, getPatch).
func templateOf(set *appsv1.StatefulSet) ([]byte, error) {
	data, err := runtime.Encode(clientscheme.Codecs.LegacyCodec(appsv1.SchemeGroupVersion), set)
	if err != nil {
		return nil, err
	}
	var content struct {
		Spec struct {
			Template map[string]any `json:"template"`
		} `json:"spec"`
	}
	if err := stdjson.Unmarshal(data, &content); err != nil {
		return nil, err
	}
	content.Spec.Template["$patch"] = "replace"
	return stdjson.Marshal(map[string]any{"spec": map[string]any{"template": content.Spec.Template}})
}

// setScheduler gives the pods of an earlier revision to the scheduler of the run.
func setScheduler(revision *appsv1.ControllerRevision, name string) error {
	var content map[string]any
	if err := stdjson.Unmarshal(revision.Data.Raw, &content); err != nil {
		return err
	}
	at := content
	for _, field := range []string{"spec", "template", "spec"} {
		next, ok := at[field].(map[string]any)
		if !ok {
			return apierrors.NewBadRequest("it has no spec.template.spec")
		}
		at = next
	}
	at["schedulerName"] = name
	var err error
	revision.Data.Raw, err = stdjson.Marshal(content)
	return err
}
