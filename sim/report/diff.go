package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DiffKind of the machine-readable output.
const DiffKind = "RunDiff"

// Diff is how two sets of reports differ.
type Diff struct {
	metav1.TypeMeta `json:",inline"`

	// Differences are in the order of the first set, and then of the second.
	Differences []Difference `json:"differences"`
}

// Difference is one thing that is not alike.
type Difference struct {
	Scenario string `json:"scenario"`
	// Scheduler is empty where it is about the scenario as a whole.
	Scheduler string `json:"scheduler,omitempty"`
	// About is what differs: ordinal default/web-0: last start.
	About string `json:"about"`
	// A and B are what the two have; empty: there is nothing of it.
	A string `json:"a,omitempty"`
	B string `json:"b,omitempty"`
}

// ReadAll reads the documents that WriteJSON has written, one or more.
func ReadAll(r io.Reader) ([]*Report, error) {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	var all []*Report
	for {
		report := &Report{}
		err := decoder.Decode(report)
		if errors.Is(err, io.EOF) && len(all) > 0 {
			return all, nil
		}
		place := fmt.Sprintf("document %d", len(all)+1)
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: there is none", place)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", place, err)
		}
		if report.APIVersion != APIVersion || report.Kind != Kind {
			return nil, fmt.Errorf("%s: apiVersion %q, kind %q: want %s, %s", place, report.APIVersion, report.Kind, APIVersion, Kind)
		}
		all = append(all, report)
	}
}

// differ gathers differences.
type differ struct {
	tolerance           time.Duration
	scenario, scheduler string
	found               []Difference
}

// Compare holds two sets of reports against each other: ordinals, violations, holds,
// verdicts, and when. Times that are no further apart than the tolerance are alike, and
// so is how long the runs took in wall time.
func Compare(a, b []*Report, tolerance time.Duration) *Diff {
	d := &differ{tolerance: tolerance, found: []Difference{}}
	both(a, b, reportKeys, func(x, y *Report) {
		d.scenario, d.scheduler = either(x, y).Scenario, ""
		if x == nil || y == nil {
			d.note("scenario", presence(x != nil), presence(y != nil))
			return
		}
		d.runs(x.Runs, y.Runs)
	})
	return &Diff{TypeMeta: metav1.TypeMeta{APIVersion: APIVersion, Kind: DiffKind}, Differences: d.found}
}

// reportKeys tell the reports of a set apart. One scenario may have been played twice.
func reportKeys(all []*Report) []string {
	seen := map[string]int{}
	keys := make([]string, len(all))
	for i, r := range all {
		seen[r.Scenario]++
		keys[i] = fmt.Sprintf("%s %d", r.Scenario, seen[r.Scenario])
	}
	return keys
}

// keysBy tells things apart by a name of theirs.
func keysBy[T any](name func(*T) string) func([]*T) []string {
	return func(all []*T) []string {
		keys := make([]string, len(all))
		for i, x := range all {
			keys[i] = name(x)
		}
		return keys
	}
}

// both calls f for the pairs that have one key, nil where there is none.
func both[T any](a, b []*T, keys func([]*T) []string, f func(x, y *T)) {
	inA, inB := keys(a), keys(b)
	for i, key := range inA {
		var y *T
		if j := slices.Index(inB, key); j >= 0 {
			y = b[j]
		}
		f(a[i], y)
	}
	for j, key := range inB {
		if !slices.Contains(inA, key) {
			f(nil, b[j])
		}
	}
}

func either[T any](x, y *T) *T {
	if x != nil {
		return x
	}
	return y
}

func pointers[T any](all []T) []*T {
	p := make([]*T, len(all))
	for i := range all {
		p[i] = &all[i]
	}
	return p
}

func presence(there bool) string {
	if there {
		return "played"
	}
	return ""
}

func (d *differ) note(about, a, b string) {
	if a != b {
		d.found = append(d.found, Difference{Scenario: d.scenario, Scheduler: d.scheduler, About: about, A: a, B: b})
	}
}

// moment notes times that are further apart than is allowed; nil: never.
func (d *differ) moment(about string, a, b *metav1.Duration, never string) {
	if a != nil && b != nil && (a.Duration-b.Duration).Abs() <= d.tolerance {
		return
	}
	words := func(at *metav1.Duration) string {
		if at == nil {
			return never
		}
		return at.Duration.String()
	}
	d.note(about, words(a), words(b))
}

func (d *differ) runs(a, b []Run) {
	both(pointers(a), pointers(b), keysBy(func(r *Run) string { return r.Scheduler }), func(x, y *Run) {
		d.scheduler = either(x, y).Scheduler
		if x == nil || y == nil {
			d.note("run", presence(x != nil), presence(y != nil))
			return
		}
		d.moment("end of the run", &x.Until, &y.Until, "")
		d.ordinals(x.Ordinals, y.Ordinals)
		d.unpaired("violation of ", violationWords(x.Violations), violationWords(y.Violations), func(i, j int) bool {
			return d.sameViolation(x.Violations[i], y.Violations[j])
		})
		d.unpaired("hold of ", holdWords(x.Holds), holdWords(y.Holds), func(i, j int) bool { return d.sameHold(x.Holds[i], y.Holds[j]) })
		d.checks(x.Checks, y.Checks)
	})
}

