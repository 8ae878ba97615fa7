package campaign

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// Ending is how a run ended.
type Ending string

const (
	// Played: to its end.
	Played Ending = "Played"
	// Hung: its virtual time stood still, or it took longer than a run may, in wall time,
	// and was given up.
	Hung Ending = "Hung"
	// Failed: the engine did.
	Failed Ending = "Failed"
)

// Outcome is what came of one run under one scheduler: a line of the journal.
type Outcome struct {
	Seed      uint64             `json:"seed"`
	Run       int                `json:"run"`
	Scheduler scenario.Scheduler `json:"scheduler"`
	// Plan tells plans apart: a journal of another version of this package has others.
	Plan  string `json:"plan"`
	Ended Ending `json:"ended"`
	// Error says why it hung, or why the engine failed.
	Error string `json:"error,omitempty"`
	// Families of faults that the run has.
	Families []string `json:"families"`
	// Virtual and Wall are how long the run was, and how long it took.
	Virtual metav1.Duration `json:"virtual"`
	Wall    metav1.Duration `json:"wall"`
	// Steps that were due, and how many of them could not be played: what they are about
	// was not there, or the request that they waited for never came.
	Steps     int `json:"steps"`
	NotPlayed int `json:"notPlayed,omitempty"`
	// Bit is how often each fault was played, by its name. What ends a fault is not counted.
	Bit map[string]int `json:"bit,omitempty"`
	// HeldIn is how many holds met a fault of a family: it began or lasted while somebody
	// was held.
	HeldIn map[string]int `json:"heldIn,omitempty"`
	// Evidence is how many incarnations were over by each kind.
	Evidence map[string]int `json:"evidence,omitempty"`
	// Met is how often each invariant had something to hold.
	Met map[string]int `json:"preconditionsMet,omitempty"`
	// Unprovable are the ordinals that are held at the end for a proof that nobody has: L4
	// asks nothing of them, nor of the rest of their sets.
	Unprovable int `json:"unprovable,omitempty"`
	// Broken are the violations.
	Broken []Broken `json:"broken,omitempty"`
	// Confirmed says of a run with violations whether it had some of the same kind when it
	// was played once more; absent: it was not.
	Confirmed *bool `json:"confirmed,omitempty"`
	// Files that were written for it.
	Files []string `json:"files,omitempty"`
	// dump has the stacks of what virtual time waited for.
	dump string
}

// Broken is one violation.
type Broken struct {
	Invariant string `json:"invariant"`
	By        string `json:"by"`
	// Outside is the kind of the false assertion that it follows from; empty: it is inside
	// the trust boundary.
	Outside string          `json:"outside,omitempty"`
	From    metav1.Duration `json:"from"`
	Why     string          `json:"why,omitempty"`
}

// stableConvergence is the property that an ordinal breaks that is not back at the end.
const stableConvergence = "L4"

// Inside are the violations inside the trust boundary.
func (o *Outcome) Inside() []Broken {
	return slices.DeleteFunc(slices.Clone(o.Broken), func(b Broken) bool { return b.Outside != "" })
}

// Invariants are those that were broken inside the trust boundary, each once.
func (o *Outcome) Invariants() []string {
	var ids []string
	for _, b := range o.Inside() {
		ids = append(ids, b.Invariant)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// planOf tells the plan by its file.
func planOf(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:8])
}

// read takes from a run's report what a campaign counts.
func (o *Outcome) read(s *scenario.Scenario, run *report.Run) {
	o.Ended, o.Virtual = Played, run.Until
	o.readSteps(s, run)
	o.HeldIn = heldIn(run)
	o.Evidence = map[string]int{}
	for _, e := range run.Events {
		// One incarnation's end is told by one of the two.
		if e.Evidence != "" && (e.Kind == report.Over || e.Kind == report.Released) {
			o.Evidence[e.Evidence]++
		}
	}
	for _, v := range run.Violations {
		o.Broken = append(o.Broken, Broken{Invariant: v.Invariant, By: v.By, Outside: v.Outside, From: v.From, Why: v.Why})
	}
	o.Met = map[string]int{}
	for id, n := range run.Met {
		o.Met[id] = n
	}
	o.readConvergence(s, run)
}

// readConvergence is L4. What Holdfast is asked is asked of the other scheduler too.
func (o *Outcome) readConvergence(s *scenario.Scenario, run *report.Run) {
	states, excused := map[string]string{}, map[string]bool{}
	for i := range run.Ordinals {
		x := &run.Ordinals[i]
		states[x.Name] = x.State
		if x.Unprovable {
			o.Unprovable++
			excused[setOf(x.Name)] = true
		}
	}
	for _, x := range s.Expect[scenario.Holdfast].Ordinals {
		name := scenario.QualifiedName(x.Name)
		if excused[setOf(name)] {
			continue
		}
		o.Met[stableConvergence]++
		if state := states[name]; state != string(x.State) {
			o.Broken = append(o.Broken, Broken{Invariant: stableConvergence, By: name, From: run.Until, Why: fmt.Sprintf("it is %s at the end", or(state, "Absent"))})
		}
	}
}

// setOf is the set's part of an ordinal's name.
func setOf(ordinal string) string { return ordinal[:strings.LastIndexByte(ordinal, '-')] }

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func (o *Outcome) readSteps(s *scenario.Scenario, run *report.Run) {
	failed := map[int]bool{}
	for _, c := range run.Checks {
		var i int
		if _, err := fmt.Sscanf(c.Name, "timeline[%d] is played", &i); err == nil && !c.OK {
			failed[i] = true
		}
	}
	o.Bit = map[string]int{}
	for i := range s.Timeline {
		step := &s.Timeline[i]
		if len(step.Schedulers) > 0 && !slices.Contains(step.Schedulers, o.Scheduler) {
			continue
		}
		o.Steps++
		switch action := step.Action(); {
		case failed[i]:
			o.NotPlayed++
		case !scenario.Ends(action):
			o.Bit[action]++
		}
	}
}

// heldIn counts, for each family, the holds that a fault of it met.
func heldIn(run *report.Run) map[string]int {
	n := map[string]int{}
	for _, h := range run.Holds {
		met := map[string]bool{}
		for _, f := range run.Faults {
			if !scenario.Ends(f.Kind) && f.From.Duration <= orEnd(h.To, run) && h.From.Duration <= orEnd(f.To, run) {
				met[familyOf(f.Kind)] = true
			}
		}
		for family := range met {
			n[family]++
		}
	}
	return n
}

func orEnd(t *metav1.Duration, run *report.Run) time.Duration {
	if t == nil {
		return run.Until.Duration
	}
	return t.Duration
}

// familyOf is the family of an action, as sim faults has it.
func familyOf(action string) string { return familyNames[action] }

// familyNames of all actions.
var familyNames = func() map[string]string {
	families, err := scenario.Faults()
	if err != nil {
		panic(err) // The list is in the program.
	}
	names := map[string]string{}
	for _, family := range families {
		for _, f := range family.Faults {
			names[f.Name] = family.Name
		}
	}
	return names
}()
