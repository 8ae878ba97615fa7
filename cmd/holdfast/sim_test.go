package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/report"
)

// idle is a cluster in which nothing happens.
const idle = `apiVersion: sim.holdfast.dev/v1alpha1
kind: Scenario
cluster:
  nodeGroups:
    - {name: a, zone: a, count: 1}
until: 1m
`

func TestExitCodes(t *testing.T) {
	for name, tc := range map[string]struct {
		scenario string
		args     []string
		want     int
		// wantOut and wantErr are parts of what is printed.
		wantOut, wantErr string
	}{
		"everything as expected": {
			scenario: idle, args: []string{"sim", "run", "--scheduler", "default"},
			want: 0, wantOut: "Under the default scheduler",
		},
		"an expectation that is not met": {
			scenario: idle + "expect:\n  holdfast:\n    ordinals: [{name: web-0, state: Running}]\n",
			args:     []string{"sim", "run", "--scheduler", "holdfast"},
			want:     exitUnmet, wantOut: "FAILED  default/web-0 is Running at the end",
		},
		"a field that there is none of": {
			scenario: idle + "timelime: []\n", args: []string{"sim", "run"},
			want: exitInput, wantErr: "scenario.yaml:7: timelime: ",
		},
		"a bad value, only checked": {
			scenario: strings.Replace(idle, "count: 1", "count: 0", 1), args: []string{"sim", "validate"},
			want: exitInput, wantErr: "scenario.yaml:5: cluster.nodeGroups[0].count: ",
		},
		"a good file, only checked": {
			scenario: idle, args: []string{"sim", "validate"},
			want: 0, wantOut: "scenario.yaml: ok",
		},
		"a scheduler that there is none of": {
			scenario: idle, args: []string{"sim", "run", "--scheduler", "nomad"},
			want: exitInput, wantErr: `--scheduler "nomad": must be both, holdfast or default`,
		},
		"over a real etcd": {
			scenario: idle, args: []string{"sim", "run", "--scheduler", "default", "--store", "etcd"},
			want: 0, wantOut: "Under the default scheduler",
		},
		"a store that there is none of": {
			scenario: idle, args: []string{"sim", "run", "--store", "disk"},
			want: exitInput, wantErr: `--store "disk": must be memory or etcd`,
		},
		"an output that there is none of": {
			scenario: idle, args: []string{"sim", "run", "-o", "xml"},
			want: exitInput, wantErr: `--output "xml": must be text or json`,
		},
		"a flag that there is none of": {
			scenario: idle, args: []string{"sim", "run", "--fast"},
			want: exitInput, wantErr: "unknown flag: --fast",
		},
		"a step that cannot be played": {
			scenario: idle + "timeline:\n  - at: 10s\n    partition: {nodeOf: web-0}\n",
			args:     []string{"sim", "run", "--scheduler", "default"},
			want:     exitUnmet, wantOut: "FAILED  timeline[0] is played: cut off the node of web-0",
		},
		"an object that the API server refuses": {
			scenario: idle + "objects:\n  - manifest: {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 0}]}}\n",
			args:     []string{"sim", "run", "--scheduler", "default"},
			want:     exitInput, wantErr: "scenario.yaml: objects: Service web: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "scenario.yaml")
			if err := os.WriteFile(file, []byte(tc.scenario), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errOut bytes.Buffer
			if got := run(append(tc.args, file), &out, &errOut); got != tc.want {
				t.Errorf("exit code %d, want %d", got, tc.want)
			}
			if !strings.Contains(out.String(), tc.wantOut) {
				t.Errorf("printed\n%s\nwant %q in it", out.String(), tc.wantOut)
			}
			if !strings.Contains(errOut.String(), tc.wantErr) || tc.wantErr == "" && errOut.Len() > 0 {
				t.Errorf("error %q, want %q in it", errOut.String(), tc.wantErr)
			}
		})
	}
}

func TestAMissingFileIsNamed(t *testing.T) {
	var out, errOut bytes.Buffer
	if got := run([]string{"sim", "run", "no-such.yaml"}, &out, &errOut); got != exitInput {
		t.Errorf("exit code %d, want %d", got, exitInput)
	}
	if !strings.Contains(errOut.String(), "no-such.yaml") {
		t.Errorf("error %q does not name it", errOut.String())
	}
}

func TestJSONIsForPrograms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "idle.yaml")
	if err := os.WriteFile(file, []byte(idle), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	if got := run([]string{"sim", "run", "-o", "json", "--until", "30s", file}, &out, &errOut); got != 0 {
		t.Fatalf("exit code %d: %s", got, errOut.String())
	}
	decoder := json.NewDecoder(&out)
	decoder.DisallowUnknownFields()
	var r report.Report
	if err := decoder.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if r.APIVersion != report.APIVersion || r.Kind != report.Kind || r.Scenario != "idle" || !r.Passed || len(r.Runs) != 2 {
		t.Errorf("got %+v", r)
	}
	for _, run := range r.Runs {
		if run.Until.Seconds() != 30 {
			t.Errorf("under %s until %s, want 30s", run.Scheduler, run.Until.Duration)
		}
	}
	if decoder.More() {
		t.Error("there is more than the one document")
	}
}
