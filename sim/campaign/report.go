package campaign

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/check"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// Kind of a campaign's report; its apiVersion is that of reports.
const Kind = "CampaignReport"

// enoughRuns is from how many runs on every family must have bitten and every invariant
// must have had something to hold. A family is on in half of the runs, and strikes
// several times in each.
const enoughRuns = 50

// Report is what came of a campaign, or of several shards of it. Everything in it but
// wall times adds up: shards make the same as the whole.
type Report struct {
	metav1.TypeMeta `json:",inline"`
	// Parts are what it is of.
	Parts []Part `json:"parts"`
	// Sides are the schedulers, in the order of scenario.Schedulers.
	Sides []Side `json:"sides"`
	// Problems are why the campaign failed: none, and it passed.
	Problems []string `json:"problems,omitempty"`
	Passed   bool     `json:"passed"`
}

// Part is a campaign, or a shard of one.
type Part struct {
	Seed uint64 `json:"seed"`
	// Runs of the whole campaign; First is the number of the first.
	Runs  int `json:"runs"`
	First int `json:"first,omitempty"`
	// Shard of Shards, from 1.
	Shard  int `json:"shard"`
	Shards int `json:"shards"`
}

// Side is what came of the runs under one scheduler.
type Side struct {
	Scheduler scenario.Scheduler `json:"scheduler"`
	// Runs that were played to their end; those that hung or failed are apart.
	Runs   int `json:"runs"`
	Hung   int `json:"hung"`
	Failed int `json:"failed"`
	// Virtual and Wall are those of the runs that were played.
	Virtual metav1.Duration `json:"virtual"`
	Wall    metav1.Duration `json:"wall"`
	Steps   int             `json:"steps"`
	// NotPlayed are the steps of which nothing came.
	NotPlayed int `json:"notPlayed"`
	// Unprovable are the ordinals of which L4 asked nothing, as they wait for a human.
	Unprovable int `json:"unprovable"`
	// Families by name.
	Families map[string]FamilyCount `json:"families"`
	// Bit, Evidence and Met are those of Outcome, added up.
	Bit      map[string]int `json:"bit"`
	Evidence map[string]int `json:"evidence"`
	Met      map[string]int `json:"preconditionsMet"`
	// Violations inside and outside the trust boundary, by invariant.
	Violations map[string]int `json:"violations"`
	Outside    map[string]int `json:"outside"`
	// BrokenRuns are the runs in which each invariant broke inside the trust boundary.
	BrokenRuns map[string]int `json:"brokenRuns"`
	// TwiceRuns are those in which S1 or S2 did.
	TwiceRuns int `json:"twiceRuns"`
	// Found are the runs that are worth a look: with violations inside the trust boundary,
	// hung or failed. Under the default scheduler violations are expected, and not listed.
	Found []Found `json:"found,omitempty"`
	// NotListed is how many more there are that a limit on the report's size left out.
	NotListed int `json:"notListed,omitempty"`
}

// FamilyCount is how often a family of faults was there.
type FamilyCount struct {
	// Runs that had it.
	Runs int `json:"runs"`
	// Bit is how many of its faults were played.
	Bit int `json:"bit"`
	// Holds that met one of them.
	Holds int `json:"holds"`
}

// Found is a run to look at.
type Found struct {
	Seed       uint64   `json:"seed"`
	Run        int      `json:"run"`
	Ended      Ending   `json:"ended"`
	Error      string   `json:"error,omitempty"`
	Violations []Broken `json:"violations,omitempty"`
	Confirmed  *bool    `json:"confirmed,omitempty"`
	Files      []string `json:"files,omitempty"`
}

func newSide(s scenario.Scheduler) *Side {
	side := &Side{
		Scheduler: s, Families: map[string]FamilyCount{}, Bit: map[string]int{}, Evidence: map[string]int{}, Met: map[string]int{},
		Violations: map[string]int{}, Outside: map[string]int{}, BrokenRuns: map[string]int{},
	}
	for i := range families {
		side.Families[families[i].name] = FamilyCount{}
	}
	return side
}

// NewReport counts what came of the runs of a part.
func NewReport(part Part, outcomes []Outcome) *Report {
	r := &Report{Parts: []Part{part}}
	for _, s := range scenario.Schedulers() {
		side := newSide(s)
		for i := range outcomes {
			if outcomes[i].Scheduler == s {
				side.count(&outcomes[i])
			}
		}
		if side.Runs+side.Hung+side.Failed > 0 {
			r.Sides = append(r.Sides, *side)
		}
	}
	return r.judge()
}

