// Mutants checks the checkers: it takes the product's rules away, one at a time, and
// demands that a scenario notices or, where the list says that none can, a test.
//
//	go run ./sim/mutants             every mutant of mutants.yaml is caught
//	go run ./sim/mutants -bugs       every hazard of hazards.yaml is found again
//	go run ./sim/mutants -only NAME  that mutant, or with -bugs that hazard
//
// Of a mutant that no scenario notices the list says why. Then the tests of the package
// that it edits have to, and with -survivors all scenarios are asked first, which takes
// minutes for each.
//
// One build has all mutants, each behind a switch that the environment sets; the switches
// are in the build's overlay and not in the tree. The table goes to the standard output.
// It exits with 1 if nothing notices a mutant or a hazard is not found, and with 2 where a
// file or a flag is wrong or a story cannot be played.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// errMissed: the table is whole, and something is not noticed.
var errMissed = errors.New("not noticed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case errors.Is(err, errMissed):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
}

// options are the flags.
type options struct {
	bugs, named     bool
	survivors       bool
	reached         bool
	only, program   string
	write           string
	seed            uint64
	runs, tries     int
	jobs            int
	limit, shrinkin time.Duration
}

func run(ctx context.Context, args []string, out, errOut io.Writer) error {
	var o options
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.BoolVar(&o.bugs, "bugs", false, "find the hazards again instead")
	flags.StringVar(&o.only, "only", "", "only those of these `names`, with commas")
	flags.BoolVar(&o.named, "named", false, "play only the stories that are named for a mutant, and pass over mutants without one")
	flags.BoolVar(&o.survivors, "survivors", false, "play all scenarios for a mutant, too, of which the list says why none notices")
	flags.BoolVar(&o.reached, "reached", false, "print instead for each story in which mutants something could change")
	flags.StringVar(&o.program, "program", "", "a `file` with the build that an earlier call kept there; it is built if it is not there")
	flags.StringVar(&o.write, "write", "", "write the overlay to this `folder` instead, for go test -overlay of a package whose own tests should notice, and print the file")
	flags.Uint64Var(&o.seed, "seed", 1, "what the campaign is drawn from")
	flags.IntVar(&o.runs, "runs", 5, "how many runs the campaign has that looks for what no story notices")
	flags.IntVar(&o.tries, "tries", 12, "how often what caught a mutant is played to make it smaller; 0: it is not")
	flags.IntVar(&o.jobs, "jobs", 1, "how many mutants are looked for at once")
	flags.DurationVar(&o.limit, "limit", 5*time.Minute, "how long a play may take, in wall time")
	flags.DurationVar(&o.shrinkin, "shrinking", time.Minute, "how long making one smaller may take, in wall time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q: no arguments are wanted", flags.Arg(0))
	}
	if o.runs < 0 || o.tries < 0 || o.jobs < 1 {
		return errors.New("-runs and -tries: must not be negative; -jobs: must be 1 or more")
	}
	mutants, err := readMutants(mutantsFile)
	if err != nil {
		return fmt.Errorf("mutants.yaml: %w", err)
	}
	hazards, err := readHazards(hazardsFile, mutants)
	if err != nil {
		return fmt.Errorf("hazards.yaml: %w", err)
	}
	wanted, wantedHazards := o.wanted(mutants, hazards)
	if len(wanted) == 0 && !o.bugs || len(wantedHazards) == 0 && o.bugs {
		return fmt.Errorf("-only %s: there is none of that name", o.only)
	}
	top, err := topOf()
	if err != nil {
		return err
	}
	if o.write != "" {
		return writeOverlay(top, o.write, mutants, out)
	}
	work, err := os.MkdirTemp("", "holdfast-mutants-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // Of temporary files nothing more can be said.
	overlay, err := writtenOverlay(top, filepath.Join(work, "overlay"), mutants)
	if err != nil {
		return err
	}
	all, err := stories(top)
	if err != nil {
		return err
	}
	if o.named {
		o.runs = 0
	}
	h := &hunt{
		program: &program{
			built: sync.OnceValues(func() (string, error) { return build(ctx, top, work, o.program, overlay) }),
			limit: o.limit, sound: map[string]*sound{},
		},
		packages: &packages{top: top, overlay: overlay, work: work, limit: o.limit, built: map[string]func() (string, error){}},
		stories:  all, survivors: o.survivors, named: o.named, seed: o.seed, runs: o.runs, tries: o.tries, shrinking: o.shrinkin, work: work,
	}
	if o.bugs {
		return findBugs(ctx, h, wantedHazards, o, out, errOut)
	}
	if o.reached {
		return writeReached(ctx, h, out)
	}
	return huntMutants(ctx, h, wanted, o, out, errOut)
}

