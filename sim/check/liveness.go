package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// settle judges an instant when it is over: the order of the writes within it is chance.
func (l *Log) settle(at time.Time) {
	var due []wait
	if l.rules.Profile != "" {
		l.countHolds(at)
		for name, pod := range l.pods {
			due = append(due, l.dueOf(at, name, pod)...)
		}
	}
	l.follow(at, append(due, l.unreadySets(at)...))
}

// dueOf is what is due for one pod.
func (l *Log) dueOf(at time.Time, name string, pod *podState) []wait {
	var due []wait
	if pod.Spec.SchedulerName == l.rules.Profile && !pod.bound && pod.DeletionTimestamp == nil {
		due = l.dueOfUnbound(name, pod)
	}
	if guarded(pod.Pod) && pod.bound && l.over[pod.UID] {
		due = append(due, wait{invariant: S8, name: name, of: pod.UID, node: pod.Spec.NodeName, why: "it was released, and kept its finalizer"})
	}
	if since, held := l.heldSince(at, name, pod); held && !l.told(name, pod) {
		w := wait{invariant: L6, name: name, from: since, why: "it was held, and neither its record nor the pod says why"}
		if pod.bound {
			w.of = pod.UID // Its own hold; while none is bound, all wait for the same.
		}
		due = append(due, w)
	}
	return due
}

// dueOfUnbound is what is due for a pod of the profile that waits for a node.
func (l *Log) dueOfUnbound(name string, pod *podState) []wait {
	ofSet := ownerSet(pod.Pod) != ""
	r := l.records[name]
	// Without a record nobody knows that it ever was bound: it waits for its turn again.
	replaces := ofSet && l.wasBound(name, pod) && (r != nil || l.itsTurn(name, pod))
	recorded := ofSet && r != nil && r.Incarnation != nil && r.Incarnation.PodUID == pod.UID
	// Who replaces another is L1's, however many are held.
	beside := !replaces && l.anyHeld() && l.itsTurn(name, pod)
	var due []wait
	if l.gated[pod.UID] && !l.tried[pod.UID] && l.clear(name, pod) && len(pod.Spec.SchedulingGates) == 0 && !l.sharesClaim(name, pod.Pod) {
		due = append(due, *l2Of(name))
	}
	if !replaces && !recorded && !beside || !l.canBind(name, pod) {
		return due
	}
	if replaces {
		due = append(due, wait{invariant: L1, name: name, why: "its predecessor is over and it could be bound, and it was not"})
	}
	if recorded {
		due = append(due, wait{invariant: S8, name: name, why: "the record has it on a node, and it was not bound"})
	}
	if beside {
		due = append(due, wait{invariant: L5, name: name, why: "it is not held and could be bound, and while another was held it was not"})
	}
	return due
}

// anyHeld says whether anybody is held: not who has the rest of a grace period yet.
func (l *Log) anyHeld() bool {
	for _, since := range l.heldFrom {
		if !since.After(l.now) {
			return true
		}
	}
	return false
}

