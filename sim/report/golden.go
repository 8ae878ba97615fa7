package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Golden is what every run of the scenario shares, on a build that does not repeat
// itself: a lane of lines for the cluster and one for every ordinal. Within an
// identity order is causal, and told; across identities it is chance, and not told.
// Times are in whole seconds. Nodes go by role: old is the first that the identity
// was on, new the next different one, then new2 and so on. The reasons of holds are
// left out: they name nodes and times.
func Golden(r Report) string {
	var out strings.Builder
	for i := range r.Runs {
		run := &r.Runs[i]
		lanes := lanesOf(run)
		for _, lane := range lanes {
			fmt.Fprintf(&out, "%s%s: %s\n", laneMark, run.Scheduler, lane.name)
			for _, l := range lane.sorted() {
				fmt.Fprintf(&out, "%-7s %s\n", format(l.at), l.text)
			}
			if lane.end != "" {
				fmt.Fprintf(&out, "%-7s %s\n", "end", lane.end)
			}
		}
	}
	return out.String()
}

// laneMark begins the heading of a lane.
const laneMark = "== "

// lane is what happened to one identity, or to the cluster.
type lane struct {
	name  string
	lines []laneLine
	roles roles
	// seen are the events by which a hold is given to an incarnation.
	seen []Event
	// held is the incarnation that the latest hold was given to.
	held int
	// end is the final state.
	end string
}

// laneLine is one line. Lines of one second go by rank, and equal ranks as they came.
type laneLine struct {
	at   time.Duration
	rank int
	text string
}

// sorted returns the lines in order, and a hold that was told anew only once.
func (l *lane) sorted() []laneLine {
	lines := slices.Clone(l.lines)
	slices.SortStableFunc(lines, func(a, b laneLine) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank))
	})
	return slices.CompactFunc(lines, func(a, b laneLine) bool {
		return a.text == b.text && strings.HasPrefix(a.text, "held ")
	})
}

func (l *lane) add(at time.Duration, rank int, text string) {
	l.lines = append(l.lines, laneLine{at.Round(time.Second), rank, text})
}

// Ranks order the lines of one second by cause, since what was seen on different
// watches in one instant was seen in an order of chance. All of an incarnation comes
// before the next one; a hold by the guard sits in the life of the one whose object
// it keeps, a hold by the scheduler in that of the replacement that waits.
const (
	rankCreated = iota
	rankHeldByScheduler
	rankReleasedByScheduler
	rankBound
	rankStarted
	rankLost
	rankDeletionAsked
	rankHeldByGuard
	rankStopped
	rankReleasedByGuard
	rankOver
	rankRemoved
	ranksPerIncarnation
)

// rankLast is for what an instant broke or mended, after all that happened in it.
const rankLast = 1 << 30

// Ranks of the cluster's lane.
const (
	rankStep = iota
	rankNodeNotReady
	rankNodeReady
)

func lanesOf(r *Run) []*lane {
	cluster := &lane{name: "cluster"}
	ordinals := map[string]*lane{}
	lanes := []*lane{cluster}
	for _, o := range r.Ordinals {
		l := &lane{name: short(o.Name), end: fmt.Sprintf("%s, %s", o.State, plural(o.Incarnations, "incarnation"))}
		ordinals[o.Name] = l
		lanes = append(lanes, l)
	}
	events := mergeUnbound(r.Events)
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.At.Duration, b.At.Duration) })
	unlisted := map[string]*lane{}
	of := func(name string) *lane {
		if l := ordinals[name]; l != nil {
			return l
		}
		if unlisted[name] == nil {
			unlisted[name] = &lane{name: short(name)}
		}
		return unlisted[name]
	}
	for _, e := range events {
		if e.Kind == Created || e.Kind == DeletionAsked {
			of(e.Ordinal).seen = append(of(e.Ordinal).seen, e)
		}
	}
	for _, e := range events {
		if e.Ordinal == "" {
			cluster.clusterEvent(e)
			continue
		}
		of(e.Ordinal).event(e)
	}
	for _, v := range r.Violations {
		if v.Invariant != "S2" {
			l := of(v.By)
			where := ""
			if len(v.Nodes) > 0 {
				where = " on " + enumerate(l.roles.all(v.Nodes))
			}
			l.violation(v, where)
			continue
		}
		// A claim belongs to no lane in which its nodes have roles.
		of("claim "+short(v.By)).violation(v, "")
	}
	for _, name := range slices.Sorted(maps.Keys(unlisted)) {
		lanes = append(lanes, unlisted[name])
	}
	return lanes
}

