package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// fuzzOptions are the flags of sim fuzz.
type fuzzOptions struct {
	runs, run  int
	seed       uint64
	shard      string
	jobShards  int
	schedulers []string
	sample     int
	jobs       int
	out        string
	resume     bool
	print      bool
	limit      time.Duration
	tries      int
	output     string
}

// What a campaign is if nothing is said.
const (
	fuzzRuns   = 100
	fuzzSample = 5
	fuzzLimit  = 10 * time.Minute
	fuzzTries  = 40
	// wholeCampaign is the value of --shard that leaves nothing out.
	wholeCampaign = "1/1"
)

func newFuzzCommand() *cobra.Command {
	o := &fuzzOptions{}
	c := &cobra.Command{
		Use:   "fuzz",
		Short: "Play scenarios that are drawn at random, and count what came of them",
		Long: `Draw scenarios from a seed, play them, and count what came of them: a campaign.

Each run has a cluster, sets with and without claims, and faults of some families, in
two phases: faults, and then all is mended and every ordinal has to come back. One run in
ten may leave the trust boundary, by a fence that is false or a runtime that lies: what
follows from it is counted apart. A run is a scenario file; --print shows those of a
campaign without playing them.

Runs are played in processes of their own. One that takes longer than --limit in wall
time is given up, and reported as hung; so is one whose virtual time stands still, with
the goroutines that keep it, whose stacks are kept with --out.

The report counts violations by scheduler, how often each family of faults bit, by
which evidence incarnations were over, and how often each invariant had something to
hold. From 50 runs on a family that never bit, and an invariant that never had anything
to hold, fail the campaign.

With --out each run that ended is a line in runs.jsonl there, and a run with violations
is kept as a scenario file, with its report. It is played again, and if the violation
comes again, made smaller. Interrupted, the campaign goes on from there with --resume.

With --job-shards it is the shard that the pod of an Indexed Job is meant to be, and the
report becomes a ConfigMap. It then exits 0 once that is there, whatever the report says:
the verdict is that of sim fuzz merge --job, over all shards.

Exit codes: 0 the campaign passed; 1 an invariant was broken, or the campaign says
nothing of a family or an invariant; 2 a flag is wrong; 3 the engine itself failed.`,
		Example: `  # A hundred runs under Holdfast, and each fifth under the default scheduler too
  holdfast sim fuzz --runs 100 --seed 1 --out campaign

  # The plan of one run, and that run alone
  holdfast sim fuzz --seed 1 --run 17 --print
  holdfast sim fuzz --seed 1 --run 17

  # Half of a campaign, and then both halves together
  holdfast sim fuzz --runs 1000 --seed 1 --shard 1/2 -o json > 1.json
  holdfast sim fuzz merge 1.json 2.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.fuzz(c.Context(), c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.IntVar(&o.runs, "runs", fuzzRuns, "how many runs the campaign has")
	f.IntVar(&o.run, "run", -1, "the one run of this number alone, from 0")
	f.Uint64Var(&o.seed, "seed", 1, "what everything is drawn from")
	f.StringVar(&o.shard, "shard", wholeCampaign, "i/n: only the i-th of n parts of the campaign")
	f.IntVar(&o.jobShards, "job-shards", 0, "this is a pod of an Indexed Job with so many completions, and the shard is its index")
	f.StringSliceVar(&o.schedulers, "schedulers", []string{string(scenario.Holdfast), string(scenario.Default)}, "whom to play under")
	f.IntVar(&o.sample, "sample", fuzzSample, "the default scheduler plays one of so many runs beside Holdfast")
	f.IntVarP(&o.jobs, "jobs", "j", 0, "how many runs to play at once; 0: one for each core")
	f.StringVar(&o.out, "out", "", "folder for the journal, and for files of runs with violations")
	f.BoolVar(&o.resume, "resume", false, "go on with the journal in --out")
	f.BoolVar(&o.print, "print", false, "print the scenarios, and play none")
	f.DurationVar(&o.limit, "limit", fuzzLimit, "how long a run may take, in wall time")
	f.IntVar(&o.tries, "tries", fuzzTries, "how many times a run with violations is played to make it smaller; 0: it is not")
	f.StringVarP(&o.output, "output", "o", "text", "text, or json: a CampaignReport")
	complete(c, "output", "text", "json")
	c.AddCommand(newFuzzMergeCommand())
	return c
}

// part reads which runs are meant.
func (o *fuzzOptions) part() (campaign.Part, error) {
	p := campaign.Part{Seed: o.seed, Runs: o.runs}
	var rest string
	n, _ := fmt.Sscanf(o.shard, "%d/%d%s", &p.Shard, &p.Shards, &rest)
	switch {
	case n != 2 || p.Shard < 1 || p.Shard > p.Shards:
		return p, fmt.Errorf("--shard %q: must be i/n, with i from 1 to n", o.shard)
	case o.runs < 1:
		return p, fmt.Errorf("--runs %d: must be 1 or more", o.runs)
	case o.run < -1:
		return p, fmt.Errorf("--run %d: must not be negative", o.run)
	case o.run >= 0 && p.Shards > 1:
		return p, errors.New("--run and --shard: at most one of them")
	}
	if o.run >= 0 {
		p.First, p.Runs = o.run, 1
	}
	return p, nil
}

func (o *fuzzOptions) options() (campaign.Options, error) {
	c := campaign.Options{Sample: o.sample, Jobs: o.jobs, Limit: o.limit, Out: o.out, Resume: o.resume, Tries: o.tries, Play: playerWithin(o.limit)}
	var err error
	if c.Part, err = o.part(); err != nil {
		return c, err
	}
	for _, s := range scenario.Schedulers() {
		if slices.Contains(o.schedulers, string(s)) {
			c.Schedulers = append(c.Schedulers, s)
		}
	}
	switch {
	case len(c.Schedulers) == 0 || len(c.Schedulers) != len(o.schedulers):
		return c, fmt.Errorf("--schedulers %q: must be holdfast, default, or both with a comma", strings.Join(o.schedulers, ","))
	case o.sample < 1:
		return c, fmt.Errorf("--sample %d: must be 1 or more", o.sample)
	case o.jobs < 0:
		return c, fmt.Errorf("--jobs %d: must not be negative", o.jobs)
	case o.limit <= 0:
		return c, fmt.Errorf("--limit %s: must be greater than zero", o.limit)
	case o.tries < 0:
		return c, fmt.Errorf("--tries %d: must not be negative", o.tries)
	case o.output != "text" && o.output != "json":
		return c, fmt.Errorf("--output %q: must be text or json", o.output)
	case o.resume && o.out == "":
		return c, errors.New("--resume: there is no journal without --out")
	}
	if c.Jobs == 0 {
		c.Jobs = runtime.GOMAXPROCS(0)
	}
	return c, nil
}

func (o *fuzzOptions) fuzz(ctx context.Context, out io.Writer) error {
	shard, err := o.ofJob()
	if err != nil {
		return &exitError{exitInput, err}
	}
	c, err := o.options()
	if err != nil {
		return &exitError{exitInput, err}
	}
	if o.print {
		return printPlans(out, c.Part)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &fuzzProgress{began: time.Now()}
	hide := showLine(os.Stderr, p.line)
	c.Tell = p.tell
	r, err := campaign.Run(ctx, c)
	hide.stop()
	if wrong := (*campaign.JournalError)(nil); errors.As(err, &wrong) {
		return &exitError{exitInput, wrong}
	} else if err != nil {
		return &exitError{exitFailure, err}
	}
	if shard != nil {
		return shard.leave(ctx, out, r, o.output)
	}
	return writeVerdict(out, r, o.output)
}

// writeVerdict writes the report, and says by its error how the campaign ended.
func writeVerdict(out io.Writer, r *campaign.Report, output string) error {
	if err := writeCampaign(out, r, output); err != nil {
		return &exitError{exitFailure, err}
	}
	for i := range r.Sides {
		if r.Sides[i].Failed > 0 {
			return &exitError{exitFailure, errors.New("")}
		}
	}
	if !r.Passed {
		return errUnmet
	}
	return nil
}

func writeCampaign(out io.Writer, r *campaign.Report, output string) error {
	if output == "text" {
		return campaign.WriteText(out, r)
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func printPlans(out io.Writer, p campaign.Part) error {
	separator := ""
	for _, run := range p.Numbers() {
		data, err := campaign.File(campaign.Draw(p.Seed, run).Scenario)
		if err != nil {
			return &exitError{exitFailure, err}
		}
		if _, err := fmt.Fprintf(out, "%s%s", separator, data); err != nil {
			return &exitError{exitFailure, err}
		}
		separator = "---\n"
	}
	return nil
}

// playerWithin has other processes of this program play scenario files, which are given a
// limit in wall time. If half of it passes and no virtual time does, none will any more.
func playerWithin(limit time.Duration) campaign.Player {
	stall := min(limit/2, engine.StallLimit)
	return func(ctx context.Context, file string, by scenario.Scheduler) (*report.Run, error) {
		r, err := playFileApart(ctx, file, "--scheduler="+string(by), "--stall-limit="+stall.String())
		if dumped := (*dumpedError)(nil); errors.As(err, &dumped) {
			return nil, &campaign.StandstillError{Why: dumped.Error(), Dump: dumped.dump}
		}
		if err != nil {
			return nil, err
		}
		if len(r.Runs) != 1 {
			return nil, fmt.Errorf("%s: %d runs under %s, want one", file, len(r.Runs), by)
		}
		return &r.Runs[0], nil
	}
}

// fuzzProgress says how far a campaign is.
type fuzzProgress struct {
	began             time.Time
	ended, of, broken atomic.Int64
}

func (p *fuzzProgress) tell(o *campaign.Outcome, ended, of int) {
	p.ended.Store(int64(ended))
	p.of.Store(int64(of))
	if o.Scheduler == scenario.Holdfast && len(o.Inside()) > 0 || o.Ended != campaign.Played {
		p.broken.Add(1)
	}
}

func (p *fuzzProgress) line() string {
	ended, of := p.ended.Load(), p.of.Load()
	line := fmt.Sprintf("%d of %d runs, %d to look at", ended, of, p.broken.Load())
	if ended > 0 {
		left := time.Since(p.began) / time.Duration(ended) * time.Duration(of-ended)
		line += fmt.Sprintf(", %s to go", left.Round(time.Second))
	}
	return line
}
