package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// runOptions are the flags of sim run.
type runOptions struct {
	scheduler string
	store     string
	output    string
	until     time.Duration
	decisions decisionsFile
}

func newRunCommand() *cobra.Command {
	o := &runOptions{}
	c := &cobra.Command{
		Use:   "run FILE|FOLDER...",
		Short: "Play scenarios under the default scheduler and under Holdfast, and check what they expect",
		Long: `Play scenarios, each under the default scheduler and under Holdfast, print what
happened to every ordinal, and check the expectations and invariants.

Exit codes: 0 everything was as expected; 1 an expectation or an invariant was not
met; 2 a file or a flag is wrong, and nothing was run; 3 the engine itself failed.

The API server keeps its objects in etcd's API in memory. With --store etcd it keeps
them in a real etcd server inside this process instead: a cross-check, and somewhat
slower. No network is used. The data directory, holdfast-etcd-* among the system's
temporary files, is removed when the run ends; a process that is killed leaves it.`,
		Example: `  # The story of a node that goes silent, under both schedulers
  holdfast sim run sim/scenarios/silent-node.yaml

  # All scenarios of a folder under Holdfast alone, for a program to read
  holdfast sim run --scheduler holdfast -o json sim/scenarios

  # The same over a real etcd
  holdfast sim run --store etcd sim/scenarios/silent-node.yaml

  # Only the first ten virtual minutes (what is expected later will not be met)
  holdfast sim run --until 10m sim/scenarios/silent-node.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.OutOrStdout(), args) },
	}
	f := c.Flags()
	f.StringVar(&o.scheduler, "scheduler", "both", "whom to play the scenario under: both, holdfast or default")
	f.StringVar(&o.store, "store", string(engine.Memory), "what the API server keeps its objects in: memory or etcd")
	f.StringVarP(&o.output, "output", "o", "text", "text, or json: one document per scenario")
	f.DurationVar(&o.until, "until", 0, "end each run at this virtual time instead of the scenario's")
	o.decisions.addFlag(c)
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

func (o *runOptions) run(out io.Writer, paths []string) error {
	schedulers, err := o.schedulers()
	if err != nil {
		return &exitError{exitInput, err}
	}
	if !slices.Contains(engine.StoreKinds(), engine.StoreKind(o.store)) {
		return &exitError{exitInput, fmt.Errorf("--store %q: must be memory or etcd", o.store)}
	}
	if o.output != "text" && o.output != "json" {
		return &exitError{exitInput, fmt.Errorf("--output %q: must be text or json", o.output)}
	}
	if o.until < 0 {
		return &exitError{exitInput, fmt.Errorf("--until %s: must not be negative", o.until)}
	}
	scenarios, err := load(paths)
	if err != nil {
		return &exitError{exitInput, err}
	}
	engine.DiscardLogs()
	passed := true
	for _, s := range scenarios {
		r, err := o.play(s, schedulers)
		if refused := (*play.ObjectError)(nil); errors.As(err, &refused) {
			return &exitError{exitInput, fmt.Errorf("%s: objects: %w", s.file, refused)}
		}
		if err != nil {
			return &exitError{exitFailure, err}
		}
		if err := o.print(out, r); err != nil {
			return &exitError{exitFailure, err}
		}
		passed = passed && r.Passed
	}
	if err := o.decisions.write(); err != nil {
		return &exitError{exitFailure, err}
	}
	if !passed {
		return errUnmet
	}
	return nil
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

func (o *runOptions) play(s *named, schedulers []scenario.Scheduler) (*report.Report, error) {
	r := &report.Report{
		TypeMeta: metav1.TypeMeta{APIVersion: report.APIVersion, Kind: report.Kind},
		Scenario: s.Name, File: s.file, Description: s.Description, Passed: true,
	}
	for _, scheduler := range schedulers {
		if !slices.Contains(s.PlayedBy(), scheduler) {
			continue // The other has nothing to show here.
		}
		progress := &play.Progress{}
		stop := showProgress(os.Stderr, s.Name, scheduler, progress)
		run, err := play.Run(s.Scenario, play.Options{Scheduler: scheduler, Store: engine.StoreKind(o.store), Until: o.until, Decided: o.decisions.collector(), Progress: progress})
		stop()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.file, err)
		}
		r.Runs = append(r.Runs, *run)
		r.Passed = r.Passed && run.Passed()
	}
	return r, nil
}

func (o *runOptions) print(out io.Writer, r *report.Report) error {
	if o.output == "json" {
		return report.WriteJSON(out, r)
	}
	f, isFile := out.(*os.File)
	styled := isFile && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
	return report.WriteText(out, r, styled)
}
