// Package store keeps the tenancies: every change is a compare-and-swap on a live
// read. It never looks into a cache, since a stale record would let a second
// incarnation through (S7, S9).
package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	holdfastclient "github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned/typed/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/metrics"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// AttemptsMax is how often one call reads and writes before it gives up. A record
// has two writers, the scheduler and the guard; somebody who loses to them this
// often in a row is better served by the back-off of its own queue.
const AttemptsMax = 8

var (
	// ErrNoRecord: the identity has no record, and the call does not make one.
	ErrNoRecord = errors.New("no such record")
	// ErrContended: every one of AttemptsMax attempts was overtaken by another writer.
	ErrContended = errors.New("overtaken by other writers")
	// ErrUnclean: the record's latest incarnation is not proven over.
	ErrUnclean = errors.New("the record is unclean")
	// ErrNotDeleted: nobody asked for the record's deletion.
	ErrNotDeleted = errors.New("the record is not being deleted")
	// ErrTooManyAttestations: the record is full of attestations.
	ErrTooManyAttestations = errors.New("too many attestations")
)

// Store reads and writes tenancies.
type Store struct {
	client versioned.Interface
	// dryRun is what every write carries.
	dryRun []string
}

// New returns a store that reads and writes through the client.
func New(client versioned.Interface) *Store {
	return &Store{client: client}
}

// DryRun returns a store whose writes the API server judges and does not keep. A
// record that is not there cannot be made and written by it, for it is two writes.
func (s *Store) DryRun() *Store {
	return &Store{client: s.client, dryRun: []string{metav1.DryRunAll}}
}

// Get reads the record live. It returns nil without an error if there is none.
func (s *Store) Get(ctx context.Context, id identity.Identity) (*v1alpha1.Tenancy, error) {
	// Without a resourceVersion the API server reads at least as new as its store
	// was when the request came.
	record, err := s.tenancies(id).Get(ctx, id.Name(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read tenancy %s: %w", id, err)
	}
	return record, nil
}

// Update reads the record live, applies f, and writes the status that it returns
// with the resourceVersion that was read; it starts again when another writer was
// faster, at most AttemptsMax times. It returns the record as it then stands, and
// writes nothing where f changes nothing. Without a record it returns ErrNoRecord.
func (s *Store) Update(ctx context.Context, id identity.Identity, f tenancy.Transition) (*v1alpha1.Tenancy, error) {
	return s.update(ctx, id, false, f)
}

// Open lets an incarnation through before its bind; see tenancy.Open. It makes the
// record if there is none.
func (s *Store) Open(ctx context.Context, id identity.Identity, inc v1alpha1.Incarnation, now time.Time) (*v1alpha1.Tenancy, error) {
	return s.update(ctx, id, true, func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
		return tenancy.Open(record, inc, now)
	})
}

// Adopt records an incarnation that was bound without Open; see tenancy.Adopt. It
// makes the record if there is none.
func (s *Store) Adopt(ctx context.Context, id identity.Identity, inc v1alpha1.Incarnation, now time.Time) (*v1alpha1.Tenancy, error) {
	return s.update(ctx, id, true, func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
		return tenancy.Adopt(record, inc, now)
	})
}

// Close records the evidence that ended the incarnation; see tenancy.Close.
func (s *Store) Close(ctx context.Context, id identity.Identity, ev v1alpha1.Evidence) (*v1alpha1.Tenancy, error) {
	return s.Update(ctx, id, func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
		return tenancy.Close(record, ev)
	})
}

// Hold writes the condition that says who holds the identity and why; see tenancy.Hold.
func (s *Store) Hold(ctx context.Context, id identity.Identity, podUID types.UID, by, message string, now time.Time) (*v1alpha1.Tenancy, error) {
	return s.Update(ctx, id, func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
		status, _ := tenancy.Hold(record, podUID, by, message, now)
		return status, nil
	})
}

// Attest adds a human's statement that an incarnation is over. It keeps an earlier
// one about the same pod UID. Where the record is full, the oldest statement about
// another incarnation than the latest makes room: it has done its work.
func (s *Store) Attest(ctx context.Context, id identity.Identity, a v1alpha1.Attestation) error {
	_, err := retry(ctx, id, func() (*v1alpha1.Tenancy, error) {
		record, err := s.existing(ctx, id)
		if err != nil {
			return nil, err
		}
		attestations, err := attested(record, a)
		if err != nil {
			return nil, fmt.Errorf("tenancy %s: %w", id, err)
		}
		if slices.Equal(attestations, record.Spec.Attestations) {
			return record, nil
		}
		next := record.DeepCopy()
		next.Spec.Attestations = attestations
		return s.write(ctx, id, next, s.tenancies(id).Update)
	})
	return err
}

// Forget removes TenancyFinalizer from a record whose deletion was asked for, which
// then is gone. It refuses with ErrUnclean or ErrNotDeleted, and does nothing where
// there is no record.
func (s *Store) Forget(ctx context.Context, id identity.Identity) error {
	_, err := retry(ctx, id, func() (*v1alpha1.Tenancy, error) {
		record, err := s.Get(ctx, id)
		switch {
		case err != nil || record == nil:
			return nil, err
		case record.DeletionTimestamp == nil:
			return nil, fmt.Errorf("tenancy %s: %w", id, ErrNotDeleted)
		case tenancy.Unclean(record):
			return nil, fmt.Errorf("tenancy %s: %w", id, ErrUnclean)
		case !slices.Contains(record.Finalizers, v1alpha1.TenancyFinalizer):
			return record, nil
		}
		next := record.DeepCopy()
		next.Finalizers = slices.DeleteFunc(next.Finalizers, func(f string) bool { return f == v1alpha1.TenancyFinalizer })
		return s.write(ctx, id, next, s.tenancies(id).Update)
	})
	return err
}