// itsTurn says whether no order can be in the pod's way: it is of no set, or every
// ordinal before it is bound, ready and to stay.
func (l *Log) itsTurn(name string, pod *podState) bool {
	set := ownerSet(pod.Pod)
	if set == "" {
		return true
	}
	stem, digits := splitOrdinal(name)
	ordinal, err := strconv.Atoi(digits)
	if err != nil {
		return false
	}
	for o := l.firstOrdinal(stem); o < ordinal; o++ {
		if before := l.pods[fmt.Sprintf("%s-%d", stem, o)]; before == nil || !before.bound || before.DeletionTimestamp != nil || !isReady(before.Pod) {
			return false
		}
	}
	return true
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// countHalfDone counts what S8 has to hold when the scheduler's process ends: what is due
// in this very moment, for it may be done in the instant in which there is a process again.
func (l *Log) countHalfDone(at time.Time) {
	if l.rules.Profile == "" {
		return
	}
	for name, pod := range l.pods {
		for _, w := range l.dueOf(at, name, pod) {
			if w.invariant == S8 {
				l.met[S8]++
			}
		}
	}
}

// countAtOnce counts a pod that is bound in the instant in which it first could be: it
// waited for no time, and so is no wait (L1, L5).
func (l *Log) countAtOnce(name string, pod *podState) {
	waits := map[Invariant]bool{}
	for _, w := range l.open {
		waits[w.invariant] = waits[w.invariant] || w.name == name
	}
	replaces := ownerSet(pod.Pod) != "" && l.wasBound(name, pod)
	beside := !replaces && l.anyHeld() && l.itsTurn(name, pod)
	if !replaces && !beside || waits[L1] || waits[L5] || !l.canBind(name, pod) {
		return
	}
	if beside {
		l.met[L5]++
		return
	}
	l.met[L1]++
	l.latencies = append(l.latencies, 0)
}

// countHolds counts the pods that are held for longer than L6 lets them be without a
// reason, whether or not one is told.
func (l *Log) countHolds(at time.Time) {
	for name, pod := range l.pods {
		since, held := l.heldSince(at, name, pod)
		switch from, known := l.heldFrom[pod.UID]; {
		case !held:
			delete(l.heldFrom, pod.UID)
		case !known:
			l.heldFrom[pod.UID] = since
		case at.Sub(from) > bounds[L6] && !l.heldLong[pod.UID]:
			l.heldLong[pod.UID] = true
			l.met[L6]++
		}
	}
}

// clear says whether nothing that Holdfast must wait for is in its way: every incarnation
// before it is over, and its record is free or is its own.
func (l *Log) clear(name string, pod *podState) bool {
	if len(l.unproven(name, pod)) > 0 {
		return false
	}
	r := l.records[name]
	return r == nil || r.Phase == "" || r.Phase == v1alpha1.Vacant || r.Phase == v1alpha1.Over ||
		r.Incarnation != nil && r.Incarnation.PodUID == pod.UID
}

// unproven are the incarnations before this pod that were bound, that Holdfast had guarded
// or recorded, and that are not over.
func (l *Log) unproven(name string, pod *podState) []*podState {
	var all []*podState
	for _, old := range l.earlier[name] {
		if old != pod && old.bound && (old.guarded || l.recorded[old.UID]) && !l.over[old.UID] {
			all = append(all, old)
		}
	}
	return all
}

// heldSince says from when the identity is held, by what the writes show and not by what
// Holdfast says of it: by the guard, a pod that should have gone and whose finalizer keeps
// it without a proof; by the scheduler, a pod that has a predecessor without a proof.
func (l *Log) heldSince(at time.Time, name string, pod *podState) (time.Time, bool) {
	if !pod.bound {
		return at, pod.Spec.SchedulerName == l.rules.Profile && pod.DeletionTimestamp == nil && len(l.unproven(name, pod)) > 0
	}
	// The deletionTimestamp is when the grace period ends.
	return later(at, deletionOf(pod.Pod)), guarded(pod.Pod) && pod.DeletionTimestamp != nil && !l.over[pod.UID]
}

func deletionOf(pod *corev1.Pod) time.Time {
	if pod.DeletionTimestamp == nil {
		return time.Time{}
	}
	return pod.DeletionTimestamp.Time
}

// told says whether an operator can see why the identity is held (L6).
func (l *Log) told(name string, pod *podState) bool {
	if r := l.records[name]; r != nil {
		if c := meta.FindStatusCondition(r.Conditions, v1alpha1.HeldCondition); c != nil && c.Reason != v1alpha1.NotHeld && c.Message != "" {
			return true
		}
	}
	return l.announced[pod.UID] || slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == v1alpha1.HeldCondition && c.Message != ""
	})
}

// rejudgedMax is how often in an hour a hold may be judged anew (L3).
const rejudgedMax = 12

