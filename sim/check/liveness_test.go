package check

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// timed is a move of a story at its own second.
type timed struct {
	second int
	write
}

func then(second int, writes ...any) []timed {
	var all []timed
	for _, w := range story(writes...) {
		all = append(all, timed{second, w})
	}
	return all
}

func aNode(name string, ready corev1.ConditionStatus, change ...func(*corev1.Node)) write {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}},
	}}
	for _, c := range change {
		c(n)
	}
	return put("minions/"+name, n)
}

func tainted(n *corev1.Node) {
	n.Spec.Taints = []corev1.Taint{{Key: "gone", Effect: corev1.TaintEffectNoSchedule}}
}

func liking(p *corev1.Pod) {
	p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1}}}}
}

func wanting(p *corev1.Pod) {
	p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{}}}
}

func dying(second int) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: at(second)} }
}

// heldRecord is web-0's record in doubt, with a reason if there is a message.
func heldRecord(uid, message string) write {
	return func(l *Log, at time.Time) {
		status := v1alpha1.TenancyStatus{Phase: v1alpha1.InDoubt, Incarnation: &v1alpha1.Incarnation{
			PodUID: types.UID(uid), Nodes: []v1alpha1.CandidateNode{{Name: "a"}},
		}}
		if message != "" {
			status.Conditions = []metav1.Condition{{Type: v1alpha1.HeldCondition, Reason: v1alpha1.HeldByGuard, Status: metav1.ConditionTrue, Message: message}}
		}
		value, err := json.Marshal(v1alpha1.Tenancy{Status: status})
		if err != nil {
			panic(err)
		}
		l.Commit(at, "/registry/holdfast.dev/tenancies/default/web-0", value)
	}
}

func anEvent(reason, uid, message string) write {
	return put("events/default/e", &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: "e"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "web-0", UID: types.UID(uid)}, Reason: reason, Message: message,
	})
}

func aSet(replicas, ready int32) write {
	return put("statefulsets/default/web", &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec:       appsv1.StatefulSetSpec{Replicas: &replicas}, Status: appsv1.StatefulSetStatus{Replicas: replicas, ReadyReplicas: ready},
	})
}

func readily(p *corev1.Pod) {
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

func refused(p *corev1.Pod) {
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
}

// besideAHold has web-0 held by the scheduler, for a reason, beside some nodes.
func besideAHold(nodes ...write) []timed {
	return then(1, nodes, aLife, gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof"))
}

// anotherPod is of no set.
func anotherPod(change ...func(*corev1.Pod)) write {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "job", UID: "j1"}, Spec: corev1.PodSpec{SchedulerName: "holdfast"}}
	for _, c := range change {
		c(p)
	}
	return put("pods/default/job", p)
}

func scheduler(runs bool) write { return func(l *Log, at time.Time) { l.Scheduler(at, runs) } }

var (
	isOver     = record(v1alpha1.Over, "u1", evidence(v1alpha1.KubeletConfirmed, "u1"), candidate("a"))
	passedOn   = record(v1alpha1.Occupied, "u2", nil, candidate("b"))
	isReplaced = []write{isOver, aPod(0, "u1", on("a")), gone("pods/default/web-0"), aPod(0, "u2")}
)

