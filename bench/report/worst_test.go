package main

import (
	"testing"
)

// TestARunThatSaysNothingReachesNoGate: what is in the way of one side, or of one run,
// must not be hidden by the other.
func TestARunThatSaysNothingReachesNoGate(t *testing.T) {
	const quotient = `{name: x, value: {benchmark: B, metric: pods/s}, over: {benchmark: A, metric: pods/s}, atLeast: 0.97}`
	for name, tc := range map[string]struct{ gate, output, want string }{
		"nothing was bound on the other side": {
			gate: quotient, output: "BenchmarkA-2 1 0 pods/s\nBenchmarkB-2 1 70 pods/s\n", want: verdictRejected,
		},
		"the queue of the other side ran dry": {
			gate:   quotient,
			output: "BenchmarkA-2 1 70 pods/s 0.5 queue-dry-share\nBenchmarkB-2 1 70 pods/s 0 queue-dry-share\n",
			want:   verdictRejected,
		},
		"the queue ran dry in one of three runs": {
			gate: quotient,
			output: "BenchmarkA-2 1 70 pods/s\n" + "BenchmarkB-2 1 70 pods/s 0 queue-dry-share\n" +
				"BenchmarkB-2 1 70 pods/s 0.5 queue-dry-share\n" + "BenchmarkB-2 1 70 pods/s 0 queue-dry-share\n",
			want: verdictRejected,
		},
		"an exact figure is wrong in one of three runs": {
			gate:   `{name: x, value: {benchmark: A, metric: filtered/pod}, equals: 1, exact: true}`,
			output: "BenchmarkA-2 1 1 filtered/pod\nBenchmarkA-2 1 1000 filtered/pod\nBenchmarkA-2 1 1 filtered/pod\n",
			want:   verdictMissed,
		},
		"an exact limit is passed in one of three runs": {
			gate:   `{name: x, value: {benchmark: A, metric: allocs/pod}, less: {benchmark: B, metric: allocs/pod}, atMost: 400, exact: true}`,
			output: "BenchmarkB-2 1 200 allocs/pod\nBenchmarkA-2 1 300 allocs/pod\nBenchmarkA-2 1 300 allocs/pod\nBenchmarkA-2 1 700 allocs/pod\n",
			want:   verdictMissed,
		},
		"a time that is bad in one of three runs is the machine's": {
			gate:   `{name: x, value: {benchmark: A, metric: A/B}, atLeast: 30}`,
			output: "BenchmarkA-2 1 40 A/B\nBenchmarkA-2 1 20 A/B\nBenchmarkA-2 1 40 A/B\n",
			want:   verdictGoal,
		},
		"of two runs neither is the median": {
			gate:   `{name: x, value: {benchmark: A, metric: ms}, atMost: 100}`,
			output: "BenchmarkA-2 1 90 ms\nBenchmarkA-2 1 190 ms\n",
			want:   verdictMissed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := judged(t, "apiVersion: bench.holdfast.dev/v1alpha1\nkind: BenchmarkGates\ngates:\n- "+tc.gate+"\n", tc.output)
			if got := r.Gates[0].Verdict; got != tc.want {
				t.Errorf("verdict %q, want %q", got, tc.want)
			}
			if failed := r.Missed > 0; failed != (tc.want == verdictMissed || tc.want == verdictRejected) {
				t.Errorf("%d missed", r.Missed)
			}
		})
	}
}
