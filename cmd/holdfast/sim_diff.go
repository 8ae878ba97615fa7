package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-dev/holdfast/sim/report"
)

// diffOptions are the flags of sim diff.
type diffOptions struct {
	output    string
	tolerance time.Duration
}

func newDiffCommand() *cobra.Command {
	o := &diffOptions{}
	c := &cobra.Command{
		Use:   "diff A.json B.json",
		Short: "Show in what two runs differ",
		Long: `Show in what the runs of two files differ that sim run -o json wrote: ordinals and
their times, violations, holds, and the outcome of every check. How long the runs
took in wall time is no difference, nor is the transcript.

Exit codes: 0 there is no difference; 1 there is one; 2 a file or a flag is wrong.`,
		Example: `  # What does a change of the scenario change? Both were played by sim run -o json
  holdfast sim diff before.json after.json

  # Two runs of one story: times differ by a little
  holdfast sim diff --tolerance 30s monday.json tuesday.json`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.OutOrStdout(), args[0], args[1]) },
	}
	c.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	c.Flags().DurationVar(&o.tolerance, "tolerance", 0, "times that are no further apart are alike")
	complete(c, "output", "text", "json")
	return c
}

func (o *diffOptions) run(out io.Writer, a, b string) error {
	if o.output != "text" && o.output != "json" {
		return &exitError{exitInput, fmt.Errorf("--output %q: must be text or json", o.output)}
	}
	if o.tolerance < 0 {
		return &exitError{exitInput, fmt.Errorf("--tolerance %s: must not be negative", o.tolerance)}
	}
	before, errA := readReports(a)
	after, errB := readReports(b)
	if err := errors.Join(errA, errB); err != nil {
		return &exitError{exitInput, err}
	}
	d := report.Compare(before, after, o.tolerance)
	write := d.WriteJSON
	if o.output == "text" {
		write = func(w io.Writer) error { return d.WriteText(w, formatOf(w, 0), a, b) }
	}
	if err := write(out); err != nil {
		return &exitError{exitFailure, err}
	}
	if len(d.Differences) > 0 {
		return errUnmet
	}
	return nil
}

func readReports(file string) ([]*report.Report, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	reports, err := report.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return reports, nil
}
