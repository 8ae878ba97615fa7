package guard

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/metrics"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

const (
	// collectEvery is how often the records are gone through that nobody may need.
	collectEvery = 10 * time.Minute
	// collectMax bounds how many records one round looks at live. The next one goes on
	// where it ended.
	collectMax = 256
	// receiptKept is how long a record stays once it is clean, whoever needs it: its
	// receipt says how the last incarnation ended.
	receiptKept = time.Hour
)

// collect deletes records of which neither set, pod nor claim is left, a bounded
// number at a time, until ctx ends.
func (g *Guard) collect(ctx context.Context) {
	every := time.NewTicker(collectEvery)
	defer every.Stop()
	from := ""
	for {
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
		due := g.collectable(g.clock.Now())
		due, from = nextRound(due, from, collectMax)
		for _, record := range due {
			if err := g.collectOne(ctx, record); err != nil && ctx.Err() == nil {
				// It stays, and the next round looks again.
				klog.FromContext(ctx).V(2).Info("A record is not collected", "tenancy", klog.KObj(record), "reason", err)
			}
		}
	}
}

// collectable are the records of the cache that may be collected if nothing else is
// left of them, by name.
func (g *Guard) collectable(now time.Time) []*v1alpha1.Tenancy {
	var due []*v1alpha1.Tenancy
	for _, obj := range g.tenancies.GetStore().List() {
		record, ok := obj.(*v1alpha1.Tenancy)
		if ok && outlived(record, now) && g.cachedPod(keyOf(record)) == nil && len(g.finals.of(keyOf(record))) == 0 {
			due = append(due, record)
		}
	}
	slices.SortFunc(due, func(a, b *v1alpha1.Tenancy) int {
		return strings.Compare(keyOf(a).String(), keyOf(b).String())
	})
	return due
}

// outlived reports whether the record is clean and its receipt has been there for long
// enough. A record that is full of claims may not name all of them, and stays.
func outlived(record *v1alpha1.Tenancy, now time.Time) bool {
	if record.DeletionTimestamp != nil || tenancy.Unclean(record) {
		return false
	}
	since := record.CreationTimestamp.Time
	if record.Status.Evidence != nil {
		since = record.Status.Evidence.Time.Time
	}
	return now.Sub(since) >= receiptKept && len(claimsOf(record)) < tenancy.VolumesMax
}

// claimsOf are the claims that the latest incarnation used.
func claimsOf(record *v1alpha1.Tenancy) []v1alpha1.VolumeUse {
	if inc := incarnationOf(record); inc != nil {
		return inc.Volumes
	}
	return nil
}

// nextRound is at most limit of the records, in order from the first that comes after
// the last one of the round before, and the name of its own last one. A round that
// reaches the end lets the next one begin anew.
func nextRound(due []*v1alpha1.Tenancy, after string, limit int) (round []*v1alpha1.Tenancy, last string) {
	i := slices.IndexFunc(due, func(r *v1alpha1.Tenancy) bool { return keyOf(r).String() > after })
	if i < 0 {
		i = 0
	}
	round = due[i:]
	if len(round) <= limit {
		return round, ""
	}
	round = round[:limit]
	return round, keyOf(round[limit-1]).String()
}

// collectOne deletes the record if live reads show that nothing is left: no claim that
// its volumes could come back by, nothing that still attaches one to a node, no set that would make its pod again, and no pod. It
// deletes the very state that was judged; the finalizer goes as with any deletion.
func (g *Guard) collectOne(ctx context.Context, cached *v1alpha1.Tenancy) error {
	id, named := identity.Named(cached.Namespace, cached.Name)
	if !named {
		return nil
	}
	record, err := g.store.Get(ctx, id)
	if err != nil || record == nil || !outlived(record, g.clock.Now()) {
		return err
	}
	for _, left := range []func() (bool, error){
		func() (bool, error) { return g.claimLeft(ctx, record) },
		func() (bool, error) { return g.attachmentLeft(ctx, record) },
		func() (bool, error) {
			_, err := g.kube.AppsV1().StatefulSets(id.Namespace).Get(ctx, id.Set, metav1.GetOptions{})
			return exists("stateful set "+id.Namespace+"/"+id.Set, err)
		},
		func() (bool, error) {
			pod, err := g.livePod(ctx, keyOf(record))
			return pod != nil, err
		},
	} {
		if is, err := left(); is || err != nil {
			return err
		}
	}
	if err := g.store.Collect(ctx, id, record); err != nil {
		return err
	}
	metrics.RecordCollected()
	klog.FromContext(ctx).V(2).Info("Collected a record of which nothing is left", "identity", id)
	return nil
}

// claimLeft reports whether a claim of the record exists. Its volume has what the
// incarnation wrote, and may be written again.
func (g *Guard) claimLeft(ctx context.Context, record *v1alpha1.Tenancy) (bool, error) {
	for _, use := range claimsOf(record) {
		_, err := g.kube.CoreV1().PersistentVolumeClaims(record.Namespace).Get(ctx, use.Claim, metav1.GetOptions{})
		if is, err := exists("claim "+record.Namespace+"/"+use.Claim, err); is || err != nil {
			return is, err
		}
	}
	return false, nil
}

// attachmentLeft reports whether a volume of the record is attached to a node. A set that
// is made again over a kept volume is judged by how the incarnation went that left it so
// (pkg/reach, DepartureOf).
func (g *Guard) attachmentLeft(ctx context.Context, record *v1alpha1.Tenancy) (bool, error) {
	if len(claimsOf(record)) == 0 {
		return false, nil
	}
	attachments, err := g.kube.StorageV1().VolumeAttachments().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Errorf("volume attachments: %w", err)
	}
	return slices.ContainsFunc(attachments.Items, func(a storagev1.VolumeAttachment) bool {
		volume := a.Spec.Source.PersistentVolumeName
		return volume != nil && slices.ContainsFunc(claimsOf(record), func(use v1alpha1.VolumeUse) bool { return use.Volume == *volume })
	}), nil
}

// exists reads the answer to a Get. An error other than NotFound says neither.
func exists(what string, err error) (bool, error) {
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsNotFound(err):
		return false, nil
	}
	return false, fmt.Errorf("%s: %w", what, err)
}
