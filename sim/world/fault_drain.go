package world

import (
	"context"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
)

// Cordon is kubectl cordon, or uncordon.
type Cordon struct {
	Node string
	Undo bool
}

func (f Cordon) apply(ctx context.Context, w *World) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"unschedulable": !f.Undo}})
	if err != nil {
		return err
	}
	_, err = w.operator.CoreV1().Nodes().Patch(ctx, f.Node, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}

func (f Cordon) String() string {
	if f.Undo {
		return "uncordon of " + f.Node
	}
	return "cordon of " + f.Node
}

// evictionRetry is how long kubectl drain waits where a budget is in the way.
const evictionRetry = 5 * time.Second

// Drain is kubectl drain --ignore-daemonsets --delete-emptydir-data: it cordons the
// node and evicts its pods, each as often as its disruption budget refuses. It goes
// on by itself until all are accepted.
type Drain struct {
	Node string
}

func (f Drain) apply(ctx context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	if err := (Cordon{Node: f.Node}).apply(ctx, w); err != nil {
		return err
	}
	pods, err := w.operator.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", f.Node).String(),
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	life := m.world
	m.mu.Unlock()
	for i := range pods.Items {
		pod := &pods.Items[i]
		if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "DaemonSet" {
			continue
		}
		w.running.Go(func() { w.evict(life, pod) })
	}
	return nil
}

// evict asks until the eviction is accepted, the pod is another one, or ctx ends.
func (w *World) evict(ctx context.Context, pod *corev1.Pod) {
	for {
		err := w.operator.PolicyV1().Evictions(pod.Namespace).Evict(ctx, &policyv1.Eviction{
			ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
			DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))},
		})
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		if sleep(ctx, evictionRetry) != nil {
			return
		}
	}
}

func (f Drain) String() string { return "drain of " + f.Node }
