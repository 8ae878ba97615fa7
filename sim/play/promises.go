package play

import (
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/holdfast-dev/holdfast/sim/check"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// promised says what the run's scheduler is held to. With a configuration of the
// scenario's own, S6 is left to the pods that name their order themselves.
func promised(s *scenario.Scenario, cluster *engine.Cluster) (check.Rules, error) {
	if !cluster.Holdfast() {
		return check.Rules{}, nil
	}
	rules := check.Rules{Profile: cluster.SchedulerName()}
	if s.SchedulerConfiguration != "" {
		rules.BindOrder = "None"
	}
	var args struct {
		BindOrder        string           `json:"bindOrder"`
		BindOrderTimeout *metav1.Duration `json:"bindOrderTimeout"`
	}
	if err := yaml.Unmarshal(argsOf(s), &args); err != nil {
		return check.Rules{}, fmt.Errorf("args: %w", err)
	}
	if args.BindOrder != "" {
		rules.BindOrder = args.BindOrder
	}
	if args.BindOrderTimeout != nil {
		rules.BindOrderTimeout = args.BindOrderTimeout.Duration
	}
	return rules, nil
}

// violations puts into the report what was broken, and how often there was something to
// break.
func violations(run *report.Run, checker *check.Checker, log *check.Log, end check.Ending, zero time.Time) error {
	found, err := log.Finish(end)
	if err != nil {
		return err
	}
	for _, v := range check.Merge(checker.Finish(end.At), found.Violations) {
		v.Stale = log.WasStale(v.From)
		run.Violations = append(run.Violations, violation(v, zero))
	}
	for _, v := range found.Unasked {
		run.Unasked = append(run.Unasked, violation(v, zero))
	}
	maps.Copy(found.Met, checker.Met())
	for id, n := range found.Met {
		if run.Met == nil {
			run.Met = map[string]int{}
		}
		run.Met[string(id)] = n
	}
	run.Replaced = report.LatencyOf(found.Replaced)
	return nil
}

// troubling are the steps that keep the control plane from what it owes: a bound counts
// from their end. What befalls machines is no excuse, and a request that gets lost is
// noted when it comes.
var troubling = []string{"stallWatch", "dropWatch", "refuse"}

// reflectorBackOffMax is how long a watch that was refused may wait before it is tried
// again: what its component sees until then is old (client-go tools/cache/reflector.go:60).
const reflectorBackOffMax = time.Minute

// ending is how the timeline ended: at is the end of the run. A lie of the storage lasts
// until it has come true: a disk that is attached behind everybody's back keeps its pod
// from every other node, and nothing in the cluster will ever detach it.
func (p *steps) ending(at time.Time) check.Ending {
	p.mu.Lock()
	defer p.mu.Unlock()
	end := check.Ending{At: at, Faults: p.lost, Quiet: p.zero}
	until := at.Sub(p.zero)
	lasts, ends := p.world.StorageLied(), []time.Time{p.last}
	for _, f := range p.spans.faults(until) {
		span := check.Span{From: p.zero.Add(f.From.Duration)}
		if f.To == nil {
			lasts = true
		} else {
			span.To = p.zero.Add(f.To.Duration)
			ends = append(ends, span.To)
		}
		if slices.Contains(troubling, f.Kind) {
			if f.Kind == "refuse" && f.To != nil {
				span.To = span.To.Add(reflectorBackOffMax)
			}
			end.Faults = append(end.Faults, span)
		}
	}
	for _, t := range append(ends, spanEnds(p.lost)...) {
		if t.After(end.Quiet) {
			end.Quiet = t
		}
	}
	if lasts {
		end.Quiet = time.Time{}
	}
	return end
}

func spanEnds(spans []check.Span) []time.Time {
	var ends []time.Time
	for _, s := range spans {
		ends = append(ends, s.To)
	}
	return ends
}
