package campaign_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// player plays nothing: what came of a run follows from its file alone.
type player struct {
	mu     sync.Mutex
	played []string
	// breaks, hangs and fails say of which files something bad is told.
	breaks func(s *scenario.Scenario) bool
	// hangs and fails are names of scenarios.
	hangs, fails string
	// stands is the name of one whose virtual time stands still.
	stands string
}

func (p *player) play(ctx context.Context, file string, by scenario.Scheduler) (*report.Run, error) {
	p.mu.Lock()
	p.played = append(p.played, filepath.Base(file))
	p.mu.Unlock()
	switch name := filepath.Base(file); {
	case p.hangs != "" && strings.HasPrefix(name, p.hangs+"-"):
		<-ctx.Done()
		return nil, ctx.Err()
	case p.stands != "" && strings.HasPrefix(name, p.stands+"-"):
		return nil, &campaign.StandstillError{Why: "it waits for goroutine 7", Dump: "goroutine 7 [sync.Mutex.Lock]:"}
	case p.fails != "" && strings.HasPrefix(name, p.fails+"-"):
		return nil, errors.New("the API server did not start")
	}
	s, err := scenario.Load(file)
	if err != nil {
		return nil, err
	}
	run := &report.Run{Scheduler: string(by), Until: s.Until, Met: map[string]int{"S3": 1, "S4": 2, "S5": 1, "S6": 1, "S9": 1}}
	for _, o := range s.Expect[scenario.Holdfast].Ordinals {
		run.Ordinals = append(run.Ordinals, report.Ordinal{Name: scenario.QualifiedName(o.Name), State: string(scenario.Running), Incarnations: 2})
	}
	run.Events = []report.Event{{Kind: report.Released, Evidence: "KubeletConfirmed"}}
	run.Pods = []report.Pod{
		{Name: "default/db-0", Node: "a-0", Volumes: []report.Volume{{Name: "pv-1"}}},
		{Name: "default/db-0", Node: "a-0", Volumes: []report.Volume{{Name: "pv-1"}}},
	}
	if p.breaks != nil && p.breaks(s) {
		run.Violations = []report.Violation{{Invariant: "S1", By: "default/db-0"}}
	}
	return run, nil
}

func options(p *player, runs int) campaign.Options {
	return campaign.Options{
		Part: campaign.Part{Seed: 1, Runs: runs, Shard: 1, Shards: 1}, Schedulers: scenario.Schedulers(),
		Sample: 3, Jobs: 2, Limit: time.Hour, Play: p.play,
	}
}

