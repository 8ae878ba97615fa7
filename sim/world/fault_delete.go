package world

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Delete is kubectl delete pod, with the pod's own grace period.
type Delete struct {
	Namespace, Pod string
}

func (f Delete) apply(ctx context.Context, w *World) error {
	return w.operator.CoreV1().Pods(f.Namespace).Delete(ctx, f.Pod, metav1.DeleteOptions{})
}

func (f Delete) String() string { return fmt.Sprintf("delete of pod %s/%s", f.Namespace, f.Pod) }
