package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/cli/uninstall"
)

// uninstallOptions are the flags of uninstall.
type uninstallOptions struct {
	program  string
	terminal bool
	flags    *genericclioptions.ConfigFlags
	yes      bool
	dryRun   bool
	ignore   []string
	timeout  time.Duration
}

func newUninstallCommand(program string, terminal bool) *cobra.Command {
	o := &uninstallOptions{program: program, terminal: terminal, flags: genericclioptions.NewConfigFlags(true)}
	c := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove Holdfast from a cluster: policies, scheduler, finalizers and records, and nothing else",
		Long: `Remove Holdfast from a cluster, in this order: the admission policies; scheduler and
guard; the finalizer from every pod; the records; definition, roles and namespace. No
pod, set, claim or volume is deleted. Pods that run go on running, unprotected.

It refuses

  held-identities     where an ordinal is held: without Holdfast two of it may run;
  profile-in-use      where a workload or a waiting pod names the profile: nobody would
                      schedule its pods any more;
  default-scheduler   where Holdfast is the cluster's one scheduler.

Each can be passed over by its word. It may be interrupted and started again.

Exit codes: 0 it is removed, or would be; 1 it refused; 2 the command line is wrong;
3 the cluster refused or could not be reached.`,
		Example: `  # What would be done, and what speaks against it
  holdfast uninstall --dry-run

  # Do it
  holdfast uninstall

  # From a script, though sets still name the profile
  holdfast uninstall --yes --ignore=profile-in-use`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.InOrStdin(), c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be done, and what speaks against it")
	f.StringSliceVar(&o.ignore, "ignore", nil, "pass over a refusal: "+strings.Join(uninstall.Words, ", "))
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait for what ends by itself, each")
	complete(c, "ignore", uninstall.Words...)
	addClusterFlags(c, o.flags)
	return c
}

func (o *uninstallOptions) run(ctx context.Context, in io.Reader, out io.Writer) error {
	for _, word := range o.ignore {
		if !slices.Contains(uninstall.Words, word) {
			return &exitError{exitInput, fmt.Errorf("--ignore %q: must be one of %s", word, strings.Join(uninstall.Words, ", "))}
		}
	}
	if o.timeout <= 0 {
		return &exitError{exitInput, fmt.Errorf("--timeout %s: must be more than 0", o.timeout)}
	}
	c, err := cluster.Connect(o.flags)
	if err != nil {
		return &exitError{exitInput, err}
	}
	plan, err := uninstall.Prepare(ctx, c, o.program)
	if err != nil {
		return failed(cluster.Explain(err))
	}
	if plan.Empty() {
		fmt.Fprintf(out, "Nothing of Holdfast is in %s.\n", c.Host)
		return nil
	}
	if err := plan.Write(out, c.Host, o.ignore); err != nil {
		return failed(err)
	}
	if refused := plan.Refused(o.ignore); len(refused) > 0 {
		return &exitError{exitUnmet, errors.New("refused: nothing was done")}
	}
	if o.dryRun {
		fmt.Fprintln(out, "\nNothing was done (--dry-run).")
		return nil
	}
	if !o.yes {
		if err := confirm(in, out, o.terminal, "the word", "uninstall"); err != nil {
			return err
		}
	}
	fmt.Fprintln(out)
	switch err := uninstall.Run(ctx, c, plan, uninstall.Options{Ignore: o.ignore, Wait: o.timeout, Out: out}); {
	case errors.Is(err, uninstall.ErrRefused):
		return &exitError{exitUnmet, err}
	case err != nil:
		return failed(fmt.Errorf("%w. What was done stays done; start it again when that is mended", err))
	}
	fmt.Fprintf(out, "Holdfast is removed from %s.\n", c.Host)
	return nil
}
