// Package cluster reads, for the operator's commands, what a cluster knows of its
// ordinals, and puts the errors of its API into words that say what to do. It reads
// live and never from a cache.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
)

// Cluster is the clients of one cluster.
type Cluster struct {
	Kube      kubernetes.Interface
	Records   versioned.Interface
	Dynamic   dynamic.Interface
	Discovery discovery.DiscoveryInterface
	// Host is the address of its API server.
	Host string
	// Namespace is the one that the flags or the kubeconfig name.
	Namespace string
}

// Connect makes the clients from the flags that kubectl has too. Nothing is asked yet.
func Connect(flags genericclioptions.RESTClientGetter) (*Cluster, error) {
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	return New(config, namespace)
}

// New makes the clients of a configuration.
func New(config *rest.Config, namespace string) (*Cluster, error) {
	config = rest.CopyConfig(config)
	if config.QPS == 0 {
		// As kubectl: one person at a keyboard is no controller.
		config.QPS, config.Burst = 50, 300
	}
	c := &Cluster{Host: config.Host, Namespace: namespace}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	// Custom resources know no protobuf.
	config = rest.CopyConfig(config)
	config.ContentConfig = rest.ContentConfig{ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON}
	if c.Records, err = versioned.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if c.Dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c.Kube, c.Discovery = kube, kube.Discovery()
	return c, nil
}

// errNotInstalled: the API server knows no tenancies.
var errNotInstalled = fmt.Errorf("this cluster has no tenancies (%s): Holdfast is not installed in it. "+
	"To install it: kubectl apply -k manifests, in a checkout of Holdfast", v1alpha1.SchemeGroupVersion)

// Explain puts an error of the API into words that say what to do. Roles that would
// help are named; nil stays nil.
func Explain(err error) error {
	switch {
	case err == nil:
		return nil
	case Unserved(err):
		return errNotInstalled
	case utilnet.IsConnectionRefused(err):
		return fmt.Errorf("the cluster cannot be reached: %w: is its address right, in the kubeconfig, --context or --server?", err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w: the credentials of the kubeconfig do not count there", err)
	case !apierrors.IsForbidden(err) || strings.Contains(err.Error(), "AdmissionPolicy"):
		// A policy says itself what it wants, and no role is the answer to it.
		return err
	}
	if role := roleFor(err); role != "" {
		return fmt.Errorf("%w. %s", err, role)
	}
	return err
}

// roleFor names the role that allows what was forbidden; empty: it is not ours to name.
func roleFor(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return ""
	}
	details := status.Status().Details
	if details == nil || details.Group != v1alpha1.GroupName {
		return ""
	}
	return "Who may view a namespace may read its records (ClusterRole holdfast-view, a part of view, edit and admin); " +
		"who may attest has the ClusterRole holdfast-attestor: " +
		"kubectl create rolebinding NAME --namespace NAMESPACE --clusterrole holdfast-attestor --user USER"
}

// Unserved reports whether the API server does not know the resource at all, which is
// not the same as an object that is not there.
func Unserved(err error) bool {
	return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// ListFunc is the List of a client.
type ListFunc func(context.Context, metav1.ListOptions) (runtime.Object, error)

// Each lists page by page, as of one instant, and hands on each object.
func Each[T runtime.Object](ctx context.Context, list ListFunc, o metav1.ListOptions, do func(T)) error {
	all, _, err := pager.New(pager.ListPageFunc(list)).List(ctx, o)
	if err != nil {
		return err
	}
	return meta.EachListItem(all, func(obj runtime.Object) error {
		if typed, ok := obj.(T); ok {
			do(typed)
		}
		return nil
	})
}
