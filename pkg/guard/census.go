package guard

import (
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/metrics"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// Census counts what the caches show at this moment. Only a guard that leads does:
// of two replicas with the same caches one must be silent, or sums over both would
// count everything twice.
func (g *Guard) Census() (metrics.Census, bool) {
	if !g.leading.Load() {
		return metrics.Census{}, false
	}
	census := metrics.Census{
		Held:        map[metrics.Hold]int{},
		Records:     map[v1alpha1.Phase]int{},
		OldKubelets: g.nodes.tooOld(),
		Adopted:     g.adoption.isMarked(),
	}
	now := g.clock.Now()
	for _, obj := range g.tenancies.GetStore().List() {
		record, ok := obj.(*v1alpha1.Tenancy)
		if !ok {
			continue
		}
		census.Records[phaseOf(record)]++
		hold, held := holdOf(record)
		if !held {
			continue
		}
		census.Held[hold]++
		if c := heldCondition(record); c != nil {
			census.OldestHold = max(census.OldestHold, now.Sub(c.LastTransitionTime.Time))
		}
	}
	return census, true
}

// phaseOf is the record's phase; empty means Vacant.
func phaseOf(record *v1alpha1.Tenancy) v1alpha1.Phase {
	if record.Status.Phase == "" {
		return v1alpha1.Vacant
	}
	return record.Status.Phase
}

// holdOf says how the identity is held, if it is. An incarnation that lives holds its
// identity too, but nobody waits for that. A record that cannot be read holds
// whatever its condition says.
func holdOf(record *v1alpha1.Tenancy) (metrics.Hold, bool) {
	if !tenancy.Unclean(record) {
		return metrics.Hold{}, false
	}
	// No pod has the UID "", so the verdict is about any other incarnation.
	reason := tenancy.Judge(record, "").Reason
	if wasHeld(record) {
		return metrics.Hold{Holder: heldCondition(record).Reason, Reason: reason}, true
	}
	return metrics.Hold{Holder: v1alpha1.HeldByScheduler, Reason: reason}, reason == tenancy.ReasonUnreadable
}
