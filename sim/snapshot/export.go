package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	holdfastv1alpha1 "github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// configSection is the one key of an export that is not a list of objects.
const configSection = "schedulerConfig"

// sections are the keys of a kube-scheduler-simulator export that have objects, in
// the order in which it imports them.
var sections = []string{"namespaces", "priorityClasses", "storageClasses", "pvcs", "nodes", "pods", "pvs"}

// export reads a kube-scheduler-simulator export. It has no version and no kind: the
// keys are all by which it can be told from any other JSON, so an unknown one is an
// error, and not a field that is newer.
func (r *reader) export(top map[string]json.RawMessage) error {
	for _, name := range slices.Sorted(maps.Keys(top)) {
		if name != configSection && !slices.Contains(sections, name) {
			return fmt.Errorf("%s: unknown key: want apiVersion and kind as kubectl prints them, or the keys of a kube-scheduler-simulator export: %s, %s",
				name, strings.Join(sections, ", "), configSection)
		}
	}
	for _, name := range sections {
		var items []json.RawMessage
		if content := top[name]; content != nil {
			if err := json.Unmarshal(content, &items); err != nil {
				return fmt.Errorf("%s: want a list", name)
			}
		}
		kind := Kinds[slices.IndexFunc(Kinds, func(k Kind) bool { return k.Section == name })]
		apiVersion, kindName := kind.ToAPIVersionAndKind()
		for i, content := range items {
			if err := r.section(content, metav1.TypeMeta{APIVersion: apiVersion, Kind: kindName}); err != nil {
				return fmt.Errorf("%s[%d]: %w", name, i, err)
			}
		}
	}
	if content := top[configSection]; content != nil && string(content) != "null" {
		if r.config != nil {
			return errors.New(configSection + ": there is one in another file already")
		}
		r.config = slices.Clone(content)
	}
	return nil
}

// section reads one item, which must be of the section's kind.
func (r *reader) section(content []byte, want metav1.TypeMeta) error {
	var head metav1.TypeMeta
	if err := json.Unmarshal(content, &head); err != nil {
		return fmt.Errorf("want a Kubernetes object: %w", err)
	}
	if head != (metav1.TypeMeta{}) && head != want {
		return fmt.Errorf("want kind %s of %s, got %s of %s", want.Kind, want.APIVersion, head.Kind, head.APIVersion)
	}
	return r.object(content, want)
}

// WriteExport writes the cluster so that kube-scheduler-simulator can import it. It
// has no room for other kinds, and does not take the priority classes that every
// cluster has. What server-side apply refuses is left out: resourceVersion and
// managedFields; and so is the finalizer of Holdfast, which nobody takes off there.
func WriteExport(w io.Writer, c *Cluster) error {
	bySection := map[string][]Object{}
	for _, name := range sections {
		bySection[name] = []Object{}
	}
	for _, o := range c.Objects {
		kind, ok := kindOf(o.GetObjectKind().GroupVersionKind().GroupKind())
		if !ok || kind.Section == "" || systemClass(o) {
			continue
		}
		bySection[kind.Section] = append(bySection[kind.Section], applicable(o))
	}
	export := struct {
		Pods            []Object        `json:"pods"`
		Nodes           []Object        `json:"nodes"`
		PVs             []Object        `json:"pvs"`
		PVCs            []Object        `json:"pvcs"`
		StorageClasses  []Object        `json:"storageClasses"`
		PriorityClasses []Object        `json:"priorityClasses"`
		SchedulerConfig json.RawMessage `json:"schedulerConfig"`
		Namespaces      []Object        `json:"namespaces"`
	}{
		Pods: bySection["pods"], Nodes: bySection["nodes"], PVs: bySection["pvs"], PVCs: bySection["pvcs"],
		StorageClasses: bySection["storageClasses"], PriorityClasses: bySection["priorityClasses"],
		SchedulerConfig: c.configuration(), Namespaces: bySection["namespaces"],
	}
	return encode(w, export)
}

// configuration is a configuration by which a scheduler without other plugins takes
// every pod of the cluster: a profile for each schedulerName.
func (c *Cluster) configuration() json.RawMessage {
	if c.SchedulerConfig != nil {
		return c.SchedulerConfig
	}
	names := map[string]bool{corev1.DefaultSchedulerName: true}
	for _, pod := range Of[*corev1.Pod](c) {
		if pod.Spec.SchedulerName != "" {
			names[pod.Spec.SchedulerName] = true
		}
	}
	type profile struct {
		SchedulerName string `json:"schedulerName"`
	}
	configuration := struct {
		metav1.TypeMeta `json:",inline"`
		Profiles        []profile `json:"profiles"`
	}{TypeMeta: metav1.TypeMeta{APIVersion: "kubescheduler.config.k8s.io/v1", Kind: "KubeSchedulerConfiguration"}}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		configuration.Profiles = append(configuration.Profiles, profile{name})
	}
	data, err := json.Marshal(configuration)
	if err != nil {
		panic(err) // Strings alone.
	}
	return data
}

// systemPrefix begins the names of the priority classes that the API server makes
// (pkg/apis/scheduling, SystemPriorityClassPrefix).
const systemPrefix = "system-"

// systemClass is true of the priority classes that the API server makes.
func systemClass(o Object) bool {
	class, ok := o.(*schedulingv1.PriorityClass)
	return ok && strings.HasPrefix(class.Name, systemPrefix)
}

// applicable is a copy without what server-side apply refuses, and without the
// finalizer that only Holdfast takes off.
func applicable(o Object) Object {
	o = o.DeepCopyObject().(Object)
	o.SetResourceVersion("")
	o.SetManagedFields(nil)
	if kept := withoutOurs(o.GetFinalizers()); len(kept) < len(o.GetFinalizers()) {
		o.SetFinalizers(kept)
	}
	return o
}

func withoutOurs(finalizers []string) []string {
	return slices.DeleteFunc(slices.Clone(finalizers), func(f string) bool { return f == holdfastv1alpha1.PodFinalizer })
}

// WriteList writes the cluster as kubectl get -o json does.
func WriteList(w io.Writer, c *Cluster) error {
	items := c.Objects
	if items == nil {
		items = []Object{}
	}
	return encode(w, struct {
		metav1.TypeMeta `json:",inline"`
		Items           []Object `json:"items"`
		Metadata        struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: items})
}

func encode(w io.Writer, value any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	if err := e.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