// Collect asks for the deletion of the record as it was read, which must be clean: of
// one that has changed since it is not asked. What keeps the record until Forget keeps
// this one too.
func (s *Store) Collect(ctx context.Context, id identity.Identity, record *v1alpha1.Tenancy) error {
	if tenancy.Unclean(record) {
		return fmt.Errorf("tenancy %s: %w", id, ErrUnclean)
	}
	err := s.tenancies(id).Delete(ctx, id.Name(), metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &record.UID, ResourceVersion: &record.ResourceVersion},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete tenancy %s: %w", id, err)
	}
	return nil
}

// update is Update, and makes the record if create is true and there is none.
func (s *Store) update(ctx context.Context, id identity.Identity, create bool, f tenancy.Transition) (*v1alpha1.Tenancy, error) {
	return retry(ctx, id, func() (*v1alpha1.Tenancy, error) {
		record, err := s.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		absent := record == nil
		if absent && !create {
			return nil, fmt.Errorf("tenancy %s: %w", id, ErrNoRecord)
		}
		if absent {
			record = tenancy.New(id)
		}
		// Before the record is made, so that a refused transition leaves none behind.
		status, err := f(record.DeepCopy())
		if err != nil {
			return nil, fmt.Errorf("tenancy %s: %w", id, err)
		}
		if absent {
			// The API server drops the status of a create; the finalizer comes with it, so
			// that no delete can slip in between the two writes unnoticed.
			if record, err = s.create(ctx, id, record); err != nil {
				return nil, err
			}
		} else if equality.Semantic.DeepEqual(record.Status, status) {
			return record, nil
		}
		next := record.DeepCopy()
		next.Status = status
		return s.write(ctx, id, next, s.tenancies(id).UpdateStatus)
	})
}

// existing is Get, with an error where there is no record.
func (s *Store) existing(ctx context.Context, id identity.Identity) (*v1alpha1.Tenancy, error) {
	record, err := s.Get(ctx, id)
	if err == nil && record == nil {
		err = fmt.Errorf("tenancy %s: %w", id, ErrNoRecord)
	}
	return record, err
}

// create makes the record, without its status.
func (s *Store) create(ctx context.Context, id identity.Identity, record *v1alpha1.Tenancy) (*v1alpha1.Tenancy, error) {
	created, err := s.tenancies(id).Create(ctx, record, metav1.CreateOptions{DryRun: s.dryRun})
	if apierrors.IsAlreadyExists(err) {
		return nil, overtaken{err}
	}
	if err != nil {
		return nil, fmt.Errorf("create tenancy %s: %w", id, err)
	}
	return created, nil
}

// write calls an update with the record, which carries the resourceVersion that was read.
func (s *Store) write(ctx context.Context, id identity.Identity, record *v1alpha1.Tenancy, update updateFunc) (*v1alpha1.Tenancy, error) {
	written, err := update(ctx, record, metav1.UpdateOptions{DryRun: s.dryRun})
	// NotFound: the record was removed since the read, as a conflicting write would be.
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil, overtaken{err}
	}
	if err != nil {
		return nil, fmt.Errorf("write tenancy %s: %w", id, err)
	}
	return written, nil
}

// updateFunc is Update or UpdateStatus of the generated client.
type updateFunc func(context.Context, *v1alpha1.Tenancy, metav1.UpdateOptions) (*v1alpha1.Tenancy, error)

// overtaken marks the error of a write before which somebody else changed, made or
// removed the record. Every other error is the caller's to see: whether such a
// write landed is unknown, but every transition is safe to repeat.
type overtaken struct{ error }

// retry calls attempt, which reads and then writes, until it is not overtaken.
func retry(ctx context.Context, id identity.Identity, attempt func() (*v1alpha1.Tenancy, error)) (*v1alpha1.Tenancy, error) {
	var last overtaken
	for range AttemptsMax {
		record, err := attempt()
		if !errors.As(err, &last) {
			return record, err
		}
		metrics.RecordOvertaken()
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("write tenancy %s: %w", id, err)
		}
	}
	return nil, fmt.Errorf("write tenancy %s: %w %d times: %w", id, ErrContended, AttemptsMax, last.error)
}

// attested returns the record's attestations with the new one.
func attested(record *v1alpha1.Tenancy, a v1alpha1.Attestation) ([]v1alpha1.Attestation, error) {
	known := slices.Clone(record.Spec.Attestations)
	if slices.ContainsFunc(known, func(k v1alpha1.Attestation) bool { return k.PodUID == a.PodUID }) {
		return known, nil
	}
	if len(known) >= tenancy.AttestationsMax {
		latest := record.Status.Incarnation
		spent := slices.IndexFunc(known, func(k v1alpha1.Attestation) bool {
			return latest == nil || k.PodUID != latest.PodUID
		})
		if spent < 0 {
			return nil, fmt.Errorf("%w, at most %d", ErrTooManyAttestations, tenancy.AttestationsMax)
		}
		known = slices.Delete(known, spent, spent+1)
	}
	return append(known, a), nil
}

// tenancies is the generated client of the identity's namespace.
func (s *Store) tenancies(id identity.Identity) holdfastclient.TenancyInterface {
	return s.client.HoldfastV1alpha1().Tenancies(id.Namespace)
}
