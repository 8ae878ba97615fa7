package main

import (
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/holdfast-dev/holdfast/sim/report"
)

// printer prints the reports of sim run as they come.
type printer struct {
	out     io.Writer
	options *runOptions
	format  report.Format
	// one: there is a single scenario.
	one     bool
	summary *report.Summary
	failed  []*report.Report
	began   time.Time
}

func (o *runOptions) newPrinter(out io.Writer, scenarios []*named) *printer {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.Name
	}
	p := &printer{out: out, options: o, format: formatOf(out, o.width), one: len(scenarios) == 1, began: time.Now()}
	p.summary = report.NewSummary(out, p.format, names)
	return p
}

// formatOf is how wide the output is, as wide as is asked for or as the terminal is, and
// whether it may have colours.
func formatOf(out io.Writer, width int) report.Format {
	f := report.Format{Width: width}
	file, isFile := out.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return f
	}
	f.Styled = os.Getenv("NO_COLOR") == ""
	if columns, _, err := term.GetSize(int(file.Fd())); err == nil && width == 0 && columns >= widthLeast {
		f.Width = columns
	}
	return f
}

func (p *printer) print(r *report.Report) error {
	switch {
	case p.options.output == "json":
		return report.WriteJSON(p.out, r)
	case p.options.quiet:
		return p.summary.Runs(r)
	case p.one || p.options.verbose:
		return report.WriteText(p.out, r, p.format)
	case !r.Passed:
		p.failed = append(p.failed, r)
	}
	return p.summary.Scenario(r)
}

// end prints what failed, and what is to be said of all.
func (p *printer) end() error {
	if p.options.output == "json" || p.options.verbose || p.one && !p.options.quiet {
		return nil
	}
	if err := p.summary.End(time.Since(p.began)); err != nil {
		return err
	}
	for _, r := range p.failed {
		if _, err := io.WriteString(p.out, "\n"); err != nil {
			return err
		}
		if err := report.WriteText(p.out, r, p.format); err != nil {
			return err
		}
	}
	return nil
}
