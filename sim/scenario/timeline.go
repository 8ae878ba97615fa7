package scenario

import (
	"cmp"
	"slices"
	"time"
)

// Timed is a step that is due at a virtual time.
type Timed struct {
	// Index is its place in the timeline.
	Index int
	Step  *Step
	// At is when it is due, since time zero.
	At time.Duration
}

// Upcoming returns the steps that a scheduler's run has still to play and whose
// time is known, in the order in which they are due; steps of one instant are in
// the order of the file. played says, by place in the timeline, which steps were
// played and when.
//
// A step with at is always known. A step with after is known once the other one
// was played, and counts from when that really was. Steps that are limited to
// other schedulers are skipped, and so is every step after a skipped one: what
// has no beginning has no consequence.
func Upcoming(timeline []Step, by Scheduler, played map[int]time.Duration) []Timed {
	plays := playedBy(timeline, by)
	var upcoming []Timed
	for i := range timeline {
		if _, done := played[i]; done || !plays[i] {
			continue
		}
		if at, known := due(timeline, i, played); known {
			upcoming = append(upcoming, Timed{Index: i, Step: &timeline[i], At: at})
		}
	}
	slices.SortStableFunc(upcoming, func(a, b Timed) int { return cmp.Compare(a.At, b.At) })
	return upcoming
}

// due is when the step is to be played, if that is known.
func due(timeline []Step, i int, played map[int]time.Duration) (time.Duration, bool) {
	step := &timeline[i]
	if step.At != nil {
		return step.At.Duration, true
	}
	if step.After == nil {
		return 0, false
	}
	other := stepBefore(timeline, i, step.After.Step)
	if other < 0 {
		return 0, false
	}
	at, done := played[other]
	return at + step.After.Delay.Duration, done
}

// stepBefore finds a step by name among those that stand before step i; -1 if
// there is none. That references only go back is what keeps them free of circles.
func stepBefore(timeline []Step, i int, name string) int {
	if name == "" {
		return -1
	}
	return slices.IndexFunc(timeline[:i], func(s Step) bool { return s.Name == name })
}

// playedBy says of each step whether a run under the scheduler plays it.
func playedBy(timeline []Step, by Scheduler) []bool {
	plays := make([]bool, len(timeline))
	for i := range timeline {
		step := &timeline[i]
		plays[i] = len(step.Schedulers) == 0 || slices.Contains(step.Schedulers, by)
		if step.After == nil {
			continue
		}
		if other := stepBefore(timeline, i, step.After.Step); other >= 0 && !plays[other] {
			plays[i] = false
		}
	}
	return plays
}

// PlayedBy are the schedulers under which the scenario is played, in the order of
// Schedulers.
func (s *Scenario) PlayedBy() []Scheduler {
	if len(s.Schedulers) == 0 {
		return Schedulers()
	}
	return slices.DeleteFunc(Schedulers(), func(x Scheduler) bool { return !slices.Contains(s.Schedulers, x) })
}

// Plan walks through a timeline, one step at a time.
type Plan struct {
	timeline []Step
	by       Scheduler
	played   map[int]time.Duration
}

// Plan begins the timeline of a run under the scheduler.
func (s *Scenario) Plan(by Scheduler) *Plan {
	return &Plan{timeline: s.Timeline, by: by, played: map[int]time.Duration{}}
}

// Next returns the step that is to be played next; false at the end. The step
// counts as played when it was due, unless Played says otherwise.
func (p *Plan) Next() (Timed, bool) {
	upcoming := Upcoming(p.timeline, p.by, p.played)
	if len(upcoming) == 0 {
		return Timed{}, false
	}
	p.played[upcoming[0].Index] = upcoming[0].At
	return upcoming[0], true
}

// Played notes when a step was really played: steps after it count from then.
func (p *Plan) Played(step Timed, at time.Duration) { p.played[step.Index] = at }
