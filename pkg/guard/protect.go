package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// readersMax bounds how many pods are remembered whose claims have no single writer.
// Beyond it the oldest one's claims are read again when its next update comes.
const readersMax = 16384

// protects reports whether a pod lacks the finalizer that it is to have: it runs, or
// may, and was not bound by the plugin, or somebody took the finalizer off. One that is
// being deleted can be given none any more (docs/kubernetes-facts.md §12.2).
func (g *Guard) protects(pod *v1.Pod) bool {
	_, managed := identity.Of(pod, g.args.Controllers...)
	return managed && g.minds(pod) && pod.Spec.NodeName != "" && pod.DeletionTimestamp == nil &&
		!terminal(pod) && !hasFinalizer(pod) && !g.withoutFinalizer
}

// protect puts the finalizer on the very object that was read.
func (g *Guard) protect(ctx context.Context, pod *v1.Pod) error {
	return g.setFinalizers(ctx, pod, append(slices.Clone(pod.Finalizers), v1alpha1.PodFinalizer))
}

// removeFinalizer takes the guard's finalizer off the very object that was read.
func (g *Guard) removeFinalizer(ctx context.Context, pod *v1.Pod) error {
	return g.setFinalizers(ctx, pod, slices.DeleteFunc(slices.Clone(pod.Finalizers), func(f string) bool { return f == v1alpha1.PodFinalizer }))
}

// setFinalizers replaces the list of the very object that was read: a merge patch may
// not take away what others added since.
func (g *Guard) setFinalizers(ctx context.Context, pod *v1.Pod, finalizers []string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":             pod.UID,
		"resourceVersion": pod.ResourceVersion,
		"finalizers":      finalizers,
	}})
	if err != nil {
		return fmt.Errorf("pod %s/%s, finalizer: %w", pod.Namespace, pod.Name, err)
	}
	_, err = g.kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("pod %s/%s, finalizer: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}
