package snapshot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ChangeEvent is what became of an object, in the words of kube-scheduler-simulator.
type ChangeEvent string

// What becomes of objects.
const (
	Added   ChangeEvent = "Add"
	Updated ChangeEvent = "Update"
	Deleted ChangeEvent = "Delete"
)

// Change is one change of one object.
type Change struct {
	Time  time.Time
	Event ChangeEvent
	// Object as it is from then on; of one that is deleted its last state.
	Object Object
}

// recorded is a line of a record.
type recorded struct {
	Time     metav1.Time `json:"time"`
	Event    ChangeEvent `json:"event"`
	Resource any         `json:"resource"`
}

// WriteRecord writes changes so that kube-scheduler-simulator can replay them: a line of
// JSON for each. What has no section in an export has no line here, and what an export
// leaves out of an object is left out of it here.
func WriteRecord(w io.Writer, changes []Change) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, c := range changes {
		kind, ok := kindOf(c.Object.GetObjectKind().GroupVersionKind().GroupKind())
		if !ok || kind.Section == "" || systemClass(c.Object) {
			continue
		}
		line := recorded{Time: metav1.NewTime(c.Time.UTC()), Event: c.Event, Resource: applicable(c.Object)}
		if c.Event == Deleted {
			line.Resource = metav1.PartialObjectMetadata{
				TypeMeta:   metav1.TypeMeta{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind},
				ObjectMeta: metav1.ObjectMeta{Name: c.Object.GetName(), Namespace: c.Object.GetNamespace()},
			}
		}
		if err := e.Encode(line); err != nil {
			return fmt.Errorf("%s: %w", Name(c.Object), err)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// isRecord tells a record by the keys of its first line.
func isRecord(data []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimLeft(data, " \t\r\n"), []byte("\n"))
	var first map[string]json.RawMessage
	return json.Unmarshal(line, &first) == nil && first["event"] != nil && first["resource"] != nil
}

// record reads a record as the cluster that it ends with. Like kube-scheduler-simulator's
// replay it takes the lines in their order, whatever their times say.
func (r *reader) record(data []byte) error {
	type head struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"metadata"`
	}
	type last struct {
		content json.RawMessage
		line    int
	}
	objects := map[head]last{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, FileBytesMax)
	n := 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var line struct {
			Time     metav1.Time     `json:"time"`
			Event    ChangeEvent     `json:"event"`
			Resource json.RawMessage `json:"resource"`
		}
		strictly := json.NewDecoder(bytes.NewReader(text))
		strictly.DisallowUnknownFields()
		if err := strictly.Decode(&line); err != nil {
			return fmt.Errorf("line %d: want time, event and resource: %w", n, err)
		}
		var of head
		if err := json.Unmarshal(line.Resource, &of); err != nil || of.Kind == "" || of.APIVersion == "" || of.Metadata.Name == "" {
			return fmt.Errorf("line %d: resource: want a Kubernetes object, with apiVersion, kind and name", n)
		}
		switch line.Event {
		case Added, Updated:
			objects[of] = last{slices.Clone(line.Resource), n}
		case Deleted:
			delete(objects, of)
		default:
			return fmt.Errorf("line %d: event: want %s, %s or %s, got %q", n, Added, Updated, Deleted, line.Event)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	left := make([]last, 0, len(objects))
	for _, o := range objects {
		left = append(left, o)
	}
	slices.SortFunc(left, func(a, b last) int { return a.line - b.line })
	for _, o := range left {
		if err := r.object(o.content, metav1.TypeMeta{}); err != nil {
			return fmt.Errorf("line %d: %w", o.line, err)
		}
	}
	return nil
}

// Changes makes a record of what a store commits.
type Changes struct {
	all []Change
	// there are the objects that exist, by their keys in the store.
	there map[string]Object
}

// Commit takes one change of one key: an object, or nil where it is deleted.
func (c *Changes) Commit(at time.Time, key string, o Object) error {
	if c.there == nil {
		c.there = map[string]Object{}
	}
	before := c.there[key]
	switch {
	case o == nil && before == nil:
		return errors.New(strings.TrimPrefix(key, "/") + ": deleted, and never added")
	case o == nil:
		delete(c.there, key)
		c.all = append(c.all, Change{at, Deleted, before})
	case before == nil:
		c.there[key] = o
		c.all = append(c.all, Change{at, Added, o})
	default:
		c.there[key] = o
		c.all = append(c.all, Change{at, Updated, o})
	}
	return nil
}

// All are the changes so far, in their order.
func (c *Changes) All() []Change { return c.all }