// judgeRejudged is L3 as far as the log shows it: a write of the record of an identity
// that was held before and is held still. A judgement that writes nothing is not seen, and
// one that has something new to go by is due, however often there is.
func (l *Log) judgeRejudged(at time.Time, name string, before, after *v1alpha1.TenancyStatus) {
	if l.rules.Profile == "" || !saysHeld(after) {
		delete(l.rejudged, name)
		return
	}
	evidence := l.evidenceOf(name, after)
	r := l.rejudged[name]
	if r == nil || !saysHeld(before) {
		l.rejudged[name] = &rejudged{evidence: evidence}
		return
	}
	l.met[L3]++
	if evidence != r.evidence {
		r.evidence = evidence
		return
	}
	r.writes = slices.DeleteFunc(append(r.writes, at), func(t time.Time) bool { return at.Sub(t) >= time.Hour })
	if len(r.writes) == rejudgedMax+1 {
		l.breaks(L3, at, name, "", "its record was written more than 12 times in an hour while it was held")
		r.writes = nil
	}
}

// rejudged is how often a hold was judged anew.
type rejudged struct {
	// evidence is what the latest judgement had to go by.
	evidence string
	// writes are those of the last hour that had nothing new.
	writes []time.Time
}

// evidenceOf is what the API shows of the identity's pod, and of the nodes on which its
// incarnation may run, that a judgement could go by.
func (l *Log) evidenceOf(name string, r *v1alpha1.TenancyStatus) string {
	var shown []any
	if pod := l.pods[name]; pod != nil {
		shown = append(shown, pod.UID, pod.DeletionTimestamp, pod.Status.Phase, pod.Status.ContainerStatuses)
	}
	if r.Incarnation != nil {
		for _, n := range r.Incarnation.Nodes {
			if node := l.nodes[n.Name]; node != nil {
				shown = append(shown, node.Name, node.UID, node.Status.NodeInfo.BootID, nodeReady(node), node.Spec.Taints)
			}
		}
	}
	evidence, err := json.Marshal(shown)
	if err != nil {
		panic(err) // It came as JSON or protobuf of the API.
	}
	return string(evidence)
}

// saysHeld says whether the record itself says that the identity is held.
func saysHeld(r *v1alpha1.TenancyStatus) bool {
	if r == nil {
		return false
	}
	c := meta.FindStatusCondition(r.Conditions, v1alpha1.HeldCondition)
	return c != nil && c.Reason != v1alpha1.NotHeld
}

// readEvent is L3 and L6 as events show them. An attempt counts only of a pod that was
// held when it came and is held still: the events' recorder tells of some minutes late.
func (l *Log) readEvent(c commit) error {
	if c.value == nil {
		return nil
	}
	e, err := decode[*corev1.Event](c.value)
	if err != nil {
		return err
	}
	uid, name := e.InvolvedObject.UID, e.InvolvedObject.Namespace+"/"+e.InvolvedObject.Name
	switch e.Reason {
	case "Held":
		l.announced[uid] = l.announced[uid] || e.Message != ""
	case "FailedScheduling":
		pod := l.pods[name]
		if pod != nil && pod.UID == uid {
			l.wasTried(name, pod)
		}
		if l.rules.Profile == "" || pod == nil || pod.UID != uid || !l.bornHeld[uid] || len(l.unproven(name, pod)) == 0 {
			return nil
		}
		l.breaks(L3, c.at, name, "", "it was tried while it was held")
	}
	return nil
}

// noteAttempts takes in what shows that a pod was tried: an event, a word of the
// scheduler's in its status, or a bind. Of a pod that nobody has tried yet, the first
// attempt leaves one of them.
func (l *Log) noteAttempts(name string, pod *podState) {
	if pod.bound || slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodScheduled }) {
		l.wasTried(name, pod)
	}
}

