package check

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-dev/holdfast/sim/world"
)

var zero = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is a time of a test's story, in seconds.
func at(seconds int) time.Time { return zero.Add(time.Duration(seconds) * time.Second) }

// change is one change of the ground truth.
type change func(*world.State)

// container describes a process; the tests change what matters to them.
func container(uid, node string) world.Process {
	return world.Process{
		Namespace: "default", Pod: "web-0", PodUID: types.UID(uid),
		Container: "main", Node: node, BootID: node + " boot 1",
	}
}

func started(seconds int, p world.Process) change {
	return func(s *world.State) {
		s.At, p.Started = at(seconds), at(seconds)
		s.Processes = append(s.Processes, p)
	}
}

func stopped(seconds int, p world.Process) change {
	return func(s *world.State) {
		s.At = at(seconds)
		s.Processes = slices.DeleteFunc(s.Processes, func(o world.Process) bool {
			p.Started = o.Started
			return o == p
		})
	}
}

func start(seconds int, uid, node string) change { return started(seconds, container(uid, node)) }
func stop(seconds int, uid, node string) change  { return stopped(seconds, container(uid, node)) }

// writer describes a write path to the disk of the claim data-web-0.
func writer(uid, node string, modes ...corev1.PersistentVolumeAccessMode) world.Writer {
	return world.Writer{
		Disk: "disk-1", ClaimNamespace: "default", Claim: "data-web-0", AccessModes: modes,
		Node: node, Namespace: "default", Pod: "web-0", PodUID: types.UID(uid),
	}
}

func opened(seconds int, w world.Writer) change {
	return func(s *world.State) {
		s.At = at(seconds)
		s.Writers = append(s.Writers, w)
	}
}

func closed(seconds int, w world.Writer) change {
	return func(s *world.State) {
		s.At = at(seconds)
		s.Writers = slices.DeleteFunc(s.Writers, func(o world.Writer) bool {
			return o.Disk == w.Disk && o.Node == w.Node && o.PodUID == w.PodUID
		})
	}
}

// tell plays a story and ends it at 100 seconds.
func tell(changes ...change) *Checker {
	c, s := New(), world.State{}
	for _, change := range changes {
		change(&s)
		c.Observe(snapshot(s))
	}
	c.Finish(at(100))
	return c
}

// snapshot is the state in lists of its own, as the world tells it.
func snapshot(s world.State) world.State {
	s.Processes, s.Writers = slices.Clone(s.Processes), slices.Clone(s.Writers)
	return s
}

// s1 and s2 are expected violations; a to below zero lasts to the end.
func s1(from, to int, nodes ...string) Violation { return broken(S1, "default/web-0", from, to, nodes) }
func s2(from, to int, nodes ...string) Violation {
	return broken(S2, "default/data-web-0", from, to, nodes)
}

func broken(i Invariant, by string, from, to int, nodes []string) Violation {
	v := Violation{Invariant: i, By: by, Nodes: nodes, From: at(from)}
	if to >= 0 {
		v.To = at(to)
	}
	return v
}

const toTheEnd = -1

