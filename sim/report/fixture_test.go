package report

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the files in testdata; inspect the diff and commit only what you can explain")

// golden compares a text with a file in testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want,+got); -rewrite accepts it, inspect the diff and commit only what you can explain:\n%s", path, diff)
	}
}

// at is a time of a run, such as 4m30s.
func at(s string) metav1.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return metav1.Duration{Duration: d}
}

func until(s string) *metav1.Duration {
	d := at(s)
	return &d
}

// pod is an event of an incarnation of default/web-0.
func pod(when string, kind EventKind, incarnation int, node string) Event {
	return Event{At: at(when), Ordinal: "default/web-0", Kind: kind, Incarnation: incarnation, Node: node}
}

func of(ordinal string, e Event) Event {
	e.Ordinal = ordinal
	return e
}

func step(when, what string) Event { return Event{At: at(when), Kind: Step, Detail: what} }

func node(when string, kind EventKind, name string) Event {
	return Event{At: at(when), Kind: kind, Node: name}
}

func held(when, by, why string) Event {
	return Event{At: at(when), Ordinal: "default/web-0", Kind: Held, By: by, Detail: why}
}

func released(when, by, evidence, detail string) Event {
	return Event{At: at(when), Ordinal: "default/web-0", Kind: Released, By: by, Evidence: evidence, Detail: detail}
}

// silentNode is a report of both schedulers, as a short run would give it.
func silentNode() Report {
	common := []Event{
		pod("0s", Created, 1, ""),
		pod("0s", Bound, 1, "a-0"),
		pod("1.234s", Started, 1, "a-0"),
		of("other/web-10", pod("1.3s", Created, 1, "")),
		of("other/web-10", pod("1.3s", Bound, 1, "b-1")),
		of("other/web-10", pod("2.6s", Started, 1, "b-1")),
		step("3m", "cut off the node of web-0"),
		{At: at("3m"), Ordinal: "default/web-0", Kind: Lost, Node: "a-0", Incarnation: 1, Detail: "its process runs on, out of sight"},
		node("3m51.7s", NodeNotReady, "a-0"),
		step("4m30s", "force-delete web-0"),
	}
	stock := Run{
		Scheduler: "default", Until: at("40m"),
		Events: append(append([]Event{}, common...),
			pod("4m30s", DeletionAsked, 1, "a-0"),
			pod("4m30s", Removed, 1, "a-0"),
			pod("4m30.01s", Created, 2, ""),
			pod("4m30.02s", Bound, 2, "a-1"),
			pod("4m31.4s", Started, 2, "a-1"),
			step("30m", "heal the network"),
			node("30m4s", NodeReady, "a-0"),
			pod("30m43.3s", Stopped, 1, "a-0"),
		),
		Ordinals: []Ordinal{
			{Name: "default/web-0", State: "Running", Incarnations: 2, Nodes: []string{"a-0", "a-1"}, LastStart: until("4m31.4s"), Twice: at("26m11.9s")},
			{Name: "other/web-10", State: "Running", Incarnations: 1, Nodes: []string{"b-1"}, LastStart: until("2.6s")},
		},
		Violations: []Violation{
			{Invariant: "S1", By: "default/web-0", Nodes: []string{"a-0", "a-1"}, From: at("4m31.4s"), To: until("30m43.3s")},
			{Invariant: "S2", By: "default/data-web-0", Nodes: []string{"a-0", "a-1"}, From: at("9m51.9s")},
		},
		Checks: []Check{
			{Name: "S1 is broken for default/web-0 from 4m31s +-5s to 31m +-45s", OK: true},
			{Name: "S2 holds for default/data-web-0", Got: "it was broken from 9m52s to the end on a-0 and a-1"},
		},
	}
	const why = "deletion asked for, and no proof that it stopped. The kubelet's report ends it, or an attestation."
	holdfast := Run{
		Scheduler: "holdfast", Until: at("40m"),
		Events: append(append([]Event{}, common...),
			pod("4m30s", DeletionAsked, 1, "a-0"),
			held("4m30s", "guard", why),
			step("30m", "heal the network"),
			node("30m4s", NodeReady, "a-0"),
			pod("30m43.3s", Stopped, 1, "a-0"),
			released("30m44.1s", "guard", "KubeletConfirmed", "the kubelet of a-0 reports the sandbox gone"),
			pod("30m44.1s", Removed, 1, "a-0"),
			pod("30m44.2s", Created, 2, ""),
			pod("30m44.3s", Bound, 2, "a-1"),
			pod("30m45.7s", Started, 2, "a-1"),
		),
		Ordinals: []Ordinal{
			{Name: "default/web-0", State: "Running", Incarnations: 2, Nodes: []string{"a-0", "a-1"}, LastStart: until("30m45.7s"), Down: at("2.4s")},
			{Name: "other/web-10", State: "Running", Incarnations: 1, Nodes: []string{"b-1"}, LastStart: until("2.6s")},
		},
		Holds: []Hold{
			{Ordinal: "default/web-0", By: "guard", From: at("4m30s"), To: until("30m44.1s"), Evidence: "KubeletConfirmed", Why: why},
		},
		Checks: []Check{
			{Name: "S1: no identity ever ran twice", OK: true},
			{Name: "S2: no single-writer volume had two writers", OK: true},
		},
	}
	return Report{
		Scenario: "silent-node", File: "sim/scenarios/silent-node.yaml",
		Description: "A node is cut off from the API server and its pod is force-deleted.\nIts container runs on, out of sight, until the network heals.\n",
		Runs:        []Run{stock, holdfast},
	}
}

