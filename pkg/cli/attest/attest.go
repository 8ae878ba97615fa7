// Package attest gives a human's word that an incarnation is over: it says first
// whether the word would do anything and what is about to be said, and afterwards
// what came of it.
package attest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/explain"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

// ErrNothing: the word would do nothing. The error's text says why.
var ErrNothing = errors.New("an attestation would do nothing")

// ErrNotYet: the word is on the record and nothing came of it in time.
var ErrNotYet = errors.New("attested, but not released yet")

// Check says why an attestation about podUID, or about the latest incarnation if that
// is empty, would do nothing, and returns the incarnation that it would be about. The
// errors are ErrNothing.
func Check(d *cluster.Detail, podUID types.UID) (types.UID, error) {
	nothing := func(format string, args ...any) (types.UID, error) {
		return "", fmt.Errorf("%w: %s", ErrNothing, fmt.Sprintf(format, args...))
	}
	if d.Record == nil {
		return nothing("there is no record of %s", d.ID)
	}
	verdict := tenancy.Judge(d.Record, "")
	switch {
	case verdict.Reason == tenancy.ReasonUnreadable:
		return nothing("%s", verdict.Message)
	case !verdict.Held:
		return nothing("%s is not held. %s", d.ID.Name(), verdict.Message)
	}
	inc := d.Record.Status.Incarnation
	if podUID != "" && podUID != inc.PodUID {
		return nothing("the latest incarnation of %s is %s, and no word about %s counts for it", d.ID.Name(), inc.PodUID, podUID)
	}
	own := d.Pod != nil && d.Pod.UID == inc.PodUID
	switch {
	case own && d.Pod.DeletionTimestamp == nil:
		return nothing("pod %s is not being deleted. It is meant to run, and its kubelet may start again what has ended. "+
			"If it is to go: kubectl delete pod %s -n %s", d.ID.Name(), d.ID.Name(), d.ID.Namespace)
	case explain.HoldOf(d.Facts) == nil && own:
		return nothing("%s is not held yet. It is being deleted, and its kubelet has until %s to report the end by itself",
			d.ID.Name(), d.Pod.DeletionTimestamp.UTC().Format(time.RFC3339))
	case explain.HoldOf(d.Facts) == nil:
		return nothing("%s is not held", d.ID.Name())
	}
	return inc.PodUID, nil
}

// Who is the user that the API server takes the caller for: the word is in that name,
// and a policy holds it to that.
func Who(ctx context.Context, c *cluster.Cluster) (string, error) {
	review, err := c.Kube.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("who you are: %w", err)
	}
	return review.Status.UserInfo.Username, nil
}

// Given is the attestation that the record has about the incarnation; nil: none.
func Given(record *v1alpha1.Tenancy, podUID types.UID) *v1alpha1.Attestation {
	i := slices.IndexFunc(record.Spec.Attestations, func(a v1alpha1.Attestation) bool { return a.PodUID == podUID })
	if i < 0 {
		return nil
	}
	return &record.Spec.Attestations[i]
}

// Give puts the word on the record; with dryRun the API server only says whether it
// would take it.
func Give(ctx context.Context, c *cluster.Cluster, id identity.Identity, a v1alpha1.Attestation, dryRun bool) error {
	records := store.New(c.Records)
	if dryRun {
		records = records.DryRun()
	}
	return cluster.Explain(records.Attest(ctx, id, a))
}

// pause is how long after one look at the record the next one is taken.
const pause = 300 * time.Millisecond

// Await returns the evidence on which the incarnation was released: another one may
// have come first. Where the record has gone on to the next incarnation it returns
// nil, for the receipt went with that. The error is ErrNotYet where the limit is over.
func Await(ctx context.Context, c *cluster.Cluster, id identity.Identity, podUID types.UID, limit time.Duration) (*v1alpha1.Evidence, error) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for start := time.Now(); ; {
		record, err := store.New(c.Records).Get(ctx, id)
		switch {
		case err != nil:
			return nil, cluster.Explain(err)
		case record == nil || record.Status.Incarnation == nil || record.Status.Incarnation.PodUID != podUID:
			return nil, nil
		case !tenancy.Unclean(record):
			return record.Status.Evidence, nil
		case time.Since(start) > limit:
			return nil, ErrNotYet
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}
