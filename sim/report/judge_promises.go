package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/dns"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// judgePromises holds what the API showed of pods, names and claims against what was
// expected of it.
func judgePromises(e scenario.Expectation, run *Run) []Check {
	var checks []Check
	for _, w := range e.Workloads {
		checks = append(checks, judgeWorkload(w, run)...)
	}
	for _, o := range e.Creations {
		checks = append(checks, judgeCreations(o, run))
	}
	for _, o := range e.Deletions {
		checks = append(checks, judgeDeletions(o, run))
	}
	for _, r := range e.DNS {
		checks = append(checks, judgeResolution(r, run))
	}
	for _, c := range e.Claims {
		checks = append(checks, judgeClaim(c, run.Claims)...)
	}
	return checks
}

// check is a check with what was found, if it is not met.
func check(ok bool, name, got string) Check {
	if ok {
		return met(name)
	}
	return unless(name, got)
}

// judgeWorkload makes a check of everything that is asked of one object's pods.
func judgeWorkload(w scenario.Workload, run *Run) []Check {
	maker := scenario.QualifiedName(w.Name)
	pods := run.podsOf(func(p *Pod) bool { return p.Kind == w.Kind && p.Maker == maker })
	var names, addresses, volumes []string
	for _, p := range pods {
		_, name := scenario.SplitName(p.Name)
		names = append(names, name)
		for _, a := range p.Addresses {
			addresses = append(addresses, a.Value)
		}
		for _, v := range p.Volumes {
			volumes = append(volumes, v.Name)
		}
	}
	who := w.Kind + " " + maker
	var checks []Check
	if len(w.PodNames) > 0 {
		checks = append(checks, check(slices.Equal(distinct(names), distinct(w.PodNames)),
			fmt.Sprintf("the pods of %s had these names and no others: %s", who, strings.Join(w.PodNames, ", ")), "they had "+listWords(distinct(names))))
	}
	if w.Pods != nil {
		checks = append(checks, check(len(pods) == *w.Pods, fmt.Sprintf("%s had %s in all", who, plural(*w.Pods, "pod")), plural(len(pods), "pod")))
	}
	if w.Unavailable != nil {
		got := unavailableMost(pods)
		checks = append(checks, check(got == *w.Unavailable, fmt.Sprintf("the most names of %s without a Ready pod at once were %d", who, *w.Unavailable), fmt.Sprintf("they were %d", got)))
	}
	for _, of := range []struct {
		want *int
		what string
		got  []string
	}{{w.Names, "name", names}, {w.Addresses, "address", addresses}, {w.Volumes, "volume", volumes}} {
		if of.want == nil {
			continue
		}
		got := distinct(of.got)
		checks = append(checks, check(len(got) == *of.want,
			fmt.Sprintf("the pods of %s had %s", who, differentWords(*of.want, of.what)), listWords(got)))
	}
	return checks
}

// unavailableMost is the most names at once of which a pod that had been Ready was told to
// go, and no other was Ready since.
func unavailableMost(pods []*Pod) int {
	type change struct {
		order int
		name  string
		away  bool
	}
	var changes []change
	for _, p := range pods {
		if p.Ready == nil {
			continue
		}
		changes = append(changes, change{p.Ready.Order, p.Name, false})
		if p.Deleted != nil {
			changes = append(changes, change{p.Deleted.Order, p.Name, true})
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return cmp.Compare(a.order, b.order) })
	away, most := map[string]bool{}, 0
	for _, c := range changes {
		delete(away, c.name)
		if c.away {
			away[c.name] = true
		}
		most = max(most, len(away))
	}
	return most
}

func differentWords(n int, what string) string {
	switch {
	case n == 0:
		return "no " + what
	case n == 1:
		return "one " + what
	case what == "address":
		return fmt.Sprintf("%d different addresses", n)
	}
	return fmt.Sprintf("%d different %ss", n, what)
}

