package campaign

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// Shrink makes a scenario smaller for as long as it fails: it drops steps, then objects,
// then machines, and then shortens times. fails plays a candidate, which is a valid
// scenario, and says whether it still fails in the same way; it is asked at most tries
// times. What ends a fault goes only with the fault: a run that is not mended breaks L4
// by that alone. Files that the scenario names are relative to folder.
func Shrink(s *scenario.Scenario, folder string, tries int, fails func(*scenario.Scenario) (bool, error)) (*scenario.Scenario, error) {
	x := &shrinker{best: s, folder: folder, left: tries, fails: fails}
	for _, pass := range []func() error{x.dropSteps, x.dropObjects, x.dropNodes, x.shorten} {
		if err := pass(); err != nil {
			return nil, err
		}
	}
	return x.best, nil
}

// shrinker looks for a smaller scenario.
type shrinker struct {
	// best is the smallest that failed so far.
	best   *scenario.Scenario
	folder string
	left   int
	fails  func(*scenario.Scenario) (bool, error)
}

// try takes a candidate for the best one if it fails too. What is no valid scenario
// costs no try.
func (x *shrinker) try(candidate *scenario.Scenario) (bool, error) {
	if x.left <= 0 {
		return false, nil
	}
	data, err := File(candidate)
	if err != nil {
		return false, err
	}
	if _, err := scenario.Parse(filepath.Join(x.folder, "candidate.yaml"), data); err != nil {
		return false, nil //nolint:nilerr // Some candidates are none: a step names a machine that is gone.
	}
	x.left--
	failed, err := x.fails(candidate)
	if err == nil && failed {
		x.best = candidate
	}
	return failed, err
}

// copied is the best one, to be changed.
func (x *shrinker) copied() *scenario.Scenario {
	data, err := json.Marshal(x.best)
	if err != nil {
		panic(err) // It was written before.
	}
	s := &scenario.Scenario{}
	if err := json.Unmarshal(data, s); err != nil {
		panic(err)
	}
	return s
}

// dropSteps is delta debugging over the units of the timeline: halves, quarters, and so on
// down to single ones.
func (x *shrinker) dropSteps() error {
	all := units(x.best.Timeline)
	for size := (len(all) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(all); {
			to := min(from+size, len(all))
			candidate := x.copied()
			kept := slices.Concat(all[:from], all[to:])
			candidate.Timeline = only(x.best.Timeline, kept)
			failed, err := x.try(candidate)
			if err != nil {
				return err
			}
			if !failed {
				from = to
				continue
			}
			// The places of the others have changed.
			all = units(x.best.Timeline)
		}
	}
	return nil
}

// unit is the places of steps that go together: a fault and what ends it.
type unit []int

// units are what can be dropped from a timeline. What only mends, and ends nothing that
// stands there, is in none: it stays.
func units(timeline []scenario.Step) []unit {
	ended := map[int]bool{}
	var all []unit
	for i := range timeline {
		if ended[i] || mends(&timeline[i]) {
			continue
		}
		u := unit{i}
		for j := i + 1; j < len(timeline); j++ {
			if !ended[j] && ends(&timeline[i], &timeline[j]) {
				u = append(u, j)
				ended[j] = true
				break
			}
		}
		all = append(all, u)
	}
	return all
}

// only are the steps of these units, and those that are in none.
func only(timeline []scenario.Step, kept []unit) []scenario.Step {
	in := map[int]bool{}
	for _, u := range units(timeline) {
		for _, i := range u {
			in[i] = true
		}
	}
	var steps []scenario.Step
	for i := range timeline {
		if !in[i] || slices.ContainsFunc(kept, func(u unit) bool { return slices.Contains(u, i) }) {
			steps = append(steps, timeline[i])
		}
	}
	return steps
}

// mends says whether a step ends something, or makes it whole again.
func mends(s *scenario.Step) bool {
	undoes, lasts := s.Lasting()
	return scenario.Ends(s.Action()) || undoes && !lasts || s.Attest != nil || s.Apply != nil
}

