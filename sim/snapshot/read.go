package snapshot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// ReadFiles reads the files of one cluster: kube-scheduler-simulator exports, its records
// as what they end with, and whatever kubectl get -o yaml or -o json prints: Lists and single objects, any
// number of documents. An object that stands in two places is an error.
func ReadFiles(paths ...string) (*Cluster, error) {
	if len(paths) > FilesMax {
		return nil, fmt.Errorf("want at most %d files, got %d", FilesMax, len(paths))
	}
	r := newReader()
	for _, path := range paths {
		data, err := ReadFile(path, FileBytesMax)
		if err != nil {
			return nil, err
		}
		if err := r.file(path, data); err != nil {
			return nil, err
		}
	}
	return r.cluster()
}

// Read is ReadFiles of one file that was read already.
func Read(file string, data []byte) (*Cluster, error) {
	r := newReader()
	if err := r.file(file, data); err != nil {
		return nil, err
	}
	return r.cluster()
}

// ReadFile reads a file of at most so many bytes; a larger one is an error.
func ReadFile(path string, bytesMax int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // Only read from.
	data, err := io.ReadAll(io.LimitReader(f, bytesMax+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > bytesMax {
		return nil, fmt.Errorf("file %s: larger than %d bytes", path, bytesMax)
	}
	return data, nil
}

// reader collects the objects of files.
type reader struct {
	// current is the file that is being read.
	current string
	objects []Object
	config  json.RawMessage
	// where says in which file each object stands.
	where map[key]string
	// skipped counts objects of kinds that are left out, by kind.
	skipped map[string]int
	// unknown are fields that are not known here, by kind.
	unknown map[string]bool
}

func newReader() *reader {
	return &reader{where: map[key]string{}, skipped: map[string]int{}, unknown: map[string]bool{}}
}

// file reads every document of one file.
func (r *reader) file(file string, data []byte) error {
	if isRecord(data) {
		r.current = file
		if err := r.record(data); err != nil {
			return fmt.Errorf("file %s: %w", file, err)
		}
		return nil
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	found := false
	r.current = file
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("file %s: document %d: %w", file, n, err)
		}
		content, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return fmt.Errorf("file %s: document %d: %w", file, n, err)
		}
		if string(content) == "null" {
			continue
		}
		found = true
		if err := r.document(content); err != nil {
			return fmt.Errorf("file %s: %w", file, err)
		}
	}
	if !found {
		return fmt.Errorf("file %s: there is nothing in it", file)
	}
	return nil
}

// document tells a kube-scheduler-simulator export from what kubectl prints: the
// export has neither apiVersion nor kind.
func (r *reader) document(content []byte) error {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(content, &top); err != nil {
		return errors.New("want an object, a List or a kube-scheduler-simulator export")
	}
	if top["kind"] == nil && top["apiVersion"] == nil {
		return r.export(top)
	}
	return r.object(content, metav1.TypeMeta{})
}

// object reads a List or an object. Items of a typed list, such as a PodList, need
// not say again what they are: that is then the default.
func (r *reader) object(content []byte, byDefault metav1.TypeMeta) error {
	var head struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(content, &head); err != nil {
		return fmt.Errorf("want a Kubernetes object: %w", err)
	}
	if head.APIVersion == "" && head.Kind == "" {
		head.TypeMeta = byDefault
	}
	if head.APIVersion == "" || head.Kind == "" {
		return errors.New("want a Kubernetes object, with apiVersion and kind")
	}
	if of, ok := strings.CutSuffix(head.Kind, "List"); ok {
		item := metav1.TypeMeta{APIVersion: head.APIVersion, Kind: of}
		if of == "" {
			item = metav1.TypeMeta{}
		}
		for i, content := range head.Items {
			if err := r.object(content, item); err != nil {
				return fmt.Errorf("items[%d]: %w", i, err)
			}
		}
		return nil
	}

	gvk := schema.FromAPIVersionAndKind(head.APIVersion, head.Kind)
	kind, ok := kindOf(gvk.GroupKind())
	if !ok {
		// Not a byte more of it is read: it may be a Secret.
		r.skipped[head.Kind]++
		return nil
	}
	name := qualified(head.Kind, head.Metadata.Namespace, head.Metadata.Name)
	if gvk.Version != kind.Version {
		return fmt.Errorf("%s: apiVersion: want %s, got %s", name, kind.GroupVersion(), head.APIVersion)
	}
	return r.add(name, kind, content, gvk)
}

func (r *reader) add(name string, kind Kind, content []byte, gvk schema.GroupVersionKind) error {
	decoded, _, err := strict.Decode(content, &gvk, nil)
	if runtime.IsStrictDecodingError(err) {
		// A cluster may be newer than this program: what it does not know it cannot heed.
		for _, e := range strings.Split(strings.TrimPrefix(err.Error(), "strict decoding error: "), ", ") {
			r.unknown[kind.Kind+": "+e] = true
		}
	} else if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	o, ok := decoded.(Object)
	if !ok {
		return fmt.Errorf("%s: not an object with metadata", name)
	}
	o.GetObjectKind().SetGroupVersionKind(kind.GroupVersionKind)
	switch {
	case o.GetName() == "":
		return fmt.Errorf("%s: metadata.name: Required value", name)
	case kind.Namespaced && o.GetNamespace() == "":
		return fmt.Errorf("%s: metadata.namespace: Required value", name)
	case !kind.Namespaced && o.GetNamespace() != "":
		return fmt.Errorf("%s: metadata.namespace: objects of kind %s have no namespace", name, kind.Kind)
	}
	k := keyOf(o)
	if first, ok := r.where[k]; ok {
		return fmt.Errorf("%s stands in %s already", name, first)
	}
	r.where[k] = r.current
	r.objects = append(r.objects, o)
	if len(r.objects) > ObjectsMax {
		return fmt.Errorf("want at most %d objects", ObjectsMax)
	}
	return nil
}

// cluster is what was read, mended so that each object finds the others.
func (r *reader) cluster() (*Cluster, error) {
	c := &Cluster{Objects: r.objects, SchedulerConfig: r.config}
	if nodes := len(nodesOf(c)); nodes == 0 {
		return nil, errors.New("there is no Node in it: a cluster needs machines")
	} else if nodes > NodesMax {
		return nil, fmt.Errorf("want at most %d nodes, got %d", NodesMax, nodes)
	}
	if len(r.skipped) > 0 {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(r.skipped)) {
			kinds = append(kinds, fmt.Sprintf("%s (%d)", kind, r.skipped[kind]))
		}
		c.note("Left out, as nothing to the simulator: %s", strings.Join(kinds, ", "))
	}
	if len(r.unknown) > 0 {
		c.note("Left out, as fields that this version does not know: %s", some(slices.Sorted(maps.Keys(r.unknown))))
	}
	mend(c)
	assume(c)
	return c, nil
}

func (c *Cluster) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// some names the first of them and counts the rest.
func some(names []string) string {
	if len(names) <= namedMax {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:namedMax], ", "), len(names)-namedMax)
}
