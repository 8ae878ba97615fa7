package play

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/sim/check"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/engine/inproc"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// onNode applies a fault to the node that a step's target finds.
func (p *steps) onNode(ctx context.Context, s *scenario.Step, t *scenario.NodeTarget, fault func(node string) world.Fault) error {
	node, err := p.find(ctx, s, t)
	if err != nil {
		return err
	}
	return p.world.Apply(ctx, fault(node))
}

func (p *steps) restartKubelet(ctx context.Context, s *scenario.Step) error {
	k := s.RestartKubelet
	return p.onNode(ctx, s, &k.NodeTarget, func(node string) world.Fault {
		rejects := make([]string, 0, len(k.Rejects))
		for _, pod := range k.Rejects {
			rejects = append(rejects, scenario.QualifiedName(pod))
		}
		return world.RestartKubelet{Node: node, DownFor: k.DownFor.Duration, Rejects: rejects, LooksAfter: k.LooksAfter.Duration}
	})
}

func (p *steps) crash(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.Crash, func(node string) world.Fault { return world.Crash{Node: node} })
}

func (p *steps) powerOn(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.PowerOn, func(node string) world.Fault { return world.PowerOn{Node: node} })
}

func (p *steps) reboot(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, &s.Reboot.NodeTarget, func(node string) world.Fault {
		return world.Reboot{Node: node, DownFor: s.Reboot.DownFor.Duration}
	})
}

func (p *steps) terminate(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.Terminate, func(node string) world.Fault { return world.Terminate{Node: node} })
}

// storage is about every node where it finds none.
func (p *steps) storage(ctx context.Context, s *scenario.Step) error {
	answer := world.Storage{Class: s.Storage.Class, Attach: world.Answer(s.Storage.Attach), Detach: world.Answer(s.Storage.Detach)}
	if s.Storage.NodeTarget == (scenario.NodeTarget{}) {
		return p.world.Apply(ctx, answer)
	}
	return p.onNode(ctx, s, &s.Storage.NodeTarget, func(node string) world.Fault {
		answer.Node = node
		return answer
	})
}

func (p *steps) deleteNode(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.DeleteNode, func(node string) world.Fault { return world.DeleteNode{Node: node} })
}

func (p *steps) taint(ctx context.Context, s *scenario.Step) error {
	t := s.Taint
	return p.onNode(ctx, s, &t.NodeTarget, func(node string) world.Fault {
		return world.Taint{Node: node, Taint: corev1.Taint{Key: t.Key, Value: t.Value, Effect: t.Effect}, Remove: t.Remove}
	})
}

func (p *steps) delete(ctx context.Context, s *scenario.Step) error {
	namespace, name := scenario.SplitName(s.Delete.Pod)
	return p.world.Apply(ctx, world.Delete{Namespace: namespace, Pod: name})
}

func (p *steps) stripFinalizers(ctx context.Context, s *scenario.Step) error {
	namespace, name := scenario.SplitName(s.StripFinalizers.Pod)
	p.log.Strip(namespace, name)
	return p.world.Apply(ctx, world.StripFinalizers{Namespace: namespace, Pod: name})
}

// deleteTenancy removes an ordinal's record, as a human does who wants to be rid of
// a hold and knows no better.
func (p *steps) deleteTenancy(ctx context.Context, s *scenario.Step) error {
	client, err := versioned.NewForConfig(p.cluster.JSONConfig(world.OperatorAgent))
	if err != nil {
		return err
	}
	namespace, name := scenario.SplitName(s.DeleteTenancy.Pod)
	tenancies := client.HoldfastV1alpha1().Tenancies(namespace)
	if s.DeleteTenancy.StripFinalizers {
		strip := []byte(`{"metadata":{"finalizers":null}}`)
		if _, err := tenancies.Patch(ctx, name, types.MergePatchType, strip, metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("finalizers: %w", err)
		}
	}
	err = tenancies.Delete(ctx, name, metav1.DeleteOptions{})
	if s.DeleteTenancy.StripFinalizers && apierrors.IsNotFound(err) {
		return nil // The finalizers were all that kept a record that was deleted before.
	}
	return err
}

func (p *steps) restartScheduler(_ context.Context, s *scenario.Step) error {
	r := s.RestartScheduler
	restart := engine.Restart{DownFor: r.DownFor.Duration}
	if r.OnRequest == nil {
		restart.Tell = func(runs bool) { p.tellScheduler(runs) }
		return p.cluster.RestartScheduler(restart)
	}
	restart.On = &inproc.Request{Component: r.OnRequest.Component, Verb: r.OnRequest.Verb, Resource: r.OnRequest.Resource}
	a := &awaited{index: p.index, step: s}
	restart.Tell = func(runs bool) {
		a.came.Store(true)
		p.tellScheduler(runs)
	}
	if err := p.cluster.RestartScheduler(restart); err != nil {
		return err
	}
	p.awaited = append(p.awaited, a)
	return nil
}

func (p *steps) loseAnswer(_ context.Context, s *scenario.Step) error {
	told := "the request lands, and its answer is lost"
	if s.LoseAnswer.LandsAfter != nil {
		told = "the request is sent, and is on its way"
	}
	p.lose(s, s.LoseAnswer, true, told)
	return nil
}

