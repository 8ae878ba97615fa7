package report

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestGolden(t *testing.T) {
	golden(t, "silent-node.golden", Golden(silentNode()))
	golden(t, "false-attestation.golden", Golden(falseAttestation()))
}

// TestGoldenTellsNothingOfChance: what differs from run to run leaves no trace.
func TestGoldenTellsNothingOfChance(t *testing.T) {
	for name, change := range map[string]func(*Run){
		"the machines are other ones": func(r *Run) {
			renamed := strings.NewReplacer("a-0", "c-1", "a-1", "a-0", "b-1", "c-0")
			for i := range r.Events {
				r.Events[i].Node = renamed.Replace(r.Events[i].Node)
			}
			for i := range r.Ordinals {
				for j, n := range r.Ordinals[i].Nodes {
					r.Ordinals[i].Nodes[j] = renamed.Replace(n)
				}
			}
			for i := range r.Violations {
				for j, n := range r.Violations[i].Nodes {
					r.Violations[i].Nodes[j] = renamed.Replace(n)
				}
				slices.Sort(r.Violations[i].Nodes)
			}
		},
		"another identity was earlier": func(r *Run) {
			slices.SortStableFunc(r.Events, func(a, b Event) int { return strings.Compare(b.Ordinal, a.Ordinal) })
			slices.SortStableFunc(r.Events, func(a, b Event) int {
				return int(a.At.Round(time.Second) - b.At.Round(time.Second))
			})
		},
		"the watches delivered in another order within each second": func(r *Run) {
			dice := rand.New(rand.NewPCG(1, 2))
			rank := map[int]int{}
			for i := range r.Events {
				rank[i] = dice.IntN(100)
				r.Events[i].At.Duration = r.Events[i].At.Round(time.Second) + time.Duration(rank[i])*time.Millisecond
			}
			slices.SortStableFunc(r.Events, func(a, b Event) int { return int(a.At.Duration - b.At.Duration) })
		},
		"the reason of a hold was told anew": func(r *Run) {
			for i, e := range r.Events {
				if e.Kind == Held {
					again := e
					again.At.Duration += 3 * time.Second
					again.Detail = "in other words"
					r.Events = slices.Insert(r.Events, i+1, again)
					break
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := silentNode()
			for i := range r.Runs {
				change(&r.Runs[i])
			}
			if diff := cmp.Diff(Golden(silentNode()), Golden(r)); diff != "" {
				t.Errorf("(-want,+got):\n%s", diff)
			}
		})
	}
}

// TestGoldenOrdersOneInstantByCause: what several watches deliver in one instant, in
// whatever order, is told in the order of cause.
func TestGoldenOrdersOneInstantByCause(t *testing.T) {
	for name, events := range map[string][]Event{
		"held by the guard": {
			pod("1s", Created, 1, ""), pod("1s", Bound, 1, "a"), pod("1s", Started, 1, "a"),
			pod("4m", DeletionAsked, 1, "a"), held("4m", "guard", "why"), pod("4m", Stopped, 1, "a"),
			released("4m", "guard", "KubeletConfirmed", ""), pod("4m", Removed, 1, "a"),
			pod("4m", Created, 2, ""), pod("4m", Bound, 2, "a"), pod("4m", Started, 2, "a"),
		},
		"held by the scheduler": {
			pod("1s", Created, 1, ""), pod("1s", Bound, 1, "a"), pod("1s", Started, 1, "a"),
			pod("4m", DeletionAsked, 1, "a"), pod("4m", Removed, 1, "a"), pod("4m", Created, 2, ""), held("4m", "scheduler", "why"),
			pod("5m", Stopped, 1, "a"), released("5m", "scheduler", "Attested", ""), pod("5m", Bound, 2, "b"), pod("5m", Started, 2, "b"),
		},
		"the node is lost and its pod deleted at once": {
			pod("1s", Created, 1, ""), pod("1s", Bound, 1, "a"), pod("1s", Started, 1, "a"),
			pod("4m", Lost, 1, "a"), pod("4m", DeletionAsked, 1, "a"), held("4m", "guard", "why"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := Golden(Report{Runs: []Run{{Scheduler: "holdfast", Events: events}}})
			golden(t, strings.ReplaceAll(name, " ", "-")+".golden", want)
			dice := rand.New(rand.NewPCG(3, 4))
			for range 500 {
				shuffled := slices.Clone(events)
				dice.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				if indexOf(shuffled, Released) >= 0 && indexOf(shuffled, Released) < indexOf(shuffled, Held) {
					continue // Both come on one watch, in order.
				}
				if diff := cmp.Diff(want, Golden(Report{Runs: []Run{{Scheduler: "holdfast", Events: shuffled}}})); diff != "" {
					t.Fatalf("(-want,+got):\n%s", diff)
				}
			}
		})
	}
}

func indexOf(events []Event, kind EventKind) int {
	return slices.IndexFunc(events, func(e Event) bool { return e.Kind == kind })
}

func TestCompareGolden(t *testing.T) {
	const want = `# times +-5s
# A node goes silent.
== default: cluster
3m      step: cut off the node of web-0
== default: web-0
1s      incarnation 1 started on old
4m30s   incarnation 1 removed
end     Running, 2 incarnations
`
	for name, tc := range map[string]struct {
		want, got string
		diff      string
	}{
		"equal":                     {want: want, got: want},
		"comments are not compared": {want: want, got: strings.Replace(want, "# A node goes silent.\n", "", 1)},
		"times within the tolerance": {
			want: want, got: strings.NewReplacer("4m30s ", "4m35s", "1s  ", "0s").Replace(want),
		},
		"a time beyond the tolerance": {
			want: want, got: strings.Replace(want, "4m30s", "4m36s", 1),
			diff: "  == default: web-0\n- 4m30s   incarnation 1 removed\n+ 4m36s   incarnation 1 removed\n",
		},
		"without a stated tolerance, the one that is given": {
			want: strings.Replace(want, "# times +-5s\n", "", 1), got: strings.Replace(want, "4m30s", "4m31s", 1),
			diff: "  == default: web-0\n- 4m30s   incarnation 1 removed\n+ 4m31s   incarnation 1 removed\n",
		},
		"another text": {
			want: want, got: strings.Replace(want, "on old", "on new", 1),
			diff: "  == default: web-0\n- 1s      incarnation 1 started on old\n+ 1s      incarnation 1 started on new\n",
		},
		"another node, where nodes are chance": {
			want: strings.Replace(want, "# A node", "# nodes by chance: two are alike\n# A node", 1), got: strings.Replace(want, "on old", "on new2", 1),
		},
		"another node, where chance is named too late": {
			want: want + "# nodes by chance: two are alike\n", got: strings.Replace(want, "on old", "on new", 1),
			diff: "  == default: web-0\n- 1s      incarnation 1 started on old\n+ 1s      incarnation 1 started on new\n",
		},
		"another text, where nodes are chance": {
			want: "# nodes by chance: two are alike\n" + want, got: strings.Replace(want, "started on old", "stopped on old", 1),
			diff: "  == default: web-0\n- 1s      incarnation 1 started on old\n+ 1s      incarnation 1 stopped on old\n",
		},
		"a line too many": {
			want: want, got: strings.Replace(want, "== default: web-0", "3m50s   a node is not ready\n== default: web-0", 1),
			diff: "  == default: cluster\n+ 3m50s   a node is not ready\n",
		},
		"a line too few": {
			want: want, got: strings.Replace(want, "1s      incarnation 1 started on old\n", "", 1),
			diff: "  == default: web-0\n- 1s      incarnation 1 started on old\n",
		},
		"two lines in another order": {
			want: want,
			got: strings.NewReplacer("1s      incarnation 1 started on old", "1s      incarnation 1 removed",
				"4m30s   incarnation 1 removed", "1s      incarnation 1 started on old").Replace(want),
			diff: "  == default: web-0\n+ 1s      incarnation 1 removed\n- 4m30s   incarnation 1 removed\n",
		},
		"another end": {
			want: want, got: strings.Replace(want, "Running", "Held", 1),
			diff: "  == default: web-0\n- end     Running, 2 incarnations\n+ end     Held, 2 incarnations\n",
		},
		"a tolerance that is none": {
			want: "# times +-often\n", diff: "first line: time: invalid duration \"often\"\n",
		},
		"nothing at all": {
			want: want,
			diff: "- == default: cluster\n- 3m      step: cut off the node of web-0\n- == default: web-0\n" +
				"- 1s      incarnation 1 started on old\n- 4m30s   incarnation 1 removed\n- end     Running, 2 incarnations\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.diff, CompareGolden(tc.want, tc.got, 0)); diff != "" {
				t.Errorf("(-want,+got):\n%s", diff)
			}
		})
	}
}

