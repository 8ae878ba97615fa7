package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// shrinkOptions are the flags of sim shrink.
type shrinkOptions struct {
	scheduler string
	limit     time.Duration
	tries     int
}

func newShrinkCommand() *cobra.Command {
	o := &shrinkOptions{}
	c := &cobra.Command{
		Use:   "shrink FILE",
		Short: "Make a scenario smaller that breaks an invariant, and print it",
		Long: `Play a scenario that breaks an invariant again and again, each time with less in it:
steps first, then objects, then machines, and at last with shorter times. What breaks
one of the same invariants inside the trust boundary stays; the smallest is printed.

That every ordinal has to come back (L4) is read from what the scenario expects of
Holdfast's ordinals at the end.

Exit codes: 0 it is printed; 1 the scenario breaks nothing; 2 a bad file or flag; 3 the
engine itself failed.`,
		Example: `  holdfast sim shrink campaign/seed-1-run-17-holdfast.yaml > small.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.shrink(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), args[0])
		},
	}
	f := c.Flags()
	f.StringVar(&o.scheduler, "scheduler", string(scenario.Holdfast), "whom to play the scenario under: holdfast or default")
	f.DurationVar(&o.limit, "limit", fuzzLimit, "how long a try may take, in wall time")
	f.IntVar(&o.tries, "tries", fuzzTries, "how many times it is played at most")
	complete(c, "scheduler", "holdfast", "default")
	return c
}

func (o *shrinkOptions) validate() error {
	switch {
	case !slices.Contains(scenario.Schedulers(), scenario.Scheduler(o.scheduler)):
		return fmt.Errorf("--scheduler %q: must be holdfast or default", o.scheduler)
	case o.limit <= 0:
		return fmt.Errorf("--limit %s: must be greater than zero", o.limit)
	case o.tries < 1:
		return fmt.Errorf("--tries %d: must be 1 or more", o.tries)
	}
	return nil
}

func (o *shrinkOptions) shrink(ctx context.Context, out, errOut io.Writer, file string) error {
	if err := o.validate(); err != nil {
		return &exitError{exitInput, err}
	}
	s, err := scenario.Load(file)
	if err != nil {
		return &exitError{exitInput, err}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	first := campaign.Outcome{Scheduler: scenario.Scheduler(o.scheduler)}
	campaign.PlayOnce(ctx, playerWithin(o.limit), o.limit, s, file, &first)
	switch {
	case ctx.Err() != nil:
		return &exitError{exitFailure, errors.New("interrupted")}
	case first.Ended != campaign.Played:
		return &exitError{exitFailure, errors.New(first.Error)}
	case len(first.Inside()) == 0:
		return &exitError{exitUnmet, fmt.Errorf("%s: it breaks nothing inside the trust boundary: there is nothing to make smaller", file)}
	}
	m := campaign.Smaller{
		File: file, By: first.Scheduler, Broken: first.Invariants(), Tries: o.tries, Limit: o.limit, Play: playerWithin(o.limit),
		Tell: func(steps int, failed bool) {
			fmt.Fprintf(errOut, "%d steps: %s\n", steps, map[bool]string{true: strings.Join(first.Invariants(), ", ") + " broken", false: "nothing broken"}[failed])
		},
	}
	data, err := m.Find(ctx)
	if err != nil {
		return &exitError{exitFailure, err}
	}
	_, err = out.Write(data)
	return err
}
