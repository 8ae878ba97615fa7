package world

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	if err := pods.Delete(ctx, f.Pod, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID},
	}); err != nil || !f.StripFinalizers {
		return err
	}
	if err := sleep(ctx, impatience); err != nil {
		return err
	}
	left, err := pods.Get(ctx, f.Pod, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && left.UID != pod.UID {
		return nil // There were none; a namesake is not meant.
	}
	if err != nil {
		return err
	}
	return StripFinalizers{f.Namespace, f.Pod}.apply(ctx, w)
}

func (f ForceDelete) String() string {
	if f.StripFinalizers {
		return fmt.Sprintf("force delete of pod %s/%s without its finalizers", f.Namespace, f.Pod)
	}
	return fmt.Sprintf("force delete of pod %s/%s", f.Namespace, f.Pod)
}
