package plugin

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/order"
)

// awaitTurn returns when the pod waits for nobody any more, or is not to be bound now. Meanwhile it
// has its node. It ends with ctx, which a preemption ends too, and as soon as the
// ordinal before it has left the line; so it lasts no longer than the binds before it.
func (pl *Holdfast) awaitTurn(ctx context.Context, pod *v1.Pod) *fwk.Status {
	id, managed := pl.order.identityOf(pod)
	if !managed {
		return nil
	}
	policy := pl.policyOf(pod)
	timeout := pl.timeoutOf(pod, policy)
	defer timeout.Stop()
	wait := newTurnWait(pl.order.clock)
	defer wait.end()
	for {
		turn, changed := pl.order.turn(id, pod.UID)
		switch turn {
		case order.TurnWaits:
			wait.begin()
		case order.TurnRejected:
			wait.outcome = waitRejected
			return fwk.NewStatus(fwk.Unschedulable, rejection(id))
		default:
			return nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			if pl.order.pass(id, pod.UID) {
				wait.outcome = waitTimedOut
				pl.announceTimeout(pod, order.TimeoutMessage(id, policy))
			}
		case <-ctx.Done():
			// Who is rejected is cancelled, too, and the reason is the former.
			if turn, _ := pl.order.turn(id, pod.UID); turn == order.TurnRejected {
				continue
			}
			wait.outcome = waitCancelled
			return fwk.AsStatus(fmt.Errorf("pod %s waits for its turn: %w", id, ctx.Err()))
		}
	}
}

// itsTurn tells whether the pod may be bound now; it waits for nobody. It judges once
// more where a fact may have ceased to be one: that an ordinal is Ready; and where the
// pod has no turn, which is so for one that was bound meanwhile.
func (pl *Holdfast) itsTurn(pod *v1.Pod) *fwk.Status {
	id, managed := pl.order.identityOf(pod)
	if !managed {
		return nil
	}
	policy := pl.policyOf(pod)
	turn, _ := pl.order.turn(id, pod.UID)
	switch {
	case turn == order.TurnWaits || turn == order.TurnRejected:
		return fwk.NewStatus(fwk.Unschedulable, rejection(id))
	case turn == order.TurnComes && policy.Order != config.BindOrdinalReady:
		return nil
	}
	verdict := pl.order.judge(id, pod, policy)
	if verdict.Waits || verdict.Reason == order.ReasonPredecessorOnLine {
		return fwk.NewStatus(fwk.Unschedulable, verdict.Message)
	}
	return nil
}

// timeoutOf fires when the pod's timeout strikes; without one it never does.
func (pl *Holdfast) timeoutOf(pod *v1.Pod, policy order.Policy) *time.Timer {
	if policy.Timeout == 0 {
		never := time.NewTimer(time.Hour)
		never.Stop()
		return never
	}
	return time.NewTimer(pod.CreationTimestamp.Add(policy.Timeout).Sub(pl.order.clock.Now()))
}
