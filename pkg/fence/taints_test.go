package fence

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// nodeState is one state of node-a, as far as a fence is concerned.
type nodeState struct {
	uid   types.UID
	boot  string
	ready v1.ConditionStatus
	// since in seconds.
	since  int64
	taints []string
}

func (s nodeState) node() *v1.Node {
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-a", UID: s.uid}}
	n.Status.NodeInfo.BootID = s.boot
	if s.ready != "" {
		n.Status.Conditions = []v1.NodeCondition{{
			Type: v1.NodeReady, Status: s.ready, LastTransitionTime: metav1.NewTime(time.Unix(s.since, 0)),
		}}
	}
	for _, key := range s.taints {
		n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: key, Effect: v1.TaintEffectNoExecute})
	}
	return n
}

func TestATaintCountsIfItWasSeenToBeSetWhileTheNodeWasNotReady(t *testing.T) {
	const outOfService, shutdown = "node.kubernetes.io/out-of-service", "node.cloudprovider.kubernetes.io/shutdown"
	up := nodeState{uid: "a", ready: v1.ConditionTrue, since: 1}
	down := nodeState{uid: "a", ready: v1.ConditionUnknown, since: 2}
	with := func(s nodeState, taints ...string) nodeState {
		s.taints = taints
		return s
	}
	tests := map[string]struct {
		seen []nodeState
		// live is the last one seen if its UID is empty.
		live nodeState
		want Fence
	}{
		"no taint":                                      {seen: []nodeState{up, down}, want: FenceNone},
		"set while the node is down":                    {seen: []nodeState{up, down, with(down, outOfService)}, want: FenceSet},
		"set by the cloud while the node is down":       {seen: []nodeState{up, down, with(down, shutdown)}, want: FenceSet},
		"another taint":                                 {seen: []nodeState{up, down, with(down, "node.kubernetes.io/unreachable")}, want: FenceNone},
		"there at first sight":                          {seen: []nodeState{with(down, outOfService)}, want: FenceFound},
		"set while the node was Ready (H4)":             {seen: []nodeState{up, with(up, outOfService), with(down, outOfService)}, want: FenceFound},
		"set together with the node's end":              {seen: []nodeState{up, with(down, outOfService)}, want: FenceFound},
		"left there from an earlier failure":            {seen: []nodeState{down, with(down, outOfService), with(up, outOfService), with(down, outOfService)}, want: FenceFound},
		"left there, then taken off and set again":      {seen: []nodeState{with(up, outOfService), with(down, outOfService), down, with(down, outOfService)}, want: FenceSet},
		"the node is Ready all the same":                {seen: []nodeState{down, with(down, outOfService), with(up, outOfService)}, want: FenceOnReadyNode},
		"one taint's absence is not the other's":        {seen: []nodeState{with(up, shutdown), with(down, shutdown), with(down, shutdown, outOfService)}, want: FenceSet},
		"the other way round":                           {seen: []nodeState{with(up, outOfService), with(down, outOfService), with(down, outOfService, shutdown)}, want: FenceSet},
		"silent first, then not ready by its own word":  {seen: []nodeState{up, down, {uid: "a", ready: v1.ConditionFalse, since: 3}, with(nodeState{uid: "a", ready: v1.ConditionFalse, since: 3}, outOfService)}, want: FenceSet},
		"set before the reason for its silence changed": {seen: []nodeState{up, down, with(down, outOfService), with(nodeState{uid: "a", ready: v1.ConditionFalse, since: 3}, outOfService)}, want: FenceSet},
		"a node without a Ready condition":              {seen: []nodeState{{uid: "a"}, with(nodeState{uid: "a"}, outOfService)}, want: FenceSet},
		"booted again, and not Ready yet (H4)":          {seen: []nodeState{up, down, with(down, shutdown), {uid: "a", boot: "b2", ready: v1.ConditionFalse, since: 3, taints: []string{shutdown}}}, want: FenceFound},
		"booted again, then set anew":                   {seen: []nodeState{down, with(down, shutdown), {uid: "a", boot: "b2", ready: v1.ConditionFalse, since: 3}, {uid: "a", boot: "b2", ready: v1.ConditionFalse, since: 3, taints: []string{shutdown}}}, want: FenceSet},
		"live, of a later boot than was seen":           {seen: []nodeState{down, with(down, shutdown)}, live: nodeState{uid: "a", boot: "b2", ready: v1.ConditionUnknown, since: 2, taints: []string{shutdown}}, want: FenceFound},
		"another node of that name":                     {seen: []nodeState{up, down, {uid: "b", ready: v1.ConditionUnknown, since: 2, taints: []string{outOfService}}}, want: FenceFound},
		"live, of another node than was seen":           {seen: []nodeState{up, down, with(down, outOfService)}, live: nodeState{uid: "b", ready: v1.ConditionUnknown, since: 2, taints: []string{outOfService}}, want: FenceFound},
		"live, of a later episode than was seen":        {seen: []nodeState{up, down, with(down, outOfService)}, live: nodeState{uid: "a", ready: v1.ConditionUnknown, since: 9, taints: []string{outOfService}}, want: FenceFound},
		"live, with a taint that was not seen yet":      {seen: []nodeState{up, down}, live: with(down, outOfService), want: FenceFound},
		"live, and Ready again":                         {seen: []nodeState{up, down, with(down, outOfService)}, live: nodeState{uid: "a", ready: v1.ConditionTrue, since: 9, taints: []string{outOfService}}, want: FenceOnReadyNode},
		"live, and the taint is gone":                   {seen: []nodeState{up, down, with(down, outOfService)}, live: down, want: FenceNone},
		"nothing was seen":                              {live: with(down, outOfService), want: FenceFound},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var w TaintWatch
			for _, s := range tc.seen {
				w = w.Next(s.node())
			}
			live := tc.live
			if live.uid == "" {
				live = tc.seen[len(tc.seen)-1]
			}
			if got := w.fenceOn(live.node()); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestNoHistoryMakesATaintCountThatWasNeverSeenAbsentSinceTheNodeWentDown walks all
// histories of up to five states of one node.
func TestNoHistoryMakesATaintCountThatWasNeverSeenAbsentSinceTheNodeWentDown(t *testing.T) {
	type step struct{ ready, tainted bool }
	counted := 0
	var walk func(history []step, w TaintWatch, since int64)
	walk = func(history []step, w TaintWatch, since int64) {
		if len(history) > 0 {
			last := history[len(history)-1]
			want := false
			for i := len(history) - 1; i >= 0 && !history[i].ready; i-- {
				want = want || !history[i].tainted
			}
			want = want && last.tainted
			s := nodeState{uid: "a", ready: v1.ConditionUnknown, since: since}
			if last.ready {
				s.ready = v1.ConditionTrue
			}
			if last.tainted {
				s.taints = []string{v1.TaintNodeOutOfService}
			}
			if got := w.fenceOn(s.node()) == FenceSet; got != want {
				t.Errorf("%v: counts %t, want %t", history, got, want)
			}
			counted++
		}
		if len(history) == 5 {
			return
		}
		for _, next := range []step{{false, false}, {false, true}, {true, false}, {true, true}} {
			at := since
			if len(history) == 0 || history[len(history)-1].ready != next.ready {
				at++
			}
			s := nodeState{uid: "a", ready: v1.ConditionUnknown, since: at}
			if next.ready {
				s.ready = v1.ConditionTrue
			}
			if next.tainted {
				s.taints = []string{v1.TaintNodeOutOfService}
			}
			walk(append(history[:len(history):len(history)], next), w.Next(s.node()), at)
		}
	}
	walk(nil, TaintWatch{}, 0)
	if want := 4 + 16 + 64 + 256 + 1024; counted != want {
		t.Fatalf("%d histories, want %d", counted, want)
	}
}
