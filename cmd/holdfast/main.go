// Command holdfast shows, before it happens, what a failure will do to the
// StatefulSets of a cluster.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Exit codes, besides 0.
const (
	exitUnmet   = 1 // An expectation or an invariant was not met.
	exitInput   = 2 // The command line or a file is wrong; nothing was run.
	exitFailure = 3 // The engine itself failed.
)

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
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the command line and returns the exit code.
func run(args []string, out, errOut io.Writer) int {
	c := newCommand()
	c.SetArgs(args)
	c.SetOut(out)
	c.SetErr(errOut)
	err := c.Execute()
	if err == nil {
		return 0
	}
	// Whatever is not marked comes from cobra itself: flags and arguments.
	exit := &exitError{exitInput, err}
	errors.As(err, &exit)
	if message := exit.Error(); message != "" {
		fmt.Fprintln(errOut, message)
	}
	return exit.code
}

func newCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "holdfast",
		Short: "A scheduler for StatefulSets, and a simulator for what failures do to them",
		Long: `Holdfast is a Kubernetes scheduler for StatefulSets that never lets an ordinal
run twice, and a simulator that shows before it happens what a failure will do.`,
		Example: `  # What happens to a StatefulSet when a node goes silent?
  holdfast sim run sim/scenarios/silent-node.yaml`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	c.AddCommand(newSimCommand())
	return c
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
