// Package manifests_test holds what an operator installs against the types of the
// API and the names that the code uses.
package manifests_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	schedulerv1 "k8s.io/kube-scheduler/config/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/kustomize/api/krusty"
	kustomize "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// strict decodes every kind that the manifests may have, and takes no unknown field.
var strict = func() runtime.Decoder {
	known := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(known))
	utilruntime.Must(apiextensionsv1.AddToScheme(known))
	utilruntime.Must(schedulerv1.AddToScheme(known))
	return serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
}()

// decode decodes all documents of a file.
func decode(t *testing.T, name string, content []byte) []runtime.Object {
	t.Helper()
	var objects []runtime.Object
	reader := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(content)))
	buffer := make([]byte, len(content)+1)
	for {
		n, err := reader.Read(buffer)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		object, _, err := strict.Decode(buffer[:n], nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		objects = append(objects, object)
	}
}

// files lists all YAML files but the kustomizations.
func files(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".yaml") && d.Name() != kustomization {
			names = append(names, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("files %v: %v", names, err)
	}
	return names
}

const (
	kustomization = "kustomization.yaml"
	base          = "base"
	onlyScheduler = "overlays/only-scheduler"
	campaign      = "campaign"
)

// applied are the folders that are for kubectl apply -k.
var applied = []string{".", base, onlyScheduler, "sample", campaign}

// built is what kubectl apply -k applies of a folder.
func built(t *testing.T, folder string) []runtime.Object {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	content, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, folder, content)
}

// only returns the one installed object of a type.
func only[T runtime.Object](t *testing.T, objects []runtime.Object) T {
	t.Helper()
	var found []T
	for _, o := range objects {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want 1", len(found), *new(T))
	}
	return found[0]
}

func TestEveryDocumentIsAnObjectOfTheAPI(t *testing.T) {
	for _, name := range files(t) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(decode(t, name, content)) == 0 {
			t.Errorf("%s has no document", name)
		}
	}
}

// TestNoFileIsLeftOut: each file is in the kustomization of its folder, and each
// folder in something that is applied.
func TestNoFileIsLeftOut(t *testing.T) {
	var reached []string
	var reach func(folder string)
	reach = func(folder string) {
		content, err := os.ReadFile(filepath.Join(folder, kustomization))
		if err != nil {
			t.Fatal(err)
		}
		var k kustomize.Kustomization
		if err := yaml.UnmarshalStrict(content, &k); err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		named := slices.Clone(k.Resources)
		for _, g := range k.ConfigMapGenerator {
			named = append(named, g.FileSources...)
		}
		for _, name := range named {
			path := filepath.ToSlash(filepath.Join(folder, name))
			if strings.HasSuffix(path, ".yaml") {
				reached = append(reached, path)
			} else {
				reach(path)
			}
		}
	}
	for _, folder := range applied {
		reach(folder)
	}
	slices.Sort(reached)
	if all := files(t); !slices.Equal(slices.Compact(reached), all) {
		t.Errorf("the kustomizations reach %v, the folder has %v", reached, all)
	}
}

func TestWhatIsNotAskedForMoreCloselyIsTheBase(t *testing.T) {
	if diff := cmp.Diff(built(t, base), built(t, ".")); diff != "" {
		t.Errorf("-base,+all:\n%s", diff)
	}
}

func TestTheSchedulerIsStartedWithItsConfiguration(t *testing.T) {
	overlaid, err := os.ReadFile(onlyScheduler + "/configuration.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string][]byte{
		base:          schedulermanifest.Configuration, // The simulator's too.
		onlyScheduler: overlaid,
	} {
		t.Run(folder, func(t *testing.T) {
			objects := built(t, folder)
			configuration := only[*v1.ConfigMap](t, objects)
			if got := configuration.Data["configuration.yaml"]; got != string(want) {
				t.Errorf("the ConfigMap has\n%s", got)
			}
			if got := configuration.Labels["app.kubernetes.io/part-of"]; got != "holdfast" {
				t.Errorf("the ConfigMap is part of %q", got)
			}
			spec := only[*appsv1.Deployment](t, objects).Spec.Template.Spec
			if got := spec.Volumes[0].ConfigMap.Name; got != configuration.Name {
				t.Errorf("the Deployment mounts %s, the ConfigMap is %s", got, configuration.Name)
			}
			path := spec.Containers[0].VolumeMounts[0].MountPath + "/configuration.yaml"
			if args := spec.Containers[0].Args; !slices.Contains(args, "--config="+path) {
				t.Errorf("the arguments are %v, the configuration is at %s", args, path)
			}
			if spec.SchedulerName == schedulermanifest.ProfileName {
				t.Error("Holdfast would have to schedule itself")
			}
		})
	}
}