// falseAttestation is a report of Holdfast alone, in which a human's word about web-0
// was false, and so was a proof about db-0.
func falseAttestation() Report {
	web := outside("Attested", "10m2.1s", "30m1s")
	disk := violation("S2", "default/data-web-0", "10m2.1s", "30m1s")
	disk.Outside = "Attested"
	proof := violation("S3", "default/db-0", "12m", "")
	proof.Evidence, proof.Nodes = "KubeletConfirmed", []string{"a-0"}
	run := Run{
		Scheduler: "holdfast", Until: at("40m"),
		Events: []Event{
			pod("0s", Created, 1, ""), pod("0s", Bound, 1, "a-0"), pod("1.2s", Started, 1, "a-0"),
			of("default/db-0", pod("2s", Created, 1, "")), of("default/db-0", pod("2s", Bound, 1, "a-0")), of("default/db-0", pod("3s", Started, 1, "a-0")),
			pod("4m30s", DeletionAsked, 1, "a-0"), held("4m30s", "guard", "no proof"),
			step("10m", "ops attests that web-0 is over: the machine looked dead"),
			released("10m", "guard", "Attested", "ops: the machine looked dead"), pod("10m", Removed, 1, "a-0"),
			pod("10m", Created, 2, ""), pod("10m", Bound, 2, "b-0"), pod("10m2.1s", Started, 2, "b-0"),
			pod("30m1s", Stopped, 1, "a-0"),
		},
		Ordinals: []Ordinal{
			{Name: "default/db-0", State: "Running", Incarnations: 1, Nodes: []string{"a-0"}, LastStart: until("3s")},
			{
				Name: "default/web-0", State: "Running", Incarnations: 2, Nodes: []string{"a-0", "b-0"}, LastStart: until("10m2.1s"),
				Twice: at("19m58.9s"), TwiceOutside: at("19m58.9s"),
			},
		},
		Violations: []Violation{web, disk, proof},
	}
	run.Checks = Judge(scenario.Expectation{Violations: []scenario.Violation{
		{Invariant: "S1", By: "web-0", Outside: "Attested"}, {Invariant: "S2", By: "data-web-0", Outside: "Attested"},
	}}, &run)
	return Report{Scenario: "false-attestation", Runs: []Run{run}}
}
