package campaign

import (
	"time"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// The faults of those that fence, and the lies: what leaves the trust boundary.

// fence is a remediator that is right: the power is off before it says so, and on before it
// takes its word back.
func fence(t *story, at time.Duration) { t.fence(at, t.end(at, 30*time.Second, 8*time.Minute)) }

// fenceBriefly gives the power back while others still act on the word that there is none:
// pods are being deleted, released and bound.
func fenceBriefly(t *story, at time.Duration) { t.fence(at, t.end(at, 3*time.Second, time.Minute)) }

func (t *story) fence(at, end time.Duration) {
	name, ok := t.machine(at, end, t.cluster.nodes())
	if !ok || end == at {
		return
	}
	t.step(at, scenario.Step{Fence: &scenario.Fence{NodeTarget: *node(name)}})
	t.step(end, scenario.Step{Unfence: node(name)})
}

// liesOften is how often a run may leave the trust boundary. What breaks in it there is
// counted apart, and that all comes back is not promised: who was lied to does not look
// for what runs on.
const liesOften = 0.1

// lie is true where this run may have one, and makes of it a run that promises less.
func (t *story) lie() bool {
	if t.lies {
		t.converges = false
	}
	return t.lies
}

// lieAboutStop is a runtime's lie about the next stop of a pod; somebody asks for it soon.
func lieAboutStop(t *story, at time.Duration) {
	if !t.lie() {
		return
	}
	pod := t.pod()
	t.step(at, scenario.Step{LieAboutStop: &scenario.PodTarget{Pod: pod}})
	t.step(at+t.span(time.Second, 30*time.Second), scenario.Step{Delete: &scenario.PodTarget{Pod: pod}})
}

// fenceFalsely is a power switch that reports what it has not done, or that is another
// machine's. The machine that is said to be dead is out of sight, as one is that is fenced.
func fenceFalsely(t *story, at time.Duration) {
	end := t.end(at, 2*time.Minute, 8*time.Minute)
	if !t.lie() || end-at < time.Minute {
		return
	}
	name, ok := t.machine(at, end, t.cluster.nodes())
	if !ok {
		return
	}
	f := &scenario.Fence{NodeTarget: *node(name), Fails: true}
	if other, ok := t.machine(at, end, t.cluster.nodes()); ok && t.chance(0.5) {
		f.Fails, f.Hits = false, other
		t.step(end, scenario.Step{PowerOn: node(other)})
	}
	t.step(at, scenario.Step{Partition: node(name)})
	t.step(at+t.span(time.Second, time.Minute), scenario.Step{Fence: f})
	t.step(end, scenario.Step{Heal: node(name)})
	t.step(end, scenario.Step{Taint: &scenario.Taint{NodeTarget: *node(name), Remove: true}})
}
