package decisions_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/decisions"
)

func attempt(n int) decisions.Attempt {
	return decisions.Attempt{
		Namespace: "default", Pod: "web-0", UID: "1", Number: n, At: metav1.Duration{Duration: time.Duration(n) * time.Second},
		PreFilter: decisions.ByPlugin{"NodeAffinity": decisions.Skip},
		Filter:    decisions.ByNode{"a": {"NodeName": decisions.Passed}, "b": {"NodeName": "node(s) didn't match the requested node name"}},
		Score:     decisions.Scores{"a": {"ImageLocality": 7}}, Final: decisions.Scores{"a": {"ImageLocality": 14}},
		SelectedNode: "a",
	}
}

func TestALineForEachAttempt(t *testing.T) {
	var b bytes.Buffer
	if err := decisions.Write(&b, []decisions.Attempt{attempt(1), attempt(2)}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	var a decisions.Attempt
	d := json.NewDecoder(strings.NewReader(lines[1]))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil || a.Kind != decisions.Kind || a.APIVersion != decisions.APIVersion || a.Number != 2 {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestAnnotationsAreThoseOfTheOtherSimulator(t *testing.T) {
	before := map[string]string{"mine": "kept"}
	got := decisions.Annotate(before, []decisions.Attempt{attempt(1), attempt(2)})
	const prefix = "kube-scheduler-simulator.sigs.k8s.io/"
	for key, want := range map[string]string{
		"mine":                             "kept",
		prefix + "selected-node":           "a",
		prefix + "filter-result":           `{"a":{"NodeName":"passed"},"b":{"NodeName":"node(s) didn't match the requested node name"}}`,
		prefix + "score-result":            `{"a":{"ImageLocality":"7"}}`,
		prefix + "finalscore-result":       `{"a":{"ImageLocality":"14"}}`,
		prefix + "prefilter-result-status": `{"NodeAffinity":"skip"}`,
		prefix + "bind-result":             `{}`,
	} {
		if got[key] != want {
			t.Errorf("%s: %s, want %s", key, got[key], want)
		}
	}
	var history []map[string]string
	if err := json.Unmarshal([]byte(got[prefix+"result-history"]), &history); err != nil || len(history) != 1 || history[0][prefix+"selected-node"] != "a" {
		t.Errorf("history %v, %v", history, err)
	}
	if len(before) != 1 {
		t.Error("the pod's own map was written to")
	}
	if got := decisions.Annotate(nil, nil); got != nil {
		t.Errorf("a pod that was never tried: %v", got)
	}
}

// TestTheOldestOfTheHistoryAreDropped: all annotations together have a limit.
func TestTheOldestOfTheHistoryAreDropped(t *testing.T) {
	var attempts []decisions.Attempt
	for n := range 2000 {
		a := attempt(n + 1)
		a.SelectedNode = strings.Repeat("x", n%7) + "n"
		attempts = append(attempts, a)
	}
	got := decisions.Annotate(map[string]string{"big": strings.Repeat("y", 50_000)}, attempts)
	size := 0
	for k, v := range got {
		size += len(k) + len(v)
	}
	if size > 256<<10 || size < 200<<10 {
		t.Errorf("%d bytes", size)
	}
	var history []map[string]string
	if err := json.Unmarshal([]byte(got["kube-scheduler-simulator.sigs.k8s.io/result-history"]), &history); err != nil {
		t.Fatal(err)
	}
	if last := history[len(history)-1]["kube-scheduler-simulator.sigs.k8s.io/selected-node"]; last != attempts[1998].SelectedNode {
		t.Errorf("the latest of the history selected %s", last)
	}
}
