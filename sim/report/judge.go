package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// Judge holds what happened in a run against what was expected of it. Every
// expectation becomes one check; so does every invariant, which nothing but the
// expected violations may break.
func Judge(e scenario.Expectation, run *Run) []Check {
	checks := judgeViolations(e.Violations, run)
	for _, id := range e.PreconditionsMet {
		checks = append(checks, judgeMet(id, run))
	}
	for _, o := range e.Ordinals {
		checks = append(checks, judgeOrdinal(o, run.Ordinals)...)
		checks = append(checks, judgeIncarnations(o, run)...)
	}
	checks = append(checks, judgeHolds(e, run)...)
	if e.SchedulingAttemptsWhileHeldMax != nil {
		checks = append(checks, judgeAttempts(*e.SchedulingAttemptsWhileHeldMax, run.Ordinals))
	}
	if len(e.BindOrder) > 0 {
		checks = append(checks, judgeBindOrder(e.BindOrder, run.Events))
	}
	checks = append(checks, judgeEvents(e.Events, run.Announced)...)
	return append(checks, judgePromises(e, run)...)
}

// invariants are those that every run is held to, and what it means to keep them.
var invariants = []struct {
	id          string
	kept, other string
	// written: it speaks of API writes, and is told of where there were such.
	written bool
	// quiet: it is told of only where it is broken.
	quiet bool
}{
	{"S1", "S1: no identity ever ran twice", "S1: no other identity ever ran twice", false, false},
	{"S2", "S2: no single-writer volume had two writers", "S2: no other single-writer volume had two writers", false, false},
	{"S3", "S3: no identity was released on a false proof", "S3: no other identity was released on a false proof", false, false},
	{"S4", "S4: no incarnation was let go without a release", "S4: no other incarnation was let go without a release", true, false},
	{"S5", "S5: no pod was bound out of reach of its volumes", "S5: no other pod was bound out of reach of its volumes", true, false},
	{"S6", "S6: no ordinal was bound before its turn", "S6: no other ordinal was bound before its turn", true, false},
	{"S9", "S9: no node was given more than it has room for", "S9: no other node was given more than it has room for", true, false},
	{"S8", "S8: no crash left anything half done", "S8: no crash left anything else half done", true, true},
	{"S10", "S10: Holdfast had no say about anybody else's pod", "S10: Holdfast had no say about any other pod of others", true, true},
	{"L1", "L1: every replacement that could be bound was", "L1: every other replacement that could be bound was", true, true},
	{"L2", "L2: everybody whose hold was over was tried", "L2: everybody else whose hold was over was tried", true, true},
	{"L3", "L3: nobody spun while held", "L3: nobody else spun while held", true, true},
	{"L4", "L4: all sets came to be ready again", "L4: all other sets came to be ready again", true, true},
	{"L5", "L5: no hold kept others waiting", "L5: no hold kept anybody else waiting", true, true},
	{"L6", "L6: every hold said why", "L6: every other hold said why", true, true},
}

// breaker is whom an invariant is broken by.
type breaker struct{ invariant, by string }

func judgeViolations(expected []scenario.Violation, run *Run) []Check {
	found := run.Violations
	partner := pair(len(expected), len(found), func(i, j int) bool { return matches(expected[i], found[j]) })

	byBreaker := map[breaker][]Violation{}
	for _, v := range found {
		b := breaker{v.Invariant, v.By}
		byBreaker[b] = append(byBreaker[b], v)
	}
	var checks []Check
	unmet := map[breaker]bool{}
	for i, v := range expected {
		b := breaker{v.Invariant, scenario.QualifiedName(v.By)}
		name := fmt.Sprintf("%s is broken for %s%s%s%s", b.invariant, b.by, expectedOutsideWords(v), momentWords(" from", v.From), momentWords(" to", v.To))
		if partner[i] >= 0 {
			checks = append(checks, met(name))
			continue
		}
		unmet[b] = true
		checks = append(checks, unless(name, "it was "+violationsWords(byBreaker[b])))
	}
	return append(checks, judgeUnexpected(run, partner, unmet)...)
}