func (s *Side) count(o *Outcome) {
	switch o.Ended {
	case Hung:
		s.Hung++
	case Failed:
		s.Failed++
	default:
		s.countPlayed(o)
	}
	worth := o.Ended != Played || s.Scheduler == scenario.Holdfast && len(o.Inside()) > 0
	if worth {
		s.Found = append(s.Found, Found{Seed: o.Seed, Run: o.Run, Ended: o.Ended, Error: o.Error, Violations: o.Inside(), Confirmed: o.Confirmed, Files: o.Files})
	}
	s.sort()
}

func (s *Side) countPlayed(o *Outcome) {
	s.Runs++
	s.Virtual.Duration += o.Virtual.Duration
	s.Wall.Duration += o.Wall.Duration
	s.Steps += o.Steps
	s.NotPlayed += o.NotPlayed
	s.Unprovable += o.Unprovable
	for _, name := range o.Families {
		f := s.Families[name]
		f.Runs++
		s.Families[name] = f
	}
	for action, n := range o.Bit {
		name := familyOf(action)
		if !slices.Contains(o.Families, name) {
			continue // What mends the others' faults is no sign that this family struck.
		}
		f := s.Families[name]
		f.Bit += n
		s.Families[name] = f
	}
	for name, n := range o.HeldIn {
		f := s.Families[name]
		f.Holds += n
		s.Families[name] = f
	}
	add(s.Bit, o.Bit)
	add(s.Evidence, o.Evidence)
	add(s.Met, o.Met)
	for _, b := range o.Broken {
		if b.Outside != "" {
			s.Outside[b.Invariant]++
		} else {
			s.Violations[b.Invariant]++
		}
	}
	broken := o.Invariants()
	for _, id := range broken {
		s.BrokenRuns[id]++
	}
	if slices.Contains(broken, "S1") || slices.Contains(broken, "S2") {
		s.TwiceRuns++
	}
}

func add(to, what map[string]int) {
	for k, n := range what {
		to[k] += n
	}
}

func (s *Side) sort() {
	slices.SortStableFunc(s.Found, func(a, b Found) int {
		if a.Seed != b.Seed {
			return compare(a.Seed, b.Seed)
		}
		return compare(a.Run, b.Run)
	})
}

