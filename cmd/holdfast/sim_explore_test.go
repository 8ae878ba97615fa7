package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestExploreTellsWhatItFinds(t *testing.T) {
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"--nodes 1 --ordinals 1 --volumes 0 --faults 0", 0, "every state was seen"},
		{"--max-states 100", 0, "it ended at 100 states"},
	} {
		var out, errOut bytes.Buffer
		if code := run(append([]string{"sim", "explore"}, strings.Fields(tc.args)...), &out, &errOut); code != tc.code {
			t.Errorf("%s: exit code %d, want %d: %s", tc.args, code, tc.code, errOut.String())
		}
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: the print has no %q:\n%s", tc.args, tc.want, out.String())
		}
	}
}

func TestExploreRefusesWhatItHasNoRoomFor(t *testing.T) {
	for args, want := range map[string]string{
		"--nodes 4":             "--nodes 4: not in the range [1, 3]",
		"--volumes 3":           "--volumes 3: not in the range [0, 2]",
		"--node-removal Always": `--node-removal "Always": must be Managed or WhenDown`,
		"--jobs -1":             "--jobs -1: must not be negative",
		"-o yaml":               `--output "yaml": must be text or json`,
	} {
		var out, errOut bytes.Buffer
		if code := run(append([]string{"sim", "explore"}, strings.Fields(args)...), &out, &errOut); code != exitInput {
			t.Errorf("%s: exit code %d", args, code)
		}
		if got := strings.TrimSpace(errOut.String()); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}

func TestExploreWritesAnExploration(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run([]string{"sim", "explore", "--nodes", "1", "--ordinals", "1", "--faults", "0", "-o", "json"}, &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	var got struct{ Kind string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Kind != "Exploration" {
		t.Errorf("kind %q, error %v", got.Kind, err)
	}
}
