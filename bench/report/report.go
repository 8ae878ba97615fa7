package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Report is what was measured, and what came of the gates.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Environment is what the figures depend on.
	Environment map[string]string `json:"environment"`
	Gates       []Outcome         `json:"gates"`
	// Missed is how many gates were.
	Missed     int         `json:"missed"`
	Benchmarks []Benchmark `json:"benchmarks"`
}

// Outcome is what came of a gate.
type Outcome struct {
	Gate Gate `json:"gate"`
	// Verdict is goal, gate, MISSED, not run, or rejected: the run says nothing.
	Verdict string `json:"verdict"`
	// Got is the figure; Min and Max those of its pairs or runs.
	Got *float64 `json:"got,omitempty"`
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
	// Why the run is rejected, or what is not there.
	Why string `json:"why,omitempty"`
}

// Benchmark has the medians of its metrics.
type Benchmark struct {
	Name    string             `json:"name"`
	Runs    int                `json:"runs"`
	Metrics map[string]float64 `json:"metrics"`
}

const (
	verdictGoal     = "goal"
	verdictGate     = "gate"
	verdictMissed   = "MISSED"
	verdictNotRun   = "not run"
	verdictRejected = "rejected"
)

// dryMetric tells of a run whose queue ran dry: it has measured what fills the queue.
const dryMetric = "queue-dry-share"

// dryMax is the greatest share of samples that may find the queue short.
const dryMax = 0.1

func judge(gates []Gate, m *measured, partial bool) *Report {
	r := &Report{APIVersion: apiVersion, Kind: kindReport, Environment: m.environment}
	for _, g := range gates {
		o := outcome(g, m)
		if o.Verdict == verdictNotRun && !partial && !g.Full {
			o.Verdict = verdictMissed
		}
		if o.Verdict == verdictMissed || o.Verdict == verdictRejected {
			r.Missed++
		}
		r.Gates = append(r.Gates, o)
	}
	for _, name := range m.order {
		b := Benchmark{Name: name, Metrics: map[string]float64{}}
		for f, values := range m.values {
			if f.Benchmark == name {
				b.Metrics[f.Metric], _ = m.median(f)
				b.Runs = max(b.Runs, len(values))
			}
		}
		r.Benchmarks = append(r.Benchmarks, b)
	}
	return r
}

func outcome(g Gate, m *measured) Outcome {
	o := Outcome{Gate: g}
	for _, f := range g.figures() {
		if len(m.values[f]) == 0 {
			o.Verdict, o.Why = verdictNotRun, "there is no "+f.String()
			return o
		}
	}
	if why := saysNothing(g, m); why != "" {
		o.Verdict, o.Why = verdictRejected, why
		return o
	}
	got, least, greatest := figure(g, m)
	o.Got, o.Min, o.Max = &got, &least, &greatest
	o.Verdict = verdictMissed
	if g.reached(got) {
		o.Verdict = verdictGate
		aim := g
		if g.Goal != nil && g.AtLeast != nil {
			aim.AtLeast = g.Goal
		} else if g.Goal != nil {
			aim.AtMost = g.Goal
		}
		if aim.reached(got) {
			o.Verdict = verdictGoal
		}
	}
	return o
}

// saysNothing tells why the figures are not of the schedulers. It looks at both sides of
// a quotient, and at every run: a side whose queue is dry makes the other look good.
func saysNothing(g Gate, m *measured) string {
	for _, f := range g.figures() {
		for _, dry := range m.values[Figure{f.Benchmark, dryMetric}] {
			if dry > dryMax {
				return fmt.Sprintf("the queue of %s was short in %s of the samples", f.Benchmark, percent(dry))
			}
		}
	}
	if g.Over != nil {
		if over, _ := m.median(*g.Over); over <= 0 {
			return fmt.Sprintf("%s is %s", g.Over, number(over))
		}
	}
	return ""
}

// figure is the one that is held against the gate, with its spread. Of times it is the
// median. What is exact is the same in every run, and the run that is farthest off counts.
func figure(g Gate, m *measured) (got, least, greatest float64) {
	of := func(v float64) float64 { return v }
	if g.Over != nil {
		over, _ := m.median(*g.Over)
		of = func(v float64) float64 { return v / over }
	}
	if g.Less != nil {
		less, _ := m.median(*g.Less)
		of = func(v float64) float64 { return v - less }
	}
	median, _ := m.median(g.Value)
	least, greatest = m.spread(g.Value)
	got, least, greatest = of(median), of(least), of(greatest)
	if g.Exact {
		for _, v := range m.values[g.Value] {
			if v := of(v); g.farther(v, got) {
				got = v
			}
		}
	}
	return got, least, greatest
}

// markdown writes the table of gates, the environment, and every figure.
func (r *Report) markdown(out io.Writer) error {
	var b strings.Builder
	b.WriteString("| case | figure | median | least … greatest | gate | goal | |\n|---|---|---|---|---|---|---|\n")
	for _, o := range r.Gates {
		g := o.Gate
		goal, median, spread := "", "", ""
		if g.Goal != nil {
			goal = number(*g.Goal)
		}
		if o.Got != nil {
			median = number(*o.Got)
			if !g.Exact {
				spread = number(*o.Min) + " … " + number(*o.Max)
			}
		}
		verdict := o.Verdict
		if o.Why != "" {
			verdict += ": " + o.Why
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | %s | %s |\n", g.Name, g.Value, median, spread, g.bound(), goal, verdict)
	}
	b.WriteString("\n| | |\n|---|---|\n")
	for _, key := range slices.Sorted(maps.Keys(r.Environment)) {
		fmt.Fprintf(&b, "| %s | %s |\n", key, r.Environment[key])
	}
	b.WriteString("\n")
	for _, x := range r.Benchmarks {
		fmt.Fprintf(&b, "    %s", x.Name)
		for _, metric := range slices.Sorted(maps.Keys(x.Metrics)) {
			fmt.Fprintf(&b, "  %s %s", number(x.Metrics[metric]), metric)
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// number has three digits that count, and no exponent.
func number(v float64) string {
	switch {
	case v == float64(int64(v)):
		return strconv.FormatInt(int64(v), 10)
	case v >= 100 || v <= -100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10 || v <= -10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func percent(v float64) string { return number(v*100) + " %" }
