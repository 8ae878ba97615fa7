package play

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// spans follows what the timeline did and until when it lasted. What this version does
// not know to last is of an instant.
type spans struct {
	all []*span
}

// span is a step's effect. Open: nothing has ended it yet.
type span struct {
	report.Fault
	// about is what a later step must name to end it: a node, a watch.
	about string
	open  bool
}

// step notes a step that was played at this time, on this node if it found one.
func (p *spans) step(s *scenario.Step, node string, at time.Duration) {
	action := s.Action()
	about := strings.TrimSpace(node + " " + aboutOf(s))
	undoes, lasts := s.Lasting()
	p.end(func(kind string) bool { return scenario.EndedBy(kind) == action || undoes && kind == action }, about, at, s.Describe())
	if lasts && p.isOpen(action, about) {
		return // It is so already.
	}
	f := &span{Fault: report.Fault{Kind: action, What: s.Describe(), Node: node, From: metav1.Duration{Duration: at}}, about: about, open: lasts}
	if !lasts {
		to := metav1.Duration{Duration: at + lengthOf(s)}
		f.To = &to
	}
	p.all = append(p.all, f)
}

// aboutOf is what a step is about where that is no node alone.
func aboutOf(s *scenario.Step) string {
	switch {
	case s.StallWatch != nil:
		return s.StallWatch.Component + " " + s.StallWatch.Resource
	case s.ResumeWatch != nil:
		return s.ResumeWatch.Component + " " + s.ResumeWatch.Resource
	case s.Storage != nil:
		return s.Storage.Class
	case s.Taint != nil:
		return s.Taint.Key + ":" + string(s.Taint.Effect)
	case s.StickContainers != nil:
		return s.StickContainers.Pod
	case s.FreeContainers != nil:
		return s.FreeContainers.Pod
	}
	return ""
}

// lengthOf is how long the effect of a step lasts that ends by itself.
func lengthOf(s *scenario.Step) time.Duration {
	var d *metav1.Duration
	switch {
	case s.Reboot != nil:
		d = s.Reboot.DownFor
	case s.RestartKubelet != nil:
		d = s.RestartKubelet.DownFor
	case s.RestartDriver != nil:
		d = s.RestartDriver.DownFor
	case s.Refuse != nil:
		d = &s.Refuse.For
	case s.StartScheduler != nil:
		d = s.StartScheduler.RunsFor
	case s.RestartScheduler != nil && s.RestartScheduler.OnRequest == nil:
		d = s.RestartScheduler.DownFor
	}
	return valueOf(d).Duration
}

func (p *spans) isOpen(kind, about string) bool {
	return slices.ContainsFunc(p.all, func(f *span) bool { return f.open && f.Kind == kind && f.about == about })
}

// end ends what is open of some kinds; about nothing: all of them.
func (p *spans) end(kinds func(kind string) bool, about string, at time.Duration, by string) {
	for _, f := range p.all {
		if f.open && kinds(f.Kind) && (about == "" || f.about == about) {
			to := metav1.Duration{Duration: at}
			f.To, f.EndedBy, f.open = &to, by, false
		}
	}
}

// faults are the spans of a run that ends at this time. What ends by itself later has
// no end in it.
func (p *spans) faults(until time.Duration) []report.Fault {
	var faults []report.Fault
	for _, f := range p.all {
		if f.To != nil && f.To.Duration > until {
			f.To = nil
		}
		faults = append(faults, f.Fault)
	}
	return faults
}
