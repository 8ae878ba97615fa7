// Package manifests_test holds what an operator installs against the types of the
// API and the names that the code uses.
package manifests_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	schedulerv1 "k8s.io/kube-scheduler/config/v1"
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

// files lists all YAML files but the kustomization.
func files(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".yaml") && d.Name() != "kustomization.yaml" {
			names = append(names, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("files %v: %v", names, err)
	}
	return names
}

// installed is what kubectl apply -k manifests applies.
func installed(t *testing.T) []runtime.Object {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), ".")
	if err != nil {
		t.Fatal(err)
	}
	content, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, "kustomization", content)
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

func TestNoFileIsLeftOutOfTheKustomization(t *testing.T) {
	content, err := os.ReadFile("kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var k kustomize.Kustomization
	if err := yaml.UnmarshalStrict(content, &k); err != nil {
		t.Fatal(err)
	}
	named := slices.Clone(k.Resources)
	for _, g := range k.ConfigMapGenerator {
		named = append(named, g.FileSources...)
	}
	slices.Sort(named)
	if all := files(t); !slices.Equal(named, all) {
		t.Errorf("the kustomization names %v, the folder has %v", named, all)
	}
}

func TestTheSchedulerIsStartedWithTheConfigurationOfTheSimulator(t *testing.T) {
	objects := installed(t)
	configuration := only[*v1.ConfigMap](t, objects)
	if got := configuration.Data["configuration.yaml"]; got != string(schedulermanifest.Configuration) {
		t.Errorf("the ConfigMap has\n%s", got)
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
}

// TestTheProfileIsTheOneOfTheCode: a policy for another profile would guard nothing.
func TestTheProfileIsTheOneOfTheCode(t *testing.T) {
	objects := decode(t, "configuration.yaml", schedulermanifest.Configuration)
	profiles := only[*schedulerv1.KubeSchedulerConfiguration](t, objects).Profiles
	if len(profiles) != 1 || *profiles[0].SchedulerName != schedulermanifest.ProfileName {
		t.Errorf("got the profiles %+v, want %s alone", profiles, schedulermanifest.ProfileName)
	}
	spec := only[*admissionv1.MutatingAdmissionPolicy](t, installed(t)).Spec
	if want := "object.spec.schedulerName == '" + schedulermanifest.ProfileName + "'"; spec.MatchConditions[0].Expression != want {
		t.Errorf("the policy matches on %q, want %q", spec.MatchConditions[0].Expression, want)
	}
	if got := spec.Mutations[0].ApplyConfiguration.Expression; !strings.Contains(got, `"`+v1alpha1.PodFinalizer+`"`) {
		t.Errorf("the policy sets %s, want %s", got, v1alpha1.PodFinalizer)
	}
}

// TestTheLeasesMayBeHeld: the role names them, since a scheduler that may write any
// lease of the namespace could take others'.
func TestTheLeasesMayBeHeld(t *testing.T) {
	objects := decode(t, "configuration.yaml", schedulermanifest.Configuration)
	election := only[*schedulerv1.KubeSchedulerConfiguration](t, objects).LeaderElection
	role := only[*rbacv1.Role](t, installed(t))
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