// mergeUnbound tells an incarnation that went without ever having been on a node,
// and the one that took its place, as one. Whether there is such a change is
// chance: the taint eviction controller deletes by name, and what it means for a
// pod that is gone already may hit the replacement (H6).
func mergeUnbound(events []Event) []Event {
	type life struct {
		ordinal     string
		incarnation int
	}
	lifeOf := func(e Event) life { return life{e.Ordinal, e.Incarnation} }
	created, bound, removed := map[life]bool{}, map[life]bool{}, map[life]bool{}
	for _, e := range events {
		switch e.Kind {
		case Created:
			created[lifeOf(e)] = true
		case Bound:
			bound[lifeOf(e)] = true
		case Removed:
			removed[lifeOf(e)] = true
		}
	}
	merged := func(l life) bool {
		// One that was there before the story began was bound then.
		return created[l] && removed[l] && !bound[l] && created[life{l.ordinal, l.incarnation + 1}]
	}
	var kept []Event
	for _, e := range events {
		l := lifeOf(e)
		if merged(l) && (e.Kind == DeletionAsked || e.Kind == Removed) || e.Kind == Created && merged(life{l.ordinal, l.incarnation - 1}) {
			continue
		}
		for i := 1; i < l.incarnation; i++ {
			if merged(life{l.ordinal, i}) {
				e.Incarnation--
			}
		}
		kept = append(kept, e)
	}
	return kept
}

func (l *lane) clusterEvent(e Event) {
	// Which node it is, is chance; the lanes of the ordinals tell it by role.
	switch e.Kind {
	case Step:
		l.add(e.At.Duration, rankStep, "step: "+e.Detail)
	case NodeNotReady:
		l.add(e.At.Duration, rankNodeNotReady, "a node is not ready")
	case NodeReady:
		l.add(e.At.Duration, rankNodeReady, "a node is ready")
	default:
		l.add(e.At.Duration, rankNodeReady+1, string(e.Kind))
	}
}

func (l *lane) event(e Event) {
	role := ""
	if e.Node != "" {
		role = l.roles.of(e.Node)
	}
	pod := func(rank int, what string) {
		text := fmt.Sprintf("incarnation %d %s", e.Incarnation, what)
		l.add(e.At.Duration, e.Incarnation*ranksPerIncarnation+rank, text)
	}
	hold := func(guardRank, schedulerRank int, text string) {
		rank := schedulerRank
		if e.By == "guard" {
			rank = guardRank
		}
		l.add(e.At.Duration, l.held*ranksPerIncarnation+rank, text)
	}
	switch e.Kind {
	case Created:
		pod(rankCreated, "created")
	case Bound:
		pod(rankBound, "bound to "+role)
	case Started:
		pod(rankStarted, "started"+on(role))
	case Lost:
		pod(rankLost, "lost"+on(role))
	case DeletionAsked:
		pod(rankDeletionAsked, "deletion asked for")
	case Stopped:
		pod(rankStopped, "stopped"+on(role))
	case Over:
		pod(rankOver, "over by "+e.Evidence)
	case Removed:
		pod(rankRemoved, "removed")
	case Held:
		l.held = l.heldIncarnation(e)
		hold(rankHeldByGuard, rankHeldByScheduler, "held by the "+e.By)
	case Released:
		hold(rankReleasedByGuard, rankReleasedByScheduler, "released by "+e.Evidence+", was held by the "+e.By)
	default:
		pod(ranksPerIncarnation-1, string(e.Kind)+on(role))
	}
}

// heldIncarnation is the one whose life a hold belongs to: by the guard, the latest
// that was asked to go by the end of this second; by the scheduler, the latest created.
func (l *lane) heldIncarnation(held Event) int {
	kind := Created
	if held.By == "guard" {
		kind = DeletionAsked
	}
	latest := 0
	for _, e := range l.seen {
		if e.Kind == kind && e.At.Round(time.Second) <= held.At.Round(time.Second) {
			latest = max(latest, e.Incarnation)
		}
	}
	return latest
}

func (l *lane) violation(v Violation, where string) {
	broken := v.Invariant + " broken" + outsideWords(v) + where
	switch {
	case v.Outside != "":
		broken += ": " + v.Outside + " was false"
	case v.Evidence != "":
		broken += ": " + v.Evidence + " was false"
	}
	l.add(v.From.Duration, rankLast, broken)
	if v.To != nil && v.Why == "" {
		l.add(v.To.Duration, rankLast, v.Invariant+" holds again"+outsideWords(v))
	}
}

// roles are the nodes of one identity, in the order in which it came to them.
type roles []string

// of returns the role of a node, a new one if it was not seen before.
func (r *roles) of(node string) string {
	i := slices.Index(*r, node)
	if i < 0 {
		i = len(*r)
		*r = append(*r, node)
	}
	switch i {
	case 0:
		return "old"
	case 1:
		return "new"
	}
	return fmt.Sprintf("new%d", i)
}

// all returns the roles of the nodes, in the order in which the identity came to them.
func (r *roles) all(nodes []string) []string {
	var names []string
	for _, node := range nodes {
		r.of(node)
	}
	for _, node := range *r {
		if slices.Contains(nodes, node) {
			names = append(names, r.of(node))
		}
	}
	return names
}
