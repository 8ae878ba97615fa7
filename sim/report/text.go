package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// WriteText writes the report for people: the transcript of each run, a table of its
// ordinals and its checks, and at last a line that compares the schedulers.
func WriteText(w io.Writer, r *Report, f Format) error {
	p := &printer{styled: f.Styled, width: f.Width}
	title := p.bold(r.Scenario)
	if r.File != "" {
		title += " (" + r.File + ")"
	}
	p.line(title)
	for _, line := range wrap(r.Description, 80) {
		p.line(line)
	}
	picture := Draw(r)
	for i := range r.Runs {
		p.run(&r.Runs[i], func() { p.lanes(picture, &picture.Runs[i]) })
	}
	for i := range r.Broken {
		p.broken(&r.Broken[i])
	}
	p.line("")
	if len(r.Runs) > 0 {
		p.line(p.bold(comparison(r.Runs)))
		p.trace(r.Runs)
	} else {
		p.line("not played: the scenario is limited to another scheduler")
	}
	if _, err := w.Write(p.out.Bytes()); err != nil {
		return fmt.Errorf("report of %s: %w", r.Scenario, err)
	}
	return nil
}

// trace says what each run is repeated by, or that none is promised to be.
func (p *printer) trace(runs []Run) {
	promised := false
	for _, r := range runs {
		if t := r.Trace; t != nil {
			promised = true
			p.line(fmt.Sprintf("Trace under %s, from seed %d: %d writes, sha256 %s.", schedulerWords(r.Scheduler), t.Seed, t.Writes, t.SHA256))
		}
	}
	if !promised {
		p.line("Another run may differ in the order of one instant: only the deterministic build repeats its trace.")
	}
}

// printer gathers lines.
type printer struct {
	out    bytes.Buffer
	styled bool
	// width is of lanes; 0: widthDefault.
	width int
}

func (p *printer) line(s string) {
	p.out.WriteString(strings.TrimRight(s, " "))
	p.out.WriteByte('\n')
}

func (p *printer) bold(s string) string { return p.style("1", s) }
func (p *printer) red(s string) string  { return p.style("31", s) }

