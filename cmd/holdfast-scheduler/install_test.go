package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
)

const (
	systemNamespace = "holdfast-system"
	account         = "holdfast-scheduler"
)

// manifests is what kubectl apply -k manifests/base applies.
func manifests(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../../manifests/base")
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for _, r := range built.Resources() {
		content, err := r.Map()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, &unstructured.Unstructured{Object: content})
	}
	return objects
}

// apply applies objects as an operator does. What depends on something that the API
// server makes in the background is tried again.
func apply(t *testing.T, a *apiServer, objects []*unstructured.Unstructured) {
	t.Helper()
	config := a.as("", "kubectl")
	client := dynamic.NewForConfigOrDie(config)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kubernetes.NewForConfigOrDie(config).Discovery()))
	for _, o := range objects {
		until(t, "apply "+o.GetKind()+" "+o.GetName(), func(ctx context.Context) error {
			mapping, err := mapper.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
			if err != nil {
				return err
			}
			_, err = client.Resource(mapping.Resource).Namespace(o.GetNamespace()).Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubectl"})
			if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
				t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
			}
			return err
		})
	}
}

// waitUntilAllowed waits until the API server has seen the roles: one right of each.
func waitUntilAllowed(t *testing.T, a *apiServer) {
	t.Helper()
	client := kubernetes.NewForConfigOrDie(a.admin)
	for _, attributes := range []authorizationv1.ResourceAttributes{
		{Group: "holdfast.dev", Resource: "tenancies", Subresource: "status", Verb: "update", Namespace: "shop"},
		{Resource: "services", Verb: "list"},
		{Group: "storage.k8s.io", Resource: "storageclasses", Verb: "list"},
		{Resource: "configmaps", Verb: "get", Namespace: "kube-system", Name: "extension-apiserver-authentication"},
		{Group: "coordination.k8s.io", Resource: "leases", Verb: "update", Namespace: systemNamespace, Name: guardLease},
	} {
		until(t, fmt.Sprintf("the account may %s %s", attributes.Verb, attributes.Resource), func(ctx context.Context) error {
			review, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
				Spec: authorizationv1.SubjectAccessReviewSpec{
					User:               "system:serviceaccount:" + systemNamespace + ":" + account,
					Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:" + systemNamespace, "system:authenticated"},
					ResourceAttributes: &attributes,
				},
			}, metav1.CreateOptions{})
			if err == nil && !review.Status.Allowed {
				err = fmt.Errorf("not allowed: %s", review.Status.Reason)
			}
			return err
		})
	}
}

// waitUntilAdmitted waits until the API server enforces the policies.
func waitUntilAdmitted(t *testing.T, a *apiServer) {
	t.Helper()
	client := kubernetes.NewForConfigOrDie(a.admin)
	records := versioned.NewForConfigOrDie(jsonConfig(a.admin))
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	until(t, "the policy sets the finalizer", func(ctx context.Context) error {
		pod, err := client.CoreV1().Pods(shop).Create(ctx, ordinalPod(), dry)
		if err == nil && !slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer) {
			err = fmt.Errorf("the finalizers are %v", pod.Finalizers)
		}
		return err
	})
	until(t, "the policy refuses an attestation in another's name", func(ctx context.Context) error {
		_, err := records.HoldfastV1alpha1().Tenancies(shop).Create(ctx, &v1alpha1.Tenancy{
			ObjectMeta: metav1.ObjectMeta{Name: "web-0"},
			Spec:       v1alpha1.TenancySpec{Attestations: []v1alpha1.Attestation{{PodUID: "u", By: "somebody else", Reason: "a try"}}},
		}, dry)
		if err == nil {
			return fmt.Errorf("it was accepted")
		}
		if !apierrors.IsForbidden(err) {
			return err
		}
		return nil
	})
}

// ordinalPod is a pod as the StatefulSet controller makes it.
func ordinalPod() *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web-0",
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web", UID: "u", Controller: ptr.To(true),
			}},
		},
		Spec: v1.PodSpec{
			SchedulerName: schedulermanifest.ProfileName,
			Containers:    []v1.Container{{Name: "main", Image: "web"}},
		},
	}
}

// writeKubeconfig writes a kubeconfig with a token of the account, and returns its path.
func writeKubeconfig(t *testing.T, a *apiServer) string {
	t.Helper()
	var token string
	client := kubernetes.NewForConfigOrDie(a.admin)
	until(t, "token of the account", func(ctx context.Context) error {
		request, err := client.CoreV1().ServiceAccounts(systemNamespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		if err == nil {
			token = request.Status.Token
		}
		return err
	})
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"test": {Server: a.address, CertificateAuthority: a.ca}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{account: {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: account}},
		CurrentContext: "test",
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// writeConfiguration writes the shipped configuration, which takes the account of
// its pod, with a kubeconfig instead.
func writeConfiguration(t *testing.T, kubeconfig string) string {
	t.Helper()
	var configuration map[string]any
	if err := yaml.Unmarshal(schedulermanifest.Configuration, &configuration); err != nil {
		t.Fatal(err)
	}
	configuration["clientConnection"] = map[string]any{"kubeconfig": kubeconfig}
	content, err := yaml.Marshal(configuration)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "configuration.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
