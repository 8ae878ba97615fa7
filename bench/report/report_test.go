package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someGates = `apiVersion: bench.holdfast.dev/v1alpha1
kind: BenchmarkGates
gates:
- {name: drain, value: {benchmark: Drain/nodes=1000, metric: A/B}, atLeast: 30, goal: 75}
- {name: filtered, value: {benchmark: Drain/nodes=1000, metric: B-filtered/pod}, equals: 1, exact: true}
- {name: growth, value: {benchmark: Drain/nodes=1000, metric: B-allocs/pod}, over: {benchmark: Drain/nodes=1, metric: B-allocs/pod}, atMost: 1.05}
- {name: difference, value: {benchmark: Drain/nodes=1000, metric: B-allocs/pod}, less: {benchmark: Drain/nodes=1, metric: B-allocs/pod}, atMost: 400}
- {name: writes, value: {benchmark: Writes, metric: more}, atMost: 2}
`

func TestGates(t *testing.T) {
	for name, tc := range map[string]struct {
		output string
		// want has the verdicts in order.
		want   string
		missed int
	}{
		"everything is reached": {
			output: "BenchmarkDrain/nodes=1000-2 1 80 A/B 50 A/B-min 90 A/B-max 1.000 B-filtered/pod 610 B-allocs/pod\nBenchmarkDrain/nodes=1-2 1 600 B-allocs/pod\nBenchmarkWrites-2 1 2 more\n",
			want:   "goal goal goal goal goal",
		},
		"the median of several runs counts": {
			output: "BenchmarkDrain/nodes=1000-2 1 80 A/B 1.0 B-filtered/pod 610 B-allocs/pod\nBenchmarkDrain/nodes=1000-2 1 40 A/B\nBenchmarkDrain/nodes=1000-2 1 10 A/B\nBenchmarkDrain/nodes=1-2 1 600 B-allocs/pod\nBenchmarkWrites-2 1 2 more\n",
			want:   "gate goal goal goal goal",
		},
		"too slow, too much, too many": {
			output: "BenchmarkDrain/nodes=1000-2 1 29 A/B 1.2 B-filtered/pod 1100 B-allocs/pod\nBenchmarkDrain/nodes=1-2 1 600 B-allocs/pod\nBenchmarkWrites-2 1 5 more\n",
			want:   "MISSED MISSED MISSED MISSED MISSED", missed: 5,
		},
		"a benchmark that did not run": {
			output: "BenchmarkWrites-2 1 2 more\n",
			want:   "MISSED MISSED MISSED MISSED goal", missed: 4,
		},
		"a queue that ran dry measures what fills it": {
			output: "BenchmarkDrain/nodes=1000-2 1 80 A/B 0.5 queue-dry-share 1 B-filtered/pod 610 B-allocs/pod\nBenchmarkDrain/nodes=1-2 1 600 B-allocs/pod\nBenchmarkWrites-2 1 2 more\n",
			want:   "rejected rejected rejected rejected goal", missed: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := judged(t, someGates, tc.output)
			var got []string
			for _, o := range r.Gates {
				got = append(got, o.Verdict)
			}
			if got := strings.Join(got, " "); got != tc.want || r.Missed != tc.missed {
				t.Errorf("verdicts %q with %d missed, want %q with %d", got, r.Missed, tc.want, tc.missed)
			}
		})
	}
}

// TestARegressionIsNoticed: with the index of reach switched off the report fails, and
// says that every node was filtered. The outputs are those of
//
//	go test ./bench/cycles -run '^$' -bench 'Drain/claim=node$/nodes=1000$' -benchtime 1x
//
// the second with -without-narrowing.
func TestARegressionIsNoticed(t *testing.T) {
	for file, filtered := range map[string]string{"testdata/narrowed.txt": "goal", "testdata/not-narrowed.txt": "MISSED"} {
		t.Run(file, func(t *testing.T) {
			var out strings.Builder
			err := run([]string{"-partial", file}, &out)
			if missed := errors.Is(err, errMissed); missed != (filtered == "MISSED") {
				t.Errorf("the report ends with %v", err)
			}
			for _, line := range strings.Split(out.String(), "\n") {
				if strings.Contains(line, "`Drain/claim=node/nodes=1000 B-filtered/pod`") && !strings.Contains(line, filtered) {
					t.Errorf("want %s: %s", filtered, line)
				}
			}
		})
	}
}

// TestExactAlone: what is timed is passed over.
func TestExactAlone(t *testing.T) {
	var out strings.Builder
	slow := outputFile(t, "BenchmarkDrain/claim=node/nodes=1000-2 1 2 A/B 1.000 B-filtered/pod\n")
	if err := run([]string{"-partial", slow}, &out); !errors.Is(err, errMissed) {
		t.Errorf("a drain that is twice as fast: %v", err)
	}
	if err := run([]string{"-partial", "-exact", slow}, &out); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	for name, tc := range map[string]struct{ args []string }{
		"no file":             {nil},
		"a file that is none": {[]string{"testdata/none.txt"}},
		"no benchmark in it":  {[]string{outputFile(t, "goos: linux\n")}},
		"half a benchmark":    {[]string{outputFile(t, "BenchmarkDrain 1 80\n")}},
		"a flag that is none": {[]string{"-nope"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(tc.args, &strings.Builder{}); err == nil || errors.Is(err, errMissed) {
				t.Errorf("got %v, want an error that says what is wrong", err)
			}
		})
	}
	for name, gates := range map[string]string{
		"another kind":     "apiVersion: bench.holdfast.dev/v1alpha1\nkind: Gates\n",
		"an unknown field": "apiVersion: bench.holdfast.dev/v1alpha1\nkind: BenchmarkGates\ngates: [{name: x, value: {benchmark: a, metric: b}, least: 1}]\n",
		"two bounds":       "apiVersion: bench.holdfast.dev/v1alpha1\nkind: BenchmarkGates\ngates: [{name: x, value: {benchmark: a, metric: b}, atLeast: 1, atMost: 2}]\n",
		"no figure":        "apiVersion: bench.holdfast.dev/v1alpha1\nkind: BenchmarkGates\ngates: [{name: x, atLeast: 1}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readGates([]byte(gates)); err == nil {
				t.Error("it is read")
			}
		})
	}
}

func TestKeptGatesAreRead(t *testing.T) {
	if _, err := readGates(gatesFile); err != nil {
		t.Fatal(err)
	}
}

// judged is the report on an output by these gates.
func judged(t *testing.T, gates, output string) *Report {
	t.Helper()
	read, err := readGates([]byte(gates))
	if err != nil {
		t.Fatal(err)
	}
	m, err := readOutput(outputFile(t, output))
	if err != nil {
		t.Fatal(err)
	}
	return judge(read, m, false)
}

func outputFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "output.txt")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