// topOf is the repository's folder.
func topOf() (string, error) {
	file, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(file))), nil
}

func writeOverlay(top, folder string, mutants []Mutant, out io.Writer) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	file, err := writtenOverlay(top, folder, mutants)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, file)
	return err
}

func writtenOverlay(top, folder string, mutants []Mutant) (file string, err error) {
	o, err := newOverlay(top, mutants)
	if err != nil {
		return "", err
	}
	return o.write(folder)
}

// build builds the program that has every mutant, or takes the one that is kept.
func build(ctx context.Context, top, work, keep, overlay string) (string, error) {
	if keep == "" {
		keep = filepath.Join(work, "holdfast")
	} else if _, err := os.Stat(keep); err == nil {
		return filepath.Abs(keep)
	}
	path, err := filepath.Abs(keep)
	if err != nil {
		return "", err
	}
	c := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-ldflags", "-s -w", "-o", path, "./cmd/holdfast")
	c.Dir = top
	if said, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build -overlay: %w\n%s", err, said)
	}
	return path, nil
}

// writeReached plays every story with no mutant on.
func writeReached(ctx context.Context, h *hunt, out io.Writer) error {
	for _, s := range h.stories {
		none := h.program.withNone(ctx, s.file)
		if none.err != nil {
			return fmt.Errorf("story %s: %w", s.name, none.err)
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", s.name, strings.Join(none.reached, " ")); err != nil {
			return err
		}
	}
	return nil
}

// wanted are those that the flags ask for.
func (o *options) wanted(mutants []Mutant, hazards []Hazard) ([]Mutant, []Hazard) {
	names := strings.Split(o.only, ",")
	unwanted := func(name string) bool { return o.only != "" && !slices.Contains(names, name) }
	return slices.DeleteFunc(slices.Clone(mutants), func(m Mutant) bool {
			return unwanted(m.Name) || o.named && len(m.Stories) == 0
		}), slices.DeleteFunc(slices.Clone(hazards), func(h Hazard) bool {
			return unwanted(h.ID)
		})
}

func huntMutants(ctx context.Context, h *hunt, mutants []Mutant, o options, out, errOut io.Writer) error {
	catches := make([]*Catch, len(mutants))
	err := each(ctx, len(mutants), o.jobs, func(i int) error {
		began := time.Now()
		c, err := h.of(ctx, mutants[i])
		if err != nil {
			return fmt.Errorf("mutant %s: %w", mutants[i].Name, err)
		}
		catches[i] = c
		fmt.Fprintf(errOut, "%d of %d, %s, %s: %s\n", i+1, len(mutants), c.Mutant.Name, time.Since(began).Round(time.Second), c)
		return nil
	})
	if err != nil {
		return err
	}
	if err := writeMutants(out, catches); err != nil {
		return err
	}
	var missed []string
	for _, c := range catches {
		if c.By == "" && !c.ByTests {
			missed = append(missed, c.Mutant.Name)
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("%w: %s", errMissed, strings.Join(missed, ", "))
	}
	return nil
}

func findBugs(ctx context.Context, h *hunt, hazards []Hazard, o options, out, errOut io.Writer) error {
	found, failed := make([]bool, len(hazards)), make([][]string, len(hazards))
	err := each(ctx, len(hazards), o.jobs, func(i int) error {
		if hazards[i].Outside != "" {
			return nil
		}
		var err error
		if found[i], failed[i], err = h.find(ctx, hazards[i]); err != nil {
			return fmt.Errorf("hazard %s: %w", hazards[i].ID, err)
		}
		fmt.Fprintf(errOut, "%s without %s: found %t: %s\n", hazards[i].ID, hazards[i].Without, found[i], strings.Join(failed[i], "; "))
		return nil
	})
	if err != nil {
		return err
	}
	if err := writeHazards(out, hazards, found, failed); err != nil {
		return err
	}
	var missed []string
	for i, h := range hazards {
		if h.Outside == "" && !found[i] {
			missed = append(missed, h.ID)
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("%w: %s", errMissed, strings.Join(missed, ", "))
	}
	return nil
}

// each calls do for every index, so many at once, and returns what went wrong first.
func each(ctx context.Context, n, jobs int, do func(int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range jobs {
		workers.Go(func() {
			for i := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := do(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}