// wasTried takes in an attempt. One in the instant in which the hold is over waited for no
// time, and so is no wait (L2).
func (l *Log) wasTried(name string, pod *podState) {
	if l.tried[pod.UID] {
		return
	}
	if _, waits := l.open[waitKey(l2Of(name))]; !waits && l.gated[pod.UID] && l.clear(name, pod) {
		l.met[L2]++
	}
	l.tried[pod.UID] = true
}

// l2Of is the wait of a pod whose hold is over.
func l2Of(name string) *wait {
	return &wait{invariant: L2, name: name, why: "what held it is over, and nobody tried it"}
}

// born notes of a new pod whether it was held from its first moment, with nobody's view
// stale: the bounds are those of a run without such a fault.
func (l *Log) born(name string, pod *podState) {
	if l.rules.Profile == "" || pod.Spec.SchedulerName != l.rules.Profile || len(l.unproven(name, pod)) == 0 {
		return
	}
	l.gated[pod.UID] = true
	if len(l.stale) > 0 {
		return
	}
	l.bornHeld[pod.UID] = true
	l.met[L3]++
}

// unreadySets are the sets that are not ready although they could be (L4).
func (l *Log) unreadySets(at time.Time) []wait {
	var due []wait
	for name, s := range l.sets {
		if s.DeletionTimestamp != nil {
			continue
		}
		want := int32(1)
		if s.Spec.Replicas != nil {
			want = *s.Spec.Replicas
		}
		switch {
		case s.Status.ObservedGeneration >= s.Generation && s.Status.ReadyReplicas == want && s.Status.Replicas == want:
		case l.excused(name):
			l.excusedAt[name] = at
		default:
			due = append(due, wait{invariant: L4, name: name, why: "not all of it is ready"})
		}
	}
	return due
}

// excused says whether a pod of the set waits for something that nobody owes it: a proof,
// or a node that it may run on.
func (l *Log) excused(set string) bool {
	for name, pod := range l.pods {
		stem, _ := splitOrdinal(name)
		if stem != set || ownerSet(pod.Pod) == "" {
			continue
		}
		if saysHeld(l.records[name]) || len(l.unproven(name, pod)) > 0 || !pod.bound && !l.canBind(name, pod) {
			return true
		}
	}
	// An identity whose pod is gone and whose record is in doubt has none either.
	for name, r := range l.records {
		if stem, _ := splitOrdinal(name); stem == set && saysHeld(r) {
			return true
		}
	}
	return false
}

// judgeConvergence is L4: last is the end of the last step or fault, and zero while one
// lasts. Before the bound has passed since, nothing can be asked; and of a set that was
// excused, since then.
func (l *Log) judgeConvergence(at, last time.Time) []Violation {
	for _, c := range l.crashes {
		if c.To.IsZero() {
			return nil
		}
		if !last.IsZero() {
			last = later(last, c.To)
		}
	}
	if last.IsZero() {
		return nil
	}
	var broken []Violation
	all := slices.Clone(l.waits)
	for _, w := range l.open {
		all = append(all, *w)
	}
	for name := range l.sets {
		from := later(last, l.excusedAt[name]).Add(bounds[L4])
		if !from.Before(at) {
			continue
		}
		l.met[L4]++
		for _, w := range all {
			if w.invariant != L4 || w.name != name || !w.to.IsZero() && !w.to.After(from) {
				continue
			}
			broken = append(broken, Violation{
				Invariant: L4, By: name, From: later(from, w.from), To: w.to,
				Why: "not all of it is ready " + bounds[L4].String() + " after the last fault, and nobody waits for a proof",
			})
			break
		}
	}
	return broken
}

// boundNow says whether the identity's latest pod has a node.
func (l *Log) boundNow(name string) bool {
	pod := l.pods[name]
	return pod != nil && pod.bound
}

// namespaceOf is the part of namespace/name before the slash.
func namespaceOf(name string) string {
	namespace, _, _ := strings.Cut(name, "/")
	return namespace
}
