package report

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// instant is a moment whose order is its second.
func instant(second int) *Instant {
	return &Instant{At: metav1.Duration{Duration: time.Duration(second) * time.Second}, Order: second}
}

// podOf is a pod of the set web. Never is -1.
func podOf(name string, incarnation, created, ready, deleted, gone int) Pod {
	p := Pod{Name: "default/" + name, Kind: "StatefulSet", Maker: "default/web", Incarnation: incarnation, Node: "a-0", Created: *instant(created)}
	for _, set := range []struct {
		to     **Instant
		second int
	}{{&p.Ready, ready}, {&p.Deleted, deleted}, {&p.Gone, gone}} {
		if set.second >= 0 {
			*set.to = instant(set.second)
		}
	}
	return p
}

func seconds(s int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(s) * time.Second}
}

// failing are the names and findings of checks that are not met.
func failing(checks []Check) []string {
	var got []string
	for _, c := range checks {
		if !c.OK {
			got = append(got, c.Name+"; "+c.Got)
		}
	}
	return got
}

func TestJudgeOrders(t *testing.T) {
	orderly := []Pod{podOf("web-0", 1, 1, 5, -1, -1), podOf("web-1", 1, 5, 9, 20, 22), podOf("web-2", 1, 10, 14, 15, 18)}
	tie := []Pod{podOf("web-0", 1, 1, 5, -1, -1), podOf("web-1", 1, 4, 9, -1, -1)}
	tie[1].Created.At = tie[0].Ready.At // In one instant, and before it.
	rolled := []Pod{
		podOf("web-1", 1, 1, 2, 10, 11), podOf("web-1", 2, 11, 14, -1, -1),
		podOf("web-0", 1, 0, 1, 15, 16), podOf("web-0", 2, 16, 18, -1, -1),
	}
	pods := []string{"web-0", "web-1", "web-2"}
	for name, tc := range map[string]struct {
		pods                 []Pod
		creations, deletions []scenario.Order
		want                 []string
	}{
		"each after the one before it was Ready": {
			pods: slices.Concat(orderly[:1], []Pod{podOf("web-1", 1, 6, 9, 20, 22)}, orderly[2:]), creations: []scenario.Order{{Pods: pods, Each: scenario.AfterReady}},
		},
		"each at the same order is too early": {
			pods: tie, creations: []scenario.Order{{Pods: pods[:2], Each: scenario.AfterReady}},
			want: []string{"created in this order, each when the one before it was Ready: web-0, web-1; web-1 was created at 5s, when web-0 was not Ready"},
		},
		"not asked what each waited for": {
			pods: tie, creations: []scenario.Order{{Pods: pods[:2]}},
		},
		"the other way round": {
			pods: orderly, creations: []scenario.Order{{Pods: []string{"web-1", "web-0"}}},
			want: []string{"created in this order: web-1, web-0; web-0 was created at 1s, before web-1 at 5s"},
		},
		"one that never was": {
			pods: orderly[:2], creations: []scenario.Order{{Pods: pods}},
			want: []string{"created in this order: web-0, web-1, web-2; web-2 was never created"},
		},
		"not Ready for long enough": {
			pods: rolled, creations: []scenario.Order{{Pods: []string{"web-1", "web-0"}, From: seconds(11), Each: scenario.AfterReady, ReadyFor: seconds(3)}},
			want: []string{"created from 11s on in this order, each when the one before it was Ready for 3s: web-1, web-0; web-0 was created at 16s, 2s after web-1 was Ready"},
		},
		"highest first, each when the one before it was gone": {
			pods: orderly, deletions: []scenario.Order{{Pods: []string{"web-2", "web-1"}, Each: scenario.AfterGone}},
		},
		"before it was gone": {
			pods: []Pod{podOf("web-1", 1, 0, 1, 5, 8), podOf("web-0", 1, 0, 1, 7, 9)}, deletions: []scenario.Order{{Pods: []string{"web-1", "web-0"}, Each: scenario.AfterGone}},
			want: []string{"deleted in this order, each when the one before it was gone: web-1, web-0; web-0 was deleted at 7s, when web-1 was not done"},
		},
		"a rollout waits for the next of the same name": {
			pods: rolled, deletions: []scenario.Order{{Pods: []string{"web-1", "web-0"}, Each: scenario.AfterReady}},
		},
		"a rollout that does not wait": {
			pods: slices.Concat(rolled[:1], []Pod{podOf("web-1", 2, 11, 17, -1, -1)}, rolled[2:]), deletions: []scenario.Order{{Pods: []string{"web-1", "web-0"}, Each: scenario.AfterReady}},
			want: []string{"deleted in this order, each when what took the place of the one before it was Ready: web-1, web-0; web-0 was deleted at 15s, when web-1 was not done"},
		},
		"only what came later counts": {
			pods: rolled, deletions: []scenario.Order{{Pods: []string{"web-1", "web-0"}, From: seconds(12)}},
			want: []string{"deleted from 12s on in this order: web-1, web-0; web-1 was never deleted"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := failing(judgePromises(scenario.Expectation{Creations: tc.creations, Deletions: tc.deletions}, &Run{Pods: tc.pods}))
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n\t%q\nwant\n\t%q", got, tc.want)
			}
		})
	}
}