func TestS1(t *testing.T) {
	sidecar := container("u1", "a")
	sidecar.Container = "sidecar"
	rebooted := container("u1", "a")
	rebooted.BootID = "a boot 2"
	otherPod := container("u2", "b")
	otherPod.Pod = "web-1"
	otherNamespace := container("u2", "b")
	otherNamespace.Namespace = "other"

	for name, tc := range map[string]struct {
		story []change
		want  []Violation
	}{
		"nothing ever runs": {},
		"one incarnation after the other": {
			story: []change{start(1, "u1", "a"), stop(5, "u1", "a"), start(9, "u2", "b")},
		},
		"a replacement in the instant in which its predecessor has ended": {
			story: []change{start(1, "u1", "a"), stop(5, "u1", "a"), start(5, "u2", "b")},
		},
		"a replacement in the instant in which its predecessor is about to end": {
			story: []change{start(1, "u1", "a"), start(5, "u2", "b"), stop(5, "u1", "a")},
			want:  []Violation{s1(5, 5, "a", "b")},
		},
		"two incarnations on two nodes": {
			story: []change{start(1, "u1", "b"), start(5, "u2", "a"), stop(9, "u1", "b")},
			want:  []Violation{s1(5, 9, "a", "b")},
		},
		"two incarnations on one node": {
			story: []change{start(1, "u1", "a"), start(5, "u2", "a"), stop(9, "u2", "a")},
			want:  []Violation{s1(5, 9, "a")},
		},
		"two incarnations to the end": {
			story: []change{start(1, "u1", "a"), start(5, "u2", "b")},
			want:  []Violation{s1(5, toTheEnd, "a", "b")},
		},
		"two containers of one pod are one incarnation": {
			story: []change{start(1, "u1", "a"), started(1, sidecar), stop(5, "u1", "a")},
		},
		"the old sidecar alone is enough for a second incarnation": {
			story: []change{start(1, "u1", "a"), started(1, sidecar), stop(5, "u1", "a"), start(6, "u2", "b"), stopped(9, sidecar)},
			want:  []Violation{s1(6, 9, "a", "b")},
		},
		"one pod UID on two nodes": {
			story: []change{start(1, "u1", "a"), start(5, "u1", "b"), stop(9, "u1", "a")},
			want:  []Violation{s1(5, 9, "a", "b")},
		},
		"one pod UID in two boots of one node": {
			story: []change{start(1, "u1", "a"), started(5, rebooted), stop(9, "u1", "a")},
			want:  []Violation{s1(5, 9, "a")},
		},
		"other ordinals and other namespaces do not count": {
			story: []change{start(1, "u1", "a"), started(5, otherPod), started(6, otherNamespace)},
		},
		"two spans with peace between them": {
			story: []change{start(1, "u1", "a"), start(5, "u2", "b"), stop(6, "u2", "b"), start(8, "u3", "c"), stop(9, "u1", "a")},
			want:  []Violation{s1(5, 6, "a", "b"), s1(8, 9, "a", "c")},
		},
		"the second incarnation changes while the first goes on: one span if not even an instant was in peace": {
			story: []change{start(1, "u1", "a"), start(5, "u2", "b"), stop(6, "u2", "b"), start(6, "u3", "c"), stop(9, "u1", "a")},
			want:  []Violation{s1(5, 9, "a", "b", "c")},
		},
		"broken from one to the next with never fewer than two": {
			story: []change{start(1, "u1", "a"), start(5, "u2", "b"), start(6, "u3", "c"), stop(7, "u1", "a"), stop(8, "u2", "b")},
			want:  []Violation{s1(5, 8, "a", "b", "c")},
		},
		"two identities at once, in order of name": {
			story: []change{
				start(1, "u1", "a"), started(1, otherPod),
				func(s *world.State) { started(5, with(otherPod, "u9", "c"))(s); start(5, "u2", "c")(s) },
			},
			want: []Violation{s1(5, toTheEnd, "a", "c"), broken(S1, "default/web-1", 5, toTheEnd, []string{"b", "c"})},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tell(tc.story...).Finish(at(100))); diff != "" {
				t.Errorf("violations (-want,+got):\n%s", diff)
			}
		})
	}
}

// with returns the process under another pod UID and on another node.
func with(p world.Process, uid, node string) world.Process {
	p.PodUID, p.Node, p.BootID = types.UID(uid), node, node+" boot 1"
	return p
}

