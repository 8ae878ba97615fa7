package snapshot_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

const (
	recordA = `{"time":"2026-01-01T00:00:01Z","event":"Add","resource":{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}}`
	recordB = `{"time":"2026-01-01T00:00:02Z","event":"Add","resource":{"apiVersion":"v1","kind":"Node","metadata":{"name":"b"}}}`
	changeA = `{"time":"2026-01-01T00:00:03Z","event":"Update","resource":{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","labels":{"disk":"new"}}}}`
	deleteB = `{"time":"2026-01-01T00:00:04Z","event":"Delete","resource":{"apiVersion":"v1","kind":"Node","metadata":{"name":"b"}}}`
)

func TestARecordIsReadAsWhatItEndsWith(t *testing.T) {
	c, err := snapshot.Read("record", []byte(strings.Join([]string{recordA, recordB, "", changeA, deleteB}, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	nodes := snapshot.Of[*corev1.Node](c)
	if len(nodes) != 1 || nodes[0].Name != "a" || nodes[0].Labels["disk"] != "new" {
		t.Errorf("nodes %v, want a as it was changed", nodes)
	}
}

func TestOneErrorNamesTheLineOfARecord(t *testing.T) {
	for name, tc := range map[string]struct{ line, want string }{
		"an event that there is none of": {strings.Replace(recordB, "Add", "Patch", 1), `line 2: event: want Add, Update or Delete, got "Patch"`},
		"a key that there is none of":    {strings.Replace(recordB, "time", "at", 1), `line 2: want time, event and resource: json: unknown field "at"`},
		"an object without a kind":       {strings.Replace(recordB, `"kind":"Node",`, "", 1), "line 2: resource: want a Kubernetes object, with apiVersion, kind and name"},
		"an object of another version":   {strings.Replace(recordB, `"v1"`, `"v2"`, 1), "line 2: Node b: apiVersion: want v1, got v2"},
		"no JSON":                        {"apiVersion: v1", "line 2: want time, event and resource: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := snapshot.Read("record.json", []byte(recordA+"\n"+tc.line+"\n"))
			if err == nil || !strings.HasPrefix(err.Error(), "file record.json: "+tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestWhatIsCommittedIsRecorded(t *testing.T) {
	c, err := snapshot.ReadFiles(shop...)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC)
	changes := &snapshot.Changes{}
	commit := func(key string, o snapshot.Object) {
		t.Helper()
		if err := changes.Commit(at, key, o); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
	}
	for _, o := range c.Objects {
		commit(snapshot.Name(o), o)
	}
	pod := snapshot.Of[*corev1.Pod](c)[0].DeepCopy()
	pod.Labels = map[string]string{"moved": "yes"}
	commit(snapshot.Name(pod), pod)
	lost := snapshot.Of[*corev1.Pod](c)[1]
	commit(snapshot.Name(lost), nil)
	if err := changes.Commit(at, "/nobody", nil); err == nil {
		t.Error("what never was can be deleted")
	}

	var b bytes.Buffer
	if err := snapshot.WriteRecord(&b, changes.All()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Contains(text, `"StatefulSet","metadata"`) || strings.Contains(text, "managedFields") || strings.Contains(text, "resourceVersion") {
		t.Error("the record has what kube-scheduler-simulator does not take")
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if want := `"event":"Delete","resource":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"` + lost.Name + `","namespace":"` + lost.Namespace + `"}}}`; !strings.HasSuffix(lines[len(lines)-1], want) {
		t.Errorf("the last line is %s, want %s", lines[len(lines)-1], want)
	}
	read, err := snapshot.Read("record", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	pods := snapshot.Of[*corev1.Pod](read)
	if want := len(snapshot.Of[*corev1.Pod](c)) - 1; len(pods) != want {
		t.Errorf("%d pods, want %d", len(pods), want)
	}
	for _, p := range pods {
		if p.Name == pod.Name && p.Namespace == pod.Namespace && p.Labels["moved"] != "yes" {
			t.Error("the change is lost")
		}
		if p.Name == lost.Name && p.Namespace == lost.Namespace {
			t.Error("the deleted pod is there")
		}
	}
}
