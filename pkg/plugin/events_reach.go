package plugin

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/reach"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// eventsOfReach are those that can widen the reach of a pod's volumes. Each hint applies
// its object to the index before it judges (feed).
func (pl *Holdfast) eventsOfReach() []fwk.ClusterEventWithHint {
	on := func(resource fwk.EventResource, action fwk.ActionType, hint fwk.QueueingHintFn) fwk.ClusterEventWithHint {
		return fwk.ClusterEventWithHint{
			Event:          fwk.ClusterEvent{Resource: resource, ActionType: action},
			QueueingHintFn: pl.unlessHeld(hint),
		}
	}
	return []fwk.ClusterEventWithHint{
		on(fwk.Node, fwk.Add|fwk.UpdateNodeLabel|fwk.UpdateNodeCondition, pl.wakeForNode),
		on(fwk.PersistentVolumeClaim, fwk.Add|fwk.Update, wakeForClaim),
		on(fwk.PersistentVolume, fwk.Add|fwk.Update, pl.wakeForVolume),
		on(fwk.CSINode, fwk.Add|fwk.Update, pl.wakeForCSINode),
		on(fwk.CSIDriver, fwk.Delete, pl.wakeForDriver),
		on(fwk.VolumeAttachment, fwk.Update|fwk.Delete, pl.wakeForAttachment),
	}
}

// unlessHeld leaves a held pod to its tenancy. The hint goes first: most events concern
// no pod that waits, and the gate reads a record.
func (pl *Holdfast) unlessHeld(hint fwk.QueueingHintFn) fwk.QueueingHintFn {
	return func(logger klog.Logger, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
		queue, err := hint(logger, pod, oldObj, newObj)
		if queue == fwk.Queue && pl.gate(pod).Held {
			return fwk.QueueSkip, err
		}
		return queue, err
	}
}

// comesWithin tells whether the node is within the pod's reach. Most nodes are not by
// what is cheapest to ask.
func (pl *Holdfast) comesWithin(pod *v1.Pod, uses []reach.Use, node string) bool {
	byVolume := pl.feed.judge(need{uses: uses})
	if !byVolume.Allows(node) {
		return false
	}
	verdict := pl.feed.judge(pl.needOf(pod))
	return verdict.Allows(node)
}

// wakeForNode queues the pod for a node that has come within its reach, and for one to
// which a volume of its is attached and that can be trusted again to detach it.
func (pl *Holdfast) wakeForNode(_ klog.Logger, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	old, node, err := change[*v1.Node](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	pl.feed.apply(oldObj, newObj)
	uses := pl.usesOf(pod)
	if reach.IsReady(node) && (old == nil || !reach.IsReady(old)) && pl.feed.attachedTo(uses, node.Name) {
		return fwk.Queue, nil
	}
	if old != nil && pl.feed.matches(uses, old.Labels) || !pl.comesWithin(pod, uses, node.Name) {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}

// wakeForClaim queues the pod when a claim of its own is there, or is bound to another
// volume.
func wakeForClaim(_ klog.Logger, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	old, claim, err := change[*v1.PersistentVolumeClaim](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	own := claim.Namespace == pod.Namespace && slices.Contains(tenancy.ClaimsOf(pod), claim.Name)
	if !own || old != nil && old.Spec.VolumeName == claim.Spec.VolumeName {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}

// wakeForVolume queues the pod when a volume of its own is there, or can be used from
// other nodes.
func (pl *Holdfast) wakeForVolume(_ klog.Logger, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	old, volume, err := change[*v1.PersistentVolume](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	pl.feed.apply(oldObj, newObj)
	for _, use := range pl.usesOf(pod) {
		if use.Volume == volume.Name {
			if old != nil && equality.Semantic.DeepEqual(old.Spec.NodeAffinity, volume.Spec.NodeAffinity) {
				return fwk.QueueSkip, nil
			}
			return fwk.Queue, nil
		}
	}
	return fwk.QueueSkip, nil
}

// wakeForCSINode queues the pod when a driver of its volumes is registered on a node
// that is thereby within reach.
func (pl *Holdfast) wakeForCSINode(_ klog.Logger, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	old, csiNode, err := change[*storagev1.CSINode](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	pl.feed.apply(oldObj, newObj)
	uses := pl.usesOf(pod)
	gained := slices.ContainsFunc(csiNode.Spec.Drivers, func(d storagev1.CSINodeDriver) bool {
		return !registers(old, d.Name) && pl.feed.asksFor(uses, d.Name)
	})
	if !gained || !pl.comesWithin(pod, uses, csiNode.Name) {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}

func registers(csiNode *storagev1.CSINode, driver string) bool {
	return csiNode != nil && slices.ContainsFunc(csiNode.Spec.Drivers, func(d storagev1.CSINodeDriver) bool { return d.Name == driver })
}

// wakeForDriver queues the pod when a driver of its volumes is gone: perhaps no node
// need register it any more.
func (pl *Holdfast) wakeForDriver(_ klog.Logger, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	driver, _, err := change[*storagev1.CSIDriver](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	pl.feed.apply(oldObj, newObj)
	if driver == nil || !pl.feed.asksFor(pl.usesOf(pod), driver.Name) {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}

// wakeForAttachment queues the pod when an attachment of its volume is gone, or its
// detach fails no more.
func (pl *Holdfast) wakeForAttachment(_ klog.Logger, pod *v1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	old, attachment, err := change[*storagev1.VolumeAttachment](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	pl.feed.apply(oldObj, newObj)
	better := attachment == nil || old != nil && old.Status.DetachError != nil && attachment.Status.DetachError == nil
	if old == nil || old.Spec.Source.PersistentVolumeName == nil || !better {
		return fwk.QueueSkip, nil
	}
	volume := *old.Spec.Source.PersistentVolumeName
	if slices.ContainsFunc(pl.usesOf(pod), func(use reach.Use) bool { return use.Volume == volume && use.SingleWriter }) {
		return fwk.Queue, nil
	}
	return fwk.QueueSkip, nil
}

// change reads the objects of an event; one that is not there is nil. The last state of
// what was deleted may have been missed: then the one before it has to do.
func change[T any](oldObj, newObj any) (old, object T, err error) {
	if tombstone, ok := oldObj.(cache.DeletedFinalStateUnknown); ok {
		oldObj = tombstone.Obj
	}
	for _, side := range []struct {
		from any
		to   *T
	}{{oldObj, &old}, {newObj, &object}} {
		if side.from == nil {
			continue
		}
		typed, ok := side.from.(T)
		if !ok {
			return old, object, fmt.Errorf("event with a %T, not a %T", side.from, old)
		}
		*side.to = typed
	}
	return old, object, nil
}
