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

// event is one thing that a checker is told: of the world, or of the API.
type event func(*Checker, *world.State)

func (c change) event(checker *Checker, s *world.State) {
	c(s)
	checker.Observe(snapshot(*s))
}

func begins(seconds int, uid, node string) event { return start(seconds, uid, node).event }
func ends(seconds int, uid, node string) event   { return stop(seconds, uid, node).event }

// asserted and proven are releases of an incarnation of default/web-0.
func asserted(seconds int, uid, kind string) event { return released(seconds, uid, kind, true) }
func proven(seconds int, uid, kind string) event   { return released(seconds, uid, kind, false) }

func released(seconds int, uid, kind string, assertion bool) event {
	return func(c *Checker, _ *world.State) {
		c.Release(at(seconds), Release{Namespace: "default", Pod: "web-0", PodUID: types.UID(uid), Evidence: kind, Assertion: assertion})
	}
}

// tellAll plays a story with releases and ends it at 100 seconds.
func tellAll(events ...event) *Checker {
	c, s := New(), world.State{}
	for _, e := range events {
		e(c, &s)
	}
	c.Finish(at(100))
	return c
}

func outside(kind string, v Violation) Violation {
	v.Outside = kind
	return v
}

// s3 is an expected violation by default/web-0.
func s3(kind string, from, to int, nodes ...string) Violation {
	v := broken(S3, "default/web-0", from, to, nodes)
	v.Evidence = kind
	return v
}

// denied is a process that goes on and of which its runtime says that it has ended.
func denied(seconds int, uid string) event {
	return change(func(s *world.State) {
		s.At = at(seconds)
		for i := range s.Processes {
			if s.Processes[i].PodUID == types.UID(uid) {
				s.Processes[i].Denied = true
			}
		}
	}).event
}

