package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/replay"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/report/html"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// runOptions are the flags of sim run.
type runOptions struct {
	scheduler string
	store     string
	output    string
	until     time.Duration
	decisions decisionsFile
	html      string
	quiet     bool
	verbose   bool
	width     int
	jobs      int
	breaks    bool
	stall     time.Duration
	stop      bool
	seed      uint64
	// set are the flags that were given, for the processes of --jobs.
	set []*pflag.Flag
}

func newRunCommand() *cobra.Command {
	o := &runOptions{}
	c := &cobra.Command{
		Use:   "run FILE|FOLDER...",
		Short: "Play scenarios under the default scheduler and under Holdfast, and check what they expect",
		Long: `Play scenarios, each under the default scheduler and under Holdfast, print what
happened to every ordinal, and check the expectations and invariants.

Of one scenario everything is printed: a picture of its ordinals over time, what
happened, and every check. Of several, one line each, with virtual time, wall time
and verdict, and then everything of those that failed. --verbose prints everything
of all; --quiet one line for each run, and nothing else.

With --html all that was played is drawn on one page, a section for each scenario:
one file that needs no network and nothing beside it.

Several scenarios are played in processes of their own, as many at once as there
are cores, or as --jobs says. What is printed is in the same order all the same.
With --record-decisions they are played in this process, one after the other.

With --with-breaks every scenario is played once more for each of its breaks: with the
steps that would break the promise which it shows, under one scheduler. The checks that
the break names must fail then, which proves that they can.

With --stop-at-first a run ends at its first violation inside the trust boundary, also
one that the scenario expects. What is expected later is not met then, as with --until.
Bounds in time (L1, L2, L4, L5, L6, S8), and S10, are judged at the end of a run, and stop none.

Exit codes: 0 everything was as expected; 1 an expectation or an invariant was not
met; 2 a file or a flag is wrong, and nothing was run; 3 the engine itself failed.

The deterministic build (make deterministic) plays a scenario from the same --seed in
the same way to the byte, and prints the hash of all that was written. Any other build
does not promise the order of what happens at one instant.

The API server keeps its objects in etcd's API in memory. With --store etcd it keeps
them in a real etcd server inside this process instead: a cross-check, and somewhat
slower. No network is used. The data directory, holdfast-etcd-* among the system's
temporary files, is removed when the run ends; a process that is killed leaves it.`,
		Example: `  # The story of a node that goes silent, under both schedulers
  holdfast sim run sim/scenarios/silent-node.yaml

  # The same as a page for a browser
  holdfast sim run --html silent-node.html sim/scenarios/silent-node.yaml

  # All scenarios of a folder, one line each
  holdfast sim run sim/scenarios

  # The promises of StatefulSets, and that each of them could be broken
  holdfast sim run --with-breaks sim/scenarios/statefulset

  # All scenarios of a folder under Holdfast alone, for a program to read
  holdfast sim run --scheduler holdfast -o json sim/scenarios

  # The same over a real etcd
  holdfast sim run --store etcd sim/scenarios/silent-node.yaml

  # Only the first ten virtual minutes (what is expected later will not be met)
  holdfast sim run --until 10m sim/scenarios/silent-node.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			c.Flags().Visit(func(f *pflag.Flag) { o.set = append(o.set, f) })
			return o.run(c.Context(), c.OutOrStdout(), args)
		},
	}
	f := c.Flags()
	f.StringVar(&o.scheduler, "scheduler", "both", "whom to play the scenario under: both, holdfast or default")
	f.StringVar(&o.store, "store", string(engine.Memory), "what the API server keeps its objects in: memory or etcd")
	f.StringVarP(&o.output, "output", "o", "text", "text, or json: one document per scenario")
	f.DurationVar(&o.until, "until", 0, "end each run at this virtual time instead of the scenario's")
	o.decisions.addFlag(c)
	f.StringVar(&o.html, "html", "", "draw all that was played on one page, and write it to this file")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print one line for each run, and nothing else")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "print everything of every scenario")
	f.IntVar(&o.width, "width", 0, "how many characters a line may have; 0: as the terminal is wide")
	f.IntVarP(&o.jobs, "jobs", "j", 0, "how many scenarios to play at once; 0: one for each core")
	f.BoolVar(&o.breaks, "with-breaks", false, "play every scenario with the steps of its breaks too: what they name must fail")
	f.DurationVar(&o.stall, "stall-limit", engine.StallLimit, "give a run up when its virtual time has stood still for so long, in wall time")
	f.BoolVar(&o.stop, "stop-at-first", false, "end each run at its first violation inside the trust boundary")
	f.Uint64Var(&o.seed, "seed", 1, "what all chance of a run follows from; in the deterministic build only")
	complete(c, "scheduler", "both", "holdfast", "default")
	complete(c, "store", "memory", "etcd")
	complete(c, "output", "text", "json")
	return c
}

// complete offers values for a flag to the shell.
func complete(c *cobra.Command, flag string, values ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // The flag's name is wrong.
	}
}

// validate returns the schedulers to play under.
func (o *runOptions) validate() ([]scenario.Scheduler, error) {
	schedulers, err := o.schedulers()
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains(engine.StoreKinds(), engine.StoreKind(o.store)):
		return nil, fmt.Errorf("--store %q: must be memory or etcd", o.store)
	case o.output != "text" && o.output != "json":
		return nil, fmt.Errorf("--output %q: must be text or json", o.output)
	case o.until < 0:
		return nil, fmt.Errorf("--until %s: must not be negative", o.until)
	case o.jobs < 0:
		return nil, fmt.Errorf("--jobs %d: must not be negative", o.jobs)
	case o.stall <= 0:
		return nil, fmt.Errorf("--stall-limit %s: must be greater than zero", o.stall)
	case o.width != 0 && o.width < widthLeast:
		return nil, fmt.Errorf("--width %d: must be %d or more", o.width, widthLeast)
	case o.breaks && o.until > 0:
		return nil, errors.New("--with-breaks and --until: at most one of them, for a run that ends early fails checks by that alone")
	case o.breaks && o.stop:
		return nil, errors.New("--with-breaks and --stop-at-first: at most one of them, for a run that ends early fails checks by that alone")
	case o.seedSet() && !replay.Promised:
		return nil, errors.New("--seed: this build leaves chance to the Go runtime; make deterministic makes the one that does not")
	case o.seed == 0:
		return nil, errors.New("--seed 0: must be 1 or more")
	case o.quiet && o.verbose:
		return nil, errors.New("--quiet and --verbose: at most one of them")
	case o.output == "json" && (o.quiet || o.verbose):
		return nil, errors.New("--quiet and --verbose are for the output text")
	}
	return schedulers, nil
}

func (o *runOptions) seedSet() bool {
	return slices.ContainsFunc(o.set, func(f *pflag.Flag) bool { return f.Name == "seed" })
}

// widthLeast is what a line needs for anything to be read in it.
const widthLeast = 40

func (o *runOptions) run(ctx context.Context, out io.Writer, paths []string) error {
	schedulers, err := o.validate()
	if err != nil {
		return &exitError{exitInput, err}
	}
	scenarios, err := load(paths)
	if err != nil {
		return &exitError{exitInput, err}
	}
	if o.html != "" {
		// Before the time is spent: a page that cannot be written is a wrong flag.
		if err := writable(o.html); err != nil {
			return &exitError{exitInput, fmt.Errorf("--html: %w", err)}
		}
	}
	reports := o.reports(ctx, scenarios, schedulers)
	p := o.newPrinter(out, scenarios)
	var all []*report.Report
	passed := true
	for r, err := range reports {
		if err != nil {
			return err
		}
		passed = passed && r.Passed
		if o.html != "" {
			all = append(all, r)
		}
		if err := p.print(r); err != nil {
			return &exitError{exitFailure, err}
		}
	}
	if err := p.end(); err != nil {
		return &exitError{exitFailure, err}
	}
	if o.html != "" {
		if err := writePage(o.html, all); err != nil {
			return &exitError{exitFailure, err}
		}
	}
	if err := o.decisions.write(); err != nil {
		return &exitError{exitFailure, err}
	}
	if !passed {
		return errUnmet
	}
	return nil
}

// reports plays the scenarios and has their reports in the order of the scenarios.
func (o *runOptions) reports(ctx context.Context, scenarios []*named, schedulers []scenario.Scheduler) func(func(*report.Report, error) bool) {
	jobs := o.jobs
	if jobs == 0 {
		jobs = runtime.NumCPU()
	}
	// What plugins said is collected in this process.
	apart := jobs > 1 || replay.Promised
	if apart && len(scenarios) > 1 && o.decisions.path == "" {
		return o.playApart(ctx, scenarios, min(jobs, len(scenarios)))
	}
	engine.DiscardLogs()
	return func(yield func(*report.Report, error) bool) {
		for _, s := range scenarios {
			r, err := o.play(ctx, s, schedulers)
			if refused := (*play.ObjectError)(nil); errors.As(err, &refused) {
				err = &exitError{exitInput, fmt.Errorf("%s: objects: %w", s.file, refused)}
			} else if err != nil {
				err = notPlayed(err)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// notPlayed is how the program ends when a run did not come to its end.
func notPlayed(err error) error {
	if stalled := (*engine.StalledError)(nil); errors.As(err, &stalled) {
		err = &dumpedError{err, stalled.Dump}
	}
	return &exitError{exitFailure, err}
}

func (o *runOptions) schedulers() ([]scenario.Scheduler, error) {
	if o.scheduler == "both" {
		return scenario.Schedulers(), nil
	}
	for _, s := range scenario.Schedulers() {
		if o.scheduler == string(s) {
			return []scenario.Scheduler{s}, nil
		}
	}
	return nil, fmt.Errorf("--scheduler %q: must be both, holdfast or default", o.scheduler)
}

func (o *runOptions) play(ctx context.Context, s *named, schedulers []scenario.Scheduler) (*report.Report, error) {
	r := &report.Report{
		TypeMeta: metav1.TypeMeta{APIVersion: report.APIVersion, Kind: report.Kind},
		Scenario: s.Name, File: s.file, Description: s.Description, Passed: true,
	}
	for _, scheduler := range schedulers {
		if !slices.Contains(s.PlayedBy(), scheduler) {
			continue // The other has nothing to show here.
		}
		if replay.Promised && len(schedulers) > 1 {
			// What is played second in a process does not repeat itself.
			if err := o.playUnderApart(ctx, s, scheduler, r); err != nil {
				return nil, err
			}
			continue
		}
		progress := &play.Progress{}
		stop := showProgress(os.Stderr, s.Name, scheduler, progress)
		began := time.Now()
		run, err := play.Run(s.Scenario, play.Options{Scheduler: scheduler, Store: engine.StoreKind(o.store), Until: o.until, StopAtFirst: o.stop, Decided: o.decisions.collector(), Progress: progress, StallLimit: o.stall})
		stop()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.file, err)
		}
		run.Wall.Duration = time.Since(began).Round(time.Millisecond)
		r.Runs = append(r.Runs, *run)
		r.Passed = r.Passed && run.Passed()
	}
	if replay.Promised && len(schedulers) > 1 {
		return r, nil // They were played with the rest.
	}
	return r, o.playBreaks(s, schedulers, r)
}

// playBreaks plays the breaks of a scenario that are meant for these schedulers, if they
// were asked for.
func (o *runOptions) playBreaks(s *named, schedulers []scenario.Scheduler, r *report.Report) error {
	if !o.breaks {
		return nil
	}
	for i := range s.Breaks {
		if !slices.Contains(schedulers, s.Breaks[i].Under) {
			continue
		}
		broken, err := play.Break(s.Scenario, i, play.Options{Store: engine.StoreKind(o.store), StallLimit: o.stall})
		if err != nil {
			return fmt.Errorf("%s: breaks[%d]: %w", s.file, i, err)
		}
		r.Broken = append(r.Broken, *broken)
		r.Passed = r.Passed && broken.Passed()
	}
	return nil
}

// writable fails if there cannot be such a file.
func writable(file string) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".holdfast-*")
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return err
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder", file)
	}
	return nil
}

func writePage(file string, reports []*report.Report) error {
	var page bytes.Buffer
	if err := html.Write(&page, reports); err != nil {
		return err
	}
	return os.WriteFile(file, page.Bytes(), 0o644)
}
