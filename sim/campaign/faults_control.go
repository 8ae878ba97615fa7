package campaign

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// The faults of the API server, the storage and the scheduler.

// onlyHoldfast limits a step about what the other side does not have.
var onlyHoldfast = []scenario.Scheduler{scenario.Holdfast}

// watches are of those whose view decides something.
var watches = []scenario.WatchTarget{
	{Component: "kube-scheduler", Resource: "pods"},
	{Component: "kube-scheduler", Resource: "nodes"},
	{Component: "kube-scheduler", Resource: "tenancies"},
	{Component: "kube-scheduler", Resource: "persistentvolumeclaims"},
	{Component: "kube-scheduler", Resource: "volumeattachments"},
	{Component: "holdfast-guard", Resource: "pods"},
	{Component: "holdfast-guard", Resource: "nodes"},
	{Component: "holdfast-guard", Resource: "tenancies"},
	{Component: "shared-informers", Resource: "pods"},
	{Component: "shared-informers", Resource: "nodes"},
	{Component: "shared-informers", Resource: "statefulsets"},
	{Component: "shared-informers", Resource: "volumeattachments"},
}

// limited are the schedulers that have such a watch or send such a request; nil: both.
func limited(component, resource string) []scenario.Scheduler {
	if strings.HasPrefix(component, "holdfast-") || strings.HasPrefix(resource, "tenancies") {
		return onlyHoldfast
	}
	return nil
}

func stallWatch(t *story, at time.Duration) {
	w := pick(t.dice, watches)
	end := t.end(at, 5*time.Second, 5*time.Minute)
	if !t.take("watch "+w.Component+" "+w.Resource, at, end) {
		return
	}
	by := limited(w.Component, w.Resource)
	t.step(at, scenario.Step{Schedulers: by, StallWatch: &w})
	t.step(end, scenario.Step{Schedulers: by, ResumeWatch: &w})
}

func dropWatch(t *story, at time.Duration) {
	w := pick(t.dice, watches)
	t.step(at, scenario.Step{
		Schedulers: limited(w.Component, w.Resource),
		DropWatch:  &scenario.DropWatch{Component: w.Component, Resource: w.Resource, Expired: t.chance(0.5)},
	})
}

// requests are those on which a decision hangs.
var requests = []scenario.Request{
	{Component: "kube-scheduler", Verb: "create", Resource: "pods/binding"},
	{Component: "kube-scheduler", Verb: "update", Resource: "tenancies/status"},
	{Component: "kube-scheduler", Verb: "get", Resource: "tenancies"},
	{Component: "kube-scheduler", Verb: "patch", Resource: "pods/status"},
	{Component: "holdfast-guard", Verb: "update", Resource: "tenancies/status"},
	{Component: "holdfast-guard", Verb: "patch", Resource: "pods"},
	{Component: "holdfast-guard", Verb: "delete", Resource: "pods"},
	{Component: "holdfast-guard", Verb: "get", Resource: "nodes"},
	{Component: "statefulset-controller", Verb: "create", Resource: "pods"},
	{Component: "statefulset-controller", Verb: "delete", Resource: "pods"},
	{Component: "taint-eviction-controller", Verb: "delete", Resource: "pods"},
	{Component: "attachdetach-controller", Verb: "create", Resource: "volumeattachments"},
	{Component: "attachdetach-controller", Verb: "delete", Resource: "volumeattachments"},
	{Component: "kubelet", Verb: "patch", Resource: "pods/status"},
	{Component: "kubelet", Verb: "delete", Resource: "pods"},
}

func (t *story) lost() (*scenario.LostRequest, []scenario.Scheduler) {
	r := pick(t.dice, requests)
	if r.Component == "holdfast-guard" && r.Verb == "get" {
		// By it the guard learns which boots were before a deletion. If a machine is back
		// before it is answered, its boot cannot be known to be later, and proves nothing.
		t.wordNeeded = true
	}
	lost := &scenario.LostRequest{Component: r.Component, Verb: r.Verb, Resource: r.Resource}
	if t.chance(0.5) {
		lost.ErrorAfter = duration(t.span(time.Second, 2*time.Minute))
	}
	return lost, limited(r.Component, r.Resource)
}

func loseRequest(t *story, at time.Duration) {
	lost, by := t.lost()
	t.step(at, scenario.Step{Schedulers: by, LoseRequest: lost})
}

func loseAnswer(t *story, at time.Duration) {
	lost, by := t.lost()
	if t.chance(0.4) {
		lost.LandsAfter = duration(t.span(time.Second, 2*time.Minute))
	}
	t.step(at, scenario.Step{Schedulers: by, LoseAnswer: lost})
}

func refuse(t *story, at time.Duration) {
	r := &scenario.Refuse{
		With: pick(t.dice, []scenario.Refusal{scenario.Unavailable, scenario.TooManyRequests, scenario.Conflict}),
	}
	r.For.Duration = t.end(at, 2*time.Second, 90*time.Second) - at
	of := pick(t.dice, requests)
	by := limited(of.Component, of.Resource)
	switch {
	case r.With == scenario.Conflict:
		r.Component, r.Verb = of.Component, pick(t.dice, []string{"update", "patch"})
	case t.chance(0.7):
		r.Component = of.Component
	default: // The server is away for all.
		by = nil
	}
	if r.For.Duration > 0 {
		t.step(at, scenario.Step{Schedulers: by, Refuse: r})
	}
}

