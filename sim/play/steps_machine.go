package play

import (
	"context"
	"time"

	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/world"
)

func (p *steps) cutStorage(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.CutStorage, func(node string) world.Fault { return world.CutStorage{Node: node} })
}

func (p *steps) healStorage(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.HealStorage, func(node string) world.Fault { return world.HealStorage{Node: node} })
}

func (p *steps) stickContainers(ctx context.Context, s *scenario.Step) error {
	namespace, name := scenario.SplitName(s.StickContainers.Pod)
	return p.world.Apply(ctx, world.StickContainers{Namespace: namespace, Pod: name})
}

func (p *steps) freeContainers(ctx context.Context, s *scenario.Step) error {
	namespace, name := scenario.SplitName(s.FreeContainers.Pod)
	return p.world.Apply(ctx, world.FreeContainers{Namespace: namespace, Pod: name})
}

func (p *steps) hangRuntime(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.HangRuntime, func(node string) world.Fault { return world.HangRuntime{Node: node} })
}

func (p *steps) resumeRuntime(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, s.ResumeRuntime, func(node string) world.Fault { return world.ResumeRuntime{Node: node} })
}

func (p *steps) lieAboutStop(ctx context.Context, s *scenario.Step) error {
	namespace, name := scenario.SplitName(s.LieAboutStop.Pod)
	return p.world.Apply(ctx, world.LieAboutStop{Namespace: namespace, Pod: name})
}

func (p *steps) setAttachLimit(ctx context.Context, s *scenario.Step) error {
	l := s.SetAttachLimit
	return p.onNode(ctx, s, &l.NodeTarget, func(node string) world.Fault {
		return world.SetAttachLimit{Node: node, Limit: l.Limit, Untold: l.Untold}
	})
}

func (p *steps) lagWatches(ctx context.Context, s *scenario.Step) error {
	return p.onNode(ctx, s, &s.LagWatches.NodeTarget, func(node string) world.Fault {
		p.log.Stale(time.Now(), "node "+node, s.LagWatches.By.Duration > 0)
		return world.LagWatches{Node: node, By: s.LagWatches.By.Duration}
	})
}

func (p *steps) setClock(ctx context.Context, s *scenario.Step) error {
	c := s.SetClock
	return p.onNode(ctx, s, &c.NodeTarget, func(node string) world.Fault {
		return world.SetClock{Node: node, Ahead: c.Ahead.Duration, GainsPerMinute: c.GainsPerMinute.Duration}
	})
}
