package guard

import (
	"context"
	"encoding/json"
	"fmt"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// noteBytesMax is what the API server takes for the note of an event.
const noteBytesMax = 1024

// recordEvents gives the guard a recorder of its own unless it was given one. The
// function that it returns ends the recorder.
func (g *Guard) recordEvents(ctx context.Context) (end func(), err error) {
	if g.recorder != nil {
		return func() {}, nil
	}
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: g.kube.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	g.recorder = broadcaster.NewRecorder(scheme.Scheme, fieldManager)
	return broadcaster.Shutdown, nil
}

// announceHold tells of a hold on the old pod, on the replacement and on the set.
func (g *Guard) announceHold(id identity.Identity, t tenant, live *v1.Pod, message string) {
	for _, object := range regarding(id, t, live) {
		g.recorder.Eventf(object, nil, v1.EventTypeWarning, EventHeld, actionHolding, "%s", note(id, message))
	}
}

// announceRelease tells of the end of a hold that was announced.
func (g *Guard) announceRelease(id identity.Identity, t tenant, live *v1.Pod, evidence v1alpha1.Evidence) {
	message := fmt.Sprintf("The incarnation %s is over (%s): %s.", evidence.PodUID, evidence.Kind, evidence.Detail)
	for _, object := range regarding(id, t, live) {
		g.recorder.Eventf(object, nil, v1.EventTypeNormal, EventReleased, actionReleasing, "%s", note(id, message))
	}
}

func note(id identity.Identity, message string) string {
	text := id.Name() + ": " + message
	if len(text) > noteBytesMax {
		text = text[:noteBytesMax]
	}
	return text
}

// regarding lists the objects whose readers want to know: pods and set.
func regarding(id identity.Identity, t tenant, live *v1.Pod) []runtime.Object {
	set := &v1.ObjectReference{APIVersion: "apps/v1", Kind: "StatefulSet", Namespace: id.Namespace, Name: id.Set}
	var objects []runtime.Object
	add := func(pod *v1.Pod) {
		objects = append(objects, &v1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID})
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil && owner.Name == set.Name {
			set.APIVersion, set.Kind, set.UID = owner.APIVersion, owner.Kind, owner.UID
		}
	}
	if t.pod != nil {
		add(t.pod)
	}
	if live != nil && live.UID != t.uid {
		add(live)
	}
	return append(objects, set)
}

// tell keeps the condition on the pod that has the name: it says that the pod is a
// replacement that is held, or, where it once said so, that it no longer is. The
// API shows nothing else of a gated pod (docs/kubernetes-facts.md §7).
func (g *Guard) tell(ctx context.Context, record *v1alpha1.Tenancy, live *v1.Pod) error {
	if live == nil || live.DeletionTimestamp != nil {
		return nil
	}
	before := podCondition(live)
	after, changed := conditionOf(record, live, metav1.NewTime(g.clock.Now()))
	if !changed {
		return nil
	}
	if before != nil && before.Status == after.Status {
		after.LastTransitionTime = before.LastTransitionTime
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": live.UID},
		"status":   map[string]any{"conditions": []v1.PodCondition{after}},
	})
	if err != nil {
		return fmt.Errorf("pod %s/%s, condition: %w", live.Namespace, live.Name, err)
	}
	_, err = g.kube.CoreV1().Pods(live.Namespace).Patch(ctx, live.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager}, "status")
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("pod %s/%s, condition: %w", live.Namespace, live.Name, err)
	}
	return nil
}

// conditionOf is the condition that the pod is to have, and whether it has another
// one. A pod that was never told anything needs no word that it is not held.
func conditionOf(record *v1alpha1.Tenancy, pod *v1.Pod, now metav1.Time) (v1.PodCondition, bool) {
	before := podCondition(pod)
	held := heldCondition(record)
	if tenancy.Unclean(record) && !isIncarnation(record, pod) && wasHeld(record) && pod.Spec.NodeName == "" {
		return v1.PodCondition{
			Type: v1alpha1.HeldCondition, Status: v1.ConditionTrue, LastTransitionTime: now,
			Reason: v1alpha1.HeldByScheduler, Message: held.Message,
		}, before == nil || before.Status != v1.ConditionTrue || before.Message != held.Message
	}
	return v1.PodCondition{
		Type: v1alpha1.HeldCondition, Status: v1.ConditionFalse, LastTransitionTime: now,
		Reason: v1alpha1.NotHeld, Message: "The incarnation before this one is over.",
	}, told(pod)
}

// told reports whether the pod says that it is held.
func told(pod *v1.Pod) bool {
	c := podCondition(pod)
	return c != nil && c.Status == v1.ConditionTrue
}

func podCondition(pod *v1.Pod) *v1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == v1alpha1.HeldCondition {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}
