package main

import (
	"errors"
	"fmt"
	"math"

	"sigs.k8s.io/yaml"
)

const (
	apiVersion  = "bench.holdfast.dev/v1alpha1"
	kindGates   = "BenchmarkGates"
	kindReport  = "BenchmarkReport"
	exactEquals = 0.005 // An average over pods may be off by rounding in the output.
)

// Gates are what must be reached.
type Gates struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Gates      []Gate `json:"gates"`
}

// Gate bounds a figure.
type Gate struct {
	// Name says what the figure is of.
	Name string `json:"name"`
	// Value is the figure; where Over or Less are given, the quotient or the difference.
	Value Figure  `json:"value"`
	Over  *Figure `json:"over,omitempty"`
	Less  *Figure `json:"less,omitempty"`
	// Exactly one of these is the bound.
	AtLeast *float64 `json:"atLeast,omitempty"`
	AtMost  *float64 `json:"atMost,omitempty"`
	Equals  *float64 `json:"equals,omitempty"`
	// Goal is what is aimed at.
	Goal *float64 `json:"goal,omitempty"`
	// Exact: the figure is the same on any machine.
	Exact bool `json:"exact,omitempty"`
	// Full: the benchmark is too long for a short run, and is passed over there.
	Full bool `json:"full,omitempty"`
}

// Figure names a metric of a benchmark, without the word Benchmark and the number of cores.
type Figure struct {
	Benchmark string `json:"benchmark"`
	Metric    string `json:"metric"`
}

func (f Figure) String() string { return f.Benchmark + " " + f.Metric }

func readGates(data []byte) ([]Gate, error) {
	var g Gates
	if err := yaml.UnmarshalStrict(data, &g); err != nil {
		return nil, fmt.Errorf("gates: %w", err)
	}
	if g.APIVersion != apiVersion || g.Kind != kindGates {
		return nil, fmt.Errorf("gates: want %s of %s, got %s of %s", kindGates, apiVersion, g.Kind, g.APIVersion)
	}
	for i := range g.Gates {
		if err := g.Gates[i].validate(); err != nil {
			return nil, fmt.Errorf("gates[%d] %q: %w", i, g.Gates[i].Name, err)
		}
	}
	return g.Gates, nil
}

func (g *Gate) validate() error {
	bounds := 0
	for _, bound := range []*float64{g.AtLeast, g.AtMost, g.Equals} {
		if bound != nil {
			bounds++
		}
	}
	switch {
	case bounds != 1:
		return errors.New("want one of atLeast, atMost and equals")
	case g.Over != nil && g.Less != nil:
		return errors.New("want at most one of over and less")
	case g.Value.Benchmark == "" || g.Value.Metric == "":
		return errors.New("value: want a benchmark and a metric")
	}
	return nil
}

// figures are those that the gate is about.
func (g *Gate) figures() []Figure {
	all := []Figure{g.Value}
	for _, other := range []*Figure{g.Over, g.Less} {
		if other != nil {
			all = append(all, *other)
		}
	}
	return all
}

func (g *Gate) reached(v float64) bool {
	switch {
	case g.AtLeast != nil:
		return v >= *g.AtLeast
	case g.AtMost != nil:
		return v <= *g.AtMost
	}
	return v > *g.Equals-exactEquals && v < *g.Equals+exactEquals
}

// farther tells whether one figure is on the worse side of another.
func (g *Gate) farther(v, than float64) bool {
	switch {
	case g.AtLeast != nil:
		return v < than
	case g.AtMost != nil:
		return v > than
	}
	return math.Abs(v-*g.Equals) > math.Abs(than-*g.Equals)
}

// bound is the gate as the table has it.
func (g *Gate) bound() string {
	switch {
	case g.AtLeast != nil:
		return "≥ " + number(*g.AtLeast)
	case g.AtMost != nil:
		return "≤ " + number(*g.AtMost)
	}
	return "= " + number(*g.Equals)
}