// TestWhatIsDue has, for every bound, a story that breaks it, and the ones next to it
// that do not.
func TestWhatIsDue(t *testing.T) {
	ready := aNode("b", corev1.ConditionTrue)
	spin := func(n int) []timed {
		all := then(1, aLife, heldRecord("u1", "no proof"))
		for i := range n {
			all = append(all, then(10+i*60, heldRecord("u1", "no proof"))...)
		}
		return all
	}
	flaps := func(n int) []timed {
		all := then(1, aLife, heldRecord("u1", "no proof"))
		for i := range n {
			all = append(all, then(10+i*60, aNode("a", []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionUnknown}[i%2]), heldRecord("u1", "no proof"))...)
		}
		return all
	}
	for name, tc := range map[string]struct {
		story  []timed
		end    int
		faults []Span
		noisy  bool // a fault lasts to the end
		stock  bool
		want   []Invariant
		met    []Invariant
		unmet  []Invariant
	}{
		"one that nobody knows to be a replacement, and whose turn it is not": {
			story: then(1, ready, aPod(0, "u1"), aPod(1, "v1", on("a")), gone("pods/default/web-1"), aPod(1, "v2")), end: 41, unmet: []Invariant{L1},
		},
		"one that nobody knows to be a replacement, after one that is on its way out": {
			story: then(1, ready, aPod(0, "u1", on("b"), readily, dying(1)), aPod(1, "v1", on("a")), gone("pods/default/web-1"), aPod(1, "v2")), end: 41, unmet: []Invariant{L1},
		},
		"one that nobody knows to be a replacement, and whose turn it is": {
			story: then(1, ready, aPod(0, "u1", on("b"), readily), aPod(1, "v1", on("a")), gone("pods/default/web-1"), aPod(1, "v2")), end: 41, want: []Invariant{L1},
		},
		"a replacement that could be bound is not": {
			story: append(then(1, ready, aLife), then(10, isReplaced)...), end: 41, want: []Invariant{L1}, met: []Invariant{L1},
		},
		"a replacement that is bound in its last second": {
			story: append(append(then(1, ready, aLife), then(10, isReplaced)...), then(40, aPod(0, "u2", on("b")))...), end: 200, met: []Invariant{L1},
		},
		"a replacement that is bound in the instant in which it appears": {
			story: append(then(1, ready, aLife), then(10, isReplaced, aPod(0, "u2", on("b")))...), end: 200, met: []Invariant{L1},
		},
		"a replacement without a ready node": {
			story: append(then(1, aNode("b", corev1.ConditionFalse), aLife), then(10, isReplaced)...), end: 200, unmet: []Invariant{L1},
		},
		"a replacement whose only node has a taint": {
			story: append(then(1, aNode("b", corev1.ConditionTrue, tainted), aLife), then(10, isReplaced)...), end: 200, unmet: []Invariant{L1},
		},
		"a replacement that would like one node better is not bound": {
			story: append(then(1, ready, aLife), then(10, isOver, aPod(0, "u1", on("a")), gone("pods/default/web-0"), aPod(0, "u2", liking))...), end: 41, want: []Invariant{L1},
		},
		"a replacement that wants one node and no other": {
			story: append(then(1, ready, aLife), then(10, isOver, aPod(0, "u1", on("a")), gone("pods/default/web-0"), aPod(0, "u2", wanting))...), end: 200, unmet: []Invariant{L1},
		},
		"a replacement without a proof": {
			story: append(then(1, ready, aLife), then(10, heldRecord("u1", "no proof"), gone("pods/default/web-0"), aPod(0, "u2"))...), end: 200, unmet: []Invariant{L1},
		},
		"a replacement whose scheduler cannot see": {
			story: append(then(1, ready, aLife), then(10, isReplaced)...), end: 60, faults: []Span{{at(10), at(50)}},
		},
		"a replacement whose scheduler could see for long enough": {
			story: append(then(1, ready, aLife), then(10, isReplaced)...), end: 81, faults: []Span{{at(10), at(50)}}, want: []Invariant{L1},
		},
		"a crash leaves a released pod its finalizer": {
			story: append(then(1, aLife, isOver), append(then(2, scheduler(false)), then(5, scheduler(true))...)...), end: 36, want: []Invariant{S8}, met: []Invariant{S8},
		},
		"a crash after which the finalizer goes": {
			story: append(then(1, aLife, isOver), append(append(then(2, scheduler(false)), then(5, scheduler(true))...), then(20, aPod(0, "u1", on("a")))...)...), end: 200, met: []Invariant{S8},
		},
		"a slow release without a crash is not a crash's": {
			story: then(1, aLife, isOver), end: 200, unmet: []Invariant{S8},
		},
		"a crash leaves a reservation": {
			story: append(then(1, ready, aPod(0, "u2"), passedOn), append(then(2, scheduler(false)), then(5, scheduler(true))...)...), end: 36, want: []Invariant{S8},
		},
		"nobody is there again to do it": {
			story: append(then(1, ready, aPod(0, "u2"), passedOn), then(2, scheduler(false))...), end: 200, met: []Invariant{S8},
		},
		"a held pod is tried": {
			story: then(1, aLife, gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof"), anEvent("FailedScheduling", "u2", "")), end: 30, want: []Invariant{L3}, met: []Invariant{L3},
		},
		"a pod is tried that was held later": {
			story: then(1, aPod(0, "u2"), anEvent("FailedScheduling", "u2", "")), end: 30, unmet: []Invariant{L3},
		},
		"a held pod is tried by who cannot see that it is": {
			story: then(1, aLife, write(func(l *Log, at time.Time) { l.Stale(at, "tenancies", true) }), gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof"), anEvent("FailedScheduling", "u2", "")), end: 30, unmet: []Invariant{L3},
		},
		"a held pod was tried by who could not see, and that is told late": {
			story: then(1, aLife, gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof"),
				write(func(l *Log, at time.Time) { l.Stale(at, "tenancies", true); l.Stale(at, "tenancies", false) }), anEvent("FailedScheduling", "u2", "")), end: 30,
		},
		"nobody tries a pod whose hold is over, for no node has room": {
			story: append(then(1, aLife, gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof")), then(10, isOver)...), end: 16, want: []Invariant{L2}, met: []Invariant{L2}, unmet: []Invariant{L1},
		},
		"a pod whose hold is over is tried in vain": {
			story: append(append(then(1, aLife, gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof")), then(10, isOver)...), then(14, anEvent("FailedScheduling", "u2", "no node"))...), end: 200, met: []Invariant{L2},
		},
		"a pod whose hold is over is told that it does not fit": {
			story: append(append(then(1, aLife, gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof")), then(10, isOver)...), then(14, aPod(0, "u2", refused))...), end: 200, met: []Invariant{L2},
		},
		"a pod is tried in vain in the instant in which its hold is over": {
			story: append(then(1, aLife, gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof")), then(10, isOver, anEvent("FailedScheduling", "u2", "no node"))...), end: 200, met: []Invariant{L2},
		},
		"a pod is bound in the instant in which its hold is over": {
			story: append(then(1, ready, aLife, gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof")), then(10, isOver, aPod(0, "u2", on("b")))...), end: 200, met: []Invariant{L1, L2},
		},
		"the hold goes on": {
			story: then(1, aLife, gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof")), end: 200, unmet: []Invariant{L2},
		},
		"its hold is over while the scheduler is down": {
			story: append(append(then(1, aLife, gone("pods/default/web-0"), aPod(0, "u2"), heldRecord("u1", "no proof")), then(5, scheduler(false))...), then(10, isOver)...), end: 200, unmet: []Invariant{L2},
		},
		"another pod waits beside a hold": {
			story: append(besideAHold(ready), then(20, anotherPod())...), end: 51, want: []Invariant{L5}, met: []Invariant{L5},
		},
		"another pod is bound beside a hold": {
			story: append(append(besideAHold(ready), then(20, anotherPod())...), then(21, anotherPod(on("b")))...), end: 200, met: []Invariant{L5},
		},
		"another pod waits beside a hold, and no node is ready": {
			story: append(besideAHold(aNode("b", corev1.ConditionFalse)), then(20, anotherPod())...), end: 200, unmet: []Invariant{L5},
		},
		"another pod waits while nobody is held": {
			story: append(then(1, ready, aLife), then(20, anotherPod())...), end: 200, unmet: []Invariant{L5},
		},
		"another pod waits beside a grace period": {
			story: append(then(1, ready, aLife, aPod(0, "u1", kept, on("a"), dying(900))), then(20, anotherPod())...), end: 200, unmet: []Invariant{L5},
		},
		"another ordinal waits for its turn beside a hold": {
			story: append(besideAHold(ready), then(20, aPod(1, "v1"))...), end: 200, unmet: []Invariant{L5},
		},
		"a replacement is L1's, also beside a hold": {
			story: append(then(1, ready, aLife), then(10, isReplaced)...), end: 41, want: []Invariant{L1}, unmet: []Invariant{L5},
		},
		"thirteen re-judgements in an hour":             {story: spin(13), end: 3600, want: []Invariant{L3}},
		"twelve re-judgements in an hour":               {story: spin(12), end: 3600, met: []Invariant{L3}},
		"a node that comes and goes is judged as often": {story: flaps(20), end: 3600, met: []Invariant{L3}},
		"a hold by the guard that says nothing": {
			story: then(1, aLife, aPod(0, "u1", kept, on("a"), dying(10)), heldRecord("u1", "")), end: 71, want: []Invariant{L6}, met: []Invariant{L6},
		},
		"a grace period is no hold": {
			story: then(1, aLife, aPod(0, "u1", kept, on("a"), dying(100)), heldRecord("u1", "")), end: 160, unmet: []Invariant{L6},
		},
		"the hold of the next pod begins with its own grace period": {
			story: append(then(1, aLife, aPod(0, "u1", kept, on("a"), dying(10)), heldRecord("u1", "")),
				then(15, isOver, aReplacement, aPod(0, "u2", kept, on("b"), dying(75)))...), end: 130,
		},
		"a hold that the record explains": {
			story: then(1, aLife, aPod(0, "u1", kept, on("a"), dying(10)), heldRecord("u1", "no proof")), end: 200, met: []Invariant{L6},
		},
		"a hold by the scheduler that says nothing": {
			story: then(1, aLife, gone("pods/default/web-0"), aPod(0, "u2")), end: 62, want: []Invariant{L6},
		},
		"a hold that an event explains": {
			story: append(then(1, aLife, gone("pods/default/web-0"), aPod(0, "u2")), then(60, anEvent("Held", "u2", "no proof"))...), end: 200,
		},
		"a set that does not come back": {
			story: then(1, aSet(2, 1)), end: 602, want: []Invariant{L4}, met: []Invariant{L4},
		},
		"a set that does not stay": {
			story: append(append(then(1, aSet(2, 1)), then(300, aSet(2, 2))...), then(700, aSet(2, 1))...), end: 701, want: []Invariant{L4},
		},
		"a set that comes back":                   {story: append(then(1, aSet(2, 1)), then(600, aSet(2, 2))...), end: 2000, met: []Invariant{L4}},
		"a run that ends too soon":                {story: then(1, aSet(2, 1)), end: 600, unmet: []Invariant{L4}},
		"a fault that lasts":                      {story: then(1, aSet(2, 1)), end: 2000, noisy: true, unmet: []Invariant{L4}},
		"a set of which one waits for a proof":    {story: then(1, aLife, heldRecord("u1", "no proof"), aSet(2, 1)), end: 600, unmet: []Invariant{L4}},
		"what a stock scheduler does not promise": {story: then(1, aSet(2, 1)), end: 2000, stock: true, met: []Invariant{L4}},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLog()
			rules := Rules{Profile: "holdfast", BindOrder: "None"}
			if tc.stock {
				rules = Rules{}
			}
			l.Begin(rules)
			for _, w := range tc.story {
				w.write(l, at(w.second))
			}
			end := Ending{At: at(tc.end), Faults: tc.faults, Quiet: at(1)}
			if tc.noisy {
				end.Quiet = time.Time{}
			}
			f, err := l.Finish(end)
			if err != nil {
				t.Fatal(err)
			}
			var got []Invariant
			for _, v := range f.Violations {
				if v.Invariant[0] == 'L' || v.Invariant == S8 {
					got = append(got, v.Invariant)
				}
				if v.Why == "" || v.By == "" || v.From.IsZero() {
					t.Errorf("it says too little: %+v", v)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("invariants (-want,+got):\n%s%v", diff, f.Violations)
			}
			if tc.stock != (len(f.Unasked) > 0) {
				t.Errorf("unasked: %v", f.Unasked)
			}
			for _, id := range tc.met {
				if f.Met[id] == 0 {
					t.Errorf("%s had nothing to hold", id)
				}
			}
			for _, id := range tc.unmet {
				if f.Met[id] != 0 {
					t.Errorf("%s had something to hold", id)
				}
			}
		})
	}
}

func TestHowLongReplacementsWaited(t *testing.T) {
	l := NewLog()
	l.Begin(Rules{Profile: "holdfast", BindOrder: "None"})
	for _, w := range append(append(then(1, aNode("b", corev1.ConditionTrue), aLife), then(10, isReplaced)...), then(13, aPod(0, "u2", on("b")))...) {
		w.write(l, at(w.second))
	}
	f, err := l.Finish(Ending{At: at(100)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Duration{3 * time.Second}, f.Replaced); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestWhatIsBoundInAStaleView is S7: what had to be held in a stale view is counted apart,
// and the first violation is told of when it happens.
func TestWhatIsBoundInAStaleView(t *testing.T) {
	for name, tc := range map[string]struct {
		from, to int
		stale    bool
	}{
		"before the bind to after it": {from: 2, to: 9, stale: true},
		"over before the bind":        {from: 2, to: 4},
	} {
		t.Run(name, func(t *testing.T) {
			l, told := NewLog(), 0
			l.OnFound(func() { told++ })
			l.Begin(Rules{Profile: "holdfast"})
			aPod(1, "v1")(l, at(1))
			l.Stale(at(tc.from), "kube-scheduler pods", true)
			if tc.to < 5 {
				l.Stale(at(tc.to), "kube-scheduler pods", false)
			}
			aPod(1, "v1", on("a"))(l, at(5)) // Before web-0: S6.
			if told != 1 {
				t.Errorf("told of it %d times when it happened, want once", told)
			}
			f, err := l.Finish(Ending{At: at(20)})
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Violations) != 1 || l.WasStale(f.Violations[0].From) != tc.stale || (f.Met[S7] > 0) != tc.stale {
				t.Errorf("%v, stale %t, met %v", f.Violations, l.WasStale(at(5)), f.Met)
			}
		})
	}
}

func TestTheFirstViolationInsideIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		story []event
		want  int
	}{
		"inside":  {[]event{begins(1, "u1", "a"), begins(6, "u2", "b"), begins(7, "u3", "c")}, 1},
		"outside": {[]event{begins(1, "u1", "a"), asserted(5, "u1", "Fenced"), begins(6, "u2", "b")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, told := New(), 0
			c.OnFound(func() { told++ })
			s := world.State{}
			for _, e := range tc.story {
				e(c, &s)
			}
			c.Pass(at(8))
			if told != tc.want {
				t.Errorf("told %d times, want %d", told, tc.want)
			}
		})
	}
}