func TestJudgeWorkloads(t *testing.T) {
	first, second := podOf("web-0", 1, 0, 1, 5, 6), podOf("web-0", 2, 6, 8, -1, -1)
	first.Addresses, second.Addresses = []Address{{Value: "10.0.0.1"}}, []Address{{Value: "10.0.0.2"}}
	first.Volumes, second.Volumes = []Volume{{"default/data-web-0", "pv-1"}}, []Volume{{"default/data-web-0", "pv-1"}}
	other := podOf("web-1", 1, 2, 3, 7, 9)
	app := Pod{Name: "default/app-x", Kind: "Deployment", Maker: "default/app"}
	run := &Run{Pods: []Pod{first, second, other, app}}
	for name, tc := range map[string]struct {
		of   scenario.Workload
		want []string
	}{
		"a set's": {of: scenario.Workload{
			Kind: "StatefulSet", Name: "web", PodNames: []string{"web-1", "web-0"}, Pods: new(3), Unavailable: new(2), Names: new(2), Addresses: new(2), Volumes: new(1),
		}},
		"a Deployment's": {of: scenario.Workload{Kind: "Deployment", Name: "app", Pods: new(1), Names: new(1), Addresses: new(0), Volumes: new(0)}},
		"nothing of it is so": {
			of: scenario.Workload{Kind: "StatefulSet", Name: "web", PodNames: []string{"web-0"}, Pods: new(1), Unavailable: new(1), Names: new(1), Addresses: new(3), Volumes: new(0)},
			want: []string{
				"the pods of StatefulSet default/web had these names and no others: web-0; they had web-0, web-1",
				"StatefulSet default/web had 1 pod in all; 3 pods",
				"the most names of StatefulSet default/web without a Ready pod at once were 1; they were 2",
				"the pods of StatefulSet default/web had one name; web-0, web-1",
				"the pods of StatefulSet default/web had 3 different addresses; 10.0.0.1, 10.0.0.2",
				"the pods of StatefulSet default/web had no volume; pv-1",
			},
		},
		"nobody's": {
			of:   scenario.Workload{Kind: "StatefulSet", Name: "shop/web", Pods: new(1)},
			want: []string{"StatefulSet shop/web had 1 pod in all; 0 pods"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := failing(judgePromises(scenario.Expectation{Workloads: []scenario.Workload{tc.of}}, run))
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n\t%q\nwant\n\t%q", got, tc.want)
			}
		})
	}
}

func TestJudgeDNS(t *testing.T) {
	const web = "web.default.svc.cluster.local"
	first, second := podOf("web-0", 1, 0, 1, 5, 6), podOf("web-0", 2, 6, 8, -1, -1)
	first.Addresses, second.Addresses = []Address{{Value: "10.0.0.1"}}, []Address{{From: *seconds(7), Value: "10.0.0.2"}}
	answers := []Answer{{Values: []string{"10.0.0.1"}}, {From: *seconds(5), Values: []string{}}, {From: *seconds(8), Values: []string{"10.0.0.2"}}}
	run := &Run{
		Until: *seconds(10), Pods: []Pod{first, second},
		DNS: []Name{
			{Name: "_http._tcp." + web, Type: "SRV", Answers: []Answer{{Values: []string{"80 web-0." + web}}}},
			{Name: "web-0." + web, Type: "A", Pod: "default/web-0", Answers: answers},
			{Name: web, Type: "A", Answers: answers},
		},
	}
	for name, tc := range map[string]struct {
		of   scenario.Resolution
		want []string
	}{
		"at the end it leads to the pod of then":       {of: scenario.Resolution{Name: "web-0.web", Pods: []string{"web-0"}}},
		"before, to the one before":                    {of: scenario.Resolution{Name: "web-0.web", At: seconds(4), Pods: []string{"web-0"}}},
		"in between to nothing":                        {of: scenario.Resolution{Name: "web-0.web", At: seconds(5), Nothing: true}},
		"a port leads to what its target has":          {of: scenario.Resolution{Name: "_http._tcp.web", Pods: []string{"web-0"}}},
		"a name that there never was leads to nothing": {of: scenario.Resolution{Name: "web-1.web", Nothing: true}},
		"to nothing, and the pod has an address": {
			of:   scenario.Resolution{Name: "web", At: seconds(7), Pods: []string{"web-0"}},
			want: []string{web + " resolved to web-0 at 7s; to nothing, and web-0 had 10.0.0.2"},
		},
		"a pod without an address": {
			of:   scenario.Resolution{Name: "web", At: seconds(6), Pods: []string{"web-0"}},
			want: []string{web + " resolved to web-0 at 6s; web-0 had no address"},
		},
		"to something": {
			of:   scenario.Resolution{Name: "web", Nothing: true},
			want: []string{web + " resolved to nothing at the end; to 10.0.0.2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := failing(judgePromises(scenario.Expectation{DNS: []scenario.Resolution{tc.of}}, run))
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n\t%q\nwant\n\t%q", got, tc.want)
			}
		})
	}
}

