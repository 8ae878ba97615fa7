package explore_test

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/order"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
	"github.com/holdfast-dev/holdfast/sim/explore"
	"github.com/holdfast-dev/holdfast/sim/explore/model"
)

// facts makes a decision of pkg/fence by facts that are not as they should be.
func facts(change func(*fence.Facts)) func(*explore.Decisions) {
	return func(d *explore.Decisions) {
		d.Fence = func(s fence.Subject) fence.Verdict {
			f := fence.FactsOf(s)
			change(&f)
			return fence.Judge(f)
		}
	}
}

// nodes makes a decision of pkg/fence by candidate nodes that are not as they should be.
func nodes(change func(*v1alpha1.CandidateNode, fence.Nodes)) func(*explore.Decisions) {
	return func(d *explore.Decisions) {
		d.Fence = func(s fence.Subject) fence.Verdict {
			if s.Incarnation != nil {
				s.Incarnation = s.Incarnation.DeepCopy()
				for i := range s.Incarnation.Nodes {
					change(&s.Incarnation.Nodes[i], s.Nodes)
				}
			}
			return fence.Judge(fence.FactsOf(s))
		}
	}
}

// one is a running pod on one of two nodes.
func one(faults int) model.Scope {
	return model.Scope{Nodes: 2, Ordinals: 1, Faults: faults, Running: true}
}

// broken are the rules, one at a time switched off, and the invariant that then falls.
var broken = map[string]struct {
	scope  model.Scope
	kinds  []model.ActionKind
	change func(*explore.Decisions)
	want   string
}{
	"a pod that could not be read counts as gone": {
		scope: one(1), want: "S4",
		change: func(d *explore.Decisions) {
			d.Fence = func(s fence.Subject) fence.Verdict {
				if s.Sight == fence.SightUnknown {
					return fence.Verdict{Release: true, Kind: v1alpha1.NodeRemoved}
				}
				return fence.Judge(fence.FactsOf(s))
			}
		},
	},
	"a node that could not be read counts as removed": {
		scope: one(1), want: "S4",
		change: func(d *explore.Decisions) {
			d.Fence = func(s fence.Subject) fence.Verdict {
				f := fence.FactsOf(s)
				if s.Incarnation != nil && s.Nodes.Booted != nil && len(s.Nodes.Read) < len(s.Incarnation.Nodes) {
					f.Machines = fence.MachinesRemoved
				}
				return fence.Judge(f)
			}
		},
	},
	"nothing compares before the open swaps": {
		scope: model.Scope{Nodes: 2, Ordinals: 1, Faults: 1}, want: "S3",
		kinds:  []model.ActionKind{model.StripFinalizer},
		change: func(d *explore.Decisions) { d.Swap, d.Cycles = true, 1 },
	},
	"the record is not asked": {
		scope: one(1), want: "S3",
		change: func(d *explore.Decisions) {
			d.Gate = func(*v1alpha1.Tenancy, types.UID) tenancy.Verdict { return tenancy.Verdict{} }
			d.Open = func(r *v1alpha1.Tenancy, inc v1alpha1.Incarnation, now time.Time) (v1alpha1.TenancyStatus, error) {
				return tenancy.Open(nil, inc, now)
			}
		},
	},
	"the UID of a node is ignored": {
		scope: one(3), want: "S3",
		kinds: []model.ActionKind{model.Cut, model.DeleteNode, model.PowerOff},
		change: nodes(func(c *v1alpha1.CandidateNode, known fence.Nodes) {
			for _, n := range known.Read {
				if n.Node != nil && n.Name == c.Name {
					c.UID, c.Machine = n.Node.UID, fence.MachineOf(n.Node)
				}
			}
		}),
	},
	"any removal of a node counts": {
		scope: one(2), want: "S3",
		kinds: []model.ActionKind{model.Cut, model.DeleteNode},
		change: nodes(func(c *v1alpha1.CandidateNode, _ fence.Nodes) {
			if c.Removal != nil {
				c.Removal.Ground = v1alpha1.InstanceGone
			}
		}),
	},
	"one boot is enough": {
		scope: one(3), want: "S3",
		kinds: []model.ActionKind{model.Cut, model.Reboot, model.StripFinalizer},
		change: nodes(func(c *v1alpha1.CandidateNode, _ fence.Nodes) {
			c.LaterBootIDs = slices.Repeat(c.LaterBootIDs, 2)
		}),
	},
	"a terminal phase is enough, whoever wrote it": {
		scope: one(2), want: "S3",
		kinds: []model.ActionKind{model.Cut, model.DeleteNode},
		change: facts(func(f *fence.Facts) {
			if f.Terminal {
				f.PhaseByKubelet, f.Containers = true, fence.ContainersStopped
			}
		}),
	},
	"a pod that is bound counts as never bound": {
		scope: one(0), want: "S3",
		change: facts(func(f *fence.Facts) {
			if f.Deleting && f.Containers == fence.ContainersUnknown {
				f.Bound = false
			}
		}),
	},
	"an object that is gone counts as one that ended": {
		scope: one(1), want: "S3",
		change: facts(func(f *fence.Facts) {
			if f.Sight == fence.SightGone {
				f.Attested = true
			}
		}),
	},
	"the finalizer goes before the record is closed": {
		scope: one(0), want: "S8",
		change: func(d *explore.Decisions) { d.LetGoFirst = true },
	},
	"nobody looks who else uses a volume": {
		scope: model.Scope{Nodes: 2, Ordinals: 2, Volumes: 1}, want: "S2",
		change: func(d *explore.Decisions) {
			d.Blind = true
			d.Share = func(*v1alpha1.Tenancy, string, []v1alpha1.VolumeUse, string) tenancy.Sharing {
				return tenancy.Sharing{}
			}
		},
	},
	"every ordinal's turn has come": {
		scope: model.Scope{Nodes: 2, Ordinals: 2}, want: "S6",
		change: func(d *explore.Decisions) { d.Order = func(order.Facts) order.Verdict { return order.Verdict{} } },
	},
	"a replacement waits for its turn": {
		scope: model.Scope{Nodes: 2, Ordinals: 2, Running: true}, want: "S6",
		change: func(d *explore.Decisions) {
			d.Order = func(f order.Facts) order.Verdict {
				f.BoundOnce, f.Predecessor.BoundOnce = false, f.Predecessor.Ready
				return order.Judge(f)
			}
		},
	},
}

// TestEveryRuleIsMissedWhenItIsOff shows that the walks could have found something.
func TestEveryRuleIsMissedWhenItIsOff(t *testing.T) {
	for name, tc := range broken {
		t.Run(name, func(t *testing.T) {
			sound := explore.Bounds{States: 400_000, Kinds: tc.kinds}
			decisions := explore.Holdfast()
			tc.change(&decisions)
			r := run(t, tc.scope, decisions, sound)
			switch {
			case r.Violation == nil:
				t.Error("nothing was found")
			case r.Violation.Invariant != tc.want:
				t.Errorf("%s fell, want %s", r.Violation.Invariant, tc.want)
			case len(r.Path) == 0:
				t.Error("the way there is not told")
			}
		})
	}
}