func TestProofsOfARuntimeThatLies(t *testing.T) {
	for name, tc := range map[string]struct {
		story []event
		want  []Violation
	}{
		"what follows is outside, and no proof was false inside": {
			story: []event{begins(1, "u1", "a"), denied(4, "u1"), proven(5, "u1", "KubeletConfirmed"), begins(6, "u2", "b")},
			want:  []Violation{outside("KubeletConfirmed", s1(6, toTheEnd, "a", "b"))},
		},
		"a lie without a release is no excuse": {
			story: []event{begins(1, "u1", "a"), denied(4, "u1"), begins(6, "u2", "b")},
			want:  []Violation{s1(6, toTheEnd, "a", "b")},
		},
		"a proof that came before the lie was false by itself": {
			story: []event{begins(1, "u1", "a"), proven(3, "u1", "KubeletConfirmed"), begins(6, "u2", "b"), denied(8, "u1")},
			want:  []Violation{s3("KubeletConfirmed", 3, toTheEnd, "a"), s1(6, toTheEnd, "a", "b")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tellAll(tc.story...).Finish(at(100))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFalseAssertions(t *testing.T) {
	for name, tc := range map[string]struct {
		story []event
		want  []Violation
	}{
		"a true one is nothing": {
			story: []event{begins(1, "u1", "a"), ends(4, "u1", "a"), asserted(5, "u1", "Attested"), begins(6, "u2", "b")},
		},
		"a false one is nothing either while nothing follows from it": {
			story: []event{begins(1, "u1", "a"), asserted(5, "u1", "Attested"), ends(8, "u1", "a"), begins(9, "u2", "b")},
		},
		"the double run that follows is outside": {
			story: []event{begins(1, "u1", "a"), asserted(5, "u1", "Attested"), begins(6, "u2", "b"), ends(9, "u1", "a")},
			want:  []Violation{outside("Attested", s1(6, 9, "a", "b"))},
		},
		"outside to the end, by the kind that was told": {
			story: []event{begins(1, "u1", "a"), asserted(5, "u1", "Fenced"), begins(6, "u2", "b")},
			want:  []Violation{outside("Fenced", s1(6, toTheEnd, "a", "b"))},
		},
		"a process that ends in the instant of the release had ended": {
			story: []event{begins(1, "u1", "a"), asserted(5, "u1", "Attested"), ends(5, "u1", "a"), begins(6, "u2", "b")},
		},
		"an overlap within the instant of a true assertion is inside": {
			story: []event{begins(1, "u1", "a"), asserted(5, "u1", "Attested"), begins(5, "u2", "b"), ends(5, "u1", "a")},
			want:  []Violation{s1(5, 5, "a", "b")},
		},
		"a replacement in the instant of a false assertion follows from it": {
			story: []event{begins(1, "u1", "a"), asserted(5, "u1", "Attested"), begins(5, "u2", "b"), ends(9, "u1", "a")},
			want:  []Violation{outside("Attested", s1(5, 9, "a", "b"))},
		},
		"a false assertion does not excuse what was so before it": {
			story: []event{begins(1, "u1", "a"), begins(3, "u2", "b"), asserted(5, "u1", "Attested"), ends(9, "u1", "a")},
			want:  []Violation{s1(3, 9, "a", "b")},
		},
		"a process that starts after the word that it is over makes it false": {
			story: []event{asserted(2, "u1", "NodeRemoved"), begins(3, "u2", "b"), begins(6, "u1", "a"), ends(9, "u1", "a")},
			want:  []Violation{outside("NodeRemoved", s1(6, 9, "a", "b"))},
		},
		"two others beside the one asserted over: their part is inside": {
			story: []event{
				begins(1, "u1", "a"), asserted(5, "u1", "Attested"), begins(6, "u2", "b"), begins(7, "u3", "c"), ends(8, "u2", "b"), ends(9, "u1", "a"),
			},
			want: []Violation{outside("Attested", s1(6, 9, "a", "b", "c")), s1(7, 8, "b", "c")},
		},
		"two false assertions one after the other: each has what came after it": {
			story: []event{
				begins(1, "u1", "a"), asserted(5, "u1", "Attested"), begins(6, "u2", "b"), asserted(7, "u2", "Fenced"), begins(8, "u3", "c"),
			},
			want: []Violation{outside("Attested", s1(6, toTheEnd, "a", "b", "c")), outside("Fenced", s1(8, toTheEnd, "b", "c"))},
		},
		"two that each came after the false word about the other: the earlier word counts": {
			story: []event{asserted(2, "u1", "NodeRemoved"), begins(3, "u2", "b"), asserted(4, "u2", "Fenced"), begins(6, "u1", "a")},
			want:  []Violation{outside("NodeRemoved", s1(6, toTheEnd, "a", "b"))},
		},
		"two false words in one instant: the kinds decide, not chance": {
			story: []event{asserted(2, "u1", "NodeRemoved"), asserted(2, "u2", "Fenced"), begins(3, "u2", "b"), begins(6, "u1", "a")},
			want:  []Violation{outside("Fenced", s1(6, toTheEnd, "a", "b"))},
		},
		"the word about another identity excuses nothing": {
			story: []event{begins(1, "u1", "a"), asserted(5, "u9", "Attested"), begins(6, "u2", "b")},
			want:  []Violation{s1(6, toTheEnd, "a", "b")},
		},
		"of two releases of one pod the first counts": {
			story: []event{begins(1, "u1", "a"), asserted(5, "u1", "Attested"), proven(6, "u1", "KubeletConfirmed"), begins(7, "u2", "b")},
			want:  []Violation{outside("Attested", s1(7, toTheEnd, "a", "b"))},
		},
		"a second writer of its volume is outside as well": {
			story: []event{
				change(func(s *world.State) { start(1, "u1", "a")(s); opened(1, writer("u1", "a", corev1.ReadWriteOnce))(s) }).event,
				asserted(5, "u1", "Attested"),
				change(func(s *world.State) { start(6, "u2", "b")(s); opened(6, writer("u2", "b", corev1.ReadWriteOnce))(s) }).event,
				change(func(s *world.State) { stop(9, "u1", "a")(s); closed(9, writer("u1", "a"))(s) }).event,
			},
			want: []Violation{outside("Attested", s1(6, 9, "a", "b")), outside("Attested", s2(6, 9, "a", "b"))},
		},
		"two writers of another volume are not": {
			story: []event{
				begins(1, "u1", "a"), asserted(5, "u1", "Attested"),
				opened(6, writer("u2", "b", corev1.ReadWriteOnce)).event, opened(6, writer("u3", "c", corev1.ReadWriteOnce)).event,
			},
			want: []Violation{s2(6, toTheEnd, "b", "c")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tellAll(tc.story...).Finish(at(100))); diff != "" {
				t.Errorf("violations (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestS3(t *testing.T) {
	for name, tc := range map[string]struct {
		story []event
		want  []Violation
	}{
		"a true proof is nothing": {
			story: []event{begins(1, "u1", "a"), ends(4, "u1", "a"), proven(5, "u1", "KubeletConfirmed"), begins(6, "u2", "b")},
		},
		"a proof in the instant in which the process ends": {
			story: []event{begins(1, "u1", "a"), proven(5, "u1", "KubeletConfirmed"), ends(5, "u1", "a")},
		},
		"a process runs on": {
			story: []event{begins(1, "u1", "a"), proven(5, "u1", "KubeletConfirmed"), ends(9, "u1", "a")},
			want:  []Violation{s3("KubeletConfirmed", 5, 9, "a")},
		},
		"a process runs on, and the run ends in that very instant": {
			story: []event{begins(1, "u1", "a"), proven(100, "u1", "KubeletConfirmed")},
			want:  []Violation{s3("KubeletConfirmed", 100, toTheEnd, "a")},
		},
		"it runs on elsewhere than where it was looked for": {
			story: []event{begins(1, "u1", "a"), begins(2, "u1", "b"), ends(3, "u1", "a"), proven(5, "u1", "NeverBound"), ends(9, "u1", "b")},
			want:  []Violation{s1(2, 3, "a", "b"), s3("NeverBound", 5, 9, "b")},
		},
		"what was proven over lives again": {
			story: []event{begins(1, "u1", "a"), ends(4, "u1", "a"), proven(5, "u1", "Rebooted"), begins(8, "u1", "a"), ends(9, "u1", "a")},
			want:  []Violation{s3("Rebooted", 8, 9, "a")},
		},
		"lives again for no time at all": {
			story: []event{proven(5, "u1", "Rebooted"), begins(8, "u1", "a"), ends(8, "u1", "a")},
			want:  []Violation{s3("Rebooted", 8, 8, "a")},
		},
		"the double run that follows is inside": {
			story: []event{begins(1, "u1", "a"), proven(5, "u1", "Observed"), begins(6, "u2", "b"), ends(9, "u1", "a")},
			want:  []Violation{s3("Observed", 5, 9, "a"), s1(6, 9, "a", "b")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tellAll(tc.story...).Finish(at(100))); diff != "" {
				t.Errorf("violations (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestTwiceOutsideIsCountedApart(t *testing.T) {
	c := tellAll(
		begins(1, "u1", "a"), asserted(5, "u1", "Attested"), begins(6, "u2", "b"), // Outside.
		begins(10, "u3", "c"),                    // Both: counts as inside.
		ends(13, "u2", "b"), ends(20, "u3", "c"), // Outside, and peace.
	)
	got := c.Ordinals()[0]
	if got.Twice != 14*time.Second || got.TwiceOutside != 11*time.Second {
		t.Errorf("twice %s, outside %s", got.Twice, got.TwiceOutside)
	}
}

func TestAReleaseAfterFinishIsIgnored(t *testing.T) {
	c := tellAll(begins(1, "u1", "a"))
	proven(200, "u1", "KubeletConfirmed")(c, nil)
	if got := c.Finish(at(300)); len(got) != 0 {
		t.Errorf("violations: %v", got)
	}
}

// TestReleasesFromAnotherGoroutine: the world and the API tell at the same time, and
// within an instant in any order.
func TestReleasesFromAnotherGoroutine(t *testing.T) {
	for range 100 {
		c, s := New(), world.State{}
		begins(1, "u1", "a")(c, &s)
		told := make(chan struct{})
		go func() {
			defer close(told)
			asserted(5, "u1", "Attested")(c, nil)
		}()
		begins(5, "u2", "b")(c, &s)
		<-told
		ends(9, "u1", "a")(c, &s)
		if diff := cmp.Diff([]Violation{outside("Attested", s1(5, 9, "a", "b"))}, c.Finish(at(100))); diff != "" {
			t.Fatalf("violations (-want,+got):\n%s", diff)
		}
	}
}

// TestEveryShortStoryWithARelease plays all stories in which three incarnations start
// and stop and the first is released at some time, and compares with hindsight.
func TestEveryShortStoryWithARelease(t *testing.T) {
	for name, assertion := range map[string]bool{"by an assertion": true, "by a proof": false} {
		t.Run(name, func(t *testing.T) {
			count := 0
			var extend func(story []move)
			extend = func(story []move) {
				count++
				if err := compareReleaseWithHindsight(story, assertion); err != nil {
					t.Fatalf("story %v: %v", story, err)
				}
				if len(story) == 5 {
					return
				}
				for slot := range len(lives) + 1 {
					for gap := range 2 {
						m := move{slot, gap}
						if slot < releaseOfFirst || !slices.ContainsFunc(story, func(o move) bool { return o.slot == slot }) {
							extend(append(slices.Clone(story), m))
						}
					}
				}
			}
			extend(nil)
			t.Logf("%d stories", count)
		})
	}
}

// lives are the incarnations of the stories, and releaseOfFirst the move after them.
var lives = []world.Process{container("u1", "a"), container("u2", "b"), container("u3", "c")}

const releaseOfFirst = 3

func compareReleaseWithHindsight(story []move, assertion bool) error {
	c, seconds, releasedAt := New(), 0, -1
	// Before anything runs there is a state too, which a release may follow.
	states := []world.State{{At: at(0)}}
	c.Observe(states[0])
	on, since := make([]bool, len(lives)), make([]int, len(lives))
	firstSeen := map[types.UID]time.Time{}
	for _, m := range story {
		seconds += m.gap
		if m.slot == releaseOfFirst {
			releasedAt = seconds
			released(seconds, "u1", "Kind", assertion)(c, nil)
			continue
		}
		on[m.slot], since[m.slot] = !on[m.slot], seconds
		s := world.State{At: at(seconds)}
		for i, p := range lives {
			if on[i] {
				p.Started = at(since[i])
				s.Processes = append(s.Processes, p)
				if _, before := firstSeen[p.PodUID]; !before {
					firstSeen[p.PodUID] = s.At
				}
			}
		}
		states = append(states, s)
		c.Observe(s)
	}
	end := at(seconds + 3)
	got := c.Finish(end)

	// The states with one more at the release, for what begins there.
	all, shown := states, end.Add(time.Hour)
	if releasedAt >= 0 {
		release := at(releasedAt)
		last := 0
		for i, s := range states {
			if !s.At.After(release) {
				last = i
			} else if runs(s, "u1") && s.At.Before(shown) {
				shown = s.At
			}
		}
		if runs(states[last], "u1") {
			shown = release
		}
		all = slices.Insert(slices.Clone(states), last+1, world.State{At: release, Processes: states[last].Processes})
	}
	// isOutside says whether u1 and the other one run together because of the word.
	isOutside := func(s world.State, a, other types.UID) bool {
		return assertion && a == "u1" && !s.At.Before(shown) && !firstSeen[other].Before(at(releasedAt))
	}
	want := hindsight(S1, "default/web-0", all, end, func(s world.State) []string {
		return pairs(s, func(a, b types.UID) bool { return !isOutside(s, a, b) })
	})
	for _, v := range hindsight(S1, "default/web-0", all, end, func(s world.State) []string {
		return pairs(s, func(a, b types.UID) bool { return isOutside(s, a, b) })
	}) {
		want = append(want, outside("Kind", v))
	}
	for _, v := range hindsight(S3, "default/web-0", all, end, func(s world.State) []string {
		if assertion || s.At.Before(shown) || !runs(s, "u1") {
			return nil
		}
		return []string{"a"}
	}) {
		v.Evidence = "Kind"
		want = append(want, v)
	}
	slices.SortStableFunc(want, func(a, b Violation) int { return a.From.Compare(b.From) })
	if !slices.EqualFunc(want, got, sameViolation) {
		return fmt.Errorf("violations (-want,+got):\n%s", cmp.Diff(want, got))
	}
	return nil
}

func runs(s world.State, uid types.UID) bool {
	return slices.ContainsFunc(s.Processes, func(p world.Process) bool { return p.PodUID == uid })
}

// pairs are the nodes of all pairs, in order of pod UID, that count.
func pairs(s world.State, counts func(a, b types.UID) bool) []string {
	var part []world.Process
	for i, a := range s.Processes {
		for _, b := range s.Processes[i+1:] {
			if counts(a.PodUID, b.PodUID) {
				part = append(part, a, b)
			}
		}
	}
	return nodesOf(part)
}
