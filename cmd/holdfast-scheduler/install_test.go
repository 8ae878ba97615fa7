package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
)

const (
	systemNamespace = "holdfast-system"
	account         = "holdfast-scheduler"
	base            = "manifests/base"
	onlyScheduler   = "manifests/overlays/only-scheduler"
	sample          = "manifests/sample"
)

// clientSide and serverSide are the two ways in which kubectl applies.
const clientSide, serverSide = "--server-side=false", "--server-side=true"

// apply applies a folder. Once is enough: nothing in one waits for another.
func (k *kubectl) apply(t *testing.T, folder, how string) {
	t.Helper()
	k.run(t, "apply", "-k", folder, how)
}

// versions returns the resourceVersion of every object of a folder.
func (k *kubectl) versions(t *testing.T, folder string) map[string]string {
	t.Helper()
	out := k.run(t, "get", "-k", folder, "-o",
		`jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`)
	versions := map[string]string{}
	for line := range strings.Lines(out) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		versions[name] = version
	}
	if len(versions) == 0 {
		t.Fatalf("%s has no objects", folder)
	}
	return versions
}

// applyAgainChangesNothing: what is applied is what the API server makes of it.
func (k *kubectl) applyAgainChangesNothing(t *testing.T, folder, how string) {
	t.Helper()
	before := k.versions(t, folder)
	k.apply(t, folder, how)
	if after := k.versions(t, folder); !maps.Equal(after, before) {
		t.Errorf("%s: the versions were %v and are %v", folder, before, after)
	}
	if _, err := k.try(t, "diff", "-k", folder, how); err != nil {
		t.Errorf("%s: there is a difference: %v", folder, err)
	}
}

// TestInstallingServerSide: whoever applies server-side gets the same. Whatever else
// is to be applied is accepted too.
func TestInstallingServerSide(t *testing.T) {
	k := newKubectl(t, startAPIServer(t, startEtcd(t)))
	k.apply(t, base, serverSide)
	k.applyAgainChangesNothing(t, base, serverSide)
	k.run(t, "apply", "-k", onlyScheduler, serverSide, "--dry-run=server")
	k.apply(t, sample, serverSide)
	k.applyAgainChangesNothing(t, sample, serverSide)
}

// configure does what the kubelet does for a pod of the Deployment: it takes the
// account's token and the configuration of the ConfigMap that is mounted, and
// returns the arguments of the container. The configuration means the account of
// its pod, and so a kubeconfig is put into it.
func configure(t *testing.T, a *apiServer, k *kubectl) []string {
	t.Helper()
	folder := t.TempDir()
	kubeconfig := filepath.Join(folder, "kubeconfig")
	token := k.run(t, "create", "token", account, "--namespace", systemNamespace)
	writeKubeconfig(t, kubeconfig, &clientcmdapi.Cluster{Server: a.address, CertificateAuthority: a.ca},
		&clientcmdapi.AuthInfo{Token: strings.TrimSpace(token)})

	var deployment appsv1.Deployment
	if err := yaml.Unmarshal([]byte(k.run(t, "get", "deployment", "holdfast-scheduler", "--namespace", systemNamespace, "-o", "yaml")), &deployment); err != nil {
		t.Fatal(err)
	}
	spec := deployment.Spec.Template.Spec
	var mounted v1.ConfigMap
	if err := yaml.Unmarshal([]byte(k.run(t, "get", "configmap", spec.Volumes[0].ConfigMap.Name, "--namespace", systemNamespace, "-o", "yaml")), &mounted); err != nil {
		t.Fatal(err)
	}
	var configuration map[string]any
	if err := yaml.Unmarshal([]byte(mounted.Data["configuration.yaml"]), &configuration); err != nil || configuration == nil {
		t.Fatalf("the ConfigMap has %v: %v", mounted.Data, err)
	}
	configuration["clientConnection"] = map[string]any{"kubeconfig": kubeconfig}
	content, err := yaml.Marshal(configuration)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "configuration.yaml"), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}

	args := []string{"--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig}
	for _, arg := range spec.Containers[0].Args {
		args = append(args, strings.ReplaceAll(arg, spec.Containers[0].VolumeMounts[0].MountPath, folder))
	}
	return args
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
					User:               accountUser,
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

// waitUntilAdmitted waits until the API server enforces the policies. It knows
// namespaces by then as they are: its cache of them is in their order, and it has
// seen that late is opted in.
func waitUntilAdmitted(t *testing.T, a *apiServer, late string) {
	t.Helper()
	client := kubernetes.NewForConfigOrDie(a.admin)
	records := versioned.NewForConfigOrDie(jsonConfig(a.admin))
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	until(t, "the policies give the pods of a labelled namespace to the profile, and a finalizer to those of the profile", func(ctx context.Context) error {
		pod, err := client.CoreV1().Pods(late).Create(ctx, ordinalPod(), dry)
		if err == nil && !slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer) {
			err = fmt.Errorf("the scheduler is %s, the finalizers are %v", pod.Spec.SchedulerName, pod.Finalizers)
		}
		return err
	})
	until(t, "the policy refuses an attestation in another's name", func(ctx context.Context) error {
		_, err := records.HoldfastV1alpha1().Tenancies(late).Create(ctx, &v1alpha1.Tenancy{
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

// ordinalPod is a pod as the StatefulSet controller makes it. It names no scheduler.
func ordinalPod() *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web-0",
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web", UID: "u", Controller: ptr.To(true),
			}},
		},
		// The sample's namespace enforces the restricted standard.
		Spec: v1.PodSpec{
			SecurityContext: &v1.PodSecurityContext{
				RunAsNonRoot: ptr.To(true), SeccompProfile: &v1.SeccompProfile{Type: v1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []v1.Container{{Name: "main", Image: "web", SecurityContext: &v1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false), Capabilities: &v1.Capabilities{Drop: []v1.Capability{"ALL"}},
			}}},
		},
	}
}
