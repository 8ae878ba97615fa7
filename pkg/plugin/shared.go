package plugin

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

// Shared is what all profiles of a process have in common. Make it once: plugin
// factories run once per profile.
type Shared struct {
	// Store reads and writes records live.
	Store *store.Store
	// Adopted is closed once every pod that ran when Holdfast came to the cluster is
	// on the record (guard.Adopted). Until then no pod is placed: what it replaces
	// could be one that nobody has written down yet.
	Adopted <-chan struct{}
	// Clock tells the time that records carry.
	Clock clock.PassiveClock

	feed  *feed
	order bindOrder
	// tenancies is the cache of records that gates pods, with the index recordsByVolume;
	// indexed is what went wrong with that. It must be the store of the very informer that
	// wakes them, which is the scheduler's dynamic informer: with an informer of its own, a
	// pod could be woken by an update that this store has not seen yet, be gated again on
	// the older record, and sleep for good, since no further event comes. One informer is
	// enough, because it stores an update before it tells its handlers.
	tenancies cache.Indexer
	indexed   error
	// tenanciesFilled is closed once the cache of records has all that there were.
	tenanciesFilled <-chan struct{}
}

// NewShared takes the cache of records from the dynamic informer factory that the
// scheduler is given, and the real clock.
func NewShared(s *store.Store, informers dynamicinformer.DynamicSharedInformerFactory, adopted <-chan struct{}) *Shared {
	informer := informers.ForResource(v1alpha1.SchemeGroupVersion.WithResource("tenancies")).Informer()
	tenancies, err := indexRecords(informer)
	return &Shared{
		Store:     s,
		Adopted:   adopted,
		Clock:     clock.RealClock{},
		feed:      newFeed(),
		tenancies: tenancies,
		indexed:   err,

		tenanciesFilled: informer.HasSyncedChecker().Done(),
	}
}

// records reads tenancies from the cache.
type records struct{ indexer cache.Indexer }

// judgeOwn says whether the record of the pod's name lets it through. Absence passes,
// since Bind's live read decides; an error holds.
func judgeOwn(seen *sight) tenancy.Verdict {
	if seen.ownErr != nil {
		return tenancy.Verdict{
			Held:    true,
			Reason:  tenancy.ReasonUnreadable,
			Message: fmt.Sprintf("The record of %s cannot be read from the cache: %v. A record that can be read would release it.", seen.id.Name(), seen.ownErr),
		}
	}
	return tenancy.Judge(seen.own, seen.pod.UID)
}

// get reads the identity's record. It is nil if there is none.
func (r *records) get(id identity.Identity) (*v1alpha1.Tenancy, error) {
	obj, found, err := r.indexer.GetByKey(id.Namespace + "/" + id.Name())
	if err != nil || !found {
		return nil, err
	}
	return toTenancy(obj)
}

// toTenancy reads what a dynamic informer holds.
func toTenancy(obj any) (*v1alpha1.Tenancy, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("tenancy is a %T", obj)
	}
	var record v1alpha1.Tenancy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &record); err != nil {
		return nil, fmt.Errorf("tenancy %s/%s: %w", u.GetNamespace(), u.GetName(), err)
	}
	return &record, nil
}