// ends says whether a later step ends what an earlier one began.
func ends(begun, s *scenario.Step) bool {
	of := func(t *scenario.NodeTarget) bool { return t != nil && t.NodeOfStep != "" && t.NodeOfStep == begun.Name }
	same := func(a, b *scenario.NodeTarget) bool {
		return a != nil && b != nil && a.Node != "" && a.Node == b.Node
	}
	switch {
	case of(s.Heal), of(s.Thaw):
		return true
	case begun.Crash != nil:
		return same(begun.Crash, s.PowerOn)
	case begun.Fence != nil:
		return same(&begun.Fence.NodeTarget, s.Unfence)
	case begun.DeleteNode != nil:
		return s.RestartKubelet != nil && same(begun.DeleteNode, &s.RestartKubelet.NodeTarget)
	case begun.StallWatch != nil:
		return s.ResumeWatch != nil && *begun.StallWatch == *s.ResumeWatch
	case begun.Storage != nil:
		return s.Storage != nil && mends(s)
	case begun.Taint != nil:
		return s.Taint != nil && s.Taint.Remove && s.Taint.Key == begun.Taint.Key && same(&begun.Taint.NodeTarget, &s.Taint.NodeTarget)
	case begun.Cordon != nil:
		return s.Cordon != nil && s.Cordon.Undo && same(&begun.Cordon.NodeTarget, &s.Cordon.NodeTarget)
	case begun.Drain != nil:
		return s.Cordon != nil && s.Cordon.Undo && same(begun.Drain, &s.Cordon.NodeTarget)
	case begun.Scale != nil:
		return s.Scale != nil && s.Scale.StatefulSet == begun.Scale.StatefulSet
	case begun.DeleteObject != nil:
		return s.Apply != nil && s.Apply.Manifest != nil && nameOf(s.Apply) == "StatefulSet "+begun.DeleteObject.Name
	}
	return false
}

// nameOf is kind and name of an object that stands in the scenario.
func nameOf(o *scenario.Object) string {
	var head struct {
		Kind     string            `json:"kind"`
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	if o.Manifest == nil || json.Unmarshal(o.Manifest.Raw, &head) != nil {
		return ""
	}
	return head.Kind + " " + head.Metadata.Name
}

// dropObjects drops one object after the other, and with a set all that is asked of its
// ordinals and done to them.
func (x *shrinker) dropObjects() error {
	for i := len(x.best.Objects) - 1; i >= 0; i-- {
		candidate := x.copied()
		kind, name, _ := strings.Cut(nameOf(&candidate.Objects[i]), " ")
		candidate.Objects = slices.Delete(candidate.Objects, i, i+1)
		if kind == "StatefulSet" {
			dropSet(candidate, name)
		}
		if _, err := x.try(candidate); err != nil {
			return err
		}
	}
	return nil
}

func dropSet(s *scenario.Scenario, name string) {
	is := func(pod string) bool {
		_, pod = scenario.SplitName(pod)
		rest, ok := strings.CutPrefix(pod, name+"-")
		return ok && strings.Trim(rest, "0123456789") == ""
	}
	for by, e := range s.Expect {
		e.Ordinals = slices.DeleteFunc(e.Ordinals, func(o scenario.Ordinal) bool { return is(o.Name) })
		s.Expect[by] = e
	}
	s.Timeline = slices.DeleteFunc(s.Timeline, func(step scenario.Step) bool {
		switch {
		case step.Delete != nil:
			return is(step.Delete.Pod)
		case step.ForceDelete != nil:
			return is(step.ForceDelete.Pod)
		case step.Attest != nil:
			return is(step.Attest.Pod)
		case step.Apply != nil:
			return nameOf(step.Apply) == "StatefulSet "+name
		}
		return false
	})
}

// dropNodes takes machines away, the last of a zone first, and zones.
func (x *shrinker) dropNodes() error {
	for i := len(x.best.Cluster.NodeGroups) - 1; i >= 0; i-- {
		for {
			candidate := x.copied()
			g := &candidate.Cluster.NodeGroups[i]
			g.Count--
			if g.Count == 0 {
				candidate.Cluster.NodeGroups = slices.Delete(candidate.Cluster.NodeGroups, i, i+1)
			}
			failed, err := x.try(candidate)
			if err != nil {
				return err
			}
			if !failed || i == len(x.best.Cluster.NodeGroups) {
				break
			}
		}
	}
	return nil
}

// Of how much of it a time is tried to be.
var shorter = []float64{0.25, 0.5, 0.75}

// shorten ends the run earlier, and then lets everything happen sooner.
func (x *shrinker) shorten() error {
	last := time.Duration(0)
	for i := range x.best.Timeline {
		if at := x.best.Timeline[i].At; at != nil {
			last = max(last, at.Duration)
		}
	}
	for _, part := range shorter {
		candidate := x.copied()
		candidate.Until.Duration = last + scaled(x.best.Until.Duration-last, part)
		failed, err := x.try(candidate)
		if err != nil {
			return err
		}
		if failed {
			break
		}
	}
	for _, part := range shorter {
		candidate := x.copied()
		for i := range candidate.Timeline {
			if at := candidate.Timeline[i].At; at != nil {
				at.Duration = scaled(at.Duration, part)
			}
		}
		candidate.Until.Duration = scaled(candidate.Until.Duration, part)
		failed, err := x.try(candidate)
		if err != nil {
			return err
		}
		if failed {
			break
		}
	}
	return nil
}

func scaled(d time.Duration, part float64) time.Duration {
	return time.Duration(float64(d) * part).Round(time.Second)
}