func distinct(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// listedMax is how many of a list are told.
const listedMax = 12

func listWords(list []string) string {
	switch {
	case len(list) == 0:
		return "none"
	case len(list) > listedMax:
		return fmt.Sprintf("%d: %s, ...", len(list), strings.Join(list[:listedMax], ", "))
	}
	return strings.Join(list, ", ")
}

// orderWords begins the name of a check of an order.
func orderWords(what string, o scenario.Order) string {
	text := what
	if o.From != nil {
		text += " from " + format(o.From.Duration) + " on"
	}
	return text + " in this order"
}

func waitWords(o scenario.Order, ready, gone string) string {
	switch {
	case o.Each == scenario.AfterReady && o.ReadyFor != nil:
		return fmt.Sprintf(", each when %s for %s", ready, format(o.ReadyFor.Duration))
	case o.Each == scenario.AfterReady:
		return ", each when " + ready
	case o.Each == scenario.AfterGone:
		return ", each when " + gone
	}
	return ""
}

// turn is one pod's turn in an order; nil instants never came.
type turn struct {
	name string
	// came is when it was its turn.
	came *Instant
	// done is when the next one's turn could come.
	done *Instant
}

func judgeCreations(o scenario.Order, run *Run) Check {
	var turns []turn
	for _, name := range o.Pods {
		t := turn{name: scenario.QualifiedName(name)}
		for _, p := range run.named(t.name) {
			if since(o.From, p.Created) {
				t.came, t.done = &p.Created, p.Ready
				break
			}
		}
		turns = append(turns, t)
	}
	name := orderWords("created", o) + waitWords(o, "the one before it was Ready", "") + ": " + turnNames(turns)
	return judgeTurns(name, o, turns, "created", "was not Ready")
}

func judgeDeletions(o scenario.Order, run *Run) Check {
	var turns []turn
	for _, name := range o.Pods {
		t := turn{name: scenario.QualifiedName(name)}
		pods := run.named(t.name)
		for i, p := range pods {
			if p.Deleted == nil || !since(o.From, *p.Deleted) {
				continue
			}
			t.came, t.done = p.Deleted, p.Gone
			if o.Each == scenario.AfterReady {
				t.done = nil
				if i+1 < len(pods) {
					t.done = pods[i+1].Ready
				}
			}
			break
		}
		turns = append(turns, t)
	}
	name := orderWords("deleted", o) + waitWords(o, "what took the place of the one before it was Ready", "the one before it was gone") + ": " + turnNames(turns)
	return judgeTurns(name, o, turns, "deleted", "was not done")
}

func turnNames(turns []turn) string {
	var names []string
	for _, t := range turns {
		names = append(names, t.name)
	}
	return shortWords(names)
}

func since(from *metav1.Duration, i Instant) bool {
	return from == nil || i.At.Duration >= from.Duration
}

// judgeTurns finds the first turn that came too early, or not at all.
func judgeTurns(name string, o scenario.Order, turns []turn, verb, notDone string) Check {
	for i, t := range turns {
		if t.came == nil {
			return unless(name, short(t.name)+" was never "+verb)
		}
		if i == 0 {
			continue
		}
		before := turns[i-1]
		at := fmt.Sprintf("%s was %s at %s", short(t.name), verb, format(t.came.At.Duration))
		switch {
		case t.came.Order < before.came.Order:
			return unless(name, fmt.Sprintf("%s, before %s at %s", at, short(before.name), format(before.came.At.Duration)))
		case o.Each == "":
		case before.done == nil || t.came.Order < before.done.Order:
			return unless(name, fmt.Sprintf("%s, when %s %s", at, short(before.name), notDone))
		case o.ReadyFor != nil && t.came.At.Duration-before.done.At.Duration < o.ReadyFor.Duration:
			return unless(name, fmt.Sprintf("%s, %s after %s was Ready", at, format(t.came.At.Duration-before.done.At.Duration), short(before.name)))
		}
	}
	return met(name)
}

// judgeResolution compares what a name resolved to with the addresses that pods had.
func judgeResolution(r scenario.Resolution, run *Run) Check {
	when, at := run.Until.Duration, "at the end"
	if r.At != nil {
		when, at = r.At.Duration, "at "+format(r.At.Duration)
	}
	name := dns.Qualify(r.Name, metav1.NamespaceDefault)
	got := run.addresses(name, when)
	if r.Nothing {
		return check(len(got) == 0, name+" resolved to nothing "+at, "to "+strings.Join(got, ", "))
	}
	says := fmt.Sprintf("%s resolved to %s %s", name, shortWords(qualified(r.Pods)), at)
	var want, words []string
	for _, pod := range qualified(r.Pods) {
		address := run.address(pod, when)
		if address == "" {
			return unless(says, short(pod)+" had no address")
		}
		want, words = append(want, address), append(words, short(pod)+" had "+address)
	}
	return check(slices.Equal(got, distinct(want)), says, fmt.Sprintf("to %s, and %s", orNothing(got), strings.Join(words, ", ")))
}

func qualified(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, scenario.QualifiedName(name))
	}
	return all
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

