// Package uninstall takes Holdfast out of a cluster: policies, scheduler, finalizers,
// records and what else came with the manifests, in an order in which nothing new
// appears behind it, and deletes nothing else. Each step may be repeated.
package uninstall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/guard"
)

// PartOf is the label that everything in the manifests has.
const PartOf = "app.kubernetes.io/part-of=holdfast"

// Namespace is that of the manifests.
const Namespace = "holdfast-system"

// Leases are those of the scheduler and of the guard.
var Leases = []string{"holdfast-scheduler", "holdfast-guard"}

// systemNamespace has the one role binding that has to be there.
const systemNamespace = metav1.NamespaceSystem

// crdName is the name of the definition of records.
const crdName = "tenancies." + v1alpha1.GroupName

// A kind is a resource of which Holdfast may have objects in a cluster: those of the
// manifests, and what is commonly put beside them under its label.
type kind struct {
	schema.GroupVersionResource
	// in are the namespaces that are looked into; none: it has no namespace.
	in []string
}

func of(group, version, resource string, in ...string) kind {
	return kind{schema.GroupVersionResource{Group: group, Version: version, Resource: resource}, in}
}

// The kinds, in the order in which their objects go. A kind that is not named here is
// left alone, whatever label it has: a set of the user's may be called
// part of Holdfast, and stays.
var (
	policies = []kind{
		of("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings"),
		of("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies"),
		of("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings"),
		of("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies"),
	}
	deployments = of("apps", "v1", "deployments", Namespace)
	configMaps  = of("", "v1", "configmaps", Namespace)
	leases      = of("coordination.k8s.io", "v1", "leases", Namespace)
	definitions = of("apiextensions.k8s.io", "v1", "customresourcedefinitions")
	namespaces  = of("", "v1", "namespaces")

	others = []kind{
		of("policy", "v1", "poddisruptionbudgets", Namespace),
		of("monitoring.coreos.com", "v1", "servicemonitors", Namespace),
		of("monitoring.coreos.com", "v1", "podmonitors", Namespace),
		of("monitoring.coreos.com", "v1", "prometheusrules", Namespace),
		of("networking.k8s.io", "v1", "networkpolicies", Namespace),
		of("", "v1", "services", Namespace),
		configMaps,
		of("rbac.authorization.k8s.io", "v1", "rolebindings", Namespace, systemNamespace),
		of("rbac.authorization.k8s.io", "v1", "roles", Namespace, systemNamespace),
		of("rbac.authorization.k8s.io", "v1", "clusterrolebindings"),
		of("rbac.authorization.k8s.io", "v1", "clusterroles"),
		of("", "v1", "serviceaccounts", Namespace),
		of("scheduling.k8s.io", "v1", "priorityclasses"),
	}
)

// object is one that is to go.
type object struct {
	kind
	namespace, name string
	uid             types.UID
}

// String is as kubectl has it, with the namespace where it is not the usual one.
func (o object) String() string {
	text := o.Resource + "/" + o.name
	if o.namespace != "" && o.namespace != Namespace {
		text += " in " + o.namespace
	}
	return text
}

// labelled lists the objects of a kind that have the label.
func labelled(ctx context.Context, c *cluster.Cluster, k kind) ([]object, error) {
	var found []object
	in := k.in
	if len(in) == 0 {
		in = []string{metav1.NamespaceNone}
	}
	for _, namespace := range in {
		err := cluster.Each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return c.Dynamic.Resource(k.GroupVersionResource).Namespace(namespace).List(ctx, o)
		}, metav1.ListOptions{LabelSelector: PartOf}, func(u *unstructured.Unstructured) {
			found = append(found, object{k, u.GetNamespace(), u.GetName(), u.GetUID()})
		})
		if err != nil && !cluster.Unserved(err) {
			return nil, fmt.Errorf("%s: %w", k.Resource, err)
		}
	}
	return found, nil
}

// named reads the objects of these names, as far as they are there.
func named(ctx context.Context, c *cluster.Cluster, k kind, names ...string) ([]object, error) {
	namespace := metav1.NamespaceNone
	if len(k.in) > 0 {
		namespace = k.in[0]
	}
	var found []object
	for _, name := range names {
		u, err := c.Dynamic.Resource(k.GroupVersionResource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case err == nil:
			found = append(found, object{k, namespace, name, u.GetUID()})
		case !apierrors.IsNotFound(err):
			return nil, fmt.Errorf("%s/%s: %w", k.Resource, name, err)
		}
	}
	return found, nil
}

// remove deletes the very object that was found.
func remove(ctx context.Context, c *cluster.Cluster, o object) error {
	background := metav1.DeletePropagationBackground
	err := c.Dynamic.Resource(o.GroupVersionResource).Namespace(o.namespace).Delete(ctx, o.name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &o.uid}, PropagationPolicy: &background,
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", o, err)
	}
	return nil
}

// markAndLeases have no label: Holdfast made them itself.
func markAndLeases(ctx context.Context, c *cluster.Cluster) ([]object, error) {
	mark, err := named(ctx, c, configMaps, guard.AdoptionMark)
	if err != nil {
		return nil, err
	}
	held, err := named(ctx, c, leases, Leases...)
	return append(mark, held...), err
}

// strangers are the objects in Holdfast's namespace that are not Holdfast's and that
// not every namespace has. With them the namespace stays, for its end would be theirs.
func strangers(ctx context.Context, c *cluster.Cluster, ours []object) ([]string, error) {
	var found []string
	lists, err := c.Discovery.ServerPreferredResources()
	if unknown := (*discovery.ErrGroupDiscoveryFailed)(nil); errors.As(err, &unknown) {
		// What cannot be listed may be there.
		for group := range unknown.Groups {
			found = append(found, "perhaps something of "+group.String()+", whose server does not answer")
		}
	} else if err != nil {
		return nil, fmt.Errorf("the resources of the API server: %w", err)
	}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			// Events come and go by themselves, and the records have gone before.
			if !r.Namespaced || !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "delete") || r.Name == "events" || r.Name == "tenancies" {
				continue
			}
			err := cluster.Each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				return c.Dynamic.Resource(version.WithResource(r.Name)).Namespace(Namespace).List(ctx, o)
			}, metav1.ListOptions{LabelSelector: strings.Replace(PartOf, "=", "!=", 1)}, func(u *unstructured.Unstructured) {
				if !furniture(r.Name, u.GetName()) && !contains(ours, r.Name, u.GetName()) {
					found = append(found, r.Name+"/"+u.GetName())
				}
			})
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsMethodNotSupported(err) {
				return nil, fmt.Errorf("%s in %s: %w", r.Name, Namespace, err)
			}
		}
	}
	return found, nil
}

// furniture is what controllers put into every namespace, and into it again.
func furniture(resource, name string) bool {
	return resource == "serviceaccounts" && name == "default" || resource == "configmaps" && name == "kube-root-ca.crt"
}

func contains(objects []object, resource, name string) bool {
	for _, o := range objects {
		if o.Resource == resource && o.namespace == Namespace && o.name == name {
			return true
		}
	}
	return false
}

// pause is how long after one look the next one is taken.
const pause = 500 * time.Millisecond

// until looks until there is nothing left to wait for, at most so long. The limit is
// not one of the requests': the one that it cut off would hide what is waited for.
func until(ctx context.Context, limit time.Duration, look func(context.Context) (waitsFor string, err error)) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for start := time.Now(); ; {
		waitsFor, err := look(ctx)
		switch {
		case err != nil || waitsFor == "":
			return err
		case time.Since(start) > limit:
			return fmt.Errorf("still there after %s: %s", limit, waitsFor)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
