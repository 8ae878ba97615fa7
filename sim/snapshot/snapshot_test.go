package snapshot_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// shop are files as kubectl get prints them.
var shop = []string{
	"../scenarios/snapshot/shop/nodes.yaml", "../scenarios/snapshot/shop/storage.yaml", "../scenarios/snapshot/shop/workloads.json",
}

const node = `{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}`

func list(items ...string) string {
	return `{"apiVersion": "v1", "kind": "List", "items": [` + strings.Join(items, ", ") + `]}`
}

func TestOneErrorNamesFileObjectAndField(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"nothing":                           {"", "file f: there is nothing in it"},
		"no YAML":                           {"a: [", "file f: document 1: "},
		"no object":                         {"[]", "file f: want an object, a List or a kube-scheduler-simulator export"},
		"an object without a kind":          {`{"apiVersion": "v1"}`, "file f: want a Kubernetes object, with apiVersion and kind"},
		"a key that no export has":          {`{"pods": [], "podz": []}`, "file f: podz: unknown key: "},
		"an export's item of another kind":  {`{"pods": [` + node + `]}`, "file f: pods[0]: want kind Pod of v1, got Node of v1"},
		"an export's section that is none":  {`{"nodes": {}}`, "file f: nodes: want a list"},
		"a value of the wrong type":         {list(node, `{"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "x", "name": "p"}, "spec": {"priority": "high"}}`), "file f: items[1]: Pod x/p: "},
		"a version that is not served":      {list(`{"apiVersion": "apps/v1beta1", "kind": "StatefulSet", "metadata": {"name": "s"}}`), "file f: items[0]: StatefulSet s: apiVersion: want apps/v1, got apps/v1beta1"},
		"a pod without a namespace":         {list(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}`), "file f: items[0]: Pod p: metadata.namespace: Required value"},
		"a node with a namespace":           {list(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "namespace": "x"}}`), "metadata.namespace: objects of kind Node have no namespace"},
		"an object that stands there twice": {list(node, node), "file f: items[1]: Node a stands in f already"},
		"no machines":                       {list(), "there is no Node in it: a cluster needs machines"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := snapshot.Read("f", []byte(tc.content))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestWhatIsLeftOutAndAssumedIsSaid(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"a Secret is not read": {
			list(node, `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": 7}, "data": "no map"}`),
			"",
		},
		"kinds of no meaning to the simulator": {
			list(node, `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}`, `{"apiVersion": "example.com/v1", "kind": "Gadget"}`),
			"Left out, as nothing to the simulator: Gadget (1), Secret (1)",
		},
		"fields that are newer": {
			list(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "spec": {"novelty": 1}}`),
			`Left out, as fields that this version does not know: Node: unknown field "spec.novelty"`,
		},
		"an owner that is not there": {
			list(node, `{"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "x", "name": "p", "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "1"}]}}`),
			"and no controller makes it anew: ReplicaSet x/r",
		},
		"a node that is not ready": {
			list(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}`),
			"Not ready, so taken to be cut off, with their containers running on: nodes a",
		},
		"a class of no CSI driver": {
			list(node, `{"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local-path"}, "provisioner": "rancher.io/local-path"}`),
			"Of no CSI driver, so new claims of theirs get no volume: storage classes local-path",
		},
		"a node that is not there": {
			list(node, `{"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "x", "name": "p"}, "spec": {"nodeName": "b"}}`),
			"Not in the snapshot, so nothing runs there: nodes b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := snapshot.Read("f", []byte(tc.content))
			if tc.want == "" {
				if err == nil {
					t.Error("want an error: a name that is a number")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if classes := c.Classes(); len(classes) > 0 {
				t.Errorf("classes of drivers: %v", classes)
			}
			if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, tc.want) {
				t.Errorf("notes:\n%s\nwant %q in them", notes, tc.want)
			}
		})
	}
}