// judgeUnexpected makes a failing check for everybody who broke an invariant beyond
// what was expected, inside and outside the trust boundary apart, and a passing one for
// every invariant that nobody so broke inside. What an unmet expectation has told
// already is not told again.
func judgeUnexpected(run *Run, partner []int, unmet map[breaker]bool) []Check {
	found := run.Violations
	// side is one of the two sides of the boundary; outside, one assertion's.
	type side struct {
		breaker
		outside string
	}
	var checks []Check
	for _, invariant := range invariants {
		var order []side
		spans, expectedToo := map[side][]Violation{}, map[side]bool{}
		keptInside, anyInside, anyOutside := true, false, false
		for j, v := range found {
			if v.Invariant != invariant.id {
				continue
			}
			anyInside, anyOutside = anyInside || v.Outside == "", anyOutside || v.Outside != ""
			b := side{breaker{v.Invariant, v.By}, v.Outside}
			if slices.Contains(partner, j) {
				expectedToo[b] = true
				continue
			}
			keptInside = keptInside && v.Outside != ""
			if len(spans[b]) == 0 {
				order = append(order, b)
			}
			spans[b] = append(spans[b], v)
		}
		if keptInside && !invariant.quiet && (!invariant.written || anyInside || run.Met[invariant.id] > 0) {
			name := invariant.kept
			switch {
			case anyInside:
				name = invariant.other
			case anyOutside:
				name += " inside the trust boundary"
			}
			checks = append(checks, met(name))
		}
		for _, b := range order {
			if unmet[b.breaker] {
				continue
			}
			name := fmt.Sprintf("%s holds for %s", b.invariant, b.by)
			if b.outside != "" {
				name += " outside the trust boundary too"
			}
			if expectedToo[b] {
				name += " but for what is expected"
			}
			checks = append(checks, unless(name, "it was "+violationsWords(spans[b])))
		}
	}
	return checks
}

// judgeMet asks that an invariant had something to hold.
func judgeMet(id string, run *Run) Check {
	name := id + " had something to hold"
	if run.Met[id] > 0 {
		return met(name)
	}
	return unless(name, "it never had")
}

// inStaleView are the invariants that S7 asks to hold in a stale view.
var inStaleView = []string{"S1", "S2", "S3", "S4", "S5", "S6"}

func matches(e scenario.Violation, v Violation) bool {
	same := e.Invariant == v.Invariant || e.Invariant == "S7" && v.Stale && slices.Contains(inStaleView, v.Invariant)
	return same && scenario.QualifiedName(e.By) == v.By && e.Outside == v.Outside &&
		within(e.From, &v.From) && within(e.To, v.To)
}

// judgeOrdinal makes a check of everything that is asked of one ordinal.
func judgeOrdinal(e scenario.Ordinal, all []Ordinal) []Check {
	name := scenario.QualifiedName(e.Name)
	// An identity of which the run saw nothing never had a pod.
	got := Ordinal{Name: name, State: string(scenario.Absent)}
	if i := slices.IndexFunc(all, func(o Ordinal) bool { return o.Name == name }); i >= 0 {
		got = all[i]
	}
	var checks []Check
	judge := func(ok bool, name, instead string) {
		if ok {
			checks = append(checks, met(name))
			return
		}
		checks = append(checks, unless(name, instead))
	}
	if e.State != "" {
		judge(got.State == string(e.State), fmt.Sprintf("%s is %s at the end", name, e.State), "it is "+got.State)
	}
	if e.Incarnations != nil {
		judge(got.Incarnations == *e.Incarnations, name+" had "+plural(*e.Incarnations, "incarnation"), plural(got.Incarnations, "incarnation"))
	}
	if e.LastStart != nil {
		instead := "it never started"
		if got.LastStart != nil {
			instead = "it last started at " + format(got.LastStart.Duration)
		}
		judge(within(e.LastStart, got.LastStart), name+" last started"+momentWords(" at", e.LastStart), instead)
	}
	if e.Down != nil {
		judge(inside(e.Down, got.Down), name+" was without a process for "+spanWords(e.Down), "it was for "+format(got.Down.Duration))
	}
	if e.Twice != nil {
		what := " ran twice for " + spanWords(e.Twice)
		if e.Twice.Max.Duration == 0 {
			what = " never ran twice"
		}
		judge(inside(e.Twice, got.Twice), name+what, "it ran twice for "+format(got.Twice.Duration))
	}
	return checks
}

