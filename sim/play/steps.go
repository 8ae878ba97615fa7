package play

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"

	holdfastv1alpha1 "github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/sim/check"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// steps plays a timeline.
type steps struct {
	scenario *scenario.Scenario
	cluster  *engine.Cluster
	world    *world.World
	seen     *observer
	log      *check.Log
	zero     time.Time
	// nodes remembers which node a step found, by the step's name.
	nodes map[string]string
	// found is the node that the step at hand found.
	found string
	// spans are what the steps did and until when.
	spans spans
	// failed are the steps that could not be played.
	failed []report.Check
	// index is the place of the step that is being played.
	index int
	// awaited are the steps that wait for a request.
	awaited []*awaited
	// stop ends the timeline early.
	stop <-chan struct{}
	// last is when the latest step was played.
	last time.Time
	// mu is for lost: the spans in which a request was lost, or its answer.
	mu   sync.Mutex
	lost []check.Span
}

// play plays each step when it is due, up to the end of the run.
func (p *steps) play(ctx context.Context, scheduler scenario.Scheduler, until time.Duration) {
	plan := p.scenario.Plan(scheduler)
	for {
		next, ok := plan.Next()
		if !ok || next.At > until {
			return
		}
		if !sleepUnless(p.stop, p.zero.Add(next.At)) {
			return
		}
		p.last = time.Now()
		p.seen.step(next.Step.Describe())
		plan.Played(next, time.Since(p.zero))
		p.index, p.found = next.Index, ""
		if err := p.do(ctx, next.Step); err != nil {
			// What a step is about may not be there under this scheduler. That is for the
			// report to say: the rest of the story is still worth telling.
			p.failed = append(p.failed, notPlayed(next.Index, next.Step, err.Error()))
			continue
		}
		p.spans.step(next.Step, p.found, time.Since(p.zero))
	}
}

func notPlayed(index int, s *scenario.Step, why string) report.Check {
	return report.Check{Name: fmt.Sprintf("timeline[%d] is played: %s", index, s.Describe()), Got: why}
}

// actions are what a step can do, each where it is told; validation has made sure
// that a step has exactly one.
var actions = []struct {
	has func(*scenario.Step) bool
	do  func(*steps, context.Context, *scenario.Step) error
}{
	{func(s *scenario.Step) bool { return s.Partition != nil }, (*steps).partition},
	{func(s *scenario.Step) bool { return s.Heal != nil }, (*steps).heal},
	{func(s *scenario.Step) bool { return s.ForceDelete != nil }, (*steps).forceDelete},
	{func(s *scenario.Step) bool { return s.Attest != nil }, (*steps).attest},
	{func(s *scenario.Step) bool { return s.StallWatch != nil }, (*steps).stallWatch},
	{func(s *scenario.Step) bool { return s.ResumeWatch != nil }, (*steps).resumeWatch},
	{func(s *scenario.Step) bool { return s.Storage != nil }, (*steps).storage},
	{func(s *scenario.Step) bool { return s.RestartKubelet != nil }, (*steps).restartKubelet},
	{func(s *scenario.Step) bool { return s.Crash != nil }, (*steps).crash},
	{func(s *scenario.Step) bool { return s.PowerOn != nil }, (*steps).powerOn},
	{func(s *scenario.Step) bool { return s.Reboot != nil }, (*steps).reboot},
	{func(s *scenario.Step) bool { return s.Terminate != nil }, (*steps).terminate},
	{func(s *scenario.Step) bool { return s.DeleteNode != nil }, (*steps).deleteNode},
	{func(s *scenario.Step) bool { return s.Taint != nil }, (*steps).taint},
	{func(s *scenario.Step) bool { return s.Delete != nil }, (*steps).delete},
	{func(s *scenario.Step) bool { return s.StripFinalizers != nil }, (*steps).stripFinalizers},
	{func(s *scenario.Step) bool { return s.DeleteTenancy != nil }, (*steps).deleteTenancy},
	{func(s *scenario.Step) bool { return s.RestartScheduler != nil }, (*steps).restartScheduler},
	{func(s *scenario.Step) bool { return s.StartScheduler != nil }, (*steps).startScheduler},
	{func(s *scenario.Step) bool { return s.Apply != nil }, (*steps).apply},
	{func(s *scenario.Step) bool { return s.Scale != nil }, (*steps).scale},
	{func(s *scenario.Step) bool { return s.DeleteObject != nil }, (*steps).deleteObject},
	{func(s *scenario.Step) bool { return s.LoseAnswer != nil }, (*steps).loseAnswer},
	{func(s *scenario.Step) bool { return s.LoseRequest != nil }, (*steps).loseRequest},
	{func(s *scenario.Step) bool { return s.Freeze != nil }, (*steps).freeze},
	{func(s *scenario.Step) bool { return s.Thaw != nil }, (*steps).thaw},
	{func(s *scenario.Step) bool { return s.Replace != nil }, (*steps).replace},
	{func(s *scenario.Step) bool { return s.PartitionOneWay != nil }, (*steps).partitionOneWay},
	{func(s *scenario.Step) bool { return s.KillContainers != nil }, (*steps).killContainers},
	{func(s *scenario.Step) bool { return s.Refuse != nil }, (*steps).refuse},
	{func(s *scenario.Step) bool { return s.DropWatch != nil }, (*steps).dropWatch},
	{func(s *scenario.Step) bool { return s.RestartDriver != nil }, (*steps).restartDriver},
	{func(s *scenario.Step) bool { return s.Cordon != nil }, (*steps).cordon},
	{func(s *scenario.Step) bool { return s.Drain != nil }, (*steps).drain},
	{func(s *scenario.Step) bool { return s.Fence != nil }, (*steps).fence},
	{func(s *scenario.Step) bool { return s.Unfence != nil }, (*steps).unfence},
	{func(s *scenario.Step) bool { return s.CutStorage != nil }, (*steps).cutStorage},
	{func(s *scenario.Step) bool { return s.HealStorage != nil }, (*steps).healStorage},
	{func(s *scenario.Step) bool { return s.StickContainers != nil }, (*steps).stickContainers},
	{func(s *scenario.Step) bool { return s.FreeContainers != nil }, (*steps).freeContainers},
	{func(s *scenario.Step) bool { return s.HangRuntime != nil }, (*steps).hangRuntime},
	{func(s *scenario.Step) bool { return s.ResumeRuntime != nil }, (*steps).resumeRuntime},
	{func(s *scenario.Step) bool { return s.LieAboutStop != nil }, (*steps).lieAboutStop},
	{func(s *scenario.Step) bool { return s.SetAttachLimit != nil }, (*steps).setAttachLimit},
	{func(s *scenario.Step) bool { return s.LagWatches != nil }, (*steps).lagWatches},
	{func(s *scenario.Step) bool { return s.SetClock != nil }, (*steps).setClock},
}

