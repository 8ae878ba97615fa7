package plugin

import (
	"context"
	"errors"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/reach"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// judgeUnguarded lets a pod through that gets no record, unless an unclean record has
// its name or names a volume of it.
func (pl *Holdfast) judgeUnguarded(ctx context.Context, pod *v1.Pod, nodeName string) error {
	if id, named := identity.Named(pod.Namespace, pod.Name); named {
		if err := pl.judgeLive(ctx, id, pod, nodeName); err != nil {
			return err
		}
	}
	return pl.judgeUsersLive(ctx, pod, nodeName)
}

// failure tells what another attempt cannot change by itself, a verdict or a full
// record, from what is worth one after the back-off.
func failure(err error) *fwk.Status {
	for _, final := range []error{tenancy.ErrHeld, errOutOfReach, tenancy.ErrTooManyNodes, tenancy.ErrTooManyVolumes} {
		if errors.Is(err, final) {
			return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, err.Error())
		}
	}
	return fwk.AsStatus(err)
}

// opened is what writeAhead made ready for the binding.
type opened struct {
	// resourceVersion is the pod's at the last read. The scheduler's own copy is older: the
	// guard's finalizer may just have been written, and the framework itself notes the node
	// of pods that some plugin prepares.
	resourceVersion string
	// epoch of the opened record; 0 if there is none, which only a test brings about.
	epoch int64
}

// writeAhead judges the identity by live reads, marks the pod and opens the
// record, in this order: a refused pod is left as it is, and no record is open for
// a pod that the guard cannot keep. An error wraps tenancy.ErrHeld if it is a verdict.
func (pl *Holdfast) writeAhead(ctx context.Context, id identity.Identity, pod *v1.Pod, nodeName string) (opened, error) {
	if err := pl.judgeLive(ctx, id, pod, nodeName); err != nil {
		return opened{}, err
	}
	if err := pl.judgeUsersLive(ctx, pod, nodeName); err != nil {
		return opened{}, err
	}
	if err := pl.ensureFinalizer(ctx, pod); err != nil {
		return opened{}, err
	}
	epoch, err := pl.open(ctx, id, pod, nodeName)
	if err != nil {
		return opened{}, err
	}
	live, err := pl.read(ctx, pod)
	if err != nil {
		return opened{}, err
	}
	if err := pl.bindable(pod, live); err != nil {
		return opened{}, err
	}
	return opened{resourceVersion: live.ResourceVersion, epoch: epoch}, nil
}

// judgeLive is the judgement of PreEnqueue from a live read, and that of PreFilter by
// the same record: how the incarnation before went decides what its attachments mean.
func (pl *Holdfast) judgeLive(ctx context.Context, id identity.Identity, pod *v1.Pod, nodeName string) error {
	if pl.without.Has(BindCheck) {
		return nil
	}
	if !pl.arrival.isOver() {
		return &tenancy.HeldError{Verdict: notAdopted}
	}
	record, err := pl.store.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("tenancy %s: %w", id, err)
	}
	if verdict := tenancy.Judge(record, pod.UID); verdict.Held {
		return &tenancy.HeldError{Verdict: verdict}
	}
	n := need{uses: pl.usesOf(pod), departure: reach.DepartureOf(record, pod.UID)}
	if why := pl.outOfReach(n, nodeName); why != "" {
		return fmt.Errorf("%w: %s", errOutOfReach, why)
	}
	return nil
}

// open writes the new incarnation into the record and returns its epoch. Of two
// schedulers that try, the store's compare-and-swap lets one through (H17).
func (pl *Holdfast) open(ctx context.Context, id identity.Identity, pod *v1.Pod, nodeName string) (int64, error) {
	inc, err := pl.incarnation(ctx, pod, nodeName)
	if err != nil {
		return 0, err
	}
	record, err := pl.store.Open(ctx, id, inc, pl.clock.Now())
	if err != nil && pl.without.Has(BindCheck) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	klog.FromContext(ctx).V(2).Info("Opened", "identity", id, "podUID", pod.UID, "node", nodeName, "epoch", record.Status.Epoch)
	return record.Status.Epoch, nil
}
