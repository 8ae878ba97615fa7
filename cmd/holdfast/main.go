// Command holdfast shows how the ordinals of a cluster's StatefulSets stand, takes a
// human's word that one is over, and takes Holdfast out of a cluster; and it shows,
// before it happens, what a failure will do to them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes, besides 0.
const (
	exitUnmet   = 1 // An expectation or an invariant was not met; what was asked for is not so, or was refused.
	exitInput   = 2 // The command line or a file is wrong; nothing was run.
	exitFailure = 3 // The engine itself, or the cluster, failed.
)

// dumpedError is an error with the stacks of the goroutines that it speaks of, which are
// printed after it.
type dumpedError struct {
	err  error
	dump string
}

func (e *dumpedError) Error() string { return e.err.Error() }
func (e *dumpedError) Unwrap() error { return e.err }

// exitError is an error with the exit code that it leads to. An empty message
// means that everything has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

var errUnmet = &exitError{exitUnmet, errors.New("")}

func main() {
	program, args := calledAs(os.Args)
	terminal := term.IsTerminal(int(os.Stdin.Fd()))
	os.Exit(runAs(context.Background(), program, args, streams{os.Stdin, terminal, os.Stdout, os.Stderr}))
}

// streams are what the program reads from and writes to.
type streams struct {
	in io.Reader
	// terminal: a human can be asked at in.
	terminal bool
	out, err io.Writer
}

// run runs the command line under the program's own name, with nothing to read.
func run(args []string, out, errOut io.Writer) int {
	return runAs(context.Background(), ownName, args, streams{strings.NewReader(""), false, out, errOut})
}

// runAs runs the command line and returns the exit code.
func runAs(ctx context.Context, program string, args []string, s streams) int {
	c := newCommand(program, s.terminal)
	c.SetArgs(args)
	c.SetIn(s.in)
	c.SetOut(s.out)
	c.SetErr(s.err)
	err := c.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	// Whatever is not marked comes from cobra itself: flags and arguments.
	exit := &exitError{exitInput, err}
	errors.As(err, &exit)
	if message := exit.Error(); message != "" {
		fmt.Fprintln(s.err, message)
	}
	if dumped := (*dumpedError)(nil); errors.As(err, &dumped) {
		fmt.Fprint(s.err, "\n", dumped.dump)
	}
	return exit.code
}

func newCommand(program string, terminal bool) *cobra.Command {
	c := &cobra.Command{
		Use:   "holdfast",
		Short: "A scheduler for StatefulSets, and a simulator for what failures do to them",
		Long: `Holdfast is a Kubernetes scheduler for StatefulSets that never lets an ordinal
run twice, and a simulator that shows before it happens what a failure will do.

Called as kubectl-holdfast it is a plugin of kubectl: kubectl holdfast status.`,
		Example: `  # Which ordinals are held, why, and what would release them?
  holdfast status -A --held

  # Everything about one of them
  holdfast status db-0 -n shop

  # What happens to a StatefulSet when a node goes silent?
  holdfast sim run sim/scenarios/silent-node.yaml`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: program},
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	c.AddCommand(newStatusCommand(program), newReleaseCommand(program, terminal), newUninstallCommand(program, terminal), newSimCommand())
	nameExamples(c, program)
	return c
}

// nameExamples has every example call the program as it was called.
func nameExamples(c *cobra.Command, program string) {
	c.Example = strings.ReplaceAll(c.Example, "\n  "+ownName+" ", "\n  "+program+" ")
	if rest, first := strings.CutPrefix(c.Example, "  "+ownName+" "); first {
		c.Example = "  " + program + " " + rest
	}
	for _, sub := range c.Commands() {
		nameExamples(sub, program)
	}
}

// release is the version that the Makefile puts in.
var release string

// version is the release, or what the Go toolchain recorded of the build.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return v
}
