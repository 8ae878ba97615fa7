package world

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The kubelet's heartbeat (docs/kubernetes-facts.md §3.1): a lease of leaseSeconds,
// renewed every heartbeatInterval by a client of its own.
const (
	heartbeatInterval = 10 * time.Second
	heartbeatTimeout  = 10 * time.Second
	leaseSeconds      = 40
	leaseUpdatesMax   = 5
	// Between attempts to find or make the lease it waits from leaseRetryMin,
	// twice as long each time, up to leaseRetryMax.
	leaseRetryMin = 200 * time.Millisecond
	leaseRetryMax = 7 * time.Second
)

// renewLeaseUntil renews the node's lease, independently of all else that the
// kubelet does: a fresh lease proves that this loop reaches the API, nothing more
// (docs/kubernetes-facts.md §3.6).
func (k *kubelet) renewLeaseUntil(ctx context.Context) {
	lease := k.ensureLease(ctx)
	if lease == nil {
		return
	}
	close(k.ready)
	for wait := k.machine.offset; sleep(ctx, wait) == nil; wait = heartbeatInterval {
		renewed := k.renewLease(ctx, lease)
		if renewed == nil {
			// Found again, or made again, and renewed once more.
			if renewed = k.ensureLease(ctx); renewed == nil {
				return
			}
			if again := k.renewLease(ctx, renewed); again != nil {
				renewed = again
			}
		}
		lease = renewed
	}
}

// ensureLease reads the lease, or makes it, trying until ctx ends; nil then.
func (k *kubelet) ensureLease(ctx context.Context) *coordinationv1.Lease {
	leases := k.heartbeat.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	for wait := leaseRetryMin; ; wait = min(2*wait, leaseRetryMax) {
		lease, err := leases.Get(ctx, k.machine.spec.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			next := k.leaseNow(ctx, nil)
			if len(next.OwnerReferences) == 0 {
				// Without the Node there is nobody whose lease it would be: upstream makes
				// none, and asks again when the next renewal would be due.
				wait = heartbeatInterval
			} else {
				lease, err = leases.Create(ctx, next, metav1.CreateOptions{})
			}
		}
		if err == nil {
			return lease
		}
		if sleep(ctx, wait) != nil {
			return nil
		}
	}
}

// renewLease returns the lease renewed, or nil where it could not be.
func (k *kubelet) renewLease(ctx context.Context, lease *coordinationv1.Lease) *coordinationv1.Lease {
	leases := k.heartbeat.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	for range leaseUpdatesMax {
		renewed, err := leases.Update(ctx, k.leaseNow(ctx, lease), metav1.UpdateOptions{})
		if err == nil {
			return renewed
		}
		if apierrors.IsConflict(err) {
			if lease = k.ensureLease(ctx); lease == nil {
				return nil
			}
		}
	}
	return nil
}

// leaseNow is the lease as of this moment. Its owner is the Node, set once.
func (k *kubelet) leaseNow(ctx context.Context, base *coordinationv1.Lease) *coordinationv1.Lease {
	name, duration, now := k.machine.spec.Name, int32(leaseSeconds), metav1.NewMicroTime(k.machine.clock.now())
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: corev1.NamespaceNodeLease}}
	if base != nil {
		lease = base.DeepCopy()
	}
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &name, &duration, &now
	if len(lease.OwnerReferences) == 0 {
		if node, err := k.heartbeat.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{}); err == nil {
			lease.OwnerReferences = []metav1.OwnerReference{
				{APIVersion: "v1", Kind: "Node", Name: name, UID: node.UID},
			}
		}
	}
	return lease
}
