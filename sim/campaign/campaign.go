package campaign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// Player plays a scenario file under one scheduler, apart from this process, and gives up
// when ctx ends. A run whose virtual time stands still is a *StandstillError.
type Player func(ctx context.Context, file string, by scenario.Scheduler) (*report.Run, error)

// StandstillError says that a run would never have ended, and why.
type StandstillError struct {
	// Why, with the goroutines that virtual time waited for.
	Why string
	// Dump has their stacks.
	Dump string
}

func (e *StandstillError) Error() string { return e.Why }

// Options say what a campaign is.
type Options struct {
	Part
	// Schedulers under which runs are played.
	Schedulers []scenario.Scheduler
	// Sample is how many runs there are to each that the default scheduler plays too,
	// where Holdfast plays all; 1: it plays all as well.
	Sample int
	// Jobs is how many runs are played at once.
	Jobs int
	// Limit is how long a run may take, in wall time.
	Limit time.Duration
	// Out is the folder for the journal and for the files of runs that are worth a look;
	// empty: nothing is kept.
	Out string
	// Resume goes on with the journal that is there.
	Resume bool
	// Tries is how many times a run with violations is played again to make it smaller; 0:
	// it is not made smaller.
	Tries int
	// Play plays.
	Play Player
	// Tell is told of every run that has ended, and how many of all have; nil: nobody is.
	Tell func(o *Outcome, ended, of int)
}

// task is one run under one scheduler.
type task struct {
	run int
	by  scenario.Scheduler
}

func (o *Options) tasks() []task {
	var all []task
	for _, run := range o.Numbers() {
		for _, by := range o.Schedulers {
			sampled := by == scenario.Default && len(o.Schedulers) > 1 && run%o.Sample != 0
			if !sampled {
				all = append(all, task{run, by})
			}
		}
	}
	return all
}

// Run plays a campaign. What the context's end keeps from being played is an error; with
// a journal another call can go on from there.
func Run(ctx context.Context, o Options) (*Report, error) {
	j, err := openJournal(o.Out, o.Resume)
	if err != nil {
		return nil, err
	}
	defer j.close()
	work, err := os.MkdirTemp("", "holdfast-fuzz-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work) //nolint:errcheck // Of temporary files nothing more can be said.

	r := &runner{Options: o, folder: work, journal: j}
	if err := r.playAll(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(r.ended, func(a, b Outcome) int { return compare(a.Run, b.Run) })
	return NewReport(o.Part, r.ended), nil
}

// runner plays the runs of one campaign.
type runner struct {
	Options
	folder  string
	journal *journal

	// mu guards what stands below.
	mu    sync.Mutex
	ended []Outcome
	err   error
}

func (r *runner) playAll(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tasks := r.tasks()
	left := make(chan task)
	var workers sync.WaitGroup
	for range max(1, r.Jobs) {
		workers.Go(func() {
			for t := range left {
				o, err := r.outcome(ctx, t)
				if err != nil {
					r.fail(err)
					cancel()
					return
				}
				r.end(o, len(tasks))
			}
		})
	}
feed:
	for _, t := range tasks {
		select {
		case left <- t:
		case <-ctx.Done():
			break feed
		}
	}
	close(left)
	workers.Wait()
	if r.err != nil {
		return r.err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted after %d of %s", len(r.ended), runs(len(tasks)))
	}
	return nil
}

func (r *runner) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, err)
}

func (r *runner) end(o *Outcome, of int) {
	if o == nil {
		return // Interrupted.
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, *o)
	if r.Tell != nil {
		r.Tell(o, len(r.ended), of)
	}
}

// outcome is what the journal has of a run, or what came of playing it; nil where the
// campaign ended meanwhile.
func (r *runner) outcome(ctx context.Context, t task) (*Outcome, error) {
	plan := Draw(r.Seed, t.run)
	data, err := File(plan.Scenario)
	if err != nil {
		return nil, err
	}
	o := &Outcome{Seed: r.Seed, Run: t.run, Scheduler: t.by, Plan: planOf(data), Families: plan.Families}
	if before, err := r.journal.find(o); before != nil || err != nil {
		return before, err
	}
	file := filepath.Join(r.folder, fmt.Sprintf("%s-%s.yaml", plan.Scenario.Name, t.by))
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return nil, err
	}
	s, err := raw(file)
	if err != nil {
		return nil, fmt.Errorf("the plan of run %d of seed %d: %w", t.run, r.Seed, err)
	}
	played := PlayOnce(ctx, r.Play, r.Limit, s, file, o)
	if ctx.Err() != nil {
		return nil, nil
	}
	if err := r.keep(ctx, s, file, played, o); err != nil || ctx.Err() != nil {
		return nil, err
	}
	return o, r.journal.add(o)
}

