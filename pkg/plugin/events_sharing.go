package plugin

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// eventsOfSharing are those that can free a volume that another pod uses, or make known
// where it is used.
func (pl *Holdfast) eventsOfSharing() []fwk.ClusterEventWithHint {
	return []fwk.ClusterEventWithHint{
		// A registration of its own: the other one is narrowed to the pod of the tenancy's name.
		{Event: fwk.ClusterEvent{Resource: tenancies, ActionType: fwk.Add | fwk.Update | fwk.Delete}, QueueingHintFn: pl.wakeForUser},
		{Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Add | fwk.Delete}, QueueingHintFn: pl.wakeForPod},
	}
}

// wakeForUser queues a pod when the record of another identity that uses a volume of it
// comes to say something else about that, and nothing else holds the pod.
func (pl *Holdfast) wakeForUser(_ klog.Logger, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	name, err := tenancyName(oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	if name.Namespace == pod.Namespace && name.Name == pod.Name || len(pod.Spec.Volumes) == 0 {
		return fwk.QueueSkip, nil
	}
	if tombstone, ok := oldObj.(cache.DeletedFinalStateUnknown); ok {
		oldObj = tombstone.Obj
	}
	uses := pl.volumeUsesOf(pod)
	before, err := pl.sharingWith(oldObj, pod, uses)
	if err != nil {
		return fwk.Queue, err
	}
	after, err := pl.sharingWith(newObj, pod, uses)
	if err != nil {
		return fwk.Queue, err
	}
	if before == after || pl.gate(pod).Held {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}

// sharingWith judges the pod beside a record as the event has it.
func (pl *Holdfast) sharingWith(obj any, pod *v1.Pod, uses []v1alpha1.VolumeUse) (tenancy.Sharing, error) {
	keys := keysOf(obj)
	names := slices.ContainsFunc(uses, func(use v1alpha1.VolumeUse) bool {
		return keys.HasAny(keysOfUse(pod.Namespace, use.Claim, use.Volume)...)
	})
	if !names {
		return tenancy.JudgeSharing(nil, pod.Namespace, uses, ""), nil
	}
	record, err := toTenancy(obj)
	if err != nil {
		return tenancy.Sharing{}, err
	}
	return tenancy.JudgeSharing(record, pod.Namespace, uses, pl.runsOn(record)), nil
}

// wakeForPod queues a pod when another one that uses a claim of it is bound, or is gone
// from its node, and nothing else holds the pod.
func (pl *Holdfast) wakeForPod(_ klog.Logger, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	obj := newObj
	if obj == nil {
		obj = oldObj
	}
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	user, ok := obj.(*v1.Pod)
	if !ok {
		return fwk.Queue, fmt.Errorf("event of a pod with a %T", obj)
	}
	if user.Namespace != pod.Namespace || len(user.Spec.Volumes) == 0 || len(pod.Spec.Volumes) == 0 || user.UID == pod.UID {
		return fwk.QueueSkip, nil
	}
	claims := tenancy.ClaimsOf(pod)
	shares := slices.ContainsFunc(tenancy.ClaimsOf(user), func(claim string) bool { return slices.Contains(claims, claim) })
	if !shares || pl.gate(pod).Held {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}
