package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

func TestExportWritesWhatCanBeReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(file, []byte(idle), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		want int
		// wantOut and wantErr are parts of what is printed.
		wantOut, wantErr string
	}{
		"for kube-scheduler-simulator": {
			args: []string{"--scheduler", "default"}, wantOut: `"schedulerConfig": {`,
		},
		"as a list, at another moment": {
			args: []string{"--scheduler", "default", "--format", "list", "--at", "5s"}, wantOut: `"kind": "List"`,
		},
		"as a record of all changes": {
			args: []string{"--scheduler", "default", "--format", "record"}, wantOut: `{"time":"2026-01-01T00:00:`,
		},
		"with a word of every plugin": {
			args: []string{"--scheduler", "default", "--record-decisions", filepath.Join(t.TempDir(), "decisions.ndjson")}, wantOut: `"pods": [`,
		},
		"a format that there is none of":    {args: []string{"--format", "xml"}, want: exitInput, wantErr: `--format "xml": must be kube-scheduler-simulator, list or record`},
		"a scheduler that there is none of": {args: []string{"--scheduler", "both"}, want: exitInput, wantErr: `--scheduler "both": must be holdfast or default`},
		"a time before the beginning":       {args: []string{"--at", "-1s"}, want: exitInput, wantErr: "--at -1s: must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			if got := run(append([]string{"sim", "export", file}, tc.args...), &out, &errOut); got != tc.want {
				t.Errorf("exit code %d, want %d: %s", got, tc.want, errOut.String())
			}
			if !strings.Contains(out.String(), tc.wantOut) || !strings.Contains(errOut.String(), tc.wantErr) {
				t.Errorf("printed\n%s\nerror %q", out.String(), errOut.String())
			}
			if tc.want != 0 {
				return
			}
			c, err := snapshot.Read("export", out.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if nodes := snapshot.Of[*corev1.Node](c); len(nodes) != 1 || nodes[0].Name != "a-0" {
				t.Errorf("nodes %v", nodes)
			}
		})
	}
}
