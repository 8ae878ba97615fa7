package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Format is how text is set.
type Format struct {
	// Styled sets headings in bold and what is wrong in red: for a terminal.
	Styled bool
	// Width is how many characters a line of lanes or of a summary may have; 0: lanes
	// have widthDefault, and summaries are not cut.
	Width int
}

// widthDefault is for whoever does not say, or has no terminal.
const widthDefault = 100

// nameLeast is how wide the column of names is at least.
const nameLeast = 12

// Summary writes lines, one for each scenario or run, and at last one for all.
type Summary struct {
	w         io.Writer
	p         printer
	format    Format
	nameWidth int

	scenarios, failed int
	virtual           time.Duration
}

// NewSummary begins a summary of scenarios with these names.
func NewSummary(w io.Writer, f Format, names []string) *Summary {
	width := nameLeast
	for _, name := range names {
		width = max(width, utf8.RuneCountInString(name))
	}
	return &Summary{w: w, p: printer{styled: f.Styled}, format: f, nameWidth: width}
}

// Scenario writes one line for a scenario: verdict, name, virtual and wall time of its
// runs together, and what they came to.
func (s *Summary) Scenario(r *Report) error {
	s.count(r)
	var virtual, wall time.Duration
	var failed []Check
	checks := 0
	for _, run := range r.Runs {
		virtual, wall, checks = virtual+run.Until.Duration, wall+run.Wall.Duration, checks+len(run.Checks)
		failed = append(failed, failedOf(run.Checks)...)
	}
	for i := range r.Broken {
		b := &r.Broken[i]
		virtual, wall, checks = virtual+b.Until.Duration, wall+b.Wall.Duration, checks+len(b.Checks)
		failed = append(failed, failedOf(b.Checks)...)
	}
	said := "not played: the scenario is limited to another scheduler"
	if len(r.Runs) > 0 {
		said = verdictWords(checks, failed, comparison(r.Runs))
	}
	return s.write(r.Passed, pad(r.Scenario, s.nameWidth), virtual, wall, said)
}

// Runs writes one line for each run of a scenario.
func (s *Summary) Runs(r *Report) error {
	s.count(r)
	for i := range r.Runs {
		run := &r.Runs[i]
		said := verdictWords(len(run.Checks), failedOf(run.Checks), verdictOf(run))
		name := pad(r.Scenario, s.nameWidth) + "  " + pad(run.Scheduler, len("holdfast"))
		if err := s.write(run.Passed(), name, run.Until.Duration, run.Wall.Duration, said); err != nil {
			return err
		}
	}
	for i := range r.Broken {
		b := &r.Broken[i]
		said := "broken on purpose"
		if !b.Passed() {
			said = verdictWords(len(b.Checks), failedOf(b.Checks), said)
		}
		name := pad(r.Scenario, s.nameWidth) + "  " + pad(b.Scheduler, len("holdfast"))
		if err := s.write(b.Passed(), name, b.Until.Duration, b.Wall.Duration, said); err != nil {
			return err
		}
	}
	return nil
}

func (s *Summary) count(r *Report) {
	s.scenarios++
	if !r.Passed {
		s.failed++
	}
	for _, run := range r.Runs {
		s.virtual += run.Until.Duration
	}
	for i := range r.Broken {
		s.virtual += r.Broken[i].Until.Duration
	}
}

// End writes the last line. Wall is how long all of it took.
func (s *Summary) End(wall time.Duration) error {
	text := plural(s.scenarios, "scenario") + ": "
	switch s.failed {
	case 0:
		text = s.p.bold(text + "all as expected")
	default:
		text = s.p.red(fmt.Sprintf("%s%d as expected, %d FAILED", text, s.scenarios-s.failed, s.failed))
	}
	_, err := fmt.Fprintf(s.w, "%s; %s of virtual time in %s\n", text, format(s.virtual), format(wall))
	return err
}

func (s *Summary) write(passed bool, name string, virtual, wall time.Duration, said string) error {
	verdict := "ok    "
	if !passed {
		verdict = "FAILED"
	}
	line := fmt.Sprintf("%s  %s  %8s in %6s  %s", verdict, name, format(virtual), format(wall), said)
	if s.format.Width > 0 {
		line = cut(line, s.format.Width)
	}
	if !passed {
		line = s.p.red(line)
	}
	_, err := fmt.Fprintln(s.w, line)
	return err
}

func failedOf(checks []Check) []Check {
	var failed []Check
	for _, c := range checks {
		if !c.OK {
			failed = append(failed, c)
		}
	}
	return failed
}

// verdictWords names the first check that failed, or says what the runs came to.
func verdictWords(checks int, failed []Check, outcome string) string {
	if len(failed) == 0 {
		return outcome
	}
	return fmt.Sprintf("%d of %s: %s", len(failed), plural(checks, "check"), failed[0].Name)
}

// verdictOf says of one run what ran twice in it.
func verdictOf(r *Run) string {
	return strings.TrimSuffix(comparison([]Run{*r}), " under "+schedulerWords(r.Scheduler))
}

// cut leaves out the end of a line that is longer than this.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(width-1, 0)]) + "…"
}
