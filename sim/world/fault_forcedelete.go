package world

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// impatience is how long an operator looks at a pod that a force delete did not
// remove.
const impatience = time.Second

// ForceDelete is what an operator does who has lost patience:
// kubectl delete pod --force --grace-period=0.
type ForceDelete struct {
	Namespace, Pod string
	// StripFinalizers patches the pod's finalizers away when the delete alone did not
	// remove it.
	StripFinalizers bool
}

func (f ForceDelete) apply(ctx context.Context, w *World) error {
	pods := w.operator.CoreV1().Pods(f.Namespace)
	pod, err := pods.Get(ctx, f.Pod, metav1.GetOptions{})
	if err != nil {
		return err
	}
	now := int64(0)
	err = pods.Delete(ctx, f.Pod, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID},
	})
	if apierrors.IsConflict(err) {
		// The API server first writes the grace period and then removes the object. In
		// between the kubelet may remove it, and the set make the next one of that name.
		if left, leftErr := isThere(ctx, pods, pod); leftErr == nil && !left {
			return nil
		}
	}
	if err != nil || !f.StripFinalizers {
		return err
	}
	if err := sleep(ctx, impatience); err != nil {
		return err
	}
	if left, err := isThere(ctx, pods, pod); err != nil || !left {
		return err // There were none; a namesake is not meant.
	}
	return StripFinalizers{f.Namespace, f.Pod}.apply(ctx, w)
}

// isThere reports whether this very pod is, and not a namesake.
func isThere(ctx context.Context, pods corev1client.PodInterface, pod *corev1.Pod) (bool, error) {
	left, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil && left.UID == pod.UID, err
}

func (f ForceDelete) String() string {
	if f.StripFinalizers {
		return fmt.Sprintf("force delete of pod %s/%s without its finalizers", f.Namespace, f.Pod)
	}
	return fmt.Sprintf("force delete of pod %s/%s", f.Namespace, f.Pod)
}