func (d *differ) ordinals(a, b []Ordinal) {
	both(pointers(a), pointers(b), keysBy(func(o *Ordinal) string { return o.Name }), func(x, y *Ordinal) {
		name := "ordinal " + either(x, y).Name
		if x == nil || y == nil {
			state := func(o *Ordinal) string {
				if o == nil {
					return ""
				}
				return o.State
			}
			d.note(name, state(x), state(y))
			return
		}
		d.note(name+": state at the end", x.State, y.State)
		d.note(name+": incarnations", fmt.Sprint(x.Incarnations), fmt.Sprint(y.Incarnations))
		d.note(name+": nodes", strings.Join(x.Nodes, ", "), strings.Join(y.Nodes, ", "))
		d.moment(name+": last start", x.LastStart, y.LastStart, "never")
		d.moment(name+": time without a process", &x.Down, &y.Down, "")
		d.moment(name+": time of two at once", &x.Twice, &y.Twice, "")
		d.moment(name+": time of two at once outside the trust boundary", &x.TwiceOutside, &y.TwiceOutside, "")
		d.note(name+": attempts while held", fmt.Sprint(x.AttemptsWhileHeld), fmt.Sprint(y.AttemptsWhileHeld))
	})
}

// told is a thing in words: who it is about, and the rest.
type told struct{ who, what string }

// unpaired notes what has nothing like it on the other side. What is left on both sides
// and about the same is one difference.
func (d *differ) unpaired(prefix string, a, b []told, same func(i, j int) bool) {
	partner := pair(len(a), len(b), same)
	var onlyB []told
	for j := range b {
		if !slices.Contains(partner, j) {
			onlyB = append(onlyB, b[j])
		}
	}
	for i, x := range a {
		if partner[i] >= 0 {
			continue
		}
		other := ""
		if j := slices.IndexFunc(onlyB, func(y told) bool { return y.who == x.who }); j >= 0 {
			other = onlyB[j].what
			onlyB = slices.Delete(onlyB, j, j+1)
		}
		d.note(prefix+x.who, x.what, other)
	}
	for _, y := range onlyB {
		d.note(prefix+y.who, "", y.what)
	}
}

func violationWords(all []Violation) []told {
	words := make([]told, len(all))
	for i, v := range all {
		what := fmt.Sprintf("from %s to %s on %s", v.From.Duration, orNever(v.To), enumerate(v.Nodes))
		if v.Outside != "" {
			what += ", outside by " + v.Outside
		}
		if v.Evidence != "" {
			what += ", by " + v.Evidence
		}
		words[i] = told{v.Invariant + " by " + v.By, what}
	}
	return words
}

func holdWords(all []Hold) []told {
	words := make([]told, len(all))
	for i, h := range all {
		what := fmt.Sprintf("by the %s from %s to %s", h.By, h.From.Duration, orNever(h.To))
		if h.Evidence != "" {
			what += ", released by " + h.Evidence
		}
		words[i] = told{h.Ordinal, what}
	}
	return words
}

func orNever(to *metav1.Duration) string {
	if to == nil {
		return "the end"
	}
	return to.Duration.String()
}

// near: both at about the same time, or both never.
func (d *differ) near(a, b *metav1.Duration) bool {
	if a == nil || b == nil {
		return a == b
	}
	return (a.Duration - b.Duration).Abs() <= d.tolerance
}

func (d *differ) sameViolation(a, b Violation) bool {
	return a.Invariant == b.Invariant && a.By == b.By && a.Outside == b.Outside && a.Evidence == b.Evidence &&
		slices.Equal(a.Nodes, b.Nodes) && d.near(&a.From, &b.From) && d.near(a.To, b.To)
}

// sameHold does not ask why: the words name times and nodes.
func (d *differ) sameHold(a, b Hold) bool {
	return a.Ordinal == b.Ordinal && a.By == b.By && a.Evidence == b.Evidence && d.near(&a.From, &b.From) && d.near(a.To, b.To)
}

func (d *differ) checks(a, b []Check) {
	verdict := func(c *Check) string {
		switch {
		case c == nil:
			return ""
		case c.OK:
			return "ok"
		}
		return "FAILED, found: " + c.Got
	}
	both(pointers(a), pointers(b), keysBy(func(c *Check) string { return c.Name }), func(x, y *Check) {
		if x != nil && y != nil && x.OK == y.OK {
			return // Both failed: what they found is told by what it is about.
		}
		d.note("check: "+either(x, y).Name, verdict(x), verdict(y))
	})
}

// WriteText writes the differences for people; a and b are what the two sets are called.
func (d *Diff) WriteText(w io.Writer, f Format, a, b string) error {
	p := &printer{styled: f.Styled}
	before := ""
	for _, x := range d.Differences {
		heading := x.Scenario
		if x.Scheduler != "" {
			heading += " under " + schedulerWords(x.Scheduler)
		}
		if heading != before {
			p.line(p.bold(heading))
			before = heading
		}
		p.line("  " + x.About)
		if x.A != "" {
			p.line("    - " + x.A)
		}
		if x.B != "" {
			p.line("    + " + x.B)
		}
	}
	if len(d.Differences) == 0 {
		p.line(fmt.Sprintf("no difference between %s and %s", a, b))
	} else {
		p.line("")
		p.line(fmt.Sprintf("%s; - is %s, + is %s", plural(len(d.Differences), "difference"), a, b))
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

// WriteJSON writes the differences for machines.
func (d *Diff) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(d)
}
