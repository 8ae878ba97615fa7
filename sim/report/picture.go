package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Picture is a report laid out over time, for whoever draws it: every word that is
// drawn is in it, and every place.
type Picture struct {
	Scenario, File, Description string
	// Verdict compares the schedulers in one line.
	Verdict string
	Passed  bool
	// Until is the end of the longest run: all runs are on one scale.
	Until time.Duration
	Ticks []Tick
	// Runs are those of the report, in its order, and then those that were broken on
	// purpose.
	Runs []PictureRun
	// Nodes that anything ran on, or that anything was done to, in the order in which
	// they are first seen.
	Nodes []string
}

// PictureRun is one run of it.
type PictureRun struct {
	// Scheduler is its name, and Title what sentences call it.
	Scheduler, Title string
	// Breaks are the steps that were meant to break a promise, in words; none: it is the
	// story as it is. Its Checks are those that must fail.
	Breaks []string
	// Verdict says what ran twice under it.
	Verdict string
	Passed  bool
	Until   time.Duration
	// Faults have a lane each, in order of time.
	Faults []Lane
	// More faults there are than have a lane.
	More int
	// Lanes are the ordinals, and then the claims that had two writers.
	Lanes  []Lane
	Checks []Check
	// Story is the transcript.
	Story []Entry
}

// Lane is what happened to one ordinal, to one claim, or by one fault.
type Lane struct {
	Name string
	// Note says how it stands at the end.
	Note string
	// Wrong: an invariant was broken in it.
	Wrong bool
	Spans []Span
}

// SpanKind is what a span of a lane is.
type SpanKind string

// The kinds of spans.
const (
	// Waiting, Placed and Deleting are the pod's object: created, bound, being deleted.
	Waiting  SpanKind = "waiting"
	Placed   SpanKind = "placed"
	Deleting SpanKind = "deleting"
	// Running is a process; Unseen is the part of it that the API cannot see.
	Running SpanKind = "running"
	Unseen  SpanKind = "unseen"
	// Holding is a hold.
	Holding SpanKind = "holding"
	// Broken is a violation; BrokenOutside one outside the trust boundary.
	Broken        SpanKind = "broken"
	BrokenOutside SpanKind = "broken-outside"
	// Effect is a fault's.
	Effect SpanKind = "effect"
)

// Span is a part of a lane.
type Span struct {
	Kind SpanKind
	// Track sets apart incarnations that are there at once, from 0.
	Track    int
	From, To time.Duration
	// Node that it is on; empty: on none.
	Node string
	// Label is what is drawn into it, if there is room.
	Label string
	// Brief is drawn where there is no room for Label; empty: nothing.
	Brief string
	// Says is all that is known of it, a sentence or two each.
	Says []string
}

// Tick is a mark of the scale.
type Tick struct {
	At   time.Duration
	Text string
	// Level is 0 for a mark that is always there; the others need more room.
	Level int
}

// Entry is a line of the transcript.
type Entry struct {
	At string
	// Who is an ordinal or a claim; empty for the whole cluster.
	Who, What, Detail string
	Wrong             bool
}

// faultLanesMax is how many faults have a lane of their own.
const faultLanesMax = 40

// Draw lays a report out.
func Draw(r *Report) *Picture {
	p := &Picture{
		Scenario: r.Scenario, File: r.File, Description: strings.Join(strings.Fields(r.Description), " "),
		Passed: r.Passed, Verdict: "not played: the scenario is limited to another scheduler",
	}
	if len(r.Runs) > 0 {
		p.Verdict = comparison(r.Runs)
	}
	for i := range r.Runs {
		run := &r.Runs[i]
		p.Until = max(p.Until, run.Until.Duration)
		p.Runs = append(p.Runs, drawRun(run))
	}
	for i := range r.Broken {
		b := &r.Broken[i]
		p.Until = max(p.Until, b.Until.Duration)
		p.Runs = append(p.Runs, drawBroken(b))
	}
	p.Ticks = ticks(p.Until)
	p.Nodes = p.nodes()
	return p
}

// nodes gathers the names from all lanes.
func (p *Picture) nodes() []string {
	var nodes []string
	for _, r := range p.Runs {
		for _, l := range slices.Concat(r.Lanes, r.Faults) {
			for _, s := range l.Spans {
				if s.Node != "" && !slices.Contains(nodes, s.Node) {
					nodes = append(nodes, s.Node)
				}
			}
		}
	}
	return nodes
}

