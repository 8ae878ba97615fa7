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

// bindKey is where PreBind leaves what Bind needs.
const bindKey fwk.StateKey = Name + "/bind"

// bindState is what PreBind made ready.
type bindState struct {
	// resourceVersion is the pod's at PreBind's last read. The scheduler's own copy
	// is older: the framework itself writes nominatedNodeName before PreBind.
	resourceVersion string
	// epoch of the opened record; 0 if there is none, which only a test brings about.
	epoch int64
	// unguarded: the pod has an identity and is not to be guarded. DefaultBinder binds it.
	unguarded bool
}

// Clone returns the state itself: it never changes.
func (s *bindState) Clone() fwk.StateData { return s }

// PreBindPreFlight never says Skip for a managed pod or one with a volume of one writer,
// for then the framework would not call PreBind. PreBind does not run beside others:
// what VolumeBinding's PreBind provisions must be in the record.
func (pl *Holdfast) PreBindPreFlight(_ context.Context, _ fwk.CycleState, pod *v1.Pod, _ string) (*fwk.PreBindPreFlightResult, *fwk.Status) {
	if _, named := identity.Named(pod.Namespace, pod.Name); !named && !pl.writes(pod) {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	return &fwk.PreBindPreFlightResult{AllowParallel: false}, nil
}

// PreBind waits for the pod's turn and writes ahead: when it succeeds, the record names
// the pod and the node, and the pod carries the guard's finalizer. In this order: a
// record says that a bind is tried now, and a pod that waits may never get so far.
func (pl *Holdfast) PreBind(ctx context.Context, state fwk.CycleState, pod *v1.Pod, nodeName string) *fwk.Status {
	if status := pl.awaitTurn(ctx, pod); !status.IsSuccess() {
		return status
	}
	if why := pl.outOfReach(need{uses: pl.usesOf(pod)}, nodeName); why != "" {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, why)
	}
	id, guarded, err := pl.protects(ctx, pod)
	if err != nil {
		return failure(err)
	}
	if !guarded {
		state.Write(bindKey, &bindState{unguarded: true})
		return pl.judgeUnguarded(ctx, pod, nodeName)
	}
	prepared, err := pl.writeAhead(ctx, id, pod, nodeName)
	if err != nil {
		return failure(err)
	}
	state.Write(bindKey, prepared)
	return nil
}

// judgeUnguarded lets a pod through that gets no record, unless an unclean record has
// its name or names a volume of it.
func (pl *Holdfast) judgeUnguarded(ctx context.Context, pod *v1.Pod, nodeName string) *fwk.Status {
	if id, named := identity.Named(pod.Namespace, pod.Name); named {
		if err := pl.judgeLive(ctx, id, pod, nodeName); err != nil {
			return failure(err)
		}
	}
	if err := pl.judgeUsersLive(ctx, pod, nodeName); err != nil {
		return failure(err)
	}
	return nil
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

// writeAhead judges the identity by live reads, marks the pod and opens the
// record, in this order: a refused pod is left as it is, and no record is open for
// a pod that the guard cannot keep. An error wraps tenancy.ErrHeld if it is a verdict.
func (pl *Holdfast) writeAhead(ctx context.Context, id identity.Identity, pod *v1.Pod, nodeName string) (*bindState, error) {
	if err := pl.judgeLive(ctx, id, pod, nodeName); err != nil {
		return nil, err
	}
	if err := pl.judgeUsersLive(ctx, pod, nodeName); err != nil {
		return nil, err
	}
	if err := pl.ensureFinalizer(ctx, pod); err != nil {
		return nil, err
	}
	epoch, err := pl.open(ctx, id, pod, nodeName)
	if err != nil {
		return nil, err
	}
	live, err := pl.read(ctx, pod)
	if err != nil {
		return nil, err
	}
	if err := pl.bindable(pod, live); err != nil {
		return nil, err
	}
	return &bindState{resourceVersion: live.ResourceVersion, epoch: epoch}, nil
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