func judgeHolds(e scenario.Expectation, run *Run) []Check {
	partner := pair(len(e.Holds), len(run.Holds), func(i, j int) bool {
		want, got := e.Holds[i], run.Holds[j]
		return scenario.QualifiedName(want.Ordinal) == got.Ordinal && string(want.By) == got.By &&
			want.Evidence == got.Evidence && (want.Evidence != "" || got.To == nil) &&
			within(want.From, &got.From) && within(want.To, got.To)
	})
	var checks []Check
	for i, h := range e.Holds {
		ordinal := scenario.QualifiedName(h.Ordinal)
		name := fmt.Sprintf("%s is held by the %s%s", ordinal, h.By, momentWords(" from", h.From))
		if h.Evidence == "" {
			name += ", not released"
		} else {
			name += ", released by " + h.Evidence + momentWords(" at", h.To)
		}
		if partner[i] >= 0 {
			checks = append(checks, met(name))
			continue
		}
		var holds []Hold
		for _, got := range run.Holds {
			if got.Ordinal == ordinal {
				holds = append(holds, got)
			}
		}
		checks = append(checks, unless(name, holdsWords(holds)))
	}
	if e.NoOtherHolds {
		checks = append(checks, judgeOtherHolds(run, partner))
	}
	return checks
}

// judgeOtherHolds asks only for ordinals whose pod a step deleted. Who shares a
// silent node with them, is evicted and is held too, is chance.
func judgeOtherHolds(run *Run, partner []int) Check {
	const name = "no other hold of a pod that a step deleted"
	deleted := deletedByStep(run.Events)
	var others []string
	for j, h := range run.Holds {
		if deleted[h.Ordinal] && !slices.Contains(partner, j) {
			others = append(others, h.Ordinal+" was "+holdsWords([]Hold{h}))
		}
	}
	if len(others) == 0 {
		return met(name)
	}
	return unless(name, strings.Join(others, "; "))
}

// stepReach is how long after a step a deletion counts as the step's.
const stepReach = time.Second

// deletedByStep finds the ordinals of which a pod was deleted at the time of a step.
// Time alone decides, not the step's words: to ask for too much is seen at once, to
// ask for too little never.
func deletedByStep(events []Event) map[string]bool {
	type pod struct {
		ordinal     string
		incarnation int
	}
	// The first sign counts: a pod that was evicted earlier is gone when a heal
	// lets its node report, but the heal has not deleted it.
	first := map[pod]time.Duration{}
	var steps []time.Duration
	for _, e := range events {
		switch e.Kind {
		case Step:
			steps = append(steps, e.At.Duration)
		case DeletionAsked, Removed:
			p := pod{e.Ordinal, e.Incarnation}
			if at, seen := first[p]; !seen || e.At.Duration < at {
				first[p] = e.At.Duration
			}
		}
	}
	deleted := map[string]bool{}
	for p, at := range first {
		if slices.ContainsFunc(steps, func(step time.Duration) bool { return step <= at && at <= step+stepReach }) {
			deleted[p.ordinal] = true
		}
	}
	return deleted
}

func judgeAttempts(most int, ordinals []Ordinal) Check {
	name := fmt.Sprintf("L3: no ordinal is tried more than %s while it is held", plural(most, "time"))
	if most == 0 {
		name = "L3: no ordinal is tried while it is held"
	}
	var more []string
	for _, o := range ordinals {
		if o.AttemptsWhileHeld > most {
			more = append(more, o.Name+" "+plural(o.AttemptsWhileHeld, "time"))
		}
	}
	if len(more) == 0 {
		return met(name)
	}
	return unless(name, strings.Join(more, ", "))
}

// judgeBindOrder holds the first binds of some ordinals, as the API had them one after
// the other, against an order. What others did in between is not asked.
func judgeBindOrder(ordinals []string, events []Event) Check {
	want := make([]string, len(ordinals))
	for i, name := range ordinals {
		want[i] = scenario.QualifiedName(name)
	}
	var got []string
	for _, e := range events {
		if e.Kind == Bound && slices.Contains(want, e.Ordinal) && !slices.Contains(got, e.Ordinal) {
			got = append(got, e.Ordinal)
		}
	}
	name := "first bound in this order: " + shortWords(want)
	switch {
	case slices.Equal(want, got):
		return met(name)
	case len(got) == 0:
		return unless(name, "none was bound")
	case len(got) < len(want):
		never := slices.DeleteFunc(slices.Clone(want), func(x string) bool { return slices.Contains(got, x) })
		return unless(name, shortWords(got)+"; never bound: "+shortWords(never))
	}
	return unless(name, shortWords(got))
}

func shortWords(names []string) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = short(name)
	}
	return strings.Join(words, ", ")
}