func (p *printer) style(code, s string) string {
	if !p.styled {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) heading(s string) {
	p.line("")
	p.line(p.bold(s))
}

func (p *printer) run(r *Run, lanes func()) {
	p.heading(fmt.Sprintf("==== Under %s, %s of virtual time ====", schedulerWords(r.Scheduler), format(r.Until.Duration)))
	p.line("")
	p.notes(r)
	lanes()
	p.transcript(r)
	if len(r.Ordinals) > 0 {
		p.line("")
		p.ordinals(r.Ordinals)
	}
	p.promises(r)
	p.checks(r.Checks)
}

// entry is one line of a transcript.
type entry struct {
	at time.Duration
	// who is an ordinal or a claim; empty for the whole cluster.
	who, what string
	// detail follows on lines of its own.
	detail string
	wrong  bool
}

// clusterRule sets lines of the whole cluster apart from those of the ordinals.
const clusterRule = "---- "

// detailWidth is how wide a reason is set, in characters.
const detailWidth = 88

func (p *printer) transcript(r *Run) {
	entries := entriesOf(r)
	atWidth, whoWidth := 0, 0
	for _, e := range entries {
		atWidth = max(atWidth, len(format(e.at)))
		whoWidth = max(whoWidth, utf8.RuneCountInString(e.who))
	}
	for _, e := range entries {
		text := fmt.Sprintf("%*s  ", atWidth, format(e.at))
		switch {
		case e.who == "":
			text += p.bold(clusterRule + e.what)
		case e.wrong:
			text += p.red(pad(e.who, whoWidth) + "  " + e.what)
		default:
			text += pad(e.who, whoWidth) + "  " + e.what
		}
		p.line("  " + text)
		for _, line := range wrap(e.detail, detailWidth) {
			p.line(strings.Repeat(" ", 2+atWidth+2+whoWidth+2+2) + line)
		}
	}
}

// entriesOf tells the run in order of time. What an instant broke or mended comes
// after what happened in it.
func entriesOf(r *Run) []entry {
	var entries []entry
	for _, e := range r.Events {
		what, detail := eventWords(e)
		entries = append(entries, entry{at: e.At.Duration, who: short(e.Ordinal), what: what, detail: detail})
	}
	for _, v := range r.Violations {
		who := short(v.By)
		entries = append(entries, entry{at: v.From.Duration, who: who, what: brokenWords(v), wrong: true})
		// What was written in an instant is not undone after it.
		if v.To != nil && v.Why == "" {
			lasted := format(v.To.Duration - v.From.Duration)
			entries = append(entries, entry{at: v.To.Duration, who: who, what: v.Invariant + " holds again, after " + lasted + outsideWords(v)})
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	return entries
}

// brokenWords says what is broken. What a false assertion led to has words of its own,
// which name the assertion first.
func brokenWords(v Violation) string {
	what := "broken"
	switch v.Invariant {
	case "S1":
		what = "runs twice"
	case "S2":
		what = "two writers"
	case "S3":
		what = "released by " + v.Evidence + " and runs"
	}
	if v.Why != "" {
		what = v.Why
	}
	if len(v.Nodes) > 0 {
		what += ", on " + enumerate(v.Nodes)
	}
	if v.Outside != "" {
		return v.Invariant + outsideWords(v) + ": " + falseWords(v) + "; " + what
	}
	return v.Invariant + " BROKEN: " + what
}

// falseWords names the assertion that a violation follows from.
func falseWords(v Violation) string {
	about := short(v.By)
	if v.Invariant == "S2" {
		about = "a pod that writes it"
	}
	return "the assertion " + v.Outside + " about " + about + " was false"
}

// outsideWords are of a violation outside the trust boundary; empty inside.
func outsideWords(v Violation) string {
	if v.Outside == "" {
		return ""
	}
	return " outside the trust boundary"
}

// eventWords says what happened, without when and to whom. The reason of a hold or
// a release is long, and goes apart.
func eventWords(e Event) (text, detail string) {
	who := "a pod"
	if e.Incarnation > 0 {
		who = fmt.Sprintf("incarnation %d", e.Incarnation)
	}
	switch e.Kind {
	case Step:
		return e.Detail + parenthesis(e.Node), ""
	case NodeNotReady:
		text = "node " + e.Node + " is not ready"
	case NodeReady:
		text = "node " + e.Node + " is ready"
	case Created:
		text = who + " created"
	case Bound:
		text = who + " bound to " + e.Node
	case Started:
		text = who + " started" + on(e.Node)
	case Stopped:
		text = who + " stopped" + on(e.Node)
	case DeletionAsked:
		text = who + ": deletion asked for"
	case Removed:
		text = who + ": pod object gone"
	case Lost:
		text = who + " lost" + on(e.Node)
	case Over:
		text = who + " is over: " + e.Evidence
	case Held:
		return "HELD by the " + e.By, e.Detail
	case Released:
		return "RELEASED by " + e.Evidence + ", was held by the " + e.By, e.Detail
	default:
		text = who + ": " + string(e.Kind) + on(e.Node)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text, ""
}

func on(node string) string {
	if node == "" {
		return ""
	}
	return " on " + node
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func (p *printer) ordinals(ordinals []Ordinal) {
	// Who never ran twice outside the trust boundary need not know of it.
	outside := slices.ContainsFunc(ordinals, func(o Ordinal) bool { return o.TwiceOutside.Duration > 0 })
	twice := func(inside, beyond string) []string {
		if outside {
			return []string{inside, beyond}
		}
		return []string{inside}
	}
	rows := [][]string{slices.Concat(
		[]string{"ordinal", "no process"}, twice("two at once", "two outside the boundary"),
		[]string{"incarnations", "nodes", "last start", "at the end"},
	)}
	for _, o := range ordinals {
		start := "never"
		if o.LastStart != nil {
			start = format(o.LastStart.Duration)
		}
		rows = append(rows, slices.Concat(
			[]string{short(o.Name), format(o.Down.Duration)},
			twice(format(o.Twice.Duration-o.TwiceOutside.Duration), format(o.TwiceOutside.Duration)),
			[]string{fmt.Sprint(o.Incarnations), strings.Join(o.Nodes, ", "), start, o.State},
		))
	}
	for i, line := range columns(rows) {
		switch {
		case i == 0:
			line = p.bold(line)
		case ordinals[i-1].Twice.Duration > 0:
			line = p.red(line)
		}
		p.line("  " + line)
	}
}

// columns pads the cells of each column but the last to one width.
func columns(rows [][]string) []string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var lines []string
	for _, row := range rows {
		var cells []string
		for i, cell := range row {
			cells = append(cells, pad(cell, widths[i]))
		}
		lines = append(lines, strings.TrimRight(strings.Join(cells, "  "), " "))
	}
	return lines
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

func (p *printer) checks(checks []Check) {
	failed := 0
	for _, c := range checks {
		if !c.OK {
			failed++
		}
	}
	p.line("")
	switch {
	case failed > 0:
		p.line(p.red(fmt.Sprintf("%d of %s FAILED:", failed, plural(len(checks), "check"))))
	default:
		p.line(p.bold(plural(len(checks), "check") + " ok:"))
	}
	for _, c := range checks {
		if c.OK {
			p.line("  ok      " + c.Name)
			continue
		}
		p.line(p.red("  FAILED  " + c.Name))
		p.line("          found: " + c.Got)
	}
}

// wrap breaks a text into lines of at most this many characters, where words allow.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
