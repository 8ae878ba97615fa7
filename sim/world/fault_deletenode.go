package world

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DeleteNode is kubectl delete node. The machine and its kubelet run on, and the
// kubelet does not register again before it is restarted
// (docs/kubernetes-facts.md §3.5).
type DeleteNode struct {
	Node string
}

func (f DeleteNode) apply(ctx context.Context, w *World) error {
	return w.operator.CoreV1().Nodes().Delete(ctx, f.Node, metav1.DeleteOptions{})
}

func (f DeleteNode) String() string { return "delete of node " + f.Node }
