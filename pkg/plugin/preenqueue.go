package plugin

import (
	"cmp"
	"context"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/metrics"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// PreEnqueue gates a pod whose identity has an unclean record, or that uses a volume
// which another's unclean record names: it costs no scheduling attempt until that
// tenancy wakes it (L3). It gates an ordinal, too, that would be bound before its turn.
func (pl *Holdfast) PreEnqueue(ctx context.Context, pod *v1.Pod) *fwk.Status {
	verdict := pl.gate(pod)
	if verdict.Held {
		// What is over before the scheduler tries anybody is nothing to tell a user of each
		// of his pods at every start. While it lasts, the process is not ready.
		if verdict.Reason != tenancy.ReasonNotRead {
			pl.announce(ctx, pod, verdict)
		}
		metrics.Judged(true, string(verdict.Reason))
		return refusal(verdict)
	}
	status, why := pl.orderGate(pod)
	metrics.Judged(why != "", cmp.Or(string(why), string(verdict.Reason)))
	return status
}

// gate is the judgement of PreEnqueue and PreFilter, from the cache. Until the pods
// that were there are on the record it holds every pod of the profile, and until the
// cache is filled every pod that a record could hold. Then it goes by the pod's name
// alone: an unclean record speaks for its name, and a pod that has lost its owner, or
// never had one, may not run beside the old incarnation either. Last it goes by the
// pod's volumes.
func (pl *Holdfast) gate(pod *v1.Pod) tenancy.Verdict {
	verdict, _ := pl.judge(pl.look(pod))
	return verdict
}

// judge is gate, and where alone the volumes in use of a pod that is not held can be
// shared.
func (pl *Holdfast) judge(seen *sight) (tenancy.Verdict, []sharedNode) {
	if verdict := pl.arrival.gate(seen.pod, seen.holdable); verdict.Held {
		return verdict, nil
	}
	if pl.without.Has(Gate) {
		return tenancy.Verdict{}, nil
	}
	own := tenancy.Verdict{}
	if seen.named {
		own = judgeOwn(seen)
	}
	if own.Held {
		return own, nil
	}
	others, shared := pl.judgeUsers(seen)
	if others.Held {
		return others, nil
	}
	return own, shared
}

// refusal is the status of a verdict. No preemption can release an identity,
// hence UnschedulableAndUnresolvable.
func refusal(verdict tenancy.Verdict) *fwk.Status {
	if !verdict.Held {
		return nil
	}
	return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, verdict.Message)
}