func drawRun(r *Run) PictureRun {
	drawn := PictureRun{
		Scheduler: r.Scheduler, Title: schedulerWords(r.Scheduler), Verdict: verdictOf(r),
		Passed: r.Passed(), Until: r.Until.Duration, Checks: r.Checks,
	}
	for _, f := range r.Faults {
		if len(drawn.Faults) == faultLanesMax {
			drawn.More++
			continue
		}
		drawn.Faults = append(drawn.Faults, drawFault(f, r.Until.Duration))
	}
	for _, o := range r.Ordinals {
		drawn.Lanes = append(drawn.Lanes, drawOrdinal(o, r))
	}
	drawn.Lanes = append(drawn.Lanes, drawOthers(r)...)
	for _, e := range entriesOf(r) {
		drawn.Story = append(drawn.Story, Entry{At: format(e.at), Who: e.who, What: e.what, Detail: e.detail, Wrong: e.wrong})
	}
	return drawn
}

// drawBroken draws a run that was broken on purpose: what is to be looked at is whether
// it did break.
func drawBroken(b *BrokenRun) PictureRun {
	run := b.Run
	if run == nil {
		run = &Run{Until: b.Until}
	}
	drawn := drawRun(run)
	drawn.Scheduler, drawn.Title = b.Scheduler, schedulerWords(b.Scheduler)
	drawn.Breaks, drawn.Checks, drawn.Passed = b.Steps, b.Checks, b.Passed()
	if b.Run == nil {
		drawn.Verdict = "what was seen of it is not in this report"
	}
	return drawn
}

func drawFault(f Fault, until time.Duration) Lane {
	to := endOf(f.To, until)
	s := Span{Kind: Effect, From: f.From.Duration, To: to, Node: f.Node, Label: f.Node, Says: []string{f.What + on(f.Node)}}
	switch {
	case f.To == nil:
		s.Says = append(s.Says, spanOfTime(s.From, to)+", to the end of the run")
	case f.To.Duration == f.From.Duration:
		s.Says = append(s.Says, "at "+format(s.From))
	default:
		s.Says = append(s.Says, spanOfTime(s.From, to))
	}
	if f.EndedBy != "" {
		s.Says = append(s.Says, "ended by: "+f.EndedBy)
	}
	return Lane{Name: f.What, Spans: []Span{s}}
}

// spanOfTime: from 3m to 30m, for 27m.
func spanOfTime(from, to time.Duration) string {
	return fmt.Sprintf("from %s to %s, for %s", format(from), format(to), format(to-from))
}

func endOf(to *metav1.Duration, until time.Duration) time.Duration {
	if to == nil {
		return until
	}
	return to.Duration
}

// life is one incarnation of an ordinal.
type life struct {
	number int
	node   string
	// object are the beginnings of its object's phases, in order, and then its end.
	object []phase
	// runs are its processes: a pod may run again on a machine that was rebooted.
	runs []period
	lost []time.Duration
	// gone: its object is.
	gone bool
}

type phase struct {
	kind SpanKind
	at   time.Duration
}

type period struct {
	from, to time.Duration
	open     bool
}

// livesOf gathers the incarnations of an ordinal from the events.
func livesOf(ordinal string, r *Run) []*life {
	var lives []*life
	of := map[int]*life{}
	for _, e := range r.Events {
		if e.Ordinal != ordinal || e.Incarnation == 0 {
			continue
		}
		l := of[e.Incarnation]
		if l == nil {
			l = &life{number: e.Incarnation}
			of[e.Incarnation] = l
			lives = append(lives, l)
		}
		l.node = cmp.Or(e.Node, l.node)
		l.take(e)
	}
	for _, l := range lives {
		for i := range l.runs {
			if l.runs[i].open {
				l.runs[i].to = r.Until.Duration
			}
		}
		if !l.gone {
			l.object = append(l.object, phase{at: r.Until.Duration})
		}
	}
	return lives
}

