package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// lateReportAllowance is how long after the end of its grace period a pod's
// kubelet is expected to report that it killed it. Every rolling update passes
// through this time; a hold that nobody need know of is not announced.
const lateReportAllowance = 10 * time.Second

// doubtRecheck is how often an incarnation in doubt is judged again without any
// sign: within the twelve times an hour that L3 allows.
const doubtRecheck = 6 * time.Minute

// deletionsMax bounds how many deletions are remembered that wait for their kubelets. One
// beyond it counts as seen when it is looked at again.
const deletionsMax = 16384

// keep is what follows from a verdict that holds: what was seen goes on the record,
// and if the incarnation was to end and its kubelet is late or silent, so do the doubt
// and what would release it.
func (g *Guard) keep(ctx context.Context, id identity.Identity, record *v1alpha1.Tenancy, t tenant, live *v1.Pod, verdict fence.Verdict) (*v1alpha1.Tenancy, error) {
	now := g.clock.Now()
	doubting := t.deletionAsked()
	if patience := g.patience(record, t).Sub(now); patience > 0 {
		onRecord, err := g.bootsOnRecord(ctx, record, t)
		if err != nil {
			return nil, err
		}
		if onRecord {
			doubting = false
			g.queue.AddAfter(keyOf(record), patience)
		}
	}
	observed, err := g.observe(ctx, id, record, t, doubting)
	if beyondRecording(err) {
		// It stays as it is, and that holds. To try again would change nothing.
		klog.FromContext(ctx).Error(err, "The record takes no observation", "podUID", t.uid)
		return record, nil
	}
	if err != nil || !doubting {
		return observed, err
	}
	record = observed
	// Whatever wake-up should ever be missed, the next judgement is not far.
	g.queue.AddAfter(types.NamespacedName{Namespace: id.Namespace, Name: id.Name()}, doubtRecheck)
	if t.sight == fence.SightUnknown {
		return record, nil
	}
	if wait := heldFrom(t).Sub(now); wait > 0 {
		g.queue.AddAfter(types.NamespacedName{Namespace: id.Namespace, Name: id.Name()}, wait)
		return record, nil
	}
	if c := heldCondition(record); t.sight == fence.SightGone && c != nil && c.Reason == v1alpha1.HeldByScheduler {
		// It was said when the final object was there, which knew more than its absence.
		return record, nil
	}
	by, message := holder(t), holdMessage(record, verdict)
	if wait := g.said.wait(t.uid, record, by, message, now); wait > 0 {
		g.queue.AddAfter(types.NamespacedName{Namespace: id.Namespace, Name: id.Name()}, wait)
		return record, nil
	}
	held, err := g.store.Hold(ctx, id, t.uid, by, message, now)
	if err != nil {
		return nil, fmt.Errorf("tenancy %s, holding: %w", id, err)
	}
	g.said.put(t.uid, words{by, message, now})
	// Another replica may have closed it meanwhile: then nothing was written.
	if before, after := heldCondition(record), heldCondition(held); wasHeld(held) && incarnationOf(held).PodUID == t.uid && !sameHold(before, after) {
		klog.FromContext(ctx).V(2).Info("Held", "podUID", t.uid, "by", after.Reason, "why", after.Message)
		g.announceHold(id, t, live, after.Message)
	}
	return held, nil
}

// beyondRecording reports whether the record can never take what was to be written.
func beyondRecording(err error) bool {
	return errors.Is(err, tenancy.ErrUnreadable) || errors.Is(err, tenancy.ErrTooManyNodes)
}

// patience is until when the end of the incarnation is not in doubt although its
// deletion was asked for: its kubelet is ready and has the time of its grace period.
// Nearly every pod ends so, and a doubt would cost a write for each. Zero: it is in doubt
// already, or there is no reason to wait.
func (g *Guard) patience(record *v1alpha1.Tenancy, t tenant) time.Time {
	if record.Status.Phase != v1alpha1.Occupied || t.sight != fence.SightLive ||
		!lingers(t.pod) || !ready(g.nodes.get(t.pod.Spec.NodeName)) {
		return time.Time{}
	}
	return heldFrom(t)
}

// bootsOnRecord reports whether the nodes show no boot but those on the record. At the
// first sight of the deletion they are read live, and that is remembered: a boot that
// shows after it is a later one, whenever the doubt is written.
func (g *Guard) bootsOnRecord(ctx context.Context, record *v1alpha1.Tenancy, t tenant) (bool, error) {
	inc := record.Status.Incarnation
	if g.deletions.has(t.uid) {
		return !unknownBoot(inc, g.nodes.around(nodeNamesOf(inc))), nil
	}
	nodes, err := g.liveNodes(ctx, nodeNamesOf(inc))
	if err != nil || unknownBoot(inc, nodes) {
		return false, err
	}
	g.deletions.add(t.uid)
	return true, nil
}

