package campaign

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// The phases of a run, in virtual time.
const (
	faultsLeast = 20 * time.Minute
	faultsMost  = 60 * time.Minute
	quietLeast  = 20 * time.Minute
	quietMost   = 30 * time.Minute
	// firstFault is late enough for the first pods to run, and early enough to meet the
	// last ones of a set while they start.
	firstFault = 20 * time.Second
)

// familyOn is how often a run has a family of faults.
const familyOn = 0.5

// Plan is what was drawn for one run.
type Plan struct {
	// Seed of the campaign, and the run's number in it, from 0.
	Seed uint64
	Run  int
	// Families of faults that the run has, as sim faults names them.
	Families []string
	// Scenario is the run: a file like any other.
	Scenario *scenario.Scenario
}

// Draw draws a run of a campaign. It always gives the same for the same version of this
// package.
func Draw(seed uint64, run int) *Plan {
	d := newDice(seed, run)
	t := &story{dice: d, cluster: drawCluster(d), taken: map[string]time.Duration{}, converges: true}
	t.drawSets()
	t.faultsEnd, t.lies = d.span(faultsLeast, faultsMost), d.chance(liesOften)
	on := drawFamilies(d)
	for _, f := range on {
		f.strike(t)
	}
	mended := t.mend()
	until := mended + d.span(quietLeast, quietMost)

	p := &Plan{Seed: seed, Run: run}
	for _, f := range on {
		p.Families = append(p.Families, f.name)
	}
	slices.SortStableFunc(t.steps, func(a, b scenario.Step) int { return cmp.Compare(a.At.Duration, b.At.Duration) })
	s := &scenario.Scenario{
		APIVersion: scenario.APIVersion, Kind: scenario.Kind,
		Name: fmt.Sprintf("seed-%d-run-%d", seed, run),
		Description: fmt.Sprintf("Run %d of the campaign with seed %d, with faults of %s until %s. All is mended by %s.",
			run, seed, strings.Join(p.Families, ", "), t.faultsEnd, mended),
		Cluster:  t.cluster.Cluster,
		Objects:  t.objects(),
		Timeline: t.steps,
		Until:    metav1.Duration{Duration: until},
		Timers:   t.timers(),
	}
	if t.converges {
		s.Expect = map[scenario.Scheduler]scenario.Expectation{scenario.Holdfast: {Ordinals: t.converged()}}
	}
	p.Scenario = s
	return p
}

// drawFamilies is the swarm: each family by itself, and at least one.
func drawFamilies(d dice) []*family {
	var on []*family
	for i := range families {
		if d.chance(familyOn) {
			on = append(on, &families[i])
		}
	}
	if len(on) == 0 {
		on = append(on, &families[d.IntN(len(families))])
	}
	return on
}

// timers let pods leave dead nodes, and volumes be torn off them, soon enough for a
// short run to see it.
func (t *story) timers() scenario.Timers {
	timers := scenario.Timers{TolerationSeconds: new(pick(t.dice, []int64{0, 30, 120, 300}))}
	if t.chance(0.5) {
		timers.ForceDetach = &metav1.Duration{Duration: 2 * time.Minute}
	}
	return timers
}
