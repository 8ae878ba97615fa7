package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// ensureFinalizer puts the guard's finalizer on the pod if it is not there yet.
// The API server takes no finalizer for a pod that is being deleted
// (docs/kubernetes-facts.md §12), so such a pod is refused here by name.
func (pl *Holdfast) ensureFinalizer(ctx context.Context, pod *v1.Pod) error {
	if pl.without.Has(GuardFinalizer) {
		return nil
	}
	live, err := pl.read(ctx, pod)
	if err != nil {
		return err
	}
	if err := unbound(pod, live); err != nil {
		return err
	}
	if slices.Contains(live.Finalizers, v1alpha1.PodFinalizer) {
		return nil
	}
	// The UID keeps the patch from a namesake; the resourceVersion keeps it from
	// taking away what somebody else added, for a merge patch replaces the list.
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":             live.UID,
		"resourceVersion": live.ResourceVersion,
		"finalizers":      append(slices.Clone(live.Finalizers), v1alpha1.PodFinalizer),
	}})
	if err != nil {
		return fmt.Errorf("finalizer of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	_, err = pl.kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Name})
	if err != nil {
		return fmt.Errorf("finalizer of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// read reads the pod live.
func (pl *Holdfast) read(ctx context.Context, pod *v1.Pod) (*v1.Pod, error) {
	live, err := pl.kube.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return live, nil
}

// bindable says why a bind of the pod, read live, makes no sense: it must be the
// same pod, unbound, not being deleted, and carry the guard's finalizer.
func (pl *Holdfast) bindable(pod, live *v1.Pod) error {
	if err := unbound(pod, live); err != nil {
		return err
	}
	if !pl.without.Has(GuardFinalizer) && !slices.Contains(live.Finalizers, v1alpha1.PodFinalizer) {
		return fmt.Errorf("pod %s/%s has lost its finalizer %s", pod.Namespace, pod.Name, v1alpha1.PodFinalizer)
	}
	return nil
}

// unbound is bindable, whatever the finalizers.
func unbound(pod, live *v1.Pod) error {
	switch {
	case live.UID != pod.UID:
		return fmt.Errorf("pod %s/%s was replaced: its UID is %s and no longer %s", pod.Namespace, pod.Name, live.UID, pod.UID)
	case live.Spec.NodeName != "":
		return fmt.Errorf("pod %s/%s is bound to node %s already", pod.Namespace, pod.Name, live.Spec.NodeName)
	case live.DeletionTimestamp != nil:
		return fmt.Errorf("pod %s/%s is being deleted", pod.Namespace, pod.Name)
	}
	return nil
}