func compare[T int | uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Merge adds up reports of different parts. It is an error if two have runs in common.
func Merge(reports []*Report) (*Report, error) {
	if len(reports) == 0 {
		return nil, errors.New("there is no report")
	}
	merged := &Report{}
	sides := map[scenario.Scheduler]*Side{}
	for _, r := range reports {
		for _, p := range r.Parts {
			if i := slices.IndexFunc(merged.Parts, p.overlaps); i >= 0 {
				return nil, fmt.Errorf("%s and %s have runs in common", merged.Parts[i], p)
			}
			merged.Parts = append(merged.Parts, p)
		}
		for i := range r.Sides {
			from := &r.Sides[i]
			if sides[from.Scheduler] == nil {
				sides[from.Scheduler] = newSide(from.Scheduler)
			}
			sides[from.Scheduler].merge(from)
		}
	}
	merged.Parts = whole(merged.Parts)
	for _, s := range scenario.Schedulers() {
		if sides[s] != nil {
			merged.Sides = append(merged.Sides, *sides[s])
		}
	}
	return merged.judge(), nil
}

func (s *Side) merge(o *Side) {
	s.Runs, s.Hung, s.Failed = s.Runs+o.Runs, s.Hung+o.Hung, s.Failed+o.Failed
	s.Virtual.Duration += o.Virtual.Duration
	s.Wall.Duration += o.Wall.Duration
	s.Steps, s.NotPlayed = s.Steps+o.Steps, s.NotPlayed+o.NotPlayed
	s.Unprovable += o.Unprovable
	s.TwiceRuns, s.NotListed = s.TwiceRuns+o.TwiceRuns, s.NotListed+o.NotListed
	for name, n := range o.Families {
		f := s.Families[name]
		s.Families[name] = FamilyCount{Runs: f.Runs + n.Runs, Bit: f.Bit + n.Bit, Holds: f.Holds + n.Holds}
	}
	for _, m := range []struct{ to, from map[string]int }{
		{s.Bit, o.Bit}, {s.Evidence, o.Evidence}, {s.Met, o.Met},
		{s.Violations, o.Violations}, {s.Outside, o.Outside}, {s.BrokenRuns, o.BrokenRuns},
	} {
		add(m.to, m.from)
	}
	s.Found = append(s.Found, o.Found...)
	s.sort()
}

// has is whether the part has this run of its seed.
func (p Part) has(run int) bool {
	return run >= p.First && run < p.First+p.Runs && run%p.Shards == p.Shard-1
}

// Numbers are those of its runs, in order.
func (p Part) Numbers() []int {
	var all []int
	for run := p.First; run < p.First+p.Runs; run++ {
		if p.has(run) {
			all = append(all, run)
		}
	}
	return all
}

// overlaps is whether the two have a run in common.
func (p Part) overlaps(o Part) bool {
	if p.Seed != o.Seed {
		return false
	}
	return slices.ContainsFunc(p.Numbers(), o.has)
}

// String says which runs a part has.
func (p Part) String() string {
	s := fmt.Sprintf("%d runs of seed %d", p.Runs, p.Seed)
	if p.Runs == 1 {
		s = fmt.Sprintf("run %d of seed %d", p.First, p.Seed)
	} else if p.First > 0 {
		s += fmt.Sprintf(" from run %d on", p.First)
	}
	if p.Shards > 1 {
		s = fmt.Sprintf("shard %d of %d of %s", p.Shard, p.Shards, s)
	}
	return s
}

// whole makes one part of all shards of a campaign, if all are there.
func whole(parts []Part) []Part {
	shards := map[Part]int{}
	of := func(p Part) Part { return Part{Seed: p.Seed, Runs: p.Runs, First: p.First, Shards: p.Shards} }
	for _, p := range parts {
		shards[of(p)]++
	}
	var all []Part
	for _, p := range parts {
		switch {
		case shards[of(p)] < p.Shards:
			all = append(all, p)
		case p.Shard == 1:
			all = append(all, Part{Seed: p.Seed, Runs: p.Runs, First: p.First, Shard: 1, Shards: 1})
		}
	}
	return all
}

// judge says why a campaign failed.
func (r *Report) judge() *Report {
	r.TypeMeta = metav1.TypeMeta{APIVersion: report.APIVersion, Kind: Kind}
	r.Problems = nil
	for i := range r.Sides {
		s := &r.Sides[i]
		if s.Failed > 0 {
			r.Problems = append(r.Problems, fmt.Sprintf("the engine failed in %s under %s", runs(s.Failed), s.Scheduler))
		}
		if s.Scheduler != scenario.Holdfast {
			if s.Runs >= enoughRuns && s.TwiceRuns == 0 {
				r.Problems = append(r.Problems, fmt.Sprintf("in no run under %s did anything run or write twice: the faults have gone soft", s.Scheduler))
			}
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(s.Violations)) {
			r.Problems = append(r.Problems, fmt.Sprintf("%s was broken in %s", id, runs(s.BrokenRuns[id])))
		}
		if s.Runs >= enoughRuns {
			r.Problems = append(r.Problems, s.vacuous()...)
		}
	}
	r.Passed = len(r.Problems) == 0
	return r
}

// vacuous says what the campaign says nothing of.
func (s *Side) vacuous() []string {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(s.Families)) {
		if s.Families[name].Bit == 0 {
			problems = append(problems, fmt.Sprintf("no fault of the family %s ever bit", name))
		}
	}
	for _, id := range held {
		if s.Met[string(id)] == 0 {
			problems = append(problems, fmt.Sprintf("%s never had anything to hold", id))
		}
	}
	return problems
}

// held are the invariants that every campaign of some length must have put to the test:
// all but S10, which is seen only where the scheduler's attempts are recorded.
var held = []check.Invariant{
	check.S1, check.S2, check.S3, check.S4, check.S5, check.S6, check.S7, check.S8, check.S9,
	check.L1, check.L2, check.L3, check.L4, check.L5, check.L6,
}

func runs(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

// speed is virtual time for wall time.
func (s *Side) speed() float64 {
	if s.Wall.Duration <= 0 {
		return 0
	}
	return s.Virtual.Seconds() / s.Wall.Seconds()
}

// days of virtual time.
func days(d time.Duration) float64 { return d.Hours() / 24 }