// lieOften is how often storage that misbehaves lies. What comes of a lie no quiet mends:
// the volume hangs where nobody looks for it.
const lieOften = 0.1

func breakStorage(t *story, at time.Duration) {
	if !t.attached() {
		restartDriver(t, at)
		return
	}
	end := t.end(at, 30*time.Second, 6*time.Minute)
	if !t.take("storage", at, end) {
		return
	}
	answer := pick(t.dice, []scenario.Answer{scenario.Fail, scenario.Hang})
	if t.chance(lieOften) {
		answer, t.converges = scenario.Lie, false
	}
	wrong, right := &scenario.Storage{Class: classZonal}, &scenario.Storage{Class: classZonal}
	if t.chance(0.5) {
		wrong.Attach, right.Attach = answer, scenario.Work
	} else {
		wrong.Detach, right.Detach = answer, scenario.Work
	}
	if t.chance(0.4) {
		wrong.NodeTarget = *nodeOf(t.pod())
	}
	t.step(at, scenario.Step{Storage: wrong})
	t.step(end, scenario.Step{Storage: right})
}

func restartDriver(t *story, at time.Duration) {
	down := t.end(at, 5*time.Second, 3*time.Minute) - at
	t.step(at, scenario.Step{RestartDriver: &scenario.RestartDriver{NodeTarget: *nodeOf(t.pod()), DownFor: duration(down)}})
}

// setAttachLimit takes slots away, or gives some, and takes that back.
func setAttachLimit(t *story, at time.Duration) {
	end := t.end(at, time.Minute, 10*time.Minute)
	g := pick(t.dice, t.cluster.NodeGroups)
	name := fmt.Sprintf("%s-%d", g.Name, t.IntN(g.Count))
	if !t.take("limit "+name, at, end) {
		return
	}
	before := scenario.AttachLimitMax
	if g.AttachLimit != nil {
		before = *g.AttachLimit
	}
	untold := t.chance(0.3)
	t.step(at, scenario.Step{SetAttachLimit: &scenario.SetAttachLimit{NodeTarget: *node(name), Limit: t.between(1, 3), Untold: untold}})
	t.step(end, scenario.Step{SetAttachLimit: &scenario.SetAttachLimit{NodeTarget: *node(name), Limit: before}})
}

// lagWatches is an API server whose cache is late for one node.
func lagWatches(t *story, at time.Duration) {
	end := t.end(at, 30*time.Second, 8*time.Minute)
	name := pick(t.dice, t.cluster.nodes())
	if !t.take("lag "+name, at, end) {
		return
	}
	by := metav1.Duration{Duration: pick(t.dice, []time.Duration{2 * time.Second, 10 * time.Second, 45 * time.Second})}
	t.step(at, scenario.Step{LagWatches: &scenario.LagWatches{NodeTarget: *node(name), By: by}})
	t.step(end, scenario.Step{LagWatches: &scenario.LagWatches{NodeTarget: *node(name)}})
}

func restartScheduler(t *story, at time.Duration) {
	end := t.end(at, time.Second, 2*time.Minute)
	if t.take("scheduler", at, end) {
		t.step(at, scenario.Step{RestartScheduler: &scenario.RestartScheduler{DownFor: duration(end - at)}})
	}
}

// crashPoints are the requests at which the process that schedules ends: before and in the
// middle of a bind, and of a release.
var crashPoints = []scenario.Request{
	{Component: "kube-scheduler", Verb: "create", Resource: "pods/binding"},
	{Component: "kube-scheduler", Verb: "update", Resource: "tenancies/status"},
	{Component: "kube-scheduler", Verb: "patch", Resource: "pods"},
	{Component: "holdfast-guard", Verb: "update", Resource: "tenancies/status"},
	{Component: "holdfast-guard", Verb: "patch", Resource: "pods"},
	{Component: "holdfast-guard", Verb: "delete", Resource: "pods"},
}

// crashSchedulerAt: until its request comes the process waits for its end, and no other
// restart can be asked for.
func crashSchedulerAt(t *story, at time.Duration) {
	if !t.take("scheduler", at, t.faultsEnd) {
		return
	}
	on := pick(t.dice, crashPoints)
	by := limited(on.Component, on.Resource)
	if on.Resource == "pods" {
		by = onlyHoldfast
	}
	t.step(at, scenario.Step{Schedulers: by, RestartScheduler: &scenario.RestartScheduler{DownFor: duration(t.span(time.Second, time.Minute)), OnRequest: &on}})
}

func startScheduler(t *story, at time.Duration) {
	end := t.end(at, 30*time.Second, 8*time.Minute)
	if end > at && t.take("second scheduler", at, end) {
		t.step(at, scenario.Step{StartScheduler: &scenario.StartScheduler{RunsFor: duration(end - at)}})
	}
}
