package play

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"

	holdfastv1alpha1 "github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// steps plays a timeline.
type steps struct {
	cluster *engine.Cluster
	world   *world.World
	seen    *observer
	zero    time.Time
	// nodes remembers which node a step found, by the step's name.
	nodes map[string]string
	// failed are the steps that could not be played.
	failed []report.Check
}

// play plays each step when it is due, up to the end of the run.
func (p *steps) play(ctx context.Context, s *scenario.Scenario, scheduler scenario.Scheduler, until time.Duration) {
	plan := s.Plan(scheduler)
	for {
		next, ok := plan.Next()
		if !ok || next.At > until {
			return
		}
		sleepUntil(p.zero.Add(next.At))
		p.seen.step(next.Step.Describe())
		plan.Played(next, time.Since(p.zero))
		if err := p.do(ctx, next.Step); err != nil {
			// What a step is about may not be there under this scheduler. That is for the
			// report to say: the rest of the story is still worth telling.
			p.failed = append(p.failed, report.Check{
				Name: fmt.Sprintf("timeline[%d] is played: %s", next.Index, next.Step.Describe()), Got: err.Error(),
			})
		}
	}
}

// do plays one step; validation has made sure that it has exactly one action.
func (p *steps) do(ctx context.Context, s *scenario.Step) error {
	switch {
	case s.Partition != nil:
		node, err := p.find(ctx, s, s.Partition)
		if err != nil {
			return err
		}
		if !p.world.Silent(node) {
			p.seen.lost(node, p.world.State())
		}
		return p.world.Apply(ctx, world.Partition{Node: node})
	case s.Heal != nil:
		node := ""
		if *s.Heal != (scenario.NodeTarget{}) {
			var err error
			if node, err = p.find(ctx, s, s.Heal); err != nil {
				return err
			}
		}
		return p.world.Apply(ctx, world.Heal{Node: node})
	case s.ForceDelete != nil:
		namespace, name := scenario.SplitName(s.ForceDelete.Pod)
		return p.world.Apply(ctx, world.ForceDelete{Namespace: namespace, Pod: name, StripFinalizers: s.ForceDelete.StripFinalizers})
	case s.Attest != nil:
		return p.attest(ctx, s.Attest)
	case s.StallWatch != nil:
		p.cluster.Transport.Stall(s.StallWatch.Component, s.StallWatch.Resource)
		return nil
	case s.ResumeWatch != nil:
		p.cluster.Transport.Resume(s.ResumeWatch.Component, s.ResumeWatch.Resource)
		return nil
	case s.Storage != nil:
		node := ""
		if s.Storage.NodeTarget != (scenario.NodeTarget{}) {
			var err error
			if node, err = p.find(ctx, s, &s.Storage.NodeTarget); err != nil {
				return err
			}
		}
		return p.world.Apply(ctx, world.Storage{
			Class: s.Storage.Class, Node: node, Attach: world.Answer(s.Storage.Attach), Detach: world.Answer(s.Storage.Detach),
		})
	}
	return fmt.Errorf("the step does nothing that this version knows")
}

// find returns the node of a step's target, and remembers it for later steps.
func (p *steps) find(ctx context.Context, s *scenario.Step, t *scenario.NodeTarget) (string, error) {
	node, err := p.lookUp(ctx, t)
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
func (p *steps) attest(ctx context.Context, a *scenario.Attest) error {
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
			PodUID: record.Status.Incarnation.PodUID, Reason: a.Reason, By: a.By,
		})
		_, err = tenancies.Update(ctx, record, metav1.UpdateOptions{})
		return err
	})
}
