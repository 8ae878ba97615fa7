package campaign

import (
	"slices"
	"time"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// mend adds what is left to do when the faults are over, each of which has ended by
// itself; it returns when all is mended.
func (t *story) mend() time.Duration {
	at := t.faultsEnd
	t.step(at, scenario.Step{Heal: &scenario.NodeTarget{}})
	for _, s := range t.unheard() {
		t.step(at+time.Second, s)
	}
	for _, node := range t.confused {
		// An earlier restart may have met a machine that stood still.
		t.step(at+30*time.Second, scenario.Step{RestartKubelet: &scenario.RestartKubelet{NodeTarget: node}})
	}
	for _, s := range t.again {
		// The set that was applied again may have been the old one, on its way out.
		t.apply(at+time.Minute, s)
	}
	if t.wordNeeded {
		at = t.blackOut(at + 90*time.Second)
	}
	if t.cluster.limited {
		t.converges = false
	}
	return max(at, t.faultsEnd+time.Minute)
}

// unheard are the steps that end a fault by a request and came while the API server refused
// all of them: whoever meant it tries again.
func (t *story) unheard() []scenario.Step {
	// The last one gives a set its size back.
	scaled := map[string]time.Duration{}
	for _, s := range t.steps {
		if s.Scale != nil {
			scaled[s.Scale.StatefulSet] = max(scaled[s.Scale.StatefulSet], s.At.Duration)
		}
	}
	var again []scenario.Step
	for _, s := range t.steps {
		ends := s.Unfence != nil || s.FreeContainers != nil ||
			s.Cordon != nil && s.Cordon.Undo || s.Taint != nil && s.Taint.Remove ||
			s.Scale != nil && scaled[s.Scale.StatefulSet] == s.At.Duration
		if ends && t.refusedAt(s.At.Duration) {
			again = append(again, s)
		}
	}
	return again
}

// refusedAt tells whether the API server refuses everything at a time.
func (t *story) refusedAt(at time.Duration) bool {
	return slices.ContainsFunc(t.steps, func(s scenario.Step) bool {
		return s.Refuse != nil && s.Refuse.Component == "" && s.At.Duration <= at && at <= s.At.Duration+s.Refuse.For.Duration
	})
}

// How a blackout goes on from the moment in which the power goes.
const (
	// unreachable: every node is known to be silent, and nothing is placed any more.
	unreachable = 2 * time.Minute
	// perPod is what a force delete takes that waits for finalizers.
	perPod   = 2 * time.Second
	attested = 10 * time.Second
)

// blackOut is the one moment in which a word for every ordinal is true, whatever
// happened before: no machine has power, and none of their pods is left that a kubelet
// could start again when it has. So ordinals without proof get one.
func (t *story) blackOut(at time.Duration) time.Duration {
	gone := map[string]bool{}
	for _, name := range t.terminated {
		gone[name] = true
	}
	for _, name := range t.cluster.nodes() {
		if !gone[name] {
			t.step(at, scenario.Step{Crash: node(name)})
		}
	}
	at += unreachable
	for _, s := range t.sets {
		for _, pod := range s.pods() {
			t.step(at, scenario.Step{ForceDelete: &scenario.ForceDelete{Pod: pod, StripFinalizers: true}})
			at += perPod
		}
	}
	at += attested
	for _, s := range t.sets {
		for _, pod := range s.pods() {
			t.step(at, scenario.Step{Schedulers: onlyHoldfast, Attest: &scenario.Attest{
				Pod: pod, By: "ops", Reason: "no machine has power", CoversAttachments: true,
			}})
		}
	}
	at += attested
	for _, name := range t.cluster.nodes() {
		if !gone[name] {
			t.step(at, scenario.Step{PowerOn: node(name)})
		}
	}
	return at
}
