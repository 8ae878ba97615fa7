package campaign

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// WriteText writes a report for people.
func WriteText(w io.Writer, r *Report) error {
	var b bytes.Buffer
	for _, p := range r.Parts {
		fmt.Fprintln(&b, p)
	}
	for i := range r.Sides {
		fmt.Fprintln(&b)
		r.Sides[i].text(&b)
	}
	fmt.Fprintln(&b)
	if r.Passed {
		fmt.Fprintln(&b, "passed")
	}
	for _, p := range r.Problems {
		fmt.Fprintln(&b, "FAILED  "+p)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (s *Side) text(b *bytes.Buffer) {
	fmt.Fprintf(b, "Under %s: %s played, %d hung, %d failed; %.2f virtual days, %.0f virtual seconds per wall second\n",
		schedulerWords(s.Scheduler), runs(s.Runs), s.Hung, s.Failed, days(s.Virtual.Duration), s.speed())
	fmt.Fprintf(b, "  steps               %d, of which %d found nothing to do it to\n", s.Steps, s.NotPlayed)
	fmt.Fprintf(b, "  violations          %s\n", countWords(s.Violations))
	fmt.Fprintf(b, "  outside the trust   %s\n", countWords(s.Outside))
	share := 0.0
	if s.Runs > 0 {
		share = 100 * float64(s.TwiceRuns) / float64(s.Runs)
	}
	fmt.Fprintf(b, "  S1 or S2 broke in   %s (%.0f %%)\n", runs(s.TwiceRuns), share)
	fmt.Fprintf(b, "  had to be held      %s\n", countWords(s.Met))
	if s.Unprovable > 0 {
		fmt.Fprintf(b, "  wait for a human    %d ordinals at the end, whose kubelets had lost track of a container\n", s.Unprovable)
	}
	if len(s.Evidence) > 0 {
		fmt.Fprintf(b, "  over by             %s\n", countWords(s.Evidence))
	}
	fmt.Fprintf(b, "\n  %-12s %6s %6s %6s\n", "family", "runs", "bit", "holds")
	for _, name := range slices.Sorted(maps.Keys(s.Families)) {
		f := s.Families[name]
		fmt.Fprintf(b, "  %-12s %6d %6d %6d  %s\n", name, f.Runs, f.Bit, f.Holds, s.faultsOf(name))
	}
	for _, f := range s.Found {
		fmt.Fprintln(b)
		f.text(b)
	}
	if s.NotListed > 0 {
		fmt.Fprintf(b, "\n  and %s more to look at, for which a report had no room\n", runs(s.NotListed))
	}
}

// faultsOf are the faults of a family that bit.
func (s *Side) faultsOf(family string) string {
	of := map[string]int{}
	for action, n := range s.Bit {
		if familyOf(action) == family {
			of[action] = n
		}
	}
	return countWords(of)
}

// brokenNamed is how many violations of a run are told of.
const brokenNamed = 4

func (f *Found) text(b *bytes.Buffer) {
	fmt.Fprintf(b, "  run %d of seed %d: ", f.Run, f.Seed)
	switch f.Ended {
	case Hung:
		fmt.Fprintln(b, "hung, and was given up: "+f.Error)
	case Failed:
		fmt.Fprintln(b, "the engine failed: "+f.Error)
	default:
		fmt.Fprintln(b, confirmedWords(f.Confirmed))
	}
	for i, v := range f.Violations {
		if i == brokenNamed {
			fmt.Fprintf(b, "    and %d more\n", len(f.Violations)-brokenNamed)
			break
		}
		fmt.Fprintf(b, "    %s for %s at %s %s\n", v.Invariant, v.By, v.From.Duration.Round(time.Second), v.Why)
	}
	for _, file := range f.Files {
		fmt.Fprintln(b, "    "+file)
	}
	fmt.Fprintf(b, "    again: holdfast sim fuzz --seed %d --run %d\n", f.Seed, f.Run)
}

func confirmedWords(confirmed *bool) string {
	switch {
	case confirmed == nil:
		return "violations, not played again"
	case *confirmed:
		return "violations, and again when it was played again"
	}
	return "violations, and none of the kind when it was played again"
}

func schedulerWords(s scenario.Scheduler) string {
	if s == scenario.Default {
		return "the default scheduler"
	}
	return "Holdfast"
}

func countWords(counts map[string]int) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		if counts[k] > 0 {
			words = append(words, fmt.Sprintf("%s %d", k, counts[k]))
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
