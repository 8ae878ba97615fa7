package plugin

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
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
	// Tenancies is the cache of records that gates pods. It must be the lister of
	// the very informer that wakes them, which is the scheduler's dynamic informer:
	// with an informer of its own, a pod could be woken by an update that this lister
	// has not seen yet, be gated again on the older record, and sleep for good, since
	// no further event comes. One informer is enough, because it stores an update
	// before it tells its handlers.
	Tenancies cache.GenericLister
	// Adopted is closed once every pod that ran when Holdfast came to the cluster is
	// on the record (guard.Adopted). Until then no pod is placed: what it replaces
	// could be one that nobody has written down yet.
	Adopted <-chan struct{}
	// Clock tells the time that records carry.
	Clock clock.PassiveClock

	feed  *feed
	order bindOrder
	// byVolume is the store of the tenancies' informer, with the index recordsByVolume;
	// indexed is what went wrong with that.
	byVolume cache.Indexer
	indexed  error
}

// NewShared takes the tenancy lister from the dynamic informer factory that the
// scheduler is given, and the real clock.
func NewShared(s *store.Store, informers dynamicinformer.DynamicSharedInformerFactory, adopted <-chan struct{}) *Shared {
	tenancies := informers.ForResource(v1alpha1.SchemeGroupVersion.WithResource("tenancies"))
	byVolume, err := indexRecords(tenancies.Informer())
	return &Shared{
		Store:     s,
		Adopted:   adopted,
		Tenancies: tenancies.Lister(),
		Clock:     clock.RealClock{},
		feed:      newFeed(),
		byVolume:  byVolume,
		indexed:   err,
	}
}

// records reads tenancies from the cache.
type records struct {
	lister cache.GenericLister
	// indexer is the lister's store, with the index recordsByVolume.
	indexer cache.Indexer
}

// judge says whether the cache lets the incarnation podUID of the identity
// through. Absence passes, since PreBind's live read decides; an error holds.
func (r *records) judge(id identity.Identity, podUID types.UID) tenancy.Verdict {
	record, err := r.get(id)
	if err != nil {
		return tenancy.Verdict{
			Held:    true,
			Reason:  tenancy.ReasonUnreadable,
			Message: fmt.Sprintf("The record of %s cannot be read from the cache: %v. A record that can be read would release it.", id.Name(), err),
		}
	}
	return tenancy.Judge(record, podUID)
}

func (r *records) get(id identity.Identity) (*v1alpha1.Tenancy, error) {
	obj, err := r.lister.ByNamespace(id.Namespace).Get(id.Name())
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
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
