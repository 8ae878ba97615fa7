package world

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ForceDelete is what an operator does who has lost patience:
// kubectl delete pod --force --grace-period=0.
type ForceDelete struct {
	Namespace, Pod string
	// StripFinalizers patches the pod's finalizers away first.
	StripFinalizers bool
}

func (f ForceDelete) apply(ctx context.Context, w *World) error {
	pods := w.operator.CoreV1().Pods(f.Namespace)
	if f.StripFinalizers {
		patch := []byte(`{"metadata":{"finalizers":null}}`)
		if _, err := pods.Patch(ctx, f.Pod, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("finalizers: %w", err)
		}
	}
	now := int64(0)
	return pods.Delete(ctx, f.Pod, metav1.DeleteOptions{GracePeriodSeconds: &now})
}

func (f ForceDelete) String() string {
	if f.StripFinalizers {
		return fmt.Sprintf("force delete of pod %s/%s without its finalizers", f.Namespace, f.Pod)
	}
	return fmt.Sprintf("force delete of pod %s/%s", f.Namespace, f.Pod)
}