// observe puts on the record what the object and the nodes show, and the doubt if there
// is one. Unless that was done at the first sight of the deletion, the nodes are read live
// before it: only a boot that is reported after that can be a later one
// (docs/kubernetes-facts.md §1.5).
func (g *Guard) observe(ctx context.Context, id identity.Identity, record *v1alpha1.Tenancy, t tenant, doubting bool) (*v1alpha1.Tenancy, error) {
	seen, err := g.observations(ctx, record, t, doubting)
	if err != nil {
		return nil, err
	}
	phase := record.Status.Phase
	observed, err := g.store.Update(ctx, id, func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
		if record.Status.Phase != phase {
			// Another replica saw the deletion meanwhile: a boot that was read before that
			// is not later than it.
			for i := range seen {
				seen[i].BootID = ""
			}
		}
		doubt := func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
			return tenancy.Doubt(record, t.uid, g.clock.Now())
		}
		see := func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
			return tenancy.ObserveAll(record, t.uid, seen...)
		}
		switch {
		case !doubting:
			return see(record)
		case g.deletions.has(t.uid):
			return tenancy.Then(record, doubt, see)
		default:
			return tenancy.Then(record, see, doubt)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("tenancy %s, observing: %w", id, err)
	}
	return observed, nil
}

// observations are what there is to record of the incarnation and of every node on
// which it may run.
func (g *Guard) observations(ctx context.Context, record *v1alpha1.Tenancy, t tenant, doubting bool) ([]tenancy.Observation, error) {
	names := nodeNamesOf(record.Status.Incarnation)
	var seen []tenancy.Observation
	// While the object shows a container it need not be written down.
	if shows := t.pod != nil && fence.ContainerSeen(t.pod); doubting || !shows {
		seen = append(seen, tenancy.Observation{ContainerSeen: shows || g.witness.started(t.uid)})
	}
	if t.pod != nil {
		if name := t.pod.Spec.NodeName; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	nodes := g.nodes.around(names)
	firstSight := doubting && record.Status.Phase == v1alpha1.Occupied && !g.deletions.has(t.uid)
	if firstSight || (doubting || record.Status.Phase == v1alpha1.InDoubt) && unknownBoot(record.Status.Incarnation, nodes) {
		// A watch that is behind would show an old boot as a later one.
		var err error
		if nodes, err = g.liveNodes(ctx, names); err != nil {
			return nil, err
		}
	}
	for _, sight := range nodes.Read {
		if o, ok := observationOf(sight, t); ok {
			seen = append(seen, o)
		}
	}
	return seen, nil
}

// unknownBoot reports whether a node shows a boot that is not on the record.
func unknownBoot(inc *v1alpha1.Incarnation, nodes fence.Nodes) bool {
	return slices.ContainsFunc(nodes.Read, func(sight fence.NodeSight) bool {
		return sight.Node != nil && !slices.ContainsFunc(inc.Nodes, func(n v1alpha1.CandidateNode) bool {
			boot := sight.Node.Status.NodeInfo.BootID
			return slices.Contains(n.BootIDs, boot) || slices.Contains(n.LaterBootIDs, boot)
		})
	})
}

// observationOf is what a node shows. One on which the bind was only tried is none
// that the pod turned out to be on, so another machine of its name is no candidate.
func observationOf(sight fence.NodeSight, t tenant) (tenancy.Observation, bool) {
	boundHere := t.pod != nil && t.pod.Spec.NodeName == sight.Name
	switch {
	case sight.Node == nil:
		return tenancy.Observation{Node: sight.Name}, boundHere
	case t.pod != nil && t.pod.Spec.NodeName != "" && !boundHere:
		return tenancy.Observation{}, false
	}
	return tenancy.Observation{
		Node: sight.Name, NodeUID: sight.Node.UID, Machine: fence.MachineOf(sight.Node),
		BootID: sight.Node.Status.NodeInfo.BootID, StaleBoot: fence.StaleBoot(sight.Node),
	}, true
}

// heldFrom is when the incarnation counts as held: at once if its object is gone or
// its deletion was forced, else when its kubelet is late.
func heldFrom(t tenant) time.Time {
	if t.sight != fence.SightLive {
		return time.Time{}
	}
	if !lingers(t.pod) {
		return t.pod.DeletionTimestamp.Time
	}
	return t.pod.DeletionTimestamp.Add(lateReportAllowance)
}

// holder tells which line of defence holds: the guard while its finalizer keeps the
// old object and with it the name, the scheduler where nothing does.
func holder(t tenant) string {
	if t.sight == fence.SightLive && hasFinalizer(t.pod) {
		return v1alpha1.HeldByGuard
	}
	return v1alpha1.HeldByScheduler
}

// holdMessage says what is known and what would release. It must say the same as
// long as the same is so, for every other message is announced anew.
func holdMessage(record *v1alpha1.Tenancy, verdict fence.Verdict) string {
	inc := record.Status.Incarnation
	where := ""
	if names := nodeNamesOf(inc); len(names) > 0 {
		where = " on node " + strings.Join(names, " or ")
	}
	return fmt.Sprintf("The incarnation %s%s: %s. What would release it: %s.", inc.PodUID, where, verdict.Detail, verdict.Needs)
}

func heldCondition(record *v1alpha1.Tenancy) *metav1.Condition {
	if record == nil {
		return nil
	}
	return meta.FindStatusCondition(record.Status.Conditions, v1alpha1.HeldCondition)
}

// wasHeld reports whether the record says that its identity is held.
func wasHeld(record *v1alpha1.Tenancy) bool {
	c := heldCondition(record)
	return c != nil && c.Reason != v1alpha1.NotHeld
}

func sameHold(a, b *metav1.Condition) bool {
	return a != nil && b != nil && a.Reason == b.Reason && a.Message == b.Message
}