func run(t *testing.T, o campaign.Options) *campaign.Report {
	t.Helper()
	r, err := campaign.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// counts are a report without what differs from machine to machine, as it is written.
func counts(t *testing.T, r *campaign.Report) string {
	t.Helper()
	var c campaign.Report
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	for i := range c.Sides {
		c.Sides[i].Wall = metav1.Duration{}
		for j := range c.Sides[i].Found {
			c.Sides[i].Found[j].Files = nil
		}
	}
	data, err = json.MarshalIndent(c, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// someRuns are those that break something in many tests.
func someRuns(s *scenario.Scenario) bool {
	return strings.HasSuffix(s.Name, "0") || strings.HasSuffix(s.Name, "4")
}

func TestShardsMakeTheSameCountsAsTheWhole(t *testing.T) {
	whole := run(t, options(&player{breaks: someRuns}, 30))
	var shards []*campaign.Report
	for _, shard := range []int{2, 1, 3} {
		o := options(&player{breaks: someRuns}, 30)
		o.Shard, o.Shards = shard, 3
		shards = append(shards, run(t, o))
	}
	merged, err := campaign.Merge(shards)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := counts(t, merged), counts(t, whole); got != want {
		t.Errorf("merged:\n%s\nthe whole:\n%s", got, want)
	}
	if _, err := campaign.Merge([]*campaign.Report{whole, shards[0]}); err == nil {
		t.Error("a run was counted twice")
	}
	if len(merged.Parts) != 1 || merged.Parts[0].String() != "30 runs of seed 1" {
		t.Errorf("parts %v", merged.Parts)
	}
	some, err := campaign.Merge(shards[:2])
	if err != nil || len(some.Parts) != 2 {
		t.Errorf("two of three shards: parts %v, error %v", some.Parts, err)
	}
}

func TestTheDefaultSchedulerPlaysASample(t *testing.T) {
	r := run(t, options(&player{}, 9))
	got := map[scenario.Scheduler]int{}
	for _, s := range r.Sides {
		got[s.Scheduler] = s.Runs
	}
	if want := map[scenario.Scheduler]int{scenario.Default: 3, scenario.Holdfast: 9}; !reflect.DeepEqual(got, want) {
		t.Errorf("runs %v, want %v", got, want)
	}
}

func TestACampaignGoesOnWhereItWasInterrupted(t *testing.T) {
	folder := t.TempDir()
	want := counts(t, run(t, options(&player{breaks: someRuns}, 12)))

	ctx, interrupt := context.WithCancel(t.Context())
	first := &player{breaks: someRuns}
	o := options(first, 12)
	o.Jobs, o.Out = 1, folder
	o.Tell = func(_ *campaign.Outcome, ended, _ int) {
		if ended == 5 {
			interrupt()
		}
	}
	if _, err := campaign.Run(ctx, o); err == nil || !strings.Contains(err.Error(), "interrupted after 5 of 16 runs") {
		t.Fatalf("error %v", err)
	}
	journal := filepath.Join(folder, campaign.JournalName)
	before, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(before), "\n"); n != 5 {
		t.Fatalf("%d lines after 5 runs", n)
	}
	// A line that was not written to its end is that of a run to be played again.
	if err := os.WriteFile(journal, append(before, `{"seed":1,"run":3,"sched`...), 0o644); err != nil {
		t.Fatal(err)
	}

	second := &player{breaks: someRuns}
	o = options(second, 12)
	o.Out = folder
	if _, err := campaign.Run(t.Context(), o); err == nil {
		t.Error("a journal was written over without --resume")
	}
	o.Resume = true
	if got := counts(t, run(t, o)); got != want {
		t.Errorf("resumed:\n%s\nin one go:\n%s", got, want)
	}
	for _, file := range second.played {
		if slices.Contains(first.played[:5], file) {
			t.Errorf("%s was played again", file)
		}
	}
	// And once more: nothing is left to play.
	third := &player{}
	o.Play = third.play
	if got := counts(t, run(t, o)); got != want || len(third.played) > 0 {
		t.Errorf("played %v:\n%s", third.played, got)
	}
	o.Seed = 2
	if _, err := campaign.Run(t.Context(), o); err == nil {
		t.Error("the journal of another seed was gone on with")
	}
}

func TestARunThatHangsIsReportedAndNotWaitedFor(t *testing.T) {
	p := &player{hangs: "seed-1-run-1", fails: "seed-1-run-2", stands: "seed-1-run-3"}
	o := options(p, 5)
	o.Schedulers, o.Limit, o.Out = []scenario.Scheduler{scenario.Holdfast}, time.Second, t.TempDir()
	r := run(t, o)
	s := r.Sides[0]
	if s.Runs != 2 || s.Hung != 2 || s.Failed != 1 || len(s.Found) != 3 {
		t.Fatalf("%d played, %d hung, %d failed, found %+v", s.Runs, s.Hung, s.Failed, s.Found)
	}
	for _, f := range s.Found {
		want := 1
		if f.Run == 3 {
			want = 2
			if stacks, err := os.ReadFile(f.Files[len(f.Files)-1]); err != nil || !strings.Contains(string(stacks), "goroutine 7") {
				t.Errorf("run %d: stacks %q, %v", f.Run, stacks, err)
			}
		}
		if len(f.Files) != want {
			t.Errorf("run %d: files %v", f.Run, f.Files)
		}
	}
	if len(r.Problems) != 1 || r.Passed {
		t.Errorf("problems %v: a run that failed is one, a run that hung is only told of", r.Problems)
	}
}

func TestARunWithViolationsIsKeptConfirmedAndMadeSmaller(t *testing.T) {
	fences := func(s *scenario.Scenario) int {
		n := 0
		for i := range s.Timeline {
			if s.Timeline[i].Fence != nil {
				n++
			}
		}
		return n
	}
	p := &player{breaks: func(s *scenario.Scenario) bool { return fences(s) > 0 }}
	first := 0
	for fences(campaign.Draw(1, first).Scenario) < 2 {
		first++
	}
	o := options(p, 1)
	o.First, o.Schedulers, o.Out, o.Tries = first, []scenario.Scheduler{scenario.Holdfast}, t.TempDir(), 200
	r := run(t, o)
	if len(r.Sides[0].Found) != 1 || r.Passed {
		t.Fatalf("found %+v, passed: %t", r.Sides[0].Found, r.Passed)
	}
	f := r.Sides[0].Found[0]
	if f.Confirmed == nil || !*f.Confirmed || len(f.Files) != 3 {
		t.Fatalf("confirmed: %v, files %v", f.Confirmed, f.Files)
	}
	small, err := scenario.Load(f.Files[2])
	if err != nil {
		t.Fatal(err)
	}
	if n := fences(small); n != 1 {
		t.Errorf("%d fences are left, one is enough", n)
	}
	if whole := campaign.Draw(1, first).Scenario; len(small.Timeline) > len(whole.Timeline)/2 || len(small.Objects) > 0 {
		t.Errorf("%d of %d steps and %d objects are left", len(small.Timeline), len(whole.Timeline), len(small.Objects))
	}
	for i := range small.Timeline {
		if step := &small.Timeline[i]; step.Fence != nil && !slices.ContainsFunc(small.Timeline, func(s scenario.Step) bool {
			return s.Unfence != nil && s.Unfence.Node == step.Fence.Node
		}) {
			t.Error("a fence is left that nothing ends")
		}
	}
}

func TestAViolationThatDoesNotComeAgainIsNotConfirmed(t *testing.T) {
	once := false
	p := &player{breaks: func(*scenario.Scenario) bool {
		before := once
		once = true
		return !before
	}}
	o := options(p, 1)
	o.Schedulers, o.Out, o.Tries = []scenario.Scheduler{scenario.Holdfast}, t.TempDir(), 10
	f := run(t, o).Sides[0].Found[0]
	if f.Confirmed == nil || *f.Confirmed || len(f.Files) != 2 || len(p.played) != 2 {
		t.Errorf("confirmed %v, files %v, played %v", f.Confirmed, f.Files, p.played)
	}
}

func outcomes(n int, change func(o *campaign.Outcome)) []campaign.Outcome {
	var all []campaign.Outcome
	for i := range n {
		o := campaign.Outcome{
			Run: i, Scheduler: scenario.Holdfast, Ended: campaign.Played,
			Bit: map[string]int{}, Met: map[string]int{},
		}
		for _, id := range []string{"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "L1", "L2", "L3", "L4", "L5", "L6"} {
			o.Met[id] = 1
		}
		for action, family := range map[string]string{
			"crash": "node", "partition": "network", "restartKubelet": "kubelet", "refuse": "api",
			"storage": "storage", "restartScheduler": "scheduler", "fence": "remediation", "delete": "operators",
		} {
			o.Families = append(o.Families, family)
			o.Bit[action] = 1
		}
		change(&o)
		all = append(all, o)
	}
	return all
}

func TestACampaignThatSaysNothingFails(t *testing.T) {
	part := campaign.Part{Seed: 1, Runs: 50, Shard: 1, Shards: 1}
	for name, tc := range map[string]struct {
		runs    int
		change  func(*campaign.Outcome)
		problem string
	}{
		"all bit": {50, func(*campaign.Outcome) {}, ""},
		"a family that never bit": {
			50, func(o *campaign.Outcome) { delete(o.Bit, "fence") },
			"no fault of the family remediation ever bit",
		},
		"a family that never bit, in too few runs to say so": {49, func(o *campaign.Outcome) { delete(o.Bit, "fence") }, ""},
		"an end of faults is no fault of a family that is off": {
			50, func(o *campaign.Outcome) {
				o.Families = slices.DeleteFunc(o.Families, func(f string) bool { return f == "operators" })
			},
			"no fault of the family operators ever bit",
		},
		"an invariant without anything to hold": {50, func(o *campaign.Outcome) { o.Met["S2"] = 0 }, "S2 never had anything to hold"},
		"an invariant that no run tells of":     {50, func(o *campaign.Outcome) { delete(o.Met, "L5") }, "L5 never had anything to hold"},
		"a violation": {
			1, func(o *campaign.Outcome) { o.Broken = []campaign.Broken{{Invariant: "S2", By: "default/data-db-0"}} },
			"S2 was broken in 1 run",
		},
		"a violation outside the trust boundary": {
			1, func(o *campaign.Outcome) {
				o.Broken = []campaign.Broken{{Invariant: "S2", By: "default/data-db-0", Outside: "Fenced"}}
			}, "",
		},
		"nothing breaks under the default scheduler": {
			50, func(o *campaign.Outcome) { o.Scheduler = scenario.Default },
			"in no run under default did anything run or write twice: the faults have gone soft",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := campaign.NewReport(part, outcomes(tc.runs, tc.change))
			if got := strings.Join(r.Problems, "; "); got != tc.problem || r.Passed != (tc.problem == "") {
				t.Errorf("problems %q, passed: %t; want %q", got, r.Passed, tc.problem)
			}
		})
	}
}