// take follows the incarnation through an event.
func (l *life) take(e Event) {
	at := e.At.Duration
	switch e.Kind {
	case Created:
		l.object = append(l.object, phase{Waiting, at})
	case Bound:
		l.object = append(l.object, phase{Placed, at})
	case DeletionAsked:
		l.object = append(l.object, phase{Deleting, at})
	case Removed:
		l.object = append(l.object, phase{at: at})
		l.gone = true
	case Started:
		l.runs = append(l.runs, period{from: at, open: true})
	case Stopped:
		if n := len(l.runs); n > 0 && l.runs[n-1].open {
			l.runs[n-1].to, l.runs[n-1].open = at, false
		}
	case Lost:
		l.lost = append(l.lost, at)
	}
}

// span is from when to when there was anything of it.
func (l *life) span() (from, to time.Duration) {
	from = l.object[0].at
	to = l.object[len(l.object)-1].at
	for _, p := range l.runs {
		from, to = min(from, p.from), max(to, p.to)
	}
	return from, to
}

func drawOrdinal(o Ordinal, r *Run) Lane {
	lane := Lane{Name: short(o.Name), Note: o.State + " at the end"}
	if o.Twice.Duration > 0 {
		lane.Note += "; two at once for " + format(o.Twice.Duration)
	}
	var free []time.Duration // When each track is free again.
	for _, l := range livesOf(o.Name, r) {
		from, to := l.span()
		track := slices.IndexFunc(free, func(at time.Duration) bool { return at <= from })
		if track < 0 {
			track = len(free)
			free = append(free, 0)
		}
		free[track] = to
		for _, s := range l.draw(lane.Name, r) {
			s.Track = track
			lane.Spans = append(lane.Spans, s)
		}
	}
	for _, h := range r.Holds {
		if h.Ordinal == o.Name {
			lane.Spans = append(lane.Spans, drawHold(lane.Name, h, r))
		}
	}
	lane.broken(r, o.Name)
	return lane
}

// draw makes the spans of an incarnation: its object's, and its processes'.
func (l *life) draw(name string, r *Run) []Span {
	who := fmt.Sprintf("%s, incarnation %d", name, l.number)
	var spans []Span
	for i, p := range l.object[:len(l.object)-1] {
		next := l.object[i+1]
		if p.at == next.at {
			continue
		}
		s := Span{Kind: p.kind, From: p.at, To: next.at, Node: l.node}
		switch p.kind {
		case Waiting:
			s.Node = ""
			s.Says = []string{who + ": created, not bound to a node yet"}
		case Placed:
			s.Says = []string{who + ": bound to " + l.node}
		case Deleting:
			s.Says = []string{who + ": deletion asked for, and its object is still there"}
		}
		s.Says = append(s.Says, "its object, "+spanOfTime(s.From, s.To))
		spans = append(spans, s)
	}
	for _, p := range l.runs {
		for _, s := range l.drawProcess(p, r) {
			s.Says = append([]string{who + ": " + s.Says[0]}, s.Says[1:]...)
			spans = append(spans, s)
		}
	}
	for i := range spans {
		spans[i].Says = append(spans[i].Says, l.history())
	}
	return spans
}

// drawProcess makes the spans of one process: it runs, and it may be out of sight for
// some of that time.
func (l *life) drawProcess(p period, r *Run) []Span {
	var spans []Span
	add := func(kind SpanKind, from, to time.Duration, label, brief, says string) {
		if from >= to {
			return
		}
		spans = append(spans, Span{Kind: kind, From: from, To: to, Node: l.node, Label: label, Brief: brief, Says: []string{says, spanOfTime(from, to)}})
	}
	runs := "runs" + on(l.node)
	at := p.from
	for _, lost := range l.lost {
		if lost < at || lost >= p.to {
			continue
		}
		heard := min(p.to, l.heardAgain(lost, r))
		add(Running, at, lost, l.node, "", runs)
		add(Unseen, lost, heard, l.node+", out of sight", l.node, runs+", out of sight of the API server")
		at = heard
	}
	add(Running, at, p.to, l.node, "", runs)
	return spans
}

// heardAgain is when the node that went silent at this time is heard again.
func (l *life) heardAgain(lost time.Duration, r *Run) time.Duration {
	heard := r.Until.Duration
	for _, f := range r.Faults {
		if f.Node == l.node && f.From.Duration == lost && f.To != nil {
			heard = f.To.Duration
		}
	}
	return heard
}

