package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/sim/explore"
	"github.com/holdfast-dev/holdfast/sim/explore/model"
)

// exploreOptions are the flags of sim explore.
type exploreOptions struct {
	scope       model.Scope
	bounds      explore.Bounds
	jobs        int
	nodeRemoval string
	output      string
}

func newExploreCommand() *cobra.Command {
	o := &exploreOptions{}
	c := &cobra.Command{
		Use:   "explore",
		Short: "Walk every state that a small cluster can come to",
		Long: `Walk every state that a small cluster can come to, breadth first: every
interleaving of machines, kubelets, the API's objects, guard and scheduler, with up
to a few faults. Holdfast's own decisions decide; the rest is a model. In every
state the invariants S1, S2, S3, S4, S6 and S8 are checked, and of a violation a
shortest way there is told, step by step.

It covers logic, and neither size nor time: that is what scenarios are for.

Exit codes: 0 no violation; 1 a violation; 2 a flag is wrong.`,
		Example: `  # One ordinal and two faults, to the end: a few seconds
  holdfast sim explore --ordinals 1 --faults 2

  # As far as memory and patience go: up to 600 bytes and 16 µs of a core for each state
  holdfast sim explore --nodes 3 --ordinals 3 --volumes 2 --max-states 8000000`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.OutOrStdout(), c.ErrOrStderr()) },
	}
	c.Flags().IntVar(&o.scope.Nodes, "nodes", 2, "how many nodes there are, 1 to 3")
	c.Flags().IntVar(&o.scope.Ordinals, "ordinals", 2, "how many ordinals the set has, 1 to 3")
	c.Flags().IntVar(&o.scope.Volumes, "volumes", 1, "how many ReadWriteOnce volumes the ordinals share evenly, at most one for each")
	c.Flags().IntVar(&o.scope.Faults, "faults", 3, "how many faults there are at most, 0 to 6")
	c.Flags().IntVar(&o.bounds.States, "max-states", 1_000_000, "end after this many states; 0: when all were seen")
	c.Flags().IntVarP(&o.jobs, "jobs", "j", 0, "how many states to look at at once; 0: one for each core")
	c.Flags().BoolVar(&o.scope.Running, "running", false, "begin with every ordinal running on one node, and not with nothing placed")
	c.Flags().StringVar(&o.nodeRemoval, "node-removal", string(config.RemovalManaged), "when the removal of a Node counts: Managed or WhenDown")
	c.Flags().BoolVar(&o.scope.Observe, "observe-kubelets", false, "the guard asks kubelets")
	c.Flags().BoolVar(&o.scope.Lies, "false-assertions", false, "assertions may be false; what follows is counted apart")
	c.Flags().BoolVar(&o.scope.Reuse, "reused-names", false, "another machine may take a node's name while a pod is bound to it that no kubelet has reported")
	c.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	complete(c, "output", "text", "json")
	complete(c, "node-removal", string(config.RemovalManaged), string(config.RemovalWhenDown))
	return c
}

func (o *exploreOptions) run(out, errOut io.Writer) error {
	if o.output != "text" && o.output != "json" {
		return &exitError{exitInput, fmt.Errorf("--output %q: must be text or json", o.output)}
	}
	switch config.NodeRemoval(o.nodeRemoval) {
	case config.RemovalManaged:
	case config.RemovalWhenDown:
		o.scope.WhenDown = true
	default:
		return &exitError{exitInput, fmt.Errorf("--node-removal %q: must be Managed or WhenDown", o.nodeRemoval)}
	}
	if o.jobs < 0 {
		return &exitError{exitInput, fmt.Errorf("--jobs %d: must not be negative", o.jobs)}
	}
	x, err := explore.New(o.scope, explore.Holdfast(), o.bounds)
	if err != nil {
		return &exitError{exitInput, fmt.Errorf("--%w", err)}
	}
	if x.Workers = o.jobs; x.Workers == 0 {
		x.Workers = runtime.GOMAXPROCS(0)
	}
	hide := showExploring(errOut, x)
	result := x.Run()
	hide()
	write := result.WriteText
	if o.output == "json" {
		write = result.WriteJSON
	}
	if err := write(out); err != nil {
		return &exitError{exitFailure, err}
	}
	if result.Violation != nil {
		return errUnmet
	}
	return nil
}

// showExploring draws how far the walk is until hide is called.
func showExploring(w io.Writer, x *explore.Explorer) (hide func()) {
	f, isFile := w.(*os.File)
	if !isFile {
		return func() {}
	}
	var line atomic.Value
	line.Store("exploring")
	x.Progress = func(depth, states, left int) {
		line.Store(fmt.Sprintf("exploring: %d states, %d of them to be looked at, at depth %d", states, left, depth))
	}
	return showLine(f, func() string { return strings.TrimSpace(line.Load().(string)) }).stop
}
