package world

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// aPod returns a pod for tables, changed by the given functions.
func aPod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Generation: 1}}
	for _, f := range change {
		f(p)
	}
	return p
}

func deleted(grace int64) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		at := metav1.NewTime(time.Unix(1000, 0))
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds, p.Generation = &at, &grace, p.Generation+1
	}
}

func phase(of corev1.PodPhase) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase = of }
}

func uid(of string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.UID = types.UID(of) } }

func labelled(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} }

func TestMergePods(t *testing.T) {
	tests := map[string]struct {
		known, now []*corev1.Pod
		want       string
	}{
		"a new pod": {
			now:  []*corev1.Pod{aPod("a")},
			want: "[ADD a]",
		},
		"nothing new": {
			known: []*corev1.Pod{aPod("a")}, now: []*corev1.Pod{aPod("a")},
			want: "[]",
		},
		"only the status changed": {
			known: []*corev1.Pod{aPod("a")}, now: []*corev1.Pod{aPod("a", phase(corev1.PodRunning))},
			want: "[RECONCILE a]",
		},
		"a label changed": {
			known: []*corev1.Pod{aPod("a")}, now: []*corev1.Pod{aPod("a", labelled)},
			want: "[UPDATE a]",
		},
		"a force delete is first seen as an update with grace 0": {
			known: []*corev1.Pod{aPod("a")}, now: []*corev1.Pod{aPod("a", deleted(0))},
			want: "[DELETE a]",
		},
		"a shorter grace period is a delete again": {
			known: []*corev1.Pod{aPod("a", deleted(30))}, now: []*corev1.Pod{aPod("a", deleted(0))},
			want: "[DELETE a]",
		},
		"a pod that is gone": {
			known: []*corev1.Pod{aPod("a")},
			want:  "[REMOVE a]",
		},
		"another pod of that name: the old one goes first": {
			known: []*corev1.Pod{aPod("a", uid("old"))}, now: []*corev1.Pod{aPod("a", uid("new"))},
			want: "[REMOVE old ADD new]",
		},
		"several at once, by name": {
			known: []*corev1.Pod{aPod("d"), aPod("c")}, now: []*corev1.Pod{aPod("b"), aPod("a")},
			want: "[REMOVE c d ADD a b]",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			known := map[types.UID]*corev1.Pod{}
			for _, p := range tc.known {
				known[p.UID] = p
			}
			next, updates := mergePods(known, tc.now)
			got := []string{}
			for _, u := range updates {
				got = append(got, string(u.op))
				for _, p := range u.pods {
					got = append(got, string(p.UID))
				}
			}
			if fmt.Sprint(got) != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
			if len(next) != len(tc.now) {
				t.Errorf("knows %d pods, want %d", len(next), len(tc.now))
			}
		})
	}
}

func TestFact1_1_RemovalCarriesTheCopyThatTheKubeletHas(t *testing.T) {
	cached := aPod("a")
	_, updates := mergePods(map[types.UID]*corev1.Pod{cached.UID: cached}, nil)
	if len(updates) != 1 || updates[0].pods[0].DeletionGracePeriodSeconds != nil {
		t.Errorf("got %v, want one removal without a grace period of its own", updates)
	}
}

func TestReconcileKeepsTheGenerationThatTheKubeletHas(t *testing.T) {
	known := aPod("a")
	now := aPod("a", phase(corev1.PodRunning), func(p *corev1.Pod) { p.Generation = 7 })
	op, merged := mergePod(known, now)
	if op != opReconcile || merged.Generation != 1 || merged.Status.Phase != corev1.PodRunning {
		t.Errorf("got %s, generation %d, phase %s", op, merged.Generation, merged.Status.Phase)
	}
	if known.Status.Phase != "" {
		t.Error("wrote to the pod that others hold")
	}
}
