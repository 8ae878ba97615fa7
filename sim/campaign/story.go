package campaign

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// story is a run while it is drawn.
type story struct {
	dice
	cluster    *cluster
	sets       []*set
	deployment int
	steps      []scenario.Step
	// faultsEnd is when every fault is over.
	faultsEnd time.Duration
	// taken says until when something is in the hands of one fault: of two that share
	// it the second would end the first, or make a lie of what it says.
	taken map[string]time.Duration
	// cut are pods whose nodes are out of sight for a time: those that people lose their
	// patience with.
	cut []cut
	// names counts the steps that have one.
	names int
	// converges: at the end every ordinal must run.
	converges bool
	// lock is the one of the two that this run takes off, finalizer or record; empty: none
	// yet.
	lock string
	// wordNeeded: pods may be gone without a last word of their kubelet, and only a human
	// who knows lets their ordinals go on.
	wordNeeded bool
	// terminated are machines that were given back, again sets that were deleted and applied
	// again.
	terminated []string
	again      []*set
	// confused are nodes whose kubelets need a restart before all is well: their Nodes were
	// deleted while they ran on, or they took what ran for ended.
	confused []scenario.NodeTarget
	// lies: this run may have faults that leave the trust boundary.
	lies bool
}

// cut is a pod whose node is out of sight.
type cut struct {
	pod      string
	from, to time.Duration
}

// step adds a step at a time.
func (t *story) step(at time.Duration, s scenario.Step) {
	s.At = &metav1.Duration{Duration: at}
	t.steps = append(t.steps, s)
}

// named adds a step that others refer to, and returns its name.
func (t *story) named(at time.Duration, action string, s scenario.Step) string {
	t.names++
	s.Name = fmt.Sprintf("%s-%d", action, t.names)
	t.step(at, s)
	return s.Name
}

// end is when a fault is over that begins at a time: within the phase of faults.
func (t *story) end(at, least, most time.Duration) time.Duration {
	return min(at+t.span(least, most), t.faultsEnd)
}

// take gives something to a fault from a time on; false: another one has it.
func (t *story) take(what string, from, to time.Duration) bool {
	if t.taken[what] > from {
		return false
	}
	// Not to touch: what ends and what begins in one instant has no order.
	t.taken[what] = to + time.Second
	return true
}

// machine gives a fault a machine whose power and Node are its alone; false: none is free.
func (t *story) machine(from, to time.Duration, of []string) (string, bool) {
	free := slices.DeleteFunc(slices.Clone(of), func(node string) bool { return t.taken["machine "+node] > from })
	if len(free) == 0 {
		return "", false
	}
	node := pick(t.dice, free)
	return node, t.take("machine "+node, from, to)
}

// pod is an ordinal.
func (t *story) pod() string { return pick(t.dice, pick(t.dice, t.sets).pods()) }

// impatience is how often a deletion is aimed at a pod that is out of sight, if there is one.
const impatience = 0.7

// deletable is a pod that somebody deletes at a time.
func (t *story) deletable(at time.Duration) string {
	var gone []string
	for _, c := range t.cut {
		if c.from < at && at < c.to {
			gone = append(gone, c.pod)
		}
	}
	if len(gone) > 0 && t.chance(impatience) {
		return pick(t.dice, gone)
	}
	return t.pod()
}

// attachedClass is whether any set has claims of the class whose volumes are attached.
func (t *story) attached() bool {
	return slices.ContainsFunc(t.sets, func(s *set) bool { return s.class == classZonal })
}

func duration(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }
