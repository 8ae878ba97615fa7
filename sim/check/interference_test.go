package check

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/sim/decisions"
)

// TestHoldfastSaysNothingOfOthers is S10: for each thing that its plugin can say of a node,
// an attempt in which it does.
func TestHoldfastSaysNothingOfOthers(t *testing.T) {
	const plugin = "Holdfast"
	alone := func(p *corev1.Pod) { p.OwnerReferences = nil }
	for name, tc := range map[string]struct {
		pod     func(*corev1.Pod)
		also    func(*corev1.Pod)
		attempt decisions.Attempt
		want    bool
		unmet   bool
	}{
		"it is skipped": {
			pod: alone, attempt: decisions.Attempt{PreFilter: decisions.ByPlugin{plugin: decisions.Skip}},
		},
		"it passes every node": {
			pod: alone, attempt: decisions.Attempt{Filter: decisions.ByNode{"a": {plugin: decisions.Passed}}},
		},
		"another plugin refuses a node and scores one": {
			pod: alone, attempt: decisions.Attempt{
				Filter: decisions.ByNode{"a": {"NodeResourcesFit": "too few"}}, Final: decisions.Scores{"a": {"NodeResourcesFit": 7, plugin: 0}},
			},
		},
		"it refuses the pod": {
			pod: alone, attempt: decisions.Attempt{PreFilter: decisions.ByPlugin{plugin: "held"}}, want: true,
		},
		"it leaves out nodes": {
			pod: alone, attempt: decisions.Attempt{PreFilterNodes: map[string][]string{plugin: {"a"}}}, want: true,
		},
		"it refuses a node": {
			pod: alone, attempt: decisions.Attempt{Filter: decisions.ByNode{"a": {plugin: "out of reach"}}}, want: true,
		},
		"it gives a node a score": {
			pod: alone, attempt: decisions.Attempt{Final: decisions.Scores{"a": {plugin: 1}}}, want: true,
		},
		"a pod of a set is its business": {
			pod: func(*corev1.Pod) {}, attempt: decisions.Attempt{PreFilter: decisions.ByPlugin{plugin: "held"}}, unmet: true,
		},
		"a pod with a claim is its business": {
			pod: alone, also: claiming("data"), attempt: decisions.Attempt{Filter: decisions.ByNode{"a": {plugin: "out of reach"}}}, unmet: true,
		},
		"a pod of another profile": {
			pod: alone, also: stock, attempt: decisions.Attempt{Filter: decisions.ByNode{"a": {plugin: "out of reach"}}}, unmet: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLog()
			l.Begin(Rules{Profile: "holdfast"})
			changes := []func(*corev1.Pod){tc.pod}
			if tc.also != nil {
				changes = append(changes, tc.also)
			}
			aPod(0, "u1", changes...)(l, at(1))
			tc.attempt.Namespace, tc.attempt.Pod, tc.attempt.UID = "default", "web-0", "u1"
			l.Attempts(plugin, []decisions.Attempt{tc.attempt}, at(2))
			f, err := l.Finish(Ending{At: at(3)})
			if err != nil {
				t.Fatal(err)
			}
			broken := len(f.Violations) == 1 && f.Violations[0].Invariant == S10 && f.Violations[0].From.Equal(at(2)) && f.Violations[0].Why != ""
			if broken != tc.want || len(f.Violations) > 1 {
				t.Errorf("violations %v, want one of S10: %t", f.Violations, tc.want)
			}
			if (f.Met[S10] == 0) != tc.unmet {
				t.Errorf("it had something to hold %d times", f.Met[S10])
			}
		})
	}
}