// comparable is an object as JSON values, without the fields that are left out.
func comparable(t *testing.T, o snapshot.Object, leftOut ...string) map[string]any {
	t.Helper()
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var content map[string]any
	if err := json.Unmarshal(data, &content); err != nil {
		t.Fatal(err)
	}
	for _, field := range leftOut {
		delete(content["metadata"].(map[string]any), field)
	}
	return content
}

// TestTheExportKeepsEveryFieldThatItHas: all that it has room for comes back, every
// field of it, but for the two that an import there refuses.
func TestTheExportKeepsEveryFieldThatItHas(t *testing.T) {
	before, err := snapshot.ReadFiles(shop...)
	if err != nil {
		t.Fatal(err)
	}
	before.SchedulerConfig = json.RawMessage(`{"apiVersion":"kubescheduler.config.k8s.io/v1","kind":"KubeSchedulerConfiguration","profiles":[{"schedulerName":"mine"}]}`)
	pod := snapshot.Of[*corev1.Pod](before)[0]
	pod.Annotations = map[string]string{"kube-scheduler-simulator.sigs.k8s.io/selected-node": "<worker-a-0>"}
	var b bytes.Buffer
	if err := snapshot.WriteExport(&b, before); err != nil {
		t.Fatal(err)
	}
	after, err := snapshot.Read("export", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var config any
	if err := json.Unmarshal(after.SchedulerConfig, &config); err != nil || config.(map[string]any)["profiles"].([]any)[0].(map[string]any)["schedulerName"] != "mine" {
		t.Errorf("scheduler configuration %s, %v", after.SchedulerConfig, err)
	}
	read := map[string]snapshot.Object{}
	for _, o := range after.Objects {
		read[snapshot.Name(o)] = o
	}
	compared := 0
	for _, o := range before.Objects {
		gvk := o.GetObjectKind().GroupVersionKind()
		i := slices.IndexFunc(snapshot.Kinds, func(k snapshot.Kind) bool { return k.GroupVersionKind == gvk })
		if snapshot.Kinds[i].Section == "" {
			continue
		}
		compared++
		got := read[snapshot.Name(o)]
		if got == nil {
			t.Errorf("%s is gone", snapshot.Name(o))
			continue
		}
		// A StatefulSet is not part of the format, so what it owns loses its owner.
		leftOut := []string{"resourceVersion", "managedFields"}
		if _, isPod := o.(*corev1.Pod); isPod {
			leftOut = append(leftOut, "ownerReferences")
		}
		if want, got := comparable(t, o, leftOut...), comparable(t, got, leftOut...); !reflect.DeepEqual(want, got) {
			t.Errorf("%s:\nwant %v\ngot  %v", snapshot.Name(o), want, got)
		}
	}
	if compared < 30 || compared != len(after.Objects) {
		t.Errorf("compared %d objects, read %d", compared, len(after.Objects))
	}
}

// TestTheExportCanBeImported: server-side apply wants apiVersion and kind, and refuses
// resourceVersion and managedFields; priority classes of the system exist there.
func TestTheExportCanBeImported(t *testing.T) {
	c, err := snapshot.ReadFiles(shop...)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := snapshot.WriteExport(&b, c); err != nil {
		t.Fatal(err)
	}
	var top map[string]any
	if err := json.Unmarshal(b.Bytes(), &top); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pods", "nodes", "pvs", "pvcs", "storageClasses", "priorityClasses", "namespaces"} {
		for i, item := range top[name].([]any) {
			o := item.(map[string]any)
			metadata := o["metadata"].(map[string]any)
			if o["apiVersion"] == nil || o["kind"] == nil || metadata["resourceVersion"] != nil || metadata["managedFields"] != nil {
				t.Errorf("%s[%d]: %v", name, i, o)
			}
			if strings.HasPrefix(metadata["name"].(string), "system-") {
				t.Errorf("%s[%d] is %s", name, i, metadata["name"])
			}
		}
	}
	if top["schedulerConfig"].(map[string]any)["kind"] != "KubeSchedulerConfiguration" {
		t.Errorf("scheduler configuration %v", top["schedulerConfig"])
	}
}