// TestTheOverlayOnlyAdds: a file of configuration cannot be patched, so the overlay
// has a copy. It must be the shipped one but for the stock scheduler's profile and
// lease.
func TestTheOverlayOnlyAdds(t *testing.T) {
	overlaid, err := os.ReadFile(onlyScheduler + "/configuration.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := only[*schedulerv1.KubeSchedulerConfiguration](t, decode(t, "configuration.yaml", schedulermanifest.Configuration))
	stock := schedulerv1.KubeSchedulerProfile{SchedulerName: ptr.To(v1.DefaultSchedulerName)}
	want.Profiles = append([]schedulerv1.KubeSchedulerProfile{stock}, want.Profiles...)
	want.LeaderElection.ResourceNamespace, want.LeaderElection.ResourceName = "kube-system", "kube-scheduler"
	got := only[*schedulerv1.KubeSchedulerConfiguration](t, decode(t, onlyScheduler, overlaid))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration of %s (-want,+got):\n%s", onlyScheduler, diff)
	}

	besides := func(folder string) []runtime.Object {
		objects := built(t, folder)
		only[*v1.ConfigMap](t, objects).Name = ""
		only[*appsv1.Deployment](t, objects).Spec.Template.Spec.Volumes[0].ConfigMap.Name = ""
		return slices.DeleteFunc(objects, func(o runtime.Object) bool { _, is := o.(*v1.ConfigMap); return is })
	}
	if diff := cmp.Diff(besides(base), besides(onlyScheduler)); diff != "" {
		t.Errorf("what else %s changes (-%s):\n%s", onlyScheduler, base, diff)
	}
}

// TestTheProfileIsTheOneOfTheCode: a policy for another profile would guard nothing.
func TestTheProfileIsTheOneOfTheCode(t *testing.T) {
	objects := decode(t, "configuration.yaml", schedulermanifest.Configuration)
	profiles := only[*schedulerv1.KubeSchedulerConfiguration](t, objects).Profiles
	if len(profiles) != 1 || *profiles[0].SchedulerName != schedulermanifest.ProfileName {
		t.Errorf("got the profiles %+v, want %s alone", profiles, schedulermanifest.ProfileName)
	}
	policies := map[string]*admissionv1.MutatingAdmissionPolicy{}
	for _, o := range built(t, base) {
		if p, ok := o.(*admissionv1.MutatingAdmissionPolicy); ok {
			policies[p.Name] = p
		}
	}
	finalizer, namespaces := policies["finalizer.holdfast.dev"], policies["namespaces.holdfast.dev"]
	if len(policies) != 2 || finalizer == nil || namespaces == nil {
		t.Fatalf("the policies are %v", slices.Sorted(maps.Keys(policies)))
	}
	for p, wants := range map[*admissionv1.MutatingAdmissionPolicy][]string{
		finalizer:  {"object.spec.schedulerName == '" + schedulermanifest.ProfileName + "'", `"` + v1alpha1.PodFinalizer + `"`},
		namespaces: {"object.spec.schedulerName == '" + v1.DefaultSchedulerName + "'", `schedulerName: "` + schedulermanifest.ProfileName + `"`},
	} {
		for _, want := range wants {
			if got := p.Spec.Mutations[0].ApplyConfiguration.Expression; !strings.Contains(got, want) {
				t.Errorf("policy %s has %q, want %s in it", p.Name, got, want)
			}
		}
	}
	if got := namespaces.Spec.MatchConstraints.NamespaceSelector.MatchLabels; !maps.Equal(got, map[string]string{"holdfast.dev/profile": schedulermanifest.ProfileName}) {
		t.Errorf("namespaces are opted in by %v", got)
	}
}

// TestPoliciesMeetInAnyOrder: policies are invoked in no order, and one whose match
// conditions did not hold is not invoked again (docs/kubernetes-facts.md §12.12).
func TestPoliciesMeetInAnyOrder(t *testing.T) {
	ordinals := map[string]bool{}
	for _, o := range built(t, base) {
		p, ok := o.(*admissionv1.MutatingAdmissionPolicy)
		if !ok {
			continue
		}
		if p.Spec.ReinvocationPolicy != admissionv1.IfNeededReinvocationPolicy {
			t.Errorf("policy %s is not invoked again", p.Name)
		}
		for _, c := range p.Spec.MatchConditions {
			if c.Name == "is-an-ordinal" {
				ordinals[c.Expression] = true
			}
			if strings.Contains(c.Expression, "schedulerName") {
				t.Errorf("policy %s, condition %s asks for what the other one changes", p.Name, c.Name)
			}
		}
	}
	if len(ordinals) != 1 {
		t.Errorf("the policies do not agree on what an ordinal is: %v", slices.Collect(maps.Keys(ordinals)))
	}
}

// TestASampleIsOptedIn by the label of its namespace alone.
func TestASampleIsOptedIn(t *testing.T) {
	objects := built(t, "sample")
	namespace := only[*v1.Namespace](t, objects)
	if got := namespace.Labels["holdfast.dev/profile"]; got != schedulermanifest.ProfileName {
		t.Errorf("the namespace is of the profile %q", got)
	}
	set := only[*appsv1.StatefulSet](t, objects)
	if got := set.Spec.Template.Spec.SchedulerName; got != "" || set.Namespace != namespace.Name {
		t.Errorf("set %s/%s names the scheduler %q", set.Namespace, set.Name, got)
	}
	if service := only[*v1.Service](t, objects); set.Spec.ServiceName != service.Name || service.Namespace != namespace.Name {
		t.Errorf("the set's service is %s, there is %s/%s", set.Spec.ServiceName, service.Namespace, service.Name)
	}
}

