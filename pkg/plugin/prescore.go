package plugin

import (
	"context"
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/rank"
	"github.com/holdfast-dev/holdfast/pkg/reach"
)

// scoreKey is where PreScore leaves the scores for Score.
const scoreKey fwk.StateKey = Name + "/score"

// scores are those of the nodes that passed all filters, by name.
type scores map[string]int64

// Clone returns the scores themselves: they never change.
func (s scores) Clone() fwk.StateData { return s }

// PreScore ranks the nodes that passed all filters: how much of the pod's volumes is
// attached there still, whether attaching failed there a while ago, how much more can be
// attached, and how many ordinals of its set are in the zone. Skip for pods that are not
// ours, where nothing is weighed, and where no node is better than another: Score would
// be asked for each of them, to no end.
func (pl *Holdfast) PreScore(_ context.Context, state fwk.CycleState, pod *v1.Pod, nodes []fwk.NodeInfo) *fwk.Status {
	uses := pl.usesOf(pod)
	id, ordinal := pl.order.identityOf(pod)
	if !rank.Wanted(pl.args.Score) || !ordinal && len(uses) == 0 {
		return fwk.NewStatus(fwk.Skip)
	}
	inZone := map[string]int{}
	if ordinal {
		siblings, err := pl.siblingsOf(id, pod)
		if err != nil {
			return fwk.AsStatus(err)
		}
		inZone = pl.countByZone(siblings)
	}
	ranked := pl.rank(nodes, pl.feed.rooms(nodes, uses), inZone)
	if !slices.ContainsFunc(ranked, func(score int64) bool { return score != ranked[0] }) {
		return fwk.NewStatus(fwk.Skip)
	}
	byName := make(scores, len(nodes))
	for i, node := range nodes {
		byName[node.Node().Name] = ranked[i]
	}
	state.Write(scoreKey, byName)
	return nil
}

// rank gives each node its score, in the order of the nodes, which is that of the rooms.
func (pl *Holdfast) rank(nodes []fwk.NodeInfo, rooms []reach.Room, inZone map[string]int) []int64 {
	fullest := 0
	for _, node := range nodes {
		fullest = max(fullest, inZone[zoneOf(node)])
	}
	now := pl.clock.Now()
	ranked := make([]int64, len(nodes))
	for i, node := range nodes {
		facts := rank.Facts{
			Volumes: rooms[i].Volumes, Attached: rooms[i].Attached,
			SinceAttachError: -1,
			SlotsLeft:        rooms[i].SlotsLeft, SlotsMax: rooms[i].SlotsMax,
			OrdinalsInZone: inZone[zoneOf(node)], OrdinalsInZoneMax: fullest,
		}
		if !rooms[i].FailedAt.IsZero() {
			// The clock that wrote it may be ahead of ours: then it failed just now.
			facts.SinceAttachError = max(now.Sub(rooms[i].FailedAt), time.Duration(0))
		}
		ranked[i] = rank.Score(facts, pl.args.Score, pl.args.AttachErrorWindow.Duration)
	}
	return ranked
}

// zoneOf is empty for a node without a zone: such nodes are one zone.
func zoneOf(node fwk.NodeInfo) string { return node.Node().Labels[v1.LabelTopologyZone] }

// siblingsOf returns the nodes of the other ordinals of the pod's set, one entry for
// each: of those that are bound, as the informer has them, and of those that are on
// their way to a node, which the next ordinal of a Parallel set follows closely.
func (pl *Holdfast) siblingsOf(id identity.Identity, pod *v1.Pod) ([]string, error) {
	owner := metav1.GetControllerOfNoCopy(pod)
	bound, err := pl.pods.ByIndex(podsByOwner, string(owner.UID))
	if err != nil {
		return nil, fmt.Errorf("pods of set %s/%s: %w", id.Namespace, id.Set, err)
	}
	nodes := pl.order.onTheirWay(id, pod.UID)
	for _, obj := range bound {
		if sibling := obj.(*v1.Pod); sibling.UID != pod.UID {
			nodes[sibling.UID] = sibling.Spec.NodeName
		}
	}
	siblings := make([]string, 0, len(nodes))
	for _, node := range nodes {
		siblings = append(siblings, node)
	}
	return siblings, nil
}

// countByZone counts nodes by their zones. One that is gone is in none.
func (pl *Holdfast) countByZone(names []string) map[string]int {
	counts := map[string]int{}
	for _, name := range names {
		if node, err := pl.handle.SnapshotSharedLister().NodeInfos().Get(name); err == nil && node.Node() != nil {
			counts[zoneOf(node)]++
		}
	}
	return counts
}

// onTheirWay are the nodes that other ordinals of the set were given and are not seen to
// be bound to yet, by pod UID.
func (o *bindOrder) onTheirWay(id identity.Identity, pod types.UID) map[types.UID]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	nodes := map[types.UID]string{}
	for other, b := range o.cycles {
		if other.Namespace == id.Namespace && other.Set == id.Set && b.pod != pod {
			nodes[b.pod] = b.node
		}
	}
	return nodes
}

// podsByOwner is the index of bound pods with an ordinal by the UID of their controller.
const podsByOwner = Name + "/owner"

func ownerOfPod(obj any) ([]string, error) {
	pod, ok := obj.(*v1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return nil, nil
	}
	_, named := identity.Named(pod.Namespace, pod.Name)
	owner := metav1.GetControllerOfNoCopy(pod)
	if !named || owner == nil {
		return nil, nil
	}
	return []string{string(owner.UID)}, nil
}