func judgeClaim(c scenario.Claim, all []Claim) []Check {
	name := scenario.QualifiedName(c.Name)
	got := Claim{Name: name, State: string(scenario.ClaimAbsent)}
	if i := slices.IndexFunc(all, func(x Claim) bool { return x.Name == name }); i >= 0 {
		got = all[i]
	}
	var checks []Check
	if c.State != "" {
		checks = append(checks, check(got.State == string(c.State), fmt.Sprintf("claim %s is %s at the end", name, c.State), "it is "+got.State))
	}
	if c.Volumes != nil {
		volumes := distinct(got.Volumes)
		checks = append(checks, check(len(volumes) == *c.Volumes, fmt.Sprintf("claim %s had %s", name, differentWords(*c.Volumes, "volume")), listWords(volumes)))
	}
	return checks
}

// judgeIncarnations makes a check of what the incarnations of an ordinal have in common,
// as far as it is asked. Those that were bound to no node had nothing.
func judgeIncarnations(e scenario.Ordinal, run *Run) []Check {
	name := scenario.QualifiedName(e.Name)
	pods := run.podsOf(func(p *Pod) bool { return p.Name == name && p.Node != "" })
	var checks []Check
	for _, of := range []struct {
		want *bool
		what string
		get  func(*Pod) string
	}{
		{e.SameVolumes, "volumes", volumesOf},
		{e.SameNode, "node", func(p *Pod) string { return p.Node }},
		{e.SameAddress, "address", lastAddress},
	} {
		if of.want == nil {
			continue
		}
		var got []string
		for _, p := range pods {
			got = append(got, of.get(p))
		}
		says := fmt.Sprintf("the incarnations of %s had the same %s", name, of.what)
		if !*of.want {
			says = fmt.Sprintf("the incarnations of %s had not all the same %s", name, of.what)
		}
		same := len(distinct(got)) == 1
		checks = append(checks, check(len(pods) > 1 && same == *of.want && !slices.Contains(got, ""), says, incarnationWords(got)))
	}
	if e.Updated != nil {
		checks = append(checks, judgeUpdated(name, *e.Updated, pods))
	}
	if e.Restarts != nil {
		restarts := 0
		if len(pods) > 0 {
			restarts = pods[len(pods)-1].Restarts
		}
		checks = append(checks, check(restarts == *e.Restarts, fmt.Sprintf("the containers of %s were started again %s", name, plural(*e.Restarts, "time")), plural(restarts, "time")))
	}
	if e.Stops != nil {
		checks = append(checks, judgeStops(name, e.Stops, run.Events))
	}
	return checks
}

// incarnationWords lists what each incarnation had.
func incarnationWords(got []string) string {
	switch len(got) {
	case 0:
		return "none was bound"
	case 1:
		return "there was one incarnation"
	}
	words := make([]string, len(got))
	for i, x := range got {
		words[i] = orNothing(strings.Fields(x))
	}
	return listWords(words)
}

func volumesOf(p *Pod) string {
	var volumes []string
	for _, v := range p.Volumes {
		volumes = append(volumes, v.Name)
	}
	return strings.Join(distinct(volumes), " ")
}

func lastAddress(p *Pod) string {
	if len(p.Addresses) == 0 {
		return ""
	}
	return p.Addresses[len(p.Addresses)-1].Value
}

func judgeUpdated(name string, want bool, pods []*Pod) Check {
	says := name + " is of a later revision of the template than it was"
	if !want {
		says = name + " is of the revision of the template that it always was"
	}
	if len(pods) == 0 {
		return unless(says, "no pod was bound")
	}
	first, last := pods[0].Revision, pods[len(pods)-1].Revision
	return check((first != last) == want, says, fmt.Sprintf("it was of %s and is of %s", first, last))
}

// judgeStops is about the latest incarnation whose process ended after its deletion was
// asked for.
func judgeStops(name string, want *scenario.Span, events []Event) Check {
	asked := map[int]time.Duration{}
	var took *time.Duration
	for _, e := range events {
		if e.Ordinal != name {
			continue
		}
		switch at, ok := asked[e.Incarnation]; {
		case e.Kind == DeletionAsked:
			asked[e.Incarnation] = e.At.Duration
		case e.Kind == Stopped && ok:
			took = new(e.At.Duration - at)
		}
	}
	says := fmt.Sprintf("%s stopped %s after its deletion was asked for", name, spanWords(want))
	if took == nil {
		return unless(says, "no process of it ended after that")
	}
	return check(inside(want, metav1.Duration{Duration: *took}), says, "it stopped after "+format(*took))
}
