package plugin

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/order"
)

// watch follows, once for all profiles, what lets a waiting ordinal go on. Of that the
// queue has no event for readiness, annotations and sets; and for a bind it would ask
// every pod that waits, where one look-up finds the one that it concerns.
func (o *bindOrder) watch(ctx context.Context, handle fwk.Handle, shared *Shared, controllers []config.ControllerKind) error {
	var err error
	o.once.Do(func() {
		o.records = &records{shared.tenancies}
		o.clock = shared.Clock
		o.controllers = controllers
		o.line = order.NewLine()
		o.cycles = map[identity.Identity]bindingCycle{}
		pods := handle.SharedInformerFactory().Core().V1().Pods()
		sets := handle.SharedInformerFactory().Apps().V1().StatefulSets()
		o.pods, o.sets = pods.Lister(), sets.Lister()
		o.activate = func(pod *v1.Pod) {
			handle.Activate(klog.FromContext(ctx), map[string]*v1.Pod{klog.KObj(pod).String(): pod})
		}
		o.waits = newWaits(ctx, o.activate)
		err = follow(pods.Informer(), o.podChanged, o.podGone)
		if err == nil {
			err = follow(sets.Informer(), o.setChanged, func(*appsv1.StatefulSet) {})
		}
	})
	if err != nil {
		return fmt.Errorf("bind order: %w", err)
	}
	return nil
}

// follow calls changed for what appears, with a nil old object, and for what changes.
// An object that has taken the place of another of its name appears anew.
func follow[T interface {
	comparable
	GetUID() types.UID
}](informer cache.SharedIndexInformer, changed func(old, new T), gone func(T)) error {
	var none T
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if obj, ok := obj.(T); ok {
				changed(none, obj)
			}
		},
		UpdateFunc: func(oldObj, newObj any) {
			old, ok := oldObj.(T)
			obj, ok2 := newObj.(T)
			if !ok || !ok2 {
				return
			}
			if old.GetUID() != obj.GetUID() {
				gone(old)
				old = none
			}
			changed(old, obj)
		},
		DeleteFunc: func(obj any) {
			if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = tombstone.Obj
			}
			if obj, ok := obj.(T); ok {
				gone(obj)
			}
		},
	})
	return err
}

// podChanged: a pod that is bound, or becomes Ready, lets the next ordinal go on; one
// that is being deleted before its bind takes those behind it off the line; and one whose
// annotations change may have another policy.
func (o *bindOrder) podChanged(old, pod *v1.Pod) {
	id, managed := o.identityOf(pod)
	if !managed {
		return
	}
	switch {
	case pod.Spec.NodeName != "":
		if old == nil || old.Spec.NodeName == "" {
			o.change(id, func(l *order.Line) []identity.Identity { return l.Seen(id, pod.UID) })
			o.wakeAfter(id)
		} else if isReady(pod) && !isReady(old) {
			o.wakeAfter(id)
		}
	case pod.DeletionTimestamp != nil:
		o.change(id, func(l *order.Line) []identity.Identity { return l.Reject(id, pod.UID) })
	case old != nil && !samePolicy(old, pod):
		o.activate(pod)
	}
}

// podGone ends what is kept of a pod. The scheduler's informer calls a pod gone that is
// terminal, too; that one was bound.
func (o *bindOrder) podGone(pod *v1.Pod) {
	o.waits.end(pod.UID) // Whoever owns it by now.
	if id, managed := o.identityOf(pod); managed {
		o.leave(id, pod.UID)
	}
}

// setChanged wakes the ordinal that has become the first.
func (o *bindOrder) setChanged(old, set *appsv1.StatefulSet) {
	if old == nil || firstOrdinal(old) != firstOrdinal(set) {
		o.wake(identity.Identity{Namespace: set.Namespace, Set: set.Name, Ordinal: firstOrdinal(set)})
	}
}

func firstOrdinal(set *appsv1.StatefulSet) int32 {
	if set.Spec.Ordinals == nil {
		return 0
	}
	return set.Spec.Ordinals.Start
}

func isReady(pod *v1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodReady {
			return c.Status == v1.ConditionTrue
		}
	}
	return false
}

func samePolicy(a, b *v1.Pod) bool {
	return a.Annotations[v1alpha1.BindOrderAnnotation] == b.Annotations[v1alpha1.BindOrderAnnotation] &&
		a.Annotations[v1alpha1.BindOrderTimeoutAnnotation] == b.Annotations[v1alpha1.BindOrderTimeoutAnnotation]
}