func (p *steps) loseRequest(_ context.Context, s *scenario.Step) error {
	p.lose(s, s.LoseRequest, false, "the request is lost")
	return nil
}

// lose lets the next such request get lost, or its answer.
func (p *steps) lose(s *scenario.Step, r *scenario.LostRequest, lands bool, told string) {
	a := &awaited{index: p.index, step: s}
	p.awaited = append(p.awaited, a)
	late := fmt.Sprintf("request of step %d", p.index)
	p.cluster.Transport.Lose(inproc.Loss{
		Request: inproc.Request{Component: r.Component, Verb: r.Verb, Resource: r.Resource},
		Lands:   lands, LandsAfter: valueOf(r.LandsAfter).Duration, ErrorAfter: r.ErrorAfter.Duration,
		Came: func() {
			a.came.Store(true)
			p.seen.step(told)
			if lands && r.LandsAfter != nil {
				p.log.Blind(time.Now(), late, true) // It may be a bind.
			}
			now := time.Now()
			p.mu.Lock()
			defer p.mu.Unlock()
			p.lost = append(p.lost, check.Span{From: now, To: now.Add(max(valueOf(r.LandsAfter).Duration, r.ErrorAfter.Duration))})
		},
		Landed: func() {
			p.log.Blind(time.Now(), late, false)
			p.seen.step("the request lands")
		},
	})
}

// tellScheduler writes down what becomes of the process that schedules.
func (p *steps) tellScheduler(runs bool) {
	p.log.Scheduler(time.Now(), runs)
	if runs {
		p.seen.step("the scheduler is back, its caches filled")
	} else {
		p.seen.step("the scheduler's process ends")
	}
}

// awaited is a step that waits for a request.
type awaited struct {
	index int
	step  *scenario.Step
	came  atomic.Bool
}

// unplayed are the steps that were not played, for a report at the end of the run. A
// step that waited for a request in vain is one of them: what it is about has not
// happened.
func (p *steps) unplayed() []report.Check {
	all := p.failed
	for _, a := range p.awaited {
		if !a.came.Load() {
			all = append(all, notPlayed(a.index, a.step, "no such request was sent by the end of the run"))
		}
	}
	return all
}

func (p *steps) freeze(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, &s.Freeze.NodeTarget, func(node string) world.Fault {
		return world.Freeze{Node: node, KubeletOnly: s.Freeze.KubeletOnly}
	})
}

func (p *steps) thaw(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.Thaw, func(node string) world.Fault { return world.Thaw{Node: node} })
}

func (p *steps) replace(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.Replace, func(node string) world.Fault { return world.Replace{Node: node} })
}

func (p *steps) partitionOneWay(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, &s.PartitionOneWay.NodeTarget, func(node string) world.Fault {
		return world.PartitionOneWay{Node: node, Lost: world.Direction(s.PartitionOneWay.Lost)}
	})
}

func (p *steps) killContainers(ctx context.Context, s *scenario.Step) error {
	k := s.KillContainers
	namespace, name := scenario.SplitName(k.Pod)
	return p.world.Apply(ctx, world.KillContainers{
		Namespace: namespace, Pod: name, ExitCode: *k.ExitCode, AgainAfter: valueOf(k.AgainAfter).Duration,
	})
}

func (p *steps) refuse(_ context.Context, s *scenario.Step) error {
	r := s.Refuse
	refusal := inproc.Refusal{
		Request: inproc.Request{Component: r.Component, Verb: r.Verb, Resource: r.Resource},
		Until:   time.Now().Add(r.For.Duration),
	}
	switch r.With {
	case scenario.TooManyRequests:
		refusal.With = inproc.TooManyRequests()
	case scenario.Conflict:
		refusal.With = inproc.AlreadyWritten(r.Resource)
	}
	p.cluster.Transport.Refuse(refusal)
	if r.With == scenario.Unavailable && (r.Component == "" || strings.HasPrefix(r.Component, schedulerComponent)) {
		why := fmt.Sprintf("server away by step %d", p.index) // Its watches end.
		p.log.Blind(time.Now(), why, true)
		p.log.Blind(refusal.Until, why, false)
	}
	return nil
}

func (p *steps) dropWatch(_ context.Context, s *scenario.Step) error {
	if p.cluster.Transport.DropWatch(s.DropWatch.Component, s.DropWatch.Resource, s.DropWatch.Expired) == 0 {
		return errors.New("there is no such watch")
	}
	return nil
}

func (p *steps) restartDriver(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, &s.RestartDriver.NodeTarget, func(node string) world.Fault {
		return world.RestartDriver{Node: node, DownFor: s.RestartDriver.DownFor.Duration}
	})
}

func (p *steps) cordon(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, &s.Cordon.NodeTarget, func(node string) world.Fault {
		return world.Cordon{Node: node, Undo: s.Cordon.Undo}
	})
}

func (p *steps) drain(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.Drain, func(node string) world.Fault { return world.Drain{Node: node} })
}

func (p *steps) fence(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, &s.Fence.NodeTarget, func(node string) world.Fault {
		return world.Fence{Node: node, Hits: s.Fence.Hits, Fails: s.Fence.Fails}
	})
}

func (p *steps) unfence(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.Unfence, func(node string) world.Fault { return world.Unfence{Node: node} })
}