// TestOneOfTwoMayGo: while none runs, deletions of protected pods wait.
func TestOneOfTwoMayGo(t *testing.T) {
	objects := built(t, base)
	deployment, budget := only[*appsv1.Deployment](t, objects), only[*policyv1.PodDisruptionBudget](t, objects)
	if got := *deployment.Spec.Replicas; got != 2 {
		t.Errorf("there are %d replicas, want 2", got)
	}
	if got := budget.Spec.MaxUnavailable.IntValue(); got != 1 {
		t.Errorf("%d may be taken down, want 1", got)
	}
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	if err != nil || !selector.Matches(labels.Set(deployment.Spec.Template.Labels)) || budget.Namespace != deployment.Namespace {
		t.Errorf("the budget is for %s/%s: %v", budget.Namespace, selector, err)
	}
}

// TestNoRuleHasAWildcard: what a star grants, nobody has read.
func TestNoRuleHasAWildcard(t *testing.T) {
	for _, o := range append(built(t, base), built(t, campaign)...) {
		var name string
		var rules []rbacv1.PolicyRule
		switch o := o.(type) {
		case *rbacv1.ClusterRole:
			name, rules = o.Name, o.Rules
		case *rbacv1.Role:
			name, rules = o.Name, o.Rules
		}
		for _, rule := range rules {
			for _, list := range [][]string{rule.Verbs, rule.APIGroups, rule.Resources, rule.ResourceNames, rule.NonResourceURLs} {
				if slices.ContainsFunc(list, func(word string) bool { return strings.Contains(word, "*") }) {
					t.Errorf("%s has a wildcard in %+v", name, rule)
				}
			}
		}
	}
}

// TestTheLeasesMayBeHeld: the role names them, since a scheduler that may write any
// lease of the namespace could take others'.
func TestTheLeasesMayBeHeld(t *testing.T) {
	objects := decode(t, "configuration.yaml", schedulermanifest.Configuration)
	election := only[*schedulerv1.KubeSchedulerConfiguration](t, objects).LeaderElection
	role := only[*rbacv1.Role](t, built(t, base))
	if election.ResourceNamespace != role.Namespace {
		t.Errorf("the scheduler's lease is in %s, the role in %s", election.ResourceNamespace, role.Namespace)
	}
	for _, rule := range role.Rules {
		if slices.Contains(rule.Verbs, "update") && slices.Contains(rule.Resources, "leases") {
			if !slices.Contains(rule.ResourceNames, election.ResourceName) {
				t.Errorf("the role names the leases %v, the scheduler's is %s", rule.ResourceNames, election.ResourceName)
			}
			return
		}
	}
	t.Error("the role lets nobody update a lease")
}

// TestACampaignHasAShardForEachCompletion: were there more completions than shards, some
// would be none; were there fewer, runs would be left out.
func TestACampaignHasAShardForEachCompletion(t *testing.T) {
	job := only[*batchv1.Job](t, built(t, campaign))
	if *job.Spec.CompletionMode != batchv1.IndexedCompletion {
		t.Errorf("the Job is %s", *job.Spec.CompletionMode)
	}
	want := fmt.Sprintf("--job-shards=%d", *job.Spec.Completions)
	if args := job.Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, want) {
		t.Errorf("the arguments are %v, want %s among them", args, want)
	}
}

// TestAShardMayLeaveItsReportAndNoMore: whoever breaks out of the simulator has this.
func TestAShardMayLeaveItsReportAndNoMore(t *testing.T) {
	objects := built(t, campaign)
	want := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}}}
	role, account := only[*rbacv1.Role](t, objects), only[*v1.ServiceAccount](t, objects)
	if diff := cmp.Diff(want, role.Rules); diff != "" {
		t.Errorf("-want,+got:\n%s", diff)
	}
	binding, spec := only[*rbacv1.RoleBinding](t, objects), only[*batchv1.Job](t, objects).Spec.Template.Spec
	if binding.RoleRef.Name != role.Name || len(binding.Subjects) != 1 || binding.Subjects[0].Name != account.Name || spec.ServiceAccountName != account.Name {
		t.Errorf("the role %s is of %+v, the pods are of %s", binding.RoleRef.Name, binding.Subjects, spec.ServiceAccountName)
	}
	namespace := only[*v1.Namespace](t, objects)
	if got := namespace.Labels["pod-security.kubernetes.io/enforce"]; got != "restricted" || role.Namespace != namespace.Name {
		t.Errorf("namespace %s enforces %q, the role is in %s", namespace.Name, got, role.Namespace)
	}
}
