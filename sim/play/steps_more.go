package play

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-dev/holdfast/sim/engine/inproc"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/world"
)

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
