package explore

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/order"
	"github.com/holdfast-dev/holdfast/pkg/reach"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// Decisions are the functions that decide, and the steps of the protocol that can be left
// out. A test replaces one at a time, to show that the explorer notices.
type Decisions struct {
	// Fence judges whether an incarnation is over.
	Fence func(fence.Subject) fence.Verdict
	// Gate judges whether the record lets an incarnation through.
	Gate func(record *v1alpha1.Tenancy, podUID types.UID) tenancy.Verdict
	// Share judges whether a pod may be placed beside another identity's incarnation.
	Share func(record *v1alpha1.Tenancy, namespace string, uses []v1alpha1.VolumeUse, runsOn string) tenancy.Sharing
	// Order judges whether an ordinal's turn has come.
	Order func(order.Facts) order.Verdict
	// Reach judges from where volumes can be used.
	Reach func(*reach.Index, []reach.Use, reach.Departure) reach.Verdict
	// The transitions of a record.
	Open    func(*v1alpha1.Tenancy, v1alpha1.Incarnation, time.Time) (v1alpha1.TenancyStatus, error)
	Observe func(*v1alpha1.Tenancy, types.UID, ...tenancy.Observation) (v1alpha1.TenancyStatus, error)
	Doubt   func(*v1alpha1.Tenancy, types.UID, time.Time) (v1alpha1.TenancyStatus, error)
	Close   func(*v1alpha1.Tenancy, v1alpha1.Evidence) (v1alpha1.TenancyStatus, error)

	// Swap leaves the comparison out of the compare-and-swap of the open.
	Swap bool
	// Cycles is how many binding cycles of earlier incarnations may go on beside a new one.
	Cycles int
	// Blind does not look in the scheduler's snapshot for who uses a volume.
	Blind bool
	// LetGoFirst takes the finalizer off before the record is closed.
	LetGoFirst bool
}

// Holdfast are the decisions as they are.
func Holdfast() Decisions {
	return Decisions{
		Fence: func(s fence.Subject) fence.Verdict { return fence.Judge(fence.FactsOf(s)) },
		Gate:  tenancy.Judge,
		Share: tenancy.JudgeSharing,
		Order: order.Judge,
		Reach: (*reach.Index).Judge,
		Open:  tenancy.Open, Observe: tenancy.ObserveAll, Doubt: tenancy.Doubt, Close: tenancy.Close,
	}
}