func TestS2(t *testing.T) {
	const (
		rwo  = corev1.ReadWriteOnce
		rwop = corev1.ReadWriteOncePod
		rwx  = corev1.ReadWriteMany
		rox  = corev1.ReadOnlyMany
	)
	otherDisk := writer("u2", "b", rwo)
	otherDisk.Disk = "disk-2"

	for name, tc := range map[string]struct {
		story []change
		want  []Violation
	}{
		"ReadWriteOnce: one node after the other": {
			story: []change{opened(1, writer("u1", "a", rwo)), closed(5, writer("u1", "a")), opened(5, writer("u2", "b", rwo))},
		},
		"ReadWriteOnce: two nodes": {
			story: []change{opened(1, writer("u1", "b", rwo)), opened(5, writer("u2", "a", rwo)), closed(9, writer("u1", "b"))},
			want:  []Violation{s2(5, 9, "a", "b")},
		},
		"ReadWriteOnce: two pods on one node may": {
			story: []change{opened(1, writer("u1", "a", rwo)), opened(5, writer("u2", "a", rwo))},
		},
		"ReadWriteOnce: one pod UID on two nodes may not": {
			story: []change{opened(1, writer("u1", "a", rwo)), opened(5, writer("u1", "b", rwo))},
			want:  []Violation{s2(5, toTheEnd, "a", "b")},
		},
		"ReadWriteOncePod: two pods on one node": {
			story: []change{opened(1, writer("u1", "a", rwop)), opened(5, writer("u2", "a", rwop)), closed(9, writer("u2", "a"))},
			want:  []Violation{s2(5, 9, "a")},
		},
		"ReadWriteMany: as many as like": {
			story: []change{opened(1, writer("u1", "a", rwx)), opened(5, writer("u2", "b", rwx)), opened(6, writer("u3", "c", rwx, rox))},
		},
		"ReadWriteOnce beside ReadOnlyMany: many may attach, and one of them write": {
			story: []change{opened(1, writer("u1", "a", rwo, rox)), opened(5, writer("u2", "b", rwo, rox))},
			want:  []Violation{s2(5, toTheEnd, "a", "b")},
		},
		"ReadOnlyMany alone is no leave to write from two nodes": {
			story: []change{opened(1, writer("u1", "a", rox)), opened(5, writer("u2", "b", rox)), closed(9, writer("u1", "a"))},
			want:  []Violation{s2(5, 9, "a", "b")},
		},
		"ReadWriteOnce beside ReadWriteMany: attaching to many nodes is allowed": {
			story: []change{opened(1, writer("u1", "a", rwo, rwx)), opened(5, writer("u2", "b", rwo, rwx))},
		},
		"no access modes: held to ReadWriteOnce": {
			story: []change{opened(1, writer("u1", "a")), opened(5, writer("u2", "b"))},
			want:  []Violation{s2(5, toTheEnd, "a", "b")},
		},
		"different modes for one disk: the strictest counts": {
			story: []change{opened(1, writer("u1", "a", rwx)), opened(5, writer("u2", "b", rwo))},
			want:  []Violation{s2(5, toTheEnd, "a", "b")},
		},
		"two disks, though of one claim": {
			story: []change{opened(1, writer("u1", "a", rwo)), opened(5, otherDisk)},
		},
		"a running process writes nothing by itself": {
			story: []change{start(1, "u1", "a"), opened(1, writer("u1", "a", rwo)), start(5, "u2", "b")},
			want:  []Violation{s1(5, toTheEnd, "a", "b")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tell(tc.story...).Finish(at(100))); diff != "" {
				t.Errorf("violations (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestOrdinals(t *testing.T) {
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	for name, tc := range map[string]struct {
		story []change
		want  []OrdinalTruth
	}{
		"what never started is not there": {},
		"running from its start to the end": {
			story: []change{start(10, "u1", "a")},
			want:  []OrdinalTruth{{Name: "default/web-0", Incarnations: 1, Nodes: []string{"a"}, LastStart: at(10)}},
		},
		"stopped and never replaced is down to the end": {
			story: []change{start(10, "u1", "a"), stop(30, "u1", "a")},
			want:  []OrdinalTruth{{Name: "default/web-0", Incarnations: 1, Nodes: []string{"a"}, LastStart: at(10), Down: seconds(70)}},
		},
		"twice down, back on its first node": {
			story: []change{
				start(10, "u1", "b"), stop(30, "u1", "b"), start(35, "u2", "a"), stop(50, "u2", "a"), start(51, "u3", "b"),
			},
			want: []OrdinalTruth{{Name: "default/web-0", Incarnations: 3, Nodes: []string{"b", "a"}, LastStart: at(51), Down: seconds(6)}},
		},
		"a container that restarts is the same incarnation": {
			story: []change{start(10, "u1", "a"), stop(20, "u1", "a"), start(23, "u1", "a")},
			want:  []OrdinalTruth{{Name: "default/web-0", Incarnations: 1, Nodes: []string{"a"}, LastStart: at(23), Down: seconds(3)}},
		},
		"two at once": {
			story: []change{start(10, "u1", "a"), start(20, "u2", "b"), stop(50, "u1", "a")},
			want:  []OrdinalTruth{{Name: "default/web-0", Incarnations: 2, Nodes: []string{"a", "b"}, LastStart: at(20), Twice: seconds(30)}},
		},
		"two at once to the end": {
			story: []change{start(10, "u1", "a"), start(20, "u2", "b")},
			want:  []OrdinalTruth{{Name: "default/web-0", Incarnations: 2, Nodes: []string{"a", "b"}, LastStart: at(20), Twice: seconds(80)}},
		},
		"by namespace, set and ordinal": {
			story: []change{
				started(1, world.Process{Namespace: "default", Pod: "web-10", PodUID: "u1", Node: "a"}),
				started(1, world.Process{Namespace: "default", Pod: "web-9", PodUID: "u2", Node: "a"}),
				started(1, world.Process{Namespace: "default", Pod: "db-11", PodUID: "u3", Node: "a"}),
				started(1, world.Process{Namespace: "a", Pod: "web-20", PodUID: "u4", Node: "a"}),
				started(1, world.Process{Namespace: "default", Pod: "debug-pod", PodUID: "u5", Node: "a"}),
			},
			want: []OrdinalTruth{
				{Name: "a/web-20", Incarnations: 1, Nodes: []string{"a"}, LastStart: at(1)},
				{Name: "default/db-11", Incarnations: 1, Nodes: []string{"a"}, LastStart: at(1)},
				{Name: "default/debug-pod", Incarnations: 1, Nodes: []string{"a"}, LastStart: at(1)},
				{Name: "default/web-9", Incarnations: 1, Nodes: []string{"a"}, LastStart: at(1)},
				{Name: "default/web-10", Incarnations: 1, Nodes: []string{"a"}, LastStart: at(1)},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tell(tc.story...).Ordinals()); diff != "" {
				t.Errorf("ordinals (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestWhatComesAfterFinishIsIgnored(t *testing.T) {
	c := tell(start(1, "u1", "a"))
	s := world.State{}
	start(1, "u1", "a")(&s)
	start(101, "u2", "b")(&s)
	c.Observe(s)
	if got := c.Finish(at(200)); len(got) != 0 {
		t.Errorf("violations: %v", got)
	}
	if got := c.Ordinals()[0]; got.Incarnations != 1 || got.Twice != 0 {
		t.Errorf("ordinal: %+v", got)
	}
}

func TestTimeGoingBackwardsPanics(t *testing.T) {
	c := New()
	c.Observe(world.State{At: at(5)})
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	c.Observe(world.State{At: at(4)})
}

// TestOrderWithinAnInstant: what happens within one instant is found the same in
// every order, unless the order alone says whether two ever ran together.
func TestOrderWithinAnInstant(t *testing.T) {
	for name, tc := range map[string]struct {
		before  []change
		instant []change
		after   []change
	}{
		"three start": {
			instant: []change{start(5, "u1", "a"), start(5, "u2", "b"), start(5, "u3", "c")},
		},
		"three stop": {
			before:  []change{start(1, "u1", "a"), start(2, "u2", "b"), start(3, "u3", "c")},
			instant: []change{stop(5, "u1", "a"), stop(5, "u2", "b"), stop(5, "u3", "c")},
		},
		"one of two is replaced while the other runs on": {
			before:  []change{start(1, "u1", "a"), start(2, "u2", "b")},
			instant: []change{stop(5, "u2", "b"), start(5, "u3", "c")},
			after:   []change{stop(9, "u1", "a")},
		},
		"one of two is replaced twice over": {
			before:  []change{start(1, "u1", "a"), start(2, "u2", "b"), start(3, "u3", "c")},
			instant: []change{stop(5, "u2", "b"), stop(5, "u3", "c"), start(5, "u4", "d"), start(5, "u5", "e")},
			after:   []change{stop(9, "u1", "a")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var first *Checker
			for order := range permutations(len(tc.instant)) {
				story := slices.Clone(tc.before)
				for _, i := range order {
					story = append(story, tc.instant[i])
				}
				c := tell(append(story, tc.after...)...)
				if first == nil {
					first = c
				}
				if diff := cmp.Diff(first.Finish(at(100)), c.Finish(at(100))); diff != "" {
					t.Errorf("order %v finds other violations:\n%s", order, diff)
				}
				if diff := cmp.Diff(first.Ordinals(), c.Ordinals()); diff != "" {
					t.Errorf("order %v finds other times:\n%s", order, diff)
				}
			}
		})
	}
}

// permutations yields every order of n things.
func permutations(n int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		var extend func(order []int) bool
		extend = func(order []int) bool {
			if len(order) == n {
				return yield(order)
			}
			for i := range n {
				if !slices.Contains(order, i) && !extend(append(slices.Clone(order), i)) {
					return false
				}
			}
			return true
		}
		extend(nil)
	}
}

// TestEveryShortStory plays all stories in which two incarnations start and stop
// on two nodes, and compares what was found with a recomputation by hindsight.
func TestEveryShortStory(t *testing.T) {
	t.Run("up to six changes, each at a time of its own", func(t *testing.T) {
		everyStory(t, 6, []int{1})
	})
	t.Run("up to five changes, each at a time of its own or with the one before", func(t *testing.T) {
		everyStory(t, 5, []int{0, 1})
	})
}

// move turns one incarnation on one node on or off, some seconds after the last move.
type move struct {
	slot, gap int
}

// slots are the incarnations and where they may run.
var slots = []world.Process{container("u1", "a"), container("u1", "b"), container("u2", "a"), container("u2", "b")}

func everyStory(t *testing.T, length int, gaps []int) {
	count := 0
	var extend func(story []move)
	extend = func(story []move) {
		count++
		if err := compareWithHindsight(story); err != nil {
			t.Fatalf("story %v: %v", story, err)
		}
		if len(story) == length {
			return
		}
		for slot := range slots {
			for _, gap := range gaps {
				extend(append(slices.Clone(story), move{slot, gap}))
			}
		}
	}
	extend(nil)
	t.Logf("%d stories", count)
}

func compareWithHindsight(story []move) error {
	c, seconds := New(), 0
	var states []world.State
	on := make([]bool, len(slots))
	since := make([]int, len(slots))
	for _, m := range story {
		seconds += m.gap
		on[m.slot], since[m.slot] = !on[m.slot], seconds
		s := world.State{At: at(seconds)}
		for i, p := range slots {
			if on[i] {
				p.Started = at(since[i])
				s.Processes = append(s.Processes, p)
				s.Writers = append(s.Writers, writer(string(p.PodUID), p.Node, corev1.ReadWriteOnce))
			}
		}
		states = append(states, s)
		c.Observe(s)
	}
	end := at(seconds + 3)
	got := c.Finish(end)

	want := hindsight(S1, "default/web-0", states, end, func(s world.State) []string {
		if len(s.Processes) < 2 {
			return nil
		}
		return nodesOf(s.Processes)
	})
	want = append(want, hindsight(S2, "default/data-web-0", states, end, func(s world.State) []string {
		if nodes := nodesOf(s.Processes); len(nodes) > 1 {
			return nodes
		}
		return nil
	})...)
	slices.SortStableFunc(want, func(a, b Violation) int { return a.From.Compare(b.From) })
	if !slices.EqualFunc(want, got, sameViolation) {
		return fmt.Errorf("violations (-want,+got):\n%s", cmp.Diff(want, got))
	}
	return compareTimes(c, states, end)
}

// sameViolation compares as cmp does, but fast enough for tens of thousands.
func sameViolation(a, b Violation) bool {
	return a.Invariant == b.Invariant && a.By == b.By && a.Outside == b.Outside && a.Evidence == b.Evidence && slices.Equal(a.Nodes, b.Nodes) && a.From.Equal(b.From) && a.To.Equal(b.To)
}

// hindsight recomputes violations: an interval for every broken state, and then
// any two intervals that meet become one until none meet. A state is broken if any
// nodes take part.
func hindsight(i Invariant, by string, states []world.State, end time.Time, takePart func(world.State) []string) []Violation {
	var spans []Violation
	for n, s := range states {
		part := takePart(s)
		if len(part) == 0 {
			continue
		}
		until := end.Add(time.Hour) // Beyond the end: still broken.
		if n+1 < len(states) {
			until = states[n+1].At
		}
		spans = append(spans, Violation{Invariant: i, By: by, Nodes: part, From: s.At, To: until})
	}
	for merged := true; merged; {
		merged = false
		for n := 1; n < len(spans); n++ {
			a, b := spans[n-1], spans[n]
			if b.From.After(a.To) {
				continue
			}
			nodes := append(slices.Clone(a.Nodes), b.Nodes...)
			slices.Sort(nodes)
			a.Nodes, a.To = slices.Compact(nodes), b.To
			spans = slices.Replace(spans, n-1, n+1, a)
			merged = true
			break
		}
	}
	for n := range spans {
		if spans[n].To.After(end) {
			spans[n].To = time.Time{}
		}
	}
	return spans
}

func nodesOf(processes []world.Process) []string {
	var nodes []string
	for _, p := range processes {
		nodes = append(nodes, p.Node)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// compareTimes recomputes Down and Twice second by second.
func compareTimes(c *Checker, states []world.State, end time.Time) error {
	var down, twice time.Duration
	ever := false
	for second := zero; second.Before(end); second = second.Add(time.Second) {
		running := 0
		for _, s := range states {
			if !s.At.After(second) {
				running = len(s.Processes)
				ever = ever || running > 0
			}
		}
		if ever && running == 0 {
			down += time.Second
		}
		if running > 1 {
			twice += time.Second
		}
	}
	all := c.Ordinals()
	if !ever {
		if len(all) != 0 {
			return fmt.Errorf("ordinals %v of a story in which nothing ran", all)
		}
		return nil
	}
	if got := all[0]; got.Down != down || got.Twice != twice {
		return fmt.Errorf("down %s and twice %s, want %s and %s", got.Down, got.Twice, down, twice)
	}
	return nil
}