func TestJudgeIncarnationsAndClaims(t *testing.T) {
	first, second := podOf("web-0", 1, 0, 1, 5, 26), podOf("web-0", 2, 26, 28, -1, -1)
	first.Volumes, second.Volumes = []Volume{{"default/data-web-0", "pv-1"}}, []Volume{{"default/data-web-0", "pv-2"}}
	first.Addresses, second.Addresses = []Address{{Value: "10.0.0.1"}}, []Address{{Value: "10.0.0.2"}}
	first.Revision, second.Revision, second.Restarts = "r1", "r2", 3
	unbound := podOf("web-0", 3, 30, -1, -1, -1)
	unbound.Node = ""
	run := &Run{
		Pods:   []Pod{first, second, unbound, podOf("web-1", 1, 0, 1, -1, -1)},
		Claims: []Claim{{Name: "default/data-web-0", State: "Bound", Volumes: []string{"pv-1", "pv-2"}}},
		Events: []Event{
			of("default/web-0", pod("5s", DeletionAsked, 1, "a-0")), of("default/web-0", pod("25s", Stopped, 1, "a-0")),
			of("default/web-0", pod("40s", Stopped, 2, "a-0")), // Not asked for.
		},
	}
	between := func(from, to int) *scenario.Span { return &scenario.Span{Min: *seconds(from), Max: *seconds(to)} }
	for name, tc := range map[string]struct {
		of     scenario.Ordinal
		claims []scenario.Claim
		want   []string
	}{
		"as it is": {
			of: scenario.Ordinal{
				Name: "web-0", SameVolumes: new(false), SameNode: new(true), SameAddress: new(false), Updated: new(true), Restarts: new(3), Stops: between(20, 20),
			},
			claims: []scenario.Claim{{Name: "data-web-0", State: scenario.ClaimBound, Volumes: new(2)}, {Name: "data-web-1", State: scenario.ClaimAbsent, Volumes: new(0)}},
		},
		"nothing of it is so": {
			of: scenario.Ordinal{
				Name: "web-0", SameVolumes: new(true), SameNode: new(false), SameAddress: new(true), Updated: new(false), Restarts: new(0), Stops: between(1, 2),
			},
			claims: []scenario.Claim{{Name: "data-web-0", State: scenario.ClaimAbsent, Volumes: new(1)}},
			want: []string{
				"the incarnations of default/web-0 had the same volumes; pv-1, pv-2",
				"the incarnations of default/web-0 had not all the same node; a-0, a-0",
				"the incarnations of default/web-0 had the same address; 10.0.0.1, 10.0.0.2",
				"default/web-0 is of the revision of the template that it always was; it was of r1 and is of r2",
				"the containers of default/web-0 were started again 0 times; 3 times",
				"default/web-0 stopped 1s to 2s after its deletion was asked for; it stopped after 20s",
				"claim default/data-web-0 is Absent at the end; it is Bound",
				"claim default/data-web-0 had one volume; pv-1, pv-2",
			},
		},
		"one incarnation has nothing in common with another": {
			of: scenario.Ordinal{Name: "web-1", SameNode: new(true), Stops: between(1, 2)},
			want: []string{
				"the incarnations of default/web-1 had the same node; there was one incarnation",
				"default/web-1 stopped 1s to 2s after its deletion was asked for; no process of it ended after that",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := failing(append(judgeIncarnations(tc.of, run), judgePromises(scenario.Expectation{Claims: tc.claims}, run)...))
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n\t%q\nwant\n\t%q", got, tc.want)
			}
		})
	}
}

func TestBreakAsksForChecksThatFail(t *testing.T) {
	found := []Check{{Name: "one holds", OK: true}, {Name: "one is broken", Got: "so it is"}}
	got := Break([]string{"one is broken", "one holds", "one that there is none of"}, found)
	want := []string{"fails: one holds; it does not", "fails: one that there is none of; there is no such check"}
	if !got[0].OK || !slices.Equal(failing(got), want) {
		t.Errorf("got %v, want all but the first to fail: %q", got, want)
	}
}
