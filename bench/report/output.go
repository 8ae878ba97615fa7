package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"
)

// measured is what benchmarks printed.
type measured struct {
	// environment are the lines that are no results: goos, cpu, commit, ...
	environment map[string]string
	// order are the benchmarks as they came.
	order []string
	// values are those of each benchmark and metric, one for each time it ran.
	values map[Figure][]float64
}

func readOutput(files ...string) (*measured, error) {
	m := &measured{environment: map[string]string{}, values: map[Figure][]float64{}}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		err = m.read(f, file)
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	if len(m.order) == 0 {
		return nil, fmt.Errorf("no benchmark in %s", strings.Join(files, ", "))
	}
	return m, nil
}

func (m *measured) read(in io.Reader, file string) error {
	r := benchfmt.NewReader(in, file)
	for r.Scan() {
		switch record := r.Result().(type) {
		case *benchfmt.Result:
			m.add(record)
		case *benchfmt.SyntaxError:
			return errors.New(record.Error())
		}
	}
	return r.Err()
}

func (m *measured) add(r *benchfmt.Result) {
	for _, c := range r.Config {
		if c.Key != "pkg" {
			m.environment[c.Key] = string(c.Value)
		}
	}
	base, parts := r.Name.Parts()
	name := string(base)
	for _, part := range parts {
		if part[0] == '/' { // The other kind is the number of cores.
			name += string(part)
		}
	}
	if !slices.Contains(m.order, name) {
		m.order = append(m.order, name)
	}
	for _, v := range r.Values {
		value, unit := v.Value, v.Unit
		if v.OrigUnit != "" {
			value, unit = v.OrigValue, v.OrigUnit
		}
		f := Figure{name, unit}
		m.values[f] = append(m.values[f], value)
	}
}

// median of all runs; false if there is none.
func (m *measured) median(f Figure) (float64, bool) {
	values := m.values[f]
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 { // The lower of the two would be kind to a limit, the upper to a floor.
		return (sorted[middle-1] + sorted[middle]) / 2, true
	}
	return sorted[middle], true
}

// spread is the least and the greatest: of the pairs where the benchmark tells of them,
// of the runs where it does not.
func (m *measured) spread(f Figure) (least, greatest float64) {
	lows, highs := m.values[Figure{f.Benchmark, f.Metric + "-min"}], m.values[Figure{f.Benchmark, f.Metric + "-max"}]
	if len(lows) == 0 || len(highs) == 0 {
		lows, highs = m.values[f], m.values[f]
	}
	return slices.Min(lows), slices.Max(highs)
}

// printEnvironment says what the figures depend on.
func printEnvironment(out io.Writer) error {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		load = []byte("unknown")
	}
	gogc := os.Getenv("GOGC")
	if gogc == "" {
		gogc = "100"
	}
	for _, line := range [][2]string{
		{"commit", commit()},
		{"date", time.Now().UTC().Format(time.RFC3339)},
		{"go", runtime.Version()},
		{"kubernetes", dependency("k8s.io/kubernetes")},
		{"cores", fmt.Sprint(runtime.NumCPU())},
		{"load-before", strings.TrimSpace(string(load))},
		{"gogc", gogc},
	} {
		if _, err := fmt.Fprintf(out, "%s: %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

// commit is what is checked out, and whether files differ from it, other than those that
// benchmarks keep: a run has begun to write them when this is asked.
func commit() string {
	head := outputOf("git", "rev-parse", "--short=12", "HEAD")
	if outputOf("git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude,top)bench/results") != "" {
		head += "-dirty"
	}
	return head
}

func dependency(path string) string { return outputOf("go", "list", "-m", "-f", "{{.Version}}", path) }

func outputOf(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