func TestRewriteGolden(t *testing.T) {
	for name, tc := range map[string]struct{ old, want string }{
		"a new file states the tolerance":     {"", "# times +-45s\nnew\n"},
		"an old one keeps what is on its top": {"# times +-3s\n# Why.\nold\n# not on top\n", "# times +-3s\n# Why.\nnew\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := RewriteGolden(tc.old, "new\n", 45*time.Second); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestGoldenMergesAnIncarnationThatWasNeverOnANodeWithTheNext(t *testing.T) {
	event := func(second int, kind EventKind, incarnation int, node string) Event {
		at := metav1.Duration{Duration: time.Duration(second) * time.Second}
		return Event{At: at, Ordinal: "default/web-0", Kind: kind, Incarnation: incarnation, Node: node}
	}
	before := []Event{
		event(0, Created, 1, ""), event(1, Bound, 1, "a-0"), event(100, DeletionAsked, 1, "a-0"), event(100, Removed, 1, "a-0"),
		event(100, Created, 2, ""),
	}
	evicted := []Event{event(500, DeletionAsked, 2, ""), event(500, Removed, 2, ""), event(500, Created, 3, "")}
	golden := func(events ...Event) string {
		return Golden(Report{Runs: []Run{{
			Scheduler: "holdfast", Events: events,
			Ordinals: []Ordinal{{Name: "default/web-0", State: "Running", Incarnations: 2}},
		}}})
	}
	want := golden(append(slices.Clone(before), event(900, Bound, 2, "a-1"), event(901, Started, 2, "a-1"))...)
	got := golden(append(append(slices.Clone(before), evicted...), event(900, Bound, 3, "a-1"), event(901, Started, 3, "a-1"))...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("an eviction by chance shows (-without,+with):\n%s", diff)
	}
	if end := golden(append(slices.Clone(before), event(500, DeletionAsked, 2, ""), event(500, Removed, 2, ""))...); !strings.Contains(end, "incarnation 2 removed") {
		t.Errorf("one that nothing took the place of is not told:\n%s", end)
	}
}