// judgeEvents makes a check of every event that must have been seen. One that is as
// asked is enough, whatever else was said of the object.
func judgeEvents(expected []scenario.Event, seen []Announcement) []Check {
	var checks []Check
	for _, e := range expected {
		object := scenario.QualifiedName(e.Name)
		name := fmt.Sprintf("event %s on %s %s%s", e.Reason, e.Kind, object, momentWords(" at", e.First))
		if e.Note != "" {
			name += ", which says: " + e.Note
		}
		var others []string
		found := false
		for _, a := range seen {
			if a.Reason != e.Reason || a.Kind != e.Kind || a.Name != object {
				continue
			}
			found = found || within(e.First, &a.At) && strings.Contains(a.Note, e.Note)
			others = append(others, "at "+format(a.At.Duration)+": "+a.Note)
		}
		switch {
		case found:
			checks = append(checks, met(name))
		case len(others) == 0:
			checks = append(checks, unless(name, "it was never seen"))
		default:
			checks = append(checks, unless(name, "it was seen "+strings.Join(others[:min(len(others), eventsNamedMax)], "; ")))
		}
	}
	return checks
}

// eventsNamedMax is how many others an event that was not seen is told with.
const eventsNamedMax = 3

func met(name string) Check { return Check{Name: name, OK: true} }

func unless(name, got string) Check { return Check{Name: name, Got: got} }

// within says whether a time is where it is expected. What is not asked is met.
func within(m *scenario.Moment, got *metav1.Duration) bool {
	if m == nil {
		return true
	}
	return got != nil && (got.Duration-m.At.Duration).Abs() <= m.Within.Duration
}

func inside(s *scenario.Span, got metav1.Duration) bool {
	return s.Min.Duration <= got.Duration && got.Duration <= s.Max.Duration
}

// momentWords says when, or nothing if no time is asked.
func momentWords(preposition string, m *scenario.Moment) string {
	if m == nil {
		return ""
	}
	return fmt.Sprintf("%s %s +-%s", preposition, format(m.At.Duration), format(m.Within.Duration))
}

func spanWords(s *scenario.Span) string {
	if s.Min == s.Max {
		return format(s.Min.Duration)
	}
	return format(s.Min.Duration) + " to " + format(s.Max.Duration)
}

func violationsWords(violations []Violation) string {
	if len(violations) == 0 {
		return "never broken"
	}
	var spans []string
	for _, v := range violations {
		if v.Why != "" {
			span := "at " + format(v.From.Duration)
			if len(v.Nodes) > 0 {
				span += " on " + enumerate(v.Nodes)
			}
			spans = append(spans, span+": "+v.Why)
			continue
		}
		span := fmt.Sprintf("from %s to %s on %s", format(v.From.Duration), orEnd(v.To), enumerate(v.Nodes))
		switch {
		case v.Outside != "":
			span += "," + outsideWords(v) + ": " + falseWords(v)
		case v.Evidence != "":
			span += ": the proof " + v.Evidence + " was false"
		}
		spans = append(spans, span)
	}
	return "broken " + strings.Join(spans, "; ")
}

func expectedOutsideWords(v scenario.Violation) string {
	if v.Outside == "" {
		return ""
	}
	return " outside the trust boundary by " + v.Outside
}

func orEnd(to *metav1.Duration) string {
	if to == nil {
		return "the end"
	}
	return format(to.Duration)
}

func holdsWords(holds []Hold) string {
	if len(holds) == 0 {
		return "never held"
	}
	var spans []string
	for _, h := range holds {
		span := fmt.Sprintf("by the %s from %s to %s", h.By, format(h.From.Duration), orEnd(h.To))
		if h.Evidence != "" {
			span += ", released by " + h.Evidence
		}
		spans = append(spans, span)
	}
	return "held " + strings.Join(spans, "; ")
}

// pair gives each of n expectations one of m findings that fits it, none to two, so
// that as many as possible have one. It returns the finding of each, -1 for none.
// A vague expectation so never takes the one finding that fits a strict one.
func pair(n, m int, fits func(i, j int) bool) []int {
	owner := slices.Repeat([]int{-1}, m)
	var place func(i int, tried []bool) bool
	place = func(i int, tried []bool) bool {
		for j := range m {
			if tried[j] || !fits(i, j) {
				continue
			}
			tried[j] = true
			if owner[j] < 0 || place(owner[j], tried) {
				owner[j] = i
				return true
			}
		}
		return false
	}
	for i := range n {
		place(i, make([]bool, m))
	}
	partner := slices.Repeat([]int{-1}, n)
	for j, i := range owner {
		if i >= 0 {
			partner[i] = j
		}
	}
	return partner
}