// history is all that the API had of the incarnation, and its processes, in one line.
func (l *life) history() string {
	words := map[SpanKind]string{Waiting: "created", Placed: "bound", Deleting: "deletion asked for"}
	var said []string
	for _, p := range l.object {
		switch {
		case words[p.kind] != "":
			said = append(said, words[p.kind]+" "+format(p.at))
		case l.gone:
			said = append(said, "object gone "+format(p.at))
		}
	}
	for _, p := range l.runs {
		said = append(said, "started "+format(p.from))
		if !p.open {
			said = append(said, "stopped "+format(p.to))
		}
	}
	return strings.Join(said, ", ")
}

func drawHold(name string, h Hold, r *Run) Span {
	to := endOf(h.To, r.Until.Duration)
	s := Span{
		Kind: Holding, From: h.From.Duration, To: to, Label: "held by the " + h.By, Brief: "held",
		Says: []string{name + ": held by the " + h.By, spanOfTime(h.From.Duration, to)},
	}
	if h.To == nil {
		s.Says[1] += ", to the end of the run"
	}
	if h.Why != "" {
		s.Says = append(s.Says, "why: "+h.Why)
	}
	if h.Evidence != "" {
		s.Label += ", released by " + h.Evidence
		s.Says = append(s.Says, "released by "+h.Evidence+evidenceDetail(h, r))
	}
	return s
}

// evidenceDetail is what the evidence of a release says, from the transcript.
func evidenceDetail(h Hold, r *Run) string {
	for _, e := range r.Events {
		if e.Kind == Released && e.Ordinal == h.Ordinal && h.To != nil && e.At == *h.To && e.Detail != "" {
			return ": " + e.Detail
		}
	}
	return ""
}

// broken adds the violations that are about somebody.
func (l *Lane) broken(r *Run, by string) {
	for _, v := range r.Violations {
		if v.By != by {
			continue
		}
		kind := Broken
		if v.Outside != "" {
			kind = BrokenOutside
		}
		to := endOf(v.To, r.Until.Duration)
		s := Span{
			Kind: kind, From: v.From.Duration, To: to, Label: v.Invariant + ": " + wrongWords(v) + ", " + format(to-v.From.Duration), Brief: v.Invariant,
			Says: []string{short(by) + ": " + brokenWords(v), spanOfTime(v.From.Duration, to)},
		}
		if v.To == nil {
			s.Says[1] += ", to the end of the run"
		}
		l.Wrong = true
		l.Spans = append(l.Spans, s)
	}
}

// wrongWords is what a violation is, in two or three words.
func wrongWords(v Violation) string {
	what := "broken"
	switch v.Invariant {
	case "S1":
		what = "two at once"
	case "S2":
		what = "two writers"
	case "S3":
		what = "released and runs"
	}
	if v.Outside != "" {
		what += " after a false word"
	}
	return what
}

// drawOthers makes a lane for everybody who is no ordinal and broke an invariant: a
// claim with two writers.
func drawOthers(r *Run) []Lane {
	var lanes []Lane
	done := map[string]bool{}
	for _, o := range r.Ordinals {
		done[o.Name] = true
	}
	for _, v := range r.Violations {
		if done[v.By] {
			continue
		}
		done[v.By] = true
		lane := Lane{Name: short(v.By)}
		if v.Invariant == "S2" {
			lane.Note = "a claim"
		}
		lane.broken(r, v.By)
		lanes = append(lanes, lane)
	}
	return lanes
}

// tickSteps are the lengths between two marks that people can read.
var tickSteps = []time.Duration{
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

// tickLevels are how many marks there may be at most on each level.
var tickLevels = []int{5, 20, 80}

// ticks are the marks of a scale, with more of them for whoever draws it larger.
func ticks(until time.Duration) []Tick {
	var all []Tick
	if until <= 0 {
		return nil
	}
	for level, most := range tickLevels {
		i := slices.IndexFunc(tickSteps, func(d time.Duration) bool { return until/d <= time.Duration(most) })
		if i < 0 {
			i = len(tickSteps) - 1
		}
		for at := time.Duration(0); at <= until && at/tickSteps[i] <= ticksMax; at += tickSteps[i] {
			if !slices.ContainsFunc(all, func(t Tick) bool { return t.At == at }) {
				all = append(all, Tick{At: at, Text: format(at), Level: level})
			}
		}
	}
	slices.SortFunc(all, func(a, b Tick) int { return cmp.Compare(a.At, b.At) })
	return all
}

// ticksMax bounds the marks of a scale that is longer than every story.
const ticksMax = 100
