package scenario

import (
	"go/build"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

func TestDecodeGivesTheObjectsInOrderWithNamespaces(t *testing.T) {
	s, err := Load("testdata/good/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := s.Decode()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range objects {
		got = append(got, objectKey(o))
	}
	want := []string{"Namespace shop", "StatefulSet.apps shop/db", "ConfigMap default/settings", "PersistentVolumeClaim shop/data"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	again, err := s.Decode()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(objects, again) || objects[0] == again[0] {
		t.Error("want the same objects again, and not the same memory")
	}
}

// A manifest must mean here what it means to kubectl, which reads through JSON.
func TestDecodeReadsWhatKubectlReads(t *testing.T) {
	data, err := os.ReadFile("testdata/good/manifests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := objectSet{seen: map[string]string{}}
	if problem := set.addFile("testdata/good/manifests.yaml"); problem != "" || len(set.problems) > 0 {
		t.Fatal(problem, set.problems)
	}
	i := 0
	for _, document := range strings.Split(string(data), "\n---\n") {
		if strings.HasPrefix(document, "#") {
			continue
		}
		object := set.objects[i]
		want := reflect.New(reflect.TypeOf(object).Elem()).Interface().(runtime.Object)
		if err := yaml.UnmarshalStrict([]byte(document), want); err != nil {
			t.Fatal(err)
		}
		if objectKey(object) == "ConfigMap default/settings" {
			want.(*corev1.ConfigMap).Namespace = "default"
		}
		if !reflect.DeepEqual(object, want) {
			t.Errorf("got  %+v\nwant %+v", object, want)
		}
		i++
	}
	if i != len(set.objects) {
		t.Errorf("%d objects, want %d", len(set.objects), i)
	}
}

func TestDecodeOfAScenarioMadeInCode(t *testing.T) {
	s := valid()
	s.Objects = []Object{{Manifest: &runtime.RawExtension{Raw: []byte(`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}`)}}}
	objects, err := s.Decode()
	if err != nil || len(objects) != 1 || objectKey(objects[0]) != "Service default/web" {
		t.Errorf("got %v, %v", objects, err)
	}
	s.Objects[0].Manifest.Raw = []byte(`{"apiVersion": "v1", "kind": "Service", "metadata": {"nam": "web"}}`)
	if _, err := s.Decode(); err == nil || !strings.Contains(err.Error(), "objects[0].manifest.metadata.nam: unknown field") {
		t.Errorf("got %v", err)
	}
}

func TestSetSchedulerName(t *testing.T) {
	replicationController := &corev1.ReplicationController{Spec: corev1.ReplicationControllerSpec{Template: &corev1.PodTemplateSpec{}}}
	for _, object := range []runtime.Object{
		&corev1.Pod{}, &appsv1.StatefulSet{}, &appsv1.Deployment{}, &appsv1.DaemonSet{}, &appsv1.ReplicaSet{},
		&batchv1.Job{}, &batchv1.CronJob{}, replicationController,
	} {
		kind := reflect.TypeOf(object).Elem().Name()
		t.Run(kind, func(t *testing.T) {
			SetSchedulerName(object, "holdfast")
			spec, _ := podSpec(object)
			if spec.SchedulerName != "holdfast" || !podMakers.Has(kind) {
				t.Errorf("schedulerName %q, known as a maker of pods: %t", spec.SchedulerName, podMakers.Has(kind))
			}
		})
	}
	t.Run("other objects and empty templates are left alone", func(t *testing.T) {
		SetSchedulerName(&corev1.Service{}, "holdfast")
		SetSchedulerName(&corev1.ReplicationController{}, "holdfast")
	})
}

// Upstream says in the comments of its types which kinds have no namespace.
func TestClusterScopedKindsAreUpstreams(t *testing.T) {
	core, err := build.Import("k8s.io/api/core/v1", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	api := filepath.Dir(filepath.Dir(core.Dir))
	sources, err := filepath.Glob(filepath.Join(api, "*", "*", "types*.go"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no types in %s: %v", api, err)
	}
	// From the marker to the next type, with nothing but comments between.
	marked := regexp.MustCompile(`(?m)^// \+genclient:nonNamespaced\n(?:(?://.*)?\n)*type (\w+) struct`)
	upstream := sets.New[string]()
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range marked.FindAllSubmatch(source, -1) {
			upstream.Insert(string(m[1]))
		}
	}
	known := sets.New[string]()
	for gvk := range scheme.Scheme.AllKnownTypes() {
		known.Insert(gvk.Kind)
	}
	if want := upstream.Intersection(known); !clusterScoped.IsSuperset(want) || !upstream.IsSuperset(clusterScoped) {
		t.Errorf("missing %v, too many %v", sets.List(want.Difference(clusterScoped)), sets.List(clusterScoped.Difference(upstream)))
	}
}
