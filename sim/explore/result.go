package explore

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/holdfast-dev/holdfast/sim/explore/model"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// Result is what a walk has found.
type Result struct {
	Scope  model.Scope
	Bounds Bounds
	// States is how many different states there are, up to the nodes' names; Transitions
	// how many steps lead from one to another; Depth how many steps the longest of the
	// shortest ways has.
	States, Transitions, Depth int
	// Collision is the chance, at most, that two of the states were taken for one.
	Collision float64
	// Stopped says which bound ended the walk; empty: it has seen everything.
	Stopped string
	// Seconds is wall time.
	Seconds float64
	// Rules is how often each rule of pkg/fence released, Faults how often each fault struck.
	Rules, Faults []Count
	// ReadFailures is how often a judgement was made with a read that failed; OutOfReach
	// how often a volume kept a pod from a node.
	ReadFailures, OutOfReach int
	// Outside is how many violations followed from a false assertion.
	Outside int
	// Violation is the first one; nil: there is none. Path is a shortest way there.
	Violation *model.Violation
	Path      []string
}

// resultJSON is the JSON form.
type resultJSON struct {
	APIVersion  string           `json:"apiVersion"`
	Kind        string           `json:"kind"`
	Scope       scopeJSON        `json:"scope"`
	States      int              `json:"states"`
	Transitions int              `json:"transitions"`
	Depth       int              `json:"depth"`
	Collision   float64          `json:"collisionChance"`
	Complete    bool             `json:"complete"`
	Stopped     string           `json:"stopped,omitempty"`
	Seconds     float64          `json:"seconds"`
	Rules       []Count          `json:"rules"`
	Faults      []Count          `json:"faults"`
	Failures    int              `json:"failedReads"`
	OutOfReach  int              `json:"outOfReach"`
	Outside     int              `json:"outsideTrustBoundary"`
	Violation   *model.Violation `json:"violation,omitempty"`
	Path        []string         `json:"path,omitempty"`
}

type scopeJSON struct {
	Nodes           int    `json:"nodes"`
	Ordinals        int    `json:"ordinals"`
	Volumes         int    `json:"volumes"`
	Faults          int    `json:"faults"`
	Running         bool   `json:"running"`
	NodeRemoval     string `json:"nodeRemoval"`
	ObserveKubelets bool   `json:"observeKubelets"`
	FalseAssertions bool   `json:"falseAssertions"`
	ReusedNames     bool   `json:"reusedNames"`
}

// WriteJSON writes the result for a program.
func (r *Result) WriteJSON(w io.Writer) error {
	s := r.Scope
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(resultJSON{
		APIVersion: scenario.APIVersion, Kind: "Exploration",
		Scope: scopeJSON{
			Nodes: s.Nodes, Ordinals: s.Ordinals, Volumes: s.Volumes, Faults: s.Faults, Running: s.Running,
			NodeRemoval: string(removalOf(s)), ObserveKubelets: s.Observe, FalseAssertions: s.Lies, ReusedNames: s.Reuse,
		},
		States: r.States, Transitions: r.Transitions, Depth: r.Depth, Collision: r.Collision, Complete: r.Stopped == "" && r.Violation == nil,
		Stopped: r.Stopped, Seconds: r.Seconds, Rules: r.Rules, Faults: r.Faults, Failures: r.ReadFailures,
		OutOfReach: r.OutOfReach, Outside: r.Outside, Violation: r.Violation, Path: r.Path,
	})
}

// Count is how often something was.
type Count struct {
	Name  string `json:"name"`
	Times int    `json:"times"`
}

// WriteText writes the result for a human.
func (r *Result) WriteText(w io.Writer) error {
	p := &printer{w: w}
	s := r.Scope
	p.line("%d nodes, %d ordinals, %d volumes, up to %d faults", s.Nodes, s.Ordinals, s.Volumes, s.Faults)
	p.line("%d states, %d transitions, depth %d, %.1f s", r.States, r.Transitions, r.Depth, r.Seconds)
	switch {
	case r.Violation != nil:
		p.line("it ended with a violation")
	case r.Stopped != "":
		p.line("it ended %s", r.Stopped)
	default:
		p.line("every state was seen; that any two were taken for one has a chance of %.1g", r.Collision)
	}
	p.line("")
	p.line("releases by rule")
	p.counts(r.Rules)
	p.line("faults")
	p.counts(r.Faults)
	p.line("judgements with a failed read: %d; nodes out of a volume's reach: %d", r.ReadFailures, r.OutOfReach)
	if r.Outside > 0 {
		p.line("violations that follow from a false assertion, outside the trust boundary: %d", r.Outside)
	}
	p.line("")
	if r.Violation == nil {
		p.line("no violation of S1, S2, S3, S4, S6 or S8")
		return p.err
	}
	p.line("VIOLATION of %s: %s", r.Violation.Invariant, r.Violation.What)
	for i, step := range r.Path {
		p.line("%4d  %s", i+1, step)
	}
	return p.err
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) counts(counts []Count) {
	for _, c := range counts {
		p.line("  %10d  %s", c.Times, c.Name)
	}
}
