package html_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/report/html"
)

// real is a report that a run has made: sim run -o json.
func real(t *testing.T, name string) *report.Report {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	r := &report.Report{}
	if err := decoder.Decode(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t *testing.T, reports ...*report.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := html.Write(&out, reports); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// onPurpose is a report with its first run broken on purpose as well.
func onPurpose(t *testing.T, name string, passes bool) *report.Report {
	t.Helper()
	r := real(t, name)
	r.Broken = []report.BrokenRun{{
		Scheduler: r.Runs[0].Scheduler, Until: r.Runs[0].Until, Run: &r.Runs[0],
		Steps: []string{"at 4m0s: delete pod web-0 by force", "at 5m0s: scale statefulset web to 0"},
		Checks: []report.Check{
			{Name: "fails: default/db-0 never ran twice", OK: true},
			{Name: "fails: default/db-1 is Running at the end", OK: passes, Got: map[bool]string{false: "it does not"}[passes]},
		},
	}}
	r.Passed = r.Passed && passes
	return r
}

// many are reports as of several folders, of which one failed.
func many(t *testing.T) []*report.Report {
	t.Helper()
	var all []*report.Report
	for _, file := range []string{"evidence/reboot", "evidence/a-name-that-is-as-long-as-names-of-scenarios-come-or-a-little-longer", "second-line", "statefulset/ordinals", "stale-view"} {
		r := real(t, "silent-node")
		switch file {
		case "second-line":
			r = onPurpose(t, "false-attestation", false)
		case "statefulset/ordinals":
			r = onPurpose(t, "silent-node", true)
		}
		r.Scenario, r.File = path.Base(file), "sim/scenarios/"+file+".yaml"
		all = append(all, r)
	}
	return all
}

func TestWhatIsMeantToFailIsMarked(t *testing.T) {
	page := write(t, onPurpose(t, "silent-node", true))
	for _, want := range []string{"broken on purpose, under ", "fails, as it must", "scale statefulset web to 0", "fails: default/db-0 never ran twice"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if page := write(t, onPurpose(t, "silent-node", false)); !strings.Contains(page, "1 of 2 checks FAILED") || !strings.Contains(page, "it does not") {
		t.Error("the page does not say that a break did not break")
	}
}

// An older report has no more than the verdict of such a run.
func TestARunThatWasBrokenOnPurposeMayBeUnseen(t *testing.T) {
	r := onPurpose(t, "silent-node", true)
	r.Broken[0].Run = nil
	if page := write(t, r); !strings.Contains(page, "what was seen of it is not in this report") || !strings.Contains(page, "fails, as it must") {
		t.Error("the run is not told of")
	}
}

// hostile is what a scenario could have in every name and sentence.
const hostile = `</script></title><script>alert(1)</script><img src=x onerror=alert(1)>"'` + "`{{.}}"

// hostileReport has it wherever a page could show it.
func hostileReport() *report.Report {
	at := func(d time.Duration) metav1.Duration { return metav1.Duration{Duration: d} }
	end := at(4 * time.Minute)
	who := "default/" + hostile
	return &report.Report{
		Scenario: hostile, File: hostile, Description: hostile,
		Runs: []report.Run{{
			Scheduler: hostile, Until: at(10 * time.Minute),
			Events: []report.Event{
				{At: at(0), Ordinal: who, Kind: report.Created, Incarnation: 1, Detail: hostile},
				{At: at(time.Second), Ordinal: who, Kind: report.Bound, Incarnation: 1, Node: hostile},
				{At: at(time.Minute), Ordinal: who, Kind: report.Started, Incarnation: 1, Node: hostile},
				{At: at(2 * time.Minute), Ordinal: who, Kind: report.DeletionAsked, Incarnation: 1, Node: hostile},
				{At: at(2 * time.Minute), Ordinal: who, Kind: report.Held, By: hostile, Detail: hostile},
				{At: at(2 * time.Minute), Kind: report.Step, Detail: hostile},
			},
			Faults:     []report.Fault{{Kind: hostile, What: hostile, Node: hostile, From: at(time.Minute), To: &end, EndedBy: hostile}},
			Ordinals:   []report.Ordinal{{Name: who, State: hostile, Twice: at(time.Minute)}},
			Violations: []report.Violation{{Invariant: hostile, By: who, Nodes: []string{hostile}, From: at(time.Minute)}, {Invariant: "S2", By: hostile, Outside: hostile, From: at(time.Minute)}},
			Holds:      []report.Hold{{Ordinal: who, By: hostile, From: at(2 * time.Minute), To: &end, Evidence: hostile, Why: hostile}},
			Checks:     []report.Check{{Name: hostile, Got: hostile}},
		}},
	}
}

func TestNothingOfAScenarioIsRunOrTakenForMarkup(t *testing.T) {
	page := write(t, hostileReport(), hostileReport())
	if n := strings.Count(page, "<script"); n != 1 {
		t.Errorf("%d scripts, want the page's own", n)
	}
	if strings.Contains(page, "<img") {
		t.Error("an element of the scenario's is in the page")
	}
	if !strings.Contains(page, "&lt;/script&gt;") {
		t.Error("the text is not shown")
	}
}

// outward is what a page could load, or be styled by beside its own sheet.
var outward = regexp.MustCompile(`(?i)(src|href)=["']?(https?:)?//|@import|url\(["']?[^#)]| style=| on[a-z]+=["']`)

func TestAPageNeedsNothingElse(t *testing.T) {
	page := write(t, real(t, "silent-node"), real(t, "false-attestation"))
	if found := outward.FindString(page); found != "" {
		t.Errorf("the page has %q", found)
	}
	if !strings.Contains(page, "default-src &#39;none&#39;") {
		t.Error("the page does not say that it loads nothing")
	}
}

func TestAPageIsTheSameEachTime(t *testing.T) {
	once, again := write(t, real(t, "silent-node")), write(t, real(t, "silent-node"))
	if once != again {
		t.Error("two pages of one report differ")
	}
}

func TestAPageOfNothing(t *testing.T) {
	for name, reports := range map[string][]*report.Report{
		"no scenario":                  nil,
		"a scenario that nobody plays": {{Scenario: "idle", Passed: true}},
		"a run of no length":           {{Scenario: "idle", Runs: []report.Run{{Scheduler: "default"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if page := write(t, reports...); !strings.HasSuffix(strings.TrimSpace(page), "</html>") || strings.Contains(page, "NaN") {
				t.Errorf("got\n%s", page)
			}
		})
	}
}
