package guard

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

// byNodeName and byNodeUID are the indices of unclean records by the nodes that
// their incarnations may run on.
const (
	byNodeName = "node name"
	byNodeUID  = "node UID"
)

func nodeNamesOfRecord(obj any) ([]string, error) {
	record, ok := obj.(*v1alpha1.Tenancy)
	if !ok || !tenancy.Unclean(record) {
		return nil, nil
	}
	return nodeNamesOf(record.Status.Incarnation), nil
}

func nodeUIDsOfRecord(obj any) ([]string, error) {
	record, ok := obj.(*v1alpha1.Tenancy)
	if !ok || !tenancy.Unclean(record) || record.Status.Incarnation == nil {
		return nil, nil
	}
	var uids []string
	for _, n := range record.Status.Incarnation.Nodes {
		if n.UID != "" {
			uids = append(uids, string(n.UID))
		}
	}
	return uids, nil
}

// recordsAt calls f for every unclean record that the index has under the value.
func (g *Guard) recordsAt(index, value string, f func(types.NamespacedName)) {
	records, err := g.tenancies.GetIndexer().ByIndex(index, value)
	if err != nil {
		g.logger.Error(err, "Records of a node", "index", index, "value", value)
	}
	for _, obj := range records {
		if record, ok := obj.(*v1alpha1.Tenancy); ok {
			f(keyOf(record))
		}
	}
}

// note writes the removals of nodes into the records concerned. Every replica does,
// not the leader alone: the final object of a node is seen once, and who has seen it
// may be the only one. Whoever judges reads it from the record.
func (g *Guard) note(ctx context.Context) {
	for {
		key, shutdown := g.notes.Get()
		if shutdown {
			return
		}
		err := g.noteRemovals(ctx, key)
		switch {
		case err == nil:
			g.notes.Forget(key)
		case ctx.Err() == nil:
			klog.FromContext(ctx).V(2).Info("A removal is noted again", "identity", key, "reason", err)
			g.notes.AddRateLimited(key)
		}
		g.notes.Done(key)
	}
}

func (g *Guard) noteRemovals(ctx context.Context, key types.NamespacedName) error {
	id, named := identity.Named(key.Namespace, key.Name)
	if !named {
		return nil
	}
	_, err := g.store.Update(ctx, id, func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
		if !tenancy.Unclean(record) || record.Status.Incarnation == nil {
			return record.Status, nil
		}
		var seen []tenancy.Observation
		for _, n := range record.Status.Incarnation.Nodes {
			if removal := g.nodes.removal(n.UID); removal != nil {
				seen = append(seen, tenancy.Observation{Node: n.Name, NodeUID: n.UID, Removal: removal})
			}
		}
		return tenancy.ObserveAll(record, record.Status.Incarnation.PodUID, seen...)
	})
	if errors.Is(err, store.ErrNoRecord) || errors.Is(err, tenancy.ErrUnreadable) {
		return nil // It holds as it is, or there is nothing to hold.
	}
	if err != nil {
		return fmt.Errorf("tenancy %s, removal of its node: %w", id, err)
	}
	return nil
}

// awaitsNote reports whether the record does not yet say of a node what the guard
// has seen of its end.
func (g *Guard) awaitsNote(record *v1alpha1.Tenancy) bool {
	if !tenancy.Unclean(record) || record.Status.Incarnation == nil {
		return false
	}
	for _, n := range record.Status.Incarnation.Nodes {
		removal := g.nodes.removal(n.UID)
		if removal != nil && (n.Removal == nil || n.Removal.Ground == "" && removal.Ground != "") {
			return true
		}
	}
	return false
}
