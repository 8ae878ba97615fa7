package world

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// StripFinalizers patches a pod's finalizers away and leaves it at that.
type StripFinalizers struct {
	Namespace, Pod string
}

func (f StripFinalizers) apply(ctx context.Context, w *World) error {
	patch := []byte(`{"metadata":{"finalizers":null}}`)
	_, err := w.operator.CoreV1().Pods(f.Namespace).Patch(ctx, f.Pod, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func (f StripFinalizers) String() string {
	return fmt.Sprintf("removal of the finalizers of pod %s/%s", f.Namespace, f.Pod)
}