// do plays one step.
func (p *steps) do(ctx context.Context, s *scenario.Step) error {
	for _, action := range actions {
		if action.has(s) {
			return action.do(p, ctx, s)
		}
	}
	return fmt.Errorf("the step does nothing that this version knows")
}

func (p *steps) partition(ctx context.Context, s *scenario.Step) error {
	node, err := p.find(ctx, s, s.Partition)
	if err != nil {
		return err
	}
	if !p.world.Silent(node) {
		p.seen.lost(node, p.world.State())
	}
	return p.world.Apply(ctx, world.Partition{Node: node})
}

func (p *steps) heal(ctx context.Context, s *scenario.Step) error {
	node := ""
	if *s.Heal != (scenario.NodeTarget{}) {
		var err error
		if node, err = p.find(ctx, s, s.Heal); err != nil {
			return err
		}
	}
	return p.world.Apply(ctx, world.Heal{Node: node})
}

func (p *steps) forceDelete(ctx context.Context, s *scenario.Step) error {
	namespace, name := scenario.SplitName(s.ForceDelete.Pod)
	if s.ForceDelete.StripFinalizers {
		p.log.Strip(namespace, name)
	}
	return p.world.Apply(ctx, world.ForceDelete{Namespace: namespace, Pod: name, StripFinalizers: s.ForceDelete.StripFinalizers})
}

func (p *steps) stallWatch(_ context.Context, s *scenario.Step) error {
	p.cluster.Transport.Stall(s.StallWatch.Component, s.StallWatch.Resource)
	p.tellWatch(s.StallWatch, true)
	return nil
}

func (p *steps) resumeWatch(_ context.Context, s *scenario.Step) error {
	p.cluster.Transport.Resume(s.ResumeWatch.Component, s.ResumeWatch.Resource)
	p.tellWatch(s.ResumeWatch, false)
	return nil
}

// schedulerComponent is the user agent of who places pods; a second process has more behind.
const schedulerComponent = "kube-scheduler"

// tellWatch tells the log that a watch is stopped, or no more. Without their own those who
// place pods do not know what room there is.
func (p *steps) tellWatch(w *scenario.WatchTarget, stopped bool) {
	watch := w.Component + " " + w.Resource
	p.log.Stale(time.Now(), watch, stopped)
	if strings.HasPrefix(w.Component, schedulerComponent) {
		p.log.Blind(time.Now(), "watch of "+watch, stopped)
	}
}

// find returns the node of a step's target, and remembers it for later steps.
func (p *steps) find(ctx context.Context, s *scenario.Step, t *scenario.NodeTarget) (string, error) {
	node, err := p.lookUp(ctx, t)
	p.found = node
	if err == nil && s.Name != "" {
		p.nodes[s.Name] = node
	}
	return node, err
}

// lookUp returns the node that a target names, or that a pod is bound to by now.
func (p *steps) lookUp(ctx context.Context, t *scenario.NodeTarget) (string, error) {
	switch {
	case t.Node != "":
		return t.Node, nil
	case t.NodeOfStep != "":
		return p.nodes[t.NodeOfStep], nil
	}
	client, err := kubernetes.NewForConfig(p.cluster.RESTConfig(world.OperatorAgent))
	if err != nil {
		return "", err
	}
	namespace, name := scenario.SplitName(t.NodeOf)
	pod, err := client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if pod.Spec.NodeName == "" {
		return "", fmt.Errorf("pod %s is on no node", t.NodeOf)
	}
	return pod.Spec.NodeName, nil
}

// attest puts a human's word for the latest incarnation on the record, as the
// human would: by an edit of the tenancy's spec.
func (p *steps) attest(ctx context.Context, s *scenario.Step) error {
	a := s.Attest
	client, err := versioned.NewForConfig(p.cluster.JSONConfig(world.OperatorAgent))
	if err != nil {
		return err
	}
	namespace, name := scenario.SplitName(a.Pod)
	tenancies := client.HoldfastV1alpha1().Tenancies(namespace)
	// The guard writes the same object, if only its status.
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		record, err := tenancies.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if record.Status.Incarnation == nil {
			return fmt.Errorf("tenancy %s has no incarnation to attest", name)
		}
		record.Spec.Attestations = append(record.Spec.Attestations, holdfastv1alpha1.Attestation{
			PodUID: record.Status.Incarnation.PodUID, Reason: a.Reason, By: a.By, CoversAttachments: a.CoversAttachments,
		})
		_, err = tenancies.Update(ctx, record, metav1.UpdateOptions{})
		return err
	})
}
