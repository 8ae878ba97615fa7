package replay_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os/exec"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

var (
	program = flag.String("program", "", "the deterministic build of holdfast: play every story twice with it, and compare the traces")
	seed    = flag.String("seed", "1", "what the runs follow from")
)

const stories = "../scenarios"

// TestEveryStoryRepeatsItself is make replay. It takes hours of processor time.
func TestEveryStoryRepeatsItself(t *testing.T) {
	if *program == "" {
		t.Skip("needs -program, the deterministic build: make replay")
	}
	files, err := scenario.Find(stories)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		s, err := scenario.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, scheduler := range s.PlayedBy() {
			name := strings.TrimSuffix(strings.TrimPrefix(file, stories+"/"), ".yaml")
			t.Run(name+"/"+string(scheduler), func(t *testing.T) {
				t.Parallel()
				if kind := policy(t, s); kind != "" {
					t.Skipf("it has a %s, and runs with policies differ in the order of one instant", kind)
				}
				first, second := trace(t, file, scheduler), trace(t, file, scheduler)
				if first != second {
					t.Errorf("two runs differ: %d writes with the hash %s, and %d with %s", first.Writes, first.SHA256, second.Writes, second.SHA256)
				}
			})
		}
	}
}

// policy is the kind of an object of the story that admission policies are made of, or "".
func policy(t *testing.T, s *scenario.Scenario) string {
	objects, err := s.Decode()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if kind := o.GetObjectKind().GroupVersionKind().Kind; strings.Contains(kind, "AdmissionPolicy") {
			return kind
		}
	}
	return ""
}

// trace plays a story in a process of its own.
func trace(t *testing.T, file string, scheduler scenario.Scheduler) report.Trace {
	var out, errOut bytes.Buffer
	c := exec.Command(*program, "sim", "run", "-o", "json", "--scheduler", string(scheduler), "--seed", *seed, file)
	c.Stdout, c.Stderr = &out, &errOut
	// A story whose checks fail has a trace all the same.
	if err := c.Run(); err != nil && (!errors.As(err, new(*exec.ExitError)) || out.Len() == 0) {
		t.Fatalf("%v: %s", err, &errOut)
	}
	r := &report.Report{}
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 1 || r.Runs[0].Trace == nil {
		t.Fatalf("%s has no trace: is it a deterministic build?", *program)
	}
	return *r.Runs[0].Trace
}