func TestAListKeepsEveryField(t *testing.T) {
	before, err := snapshot.ReadFiles(shop...)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := snapshot.WriteList(&b, before); err != nil {
		t.Fatal(err)
	}
	after, err := snapshot.Read("list", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Objects) != len(after.Objects) {
		t.Fatalf("%d objects, want %d", len(after.Objects), len(before.Objects))
	}
	for i := range before.Objects {
		if want, got := comparable(t, before.Objects[i]), comparable(t, after.Objects[i]); !reflect.DeepEqual(want, got) {
			t.Errorf("%s:\nwant %v\ngot  %v", snapshot.Name(before.Objects[i]), want, got)
		}
	}
	if !slices.Equal(before.Notes, after.Notes) {
		t.Errorf("notes %q, want %q", after.Notes, before.Notes)
	}
}

func TestAllTimesMoveTogether(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			CreationTimestamp: metav1.NewTime(at.Add(-time.Hour)), DeletionTimestamp: new(metav1.NewTime(at.Add(time.Hour))),
			ManagedFields: []metav1.ManagedFieldsEntry{{Time: new(metav1.NewTime(at))}},
		},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
			{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at.Add(-time.Minute))}}},
		}},
	}
	c := &snapshot.Cluster{Objects: []snapshot.Object{pod}}
	if got := c.Taken(); !got.Equal(at) {
		t.Errorf("taken at %s, want %s: when a deletion is due lies ahead", got, at)
	}
	c.Shift(24 * time.Hour)
	for what, moved := range map[string][2]time.Time{
		"creation": {pod.CreationTimestamp.Time, at.Add(23 * time.Hour)},
		"deletion": {pod.DeletionTimestamp.Time, at.Add(25 * time.Hour)},
		"managed":  {pod.ManagedFields[0].Time.Time, at.Add(24 * time.Hour)},
		"started":  {pod.Status.ContainerStatuses[0].State.Running.StartedAt.Time, at.Add(24*time.Hour - time.Minute)},
	} {
		if !moved[0].Equal(moved[1]) {
			t.Errorf("%s: %s, want %s", what, moved[0], moved[1])
		}
	}
	if !pod.Status.StartTime.IsZero() {
		t.Error("a time that was not set is set")
	}
}

func TestStorageIsReadFromWhatTellsOfIt(t *testing.T) {
	c, err := snapshot.ReadFiles(shop...)
	if err != nil {
		t.Fatal(err)
	}
	want := []snapshot.Class{{
		Name: "fast", IsObject: true,
		Driver: snapshot.Driver{Name: "disk.csi.example.com", AttachRequired: true, TopologyKey: "topology.kubernetes.io/zone"},
	}}
	if got := c.Classes(); !reflect.DeepEqual(got, want) {
		t.Errorf("classes %+v, want %+v", got, want)
	}
	if names, limit := c.DriversOn("worker-a-0"); !slices.Equal(names, []string{"disk.csi.example.com"}) || limit != 24 {
		t.Errorf("drivers %v, limit %d", names, limit)
	}
	for _, volume := range snapshot.Of[*corev1.PersistentVolume](c) {
		if class, ok := snapshot.ClassOf(want, volume); !ok || class.Name != "fast" || len(c.AttachedTo(volume)) != 1 {
			t.Errorf("volume %s: class %+v, attached to %v", volume.Name, class, c.AttachedTo(volume))
		}
	}
	// Without its CSIDriver a driver attaches.
	c.Objects = slices.DeleteFunc(c.Objects, func(o snapshot.Object) bool { _, is := o.(*storagev1.CSIDriver); return is })
	if got := c.Classes(); !got[0].Driver.AttachRequired {
		t.Errorf("classes %+v", got)
	}
}

func TestNoFilesAndMissingFilesAreErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	if _, err := snapshot.ReadFiles(missing); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("got %v", err)
	}
	if _, err := snapshot.ReadFiles(make([]string, snapshot.FilesMax+1)...); err == nil {
		t.Error("too many files are read")
	}
}

// TestTheShopIsWhatKubectlPrints: twelve nodes and three sets, in files that nobody has
// edited: each is a List of whole objects with what only an API server writes.
func TestTheShopIsWhatKubectlPrints(t *testing.T) {
	counts := map[string]int{}
	for _, file := range shop {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var printed struct {
			APIVersion, Kind string
			Metadata         map[string]any
			Items            []map[string]any
		}
		if err := yaml.Unmarshal(data, &printed); err != nil {
			t.Fatal(err)
		}
		if printed.APIVersion != "v1" || printed.Kind != "List" || printed.Metadata["resourceVersion"] != "" {
			t.Errorf("%s is a %s of %s with metadata %v, want a List as kubectl prints it", file, printed.Kind, printed.APIVersion, printed.Metadata)
		}
		for i, o := range printed.Items {
			counts[o["kind"].(string)]++
			metadata := o["metadata"].(map[string]any)
			for _, field := range []string{"uid", "resourceVersion", "creationTimestamp"} {
				if metadata[field] == nil {
					t.Errorf("%s: items[%d]: no metadata.%s", file, i, field)
				}
			}
			if kind := o["kind"]; (kind == "Node" || kind == "Pod" || kind == "StatefulSet") && o["status"] == nil {
				t.Errorf("%s: items[%d]: no status", file, i)
			}
		}
	}
	if counts["Node"] != 12 || counts["StatefulSet"] != 3 {
		t.Errorf("%d nodes and %d sets, want 12 and 3", counts["Node"], counts["StatefulSet"])
	}
}

// TestAnExportComesBackAsItWas: a file of kube-scheduler-simulator that was read and is
// written again has every field with its value, also what this format's reader has no
// type of its own for; nothing is compared by the types that read it.
func TestAnExportComesBackAsItWas(t *testing.T) {
	data, err := os.ReadFile("../scenarios/snapshot/kube-scheduler-simulator.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := snapshot.Read("export", data)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := snapshot.WriteExport(&b, c); err != nil {
		t.Fatal(err)
	}
	var before, after map[string]any
	if err := json.Unmarshal(data, &before); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &after); err != nil {
		t.Fatal(err)
	}
	fields := 0
	for section, want := range before {
		fields += missing(t, section, want, after[section])
	}
	if fields < 40 {
		t.Errorf("%d fields were compared: that is no cluster", fields)
	}
}

// missing tells of what is in want and not in got, and returns how many values there are.
// Objects of a list are found by their names.
func missing(t *testing.T, at string, want, got any) int {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		n := 0
		for field, value := range want {
			n += missing(t, at+"."+field, value, got[field])
		}
		return n
	case []any:
		got, _ := got.([]any)
		n := 0
		for i, item := range want {
			var there any
			if i < len(got) {
				there = got[i]
			}
			if name := nameOf(item); name != "" {
				if j := slices.IndexFunc(got, func(o any) bool { return nameOf(o) == name }); j >= 0 {
					there = got[j]
				}
			}
			n += missing(t, fmt.Sprintf("%s[%d]", at, i), item, there)
		}
		return n
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%s: %v, want %v", at, got, want)
	}
	return 1
}

// nameOf is the namespace and name of an object; empty if it is none.
func nameOf(o any) string {
	object, _ := o.(map[string]any)
	metadata, _ := object["metadata"].(map[string]any)
	if metadata == nil {
		return ""
	}
	return fmt.Sprintf("%v/%v", metadata["namespace"], metadata["name"])
}