// PlayOnce has a scenario file played under the outcome's scheduler, and fills in what
// came of it. It returns the run's report; nil if it did not come to its end in time.
func PlayOnce(ctx context.Context, play Player, limit time.Duration, s *scenario.Scenario, file string, o *Outcome) *report.Run {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	run, err := play(limited, file, o.Scheduler)
	o.Wall = metav1.Duration{Duration: time.Since(began).Round(time.Millisecond)}
	still := (*StandstillError)(nil)
	switch {
	case errors.As(err, &still):
		o.Ended, o.Error, o.dump = Hung, still.Why, still.Dump
	case err != nil && limited.Err() != nil:
		o.Ended, o.Error = Hung, fmt.Sprintf("no end after %s", limit)
	case err != nil:
		o.Ended, o.Error = Failed, err.Error()
	default:
		o.read(s, run)
		return run
	}
	return nil
}

// keep writes down a run that is worth a look, with its report: another play may go
// otherwise, for goroutines do not run in the same order. One with violations under
// Holdfast is played again, to see whether they come again.
func (r *runner) keep(ctx context.Context, s *scenario.Scenario, file string, played *report.Run, o *Outcome) error {
	broken := o.Scheduler == scenario.Holdfast && len(o.Inside()) > 0
	if o.Ended == Played && !broken {
		return nil
	}
	if r.Out != "" {
		if err := r.write(s, file, played, o); err != nil {
			return err
		}
	}
	if !broken {
		return nil
	}
	again := Outcome{Scheduler: o.Scheduler}
	PlayOnce(ctx, r.Play, r.Limit, s, file, &again)
	o.Confirmed = new(again.breaks(o.Invariants()))
	if !*o.Confirmed || r.Tries == 0 || r.Out == "" {
		return nil
	}
	return r.shrink(ctx, file, o)
}

// shrink writes a smaller file beside the one that is kept.
func (r *runner) shrink(ctx context.Context, file string, o *Outcome) error {
	m := Smaller{File: file, By: o.Scheduler, Broken: o.Invariants(), Tries: r.Tries, Limit: r.Limit, Play: r.Play}
	data, err := m.Find(ctx)
	if err != nil {
		return err
	}
	kept := filepath.Join(r.Out, strings.TrimSuffix(filepath.Base(file), ".yaml")+".small.yaml")
	o.Files = append(o.Files, kept)
	return os.WriteFile(kept, data, 0o644)
}

// write copies the scenario file to the campaign's folder, and beside it the report, or
// what kept the run from its end.
func (r *runner) write(s *scenario.Scenario, file string, played *report.Run, o *Outcome) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	kept := filepath.Join(r.Out, filepath.Base(file))
	if err := os.WriteFile(kept, data, 0o644); err != nil {
		return err
	}
	o.Files = append(o.Files, kept)
	if o.dump != "" {
		stacks := strings.TrimSuffix(kept, ".yaml") + ".goroutines.txt"
		o.Files = append(o.Files, stacks)
		return os.WriteFile(stacks, []byte(o.dump), 0o644)
	}
	if played == nil {
		return nil
	}
	var b bytes.Buffer
	if err := report.WriteJSON(&b, &report.Report{Scenario: s.Name, File: kept, Description: s.Description, Runs: []report.Run{*played}, Passed: played.Passed()}); err != nil {
		return err
	}
	kept = strings.TrimSuffix(kept, ".yaml") + ".report.json"
	o.Files = append(o.Files, kept)
	return os.WriteFile(kept, b.Bytes(), 0o644)
}

// breaks is whether any of these broke inside the trust boundary.
func (o *Outcome) breaks(invariants []string) bool {
	return slices.ContainsFunc(o.Invariants(), func(id string) bool { return slices.Contains(invariants, id) })
}
