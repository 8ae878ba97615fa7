package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/cli/status"
	"github.com/holdfast-dev/holdfast/pkg/explain"
)

// outputs are the values of --output.
var outputs = []string{"wide", "json", "yaml", "name"}

// statusOptions are the flags of status.
type statusOptions struct {
	program       string
	flags         *genericclioptions.ConfigFlags
	allNamespaces bool
	selector      string
	output        string
	heldOnly      bool
	exitCode      bool
	watch         bool
	interval      time.Duration
}

func newStatusCommand(program string) *cobra.Command {
	o := &statusOptions{program: program, flags: genericclioptions.NewConfigFlags(true)}
	c := &cobra.Command{
		Use:   "status [POD | statefulset/NAME]...",
		Short: "Show how ordinals stand: which are held, by whom, since when, why, and what would release them",
		Long: `Show how the ordinals of a namespace stand. With the name of one pod everything that
is known of that ordinal: its machines, its volumes and what is still attached, the
evidence, what is missing for a release, and the commands that would bring it about.

Exit codes: 0; 1 with --exit-code, if an ordinal that is shown is held; 2 the command
line is wrong; 3 the cluster could not be read, or knows of no such ordinal.`,
		Example: `  # All ordinals of the namespace
  holdfast status

  # Those of the whole cluster that are held
  holdfast status -A --held

  # Everything about one, and what would release it
  holdfast status db-0

  # One set; sets by their labels
  holdfast status statefulset/db
  holdfast status -l app=db -o wide

  # For a script: is anything held?
  holdfast status -A --exit-code -o json`,
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), args)
		},
		ValidArgsFunction: o.completeArgs,
	}
	f := c.Flags()
	f.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "the ordinals of all namespaces")
	f.StringVarP(&o.selector, "selector", "l", "", "only ordinals whose set or pod has these labels")
	f.StringVarP(&o.output, "output", "o", "", "wide: all columns; json, yaml: a list for programs; name")
	f.BoolVar(&o.heldOnly, "held", false, "only ordinals that are held")
	f.BoolVar(&o.exitCode, "exit-code", false, "exit with 1 if an ordinal that is shown is held")
	f.BoolVarP(&o.watch, "watch", "w", false, "show it again whenever it changes, until interrupted")
	f.DurationVar(&o.interval, "interval", 2*time.Second, "with --watch: how often to look")
	complete(c, "output", outputs...)
	addClusterFlags(c, o.flags)
	return c
}

func (o *statusOptions) run(ctx context.Context, out, errOut io.Writer, args []string) error {
	if o.output != "" && !slices.Contains(outputs, o.output) {
		return &exitError{exitInput, fmt.Errorf("--output %q: must be one of wide, json, yaml, name", o.output)}
	}
	if o.watch && (o.exitCode || o.interval <= 0) {
		return &exitError{exitInput, fmt.Errorf("--watch: not with --exit-code, and with an --interval of more than 0")}
	}
	selector, err := labels.Parse(o.selector)
	if err != nil {
		return &exitError{exitInput, fmt.Errorf("--selector %q: %w", o.selector, err)}
	}
	c, err := cluster.Connect(o.flags)
	if err != nil {
		return &exitError{exitInput, err}
	}
	q, err := newQuery(c.Namespace, o.allNamespaces, selector, args)
	if err != nil {
		return &exitError{exitInput, err}
	}
	if o.watch {
		return o.follow(ctx, out, errOut, c, q)
	}
	held, err := o.show(ctx, out, errOut, c, q)
	if err == nil && held > 0 && o.exitCode {
		return errUnmet
	}
	return err
}

// show shows what is asked for once, and returns how many of it are held.
func (o *statusOptions) show(ctx context.Context, out, errOut io.Writer, c *cluster.Cluster, q *query) (held int, err error) {
	if id, one := q.single(); one && o.output == "" {
		d, err := c.Detail(ctx, id)
		if err != nil {
			return 0, failed(err)
		}
		if d.Record == nil && d.Pod == nil {
			return 0, failed(fmt.Errorf("%s: there is neither a record nor a pod of this name", id))
		}
		return status.Held([]cluster.Ordinal{d.Ordinal}), failed(status.Full(out, d, o.program, time.Now()))
	}
	all, err := q.read(ctx, c)
	if err != nil {
		return 0, failed(err)
	}
	if o.heldOnly {
		all = slices.DeleteFunc(all, func(x cluster.Ordinal) bool { return explain.HoldOf(x.Facts) == nil })
	}
	return status.Held(all), failed(o.print(out, errOut, all))
}

func (o *statusOptions) print(out, errOut io.Writer, all []cluster.Ordinal) error {
	switch o.output {
	case "json":
		return status.JSON(out, all)
	case "yaml":
		return status.YAML(out, all)
	case "name":
		return status.Names(out, all)
	}
	if len(all) == 0 {
		nothing := "No ordinal has a record here."
		if o.heldOnly {
			nothing = "No ordinal is held."
		}
		_, err := fmt.Fprintln(errOut, nothing)
		return err
	}
	return status.Table(out, all, status.Style{Program: o.program, Namespaces: o.allNamespaces, Wide: o.output == "wide", Now: time.Now()})
}

// completeArgs offers the names of records to the shell.
func (o *statusOptions) completeArgs(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return recordNames(c.Context(), o.flags), cobra.ShellCompDirectiveNoFileComp
}
