package play

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes/scheme"

	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// record keeps what is committed of the kinds that kube-scheduler-simulator knows.
type record struct {
	mu      sync.Mutex
	commits []commit
}

// commit is one change of one key; a nil value is a delete.
type commit struct {
	at    time.Time
	key   string
	value []byte
}

// recordedKeys begin the keys of these kinds in the store.
var recordedKeys = func() []string {
	var keys []string
	for _, kind := range snapshot.Kinds {
		switch {
		case kind.Section == "":
		case kind.Resource == "nodes":
			keys = append(keys, "/registry/minions/")
		default:
			keys = append(keys, "/registry/"+kind.Resource+"/")
		}
	}
	return keys
}()

func newRecord() *record { return &record{} }

func (r *record) commit(at time.Time, key string, value []byte) {
	for _, begin := range recordedKeys {
		if strings.HasPrefix(key, begin) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.commits = append(r.commits, commit{at, key, value})
			return
		}
	}
}

// changes reads what was committed.
func (r *record) changes() ([]snapshot.Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changes := &snapshot.Changes{}
	for _, c := range r.commits {
		o, err := objectOf(c)
		if err != nil {
			return nil, err
		}
		if err := changes.Commit(c.at, c.key, o); err != nil {
			return nil, err
		}
	}
	return changes.All(), nil
}

// objectOf is nil where the object is deleted.
func objectOf(c commit) (snapshot.Object, error) {
	if c.value == nil {
		return nil, nil
	}
	decoded, gvk, err := scheme.Codecs.UniversalDeserializer().Decode(c.value, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.key, err)
	}
	o, ok := decoded.(snapshot.Object)
	if !ok {
		return nil, fmt.Errorf("%s: not an object with metadata", c.key)
	}
	o.GetObjectKind().SetGroupVersionKind(*gvk)
	return o, nil
}
