package plugin

import (
	"context"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/order"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// tenancies is how the framework names custom resources.
const tenancies fwk.EventResource = "tenancies.v1alpha1.holdfast.dev"

// EventsToRegister wakes a held pod on its own tenancy, or those that name its volumes,
// one that waits for another ordinal on that one's, and one without a node within reach
// on what widens its reach; and on nothing else (L2). What else lets an ordinal go on,
// bindOrder watches by itself.
func (pl *Holdfast) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return append([]fwk.ClusterEventWithHint{{
		Event:             fwk.ClusterEvent{Resource: tenancies, ActionType: fwk.Add | fwk.Update | fwk.Delete},
		PreQueueingHintFn: podOfTenancy,
		QueueingHintFn:    wake,
	}}, slices.Concat(pl.eventsOfSharing(), pl.eventsOfReach())...), nil
}

// podOfTenancy names the pods that a change of a tenancy can concern: the one of its
// name, and the next ordinal.
func podOfTenancy(_ klog.Logger, oldObj, newObj any) (fwk.PreQueueingHintResult, error) {
	name, err := tenancyName(oldObj, newObj)
	if err != nil {
		return fwk.PreQueueingHintResult{}, err
	}
	pods := []types.NamespacedName{name}
	if id, named := identity.Named(name.Namespace, name.Name); named {
		if after, ok := order.After(id); ok {
			pods = append(pods, types.NamespacedName{Namespace: after.Namespace, Name: after.Name()})
		}
	}
	return fwk.PreQueueingHintResult{Pods: pods}, nil
}

// wake queues the pod of the same name, and only if its record lets it through
// now; and the next ordinal, when the record comes to say that its own was bound. On an
// error it queues too: a retry is harmless, the placement stays held.
func wake(_ klog.Logger, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	name, err := tenancyName(oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	if name.Namespace != pod.Namespace || name.Name != pod.Name {
		return wakeNext(name, pod, oldObj, newObj)
	}
	if newObj == nil { // deleted: absence passes on to Bind
		return fwk.Queue, nil
	}
	record, err := toTenancy(newObj)
	if err != nil {
		return fwk.Queue, err
	}
	if tenancy.Judge(record, pod.UID).Held {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}

// wakeNext is wake for the pod of another name.
func wakeNext(tenancyOf types.NamespacedName, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	id, named := identity.Named(pod.Namespace, pod.Name)
	before, ok := order.Before(id)
	if !named || !ok || newObj == nil || before.Namespace != tenancyOf.Namespace || before.Name() != tenancyOf.Name {
		return fwk.QueueSkip, nil
	}
	record, err := toTenancy(newObj)
	if err != nil {
		return fwk.Queue, err
	}
	old, err := toTenancy(oldObj)
	if tenancy.BoundOnce(record) && (err != nil || !tenancy.BoundOnce(old)) {
		return fwk.Queue, nil
	}
	return fwk.QueueSkip, nil
}

func tenancyName(oldObj, newObj any) (types.NamespacedName, error) {
	obj := newObj
	if obj == nil {
		obj = oldObj
	}
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj // The name is all that is asked of it.
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return types.NamespacedName{}, fmt.Errorf("event of a tenancy with a %T: %w", obj, err)
	}
	return types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()}, nil
}
