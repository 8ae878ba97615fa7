package guard

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// cachedNode is the node as the watch has it; nil if it has none.
func (g *Guard) cachedNode(name string) *v1.Node {
	obj, exists, err := g.nodes.GetStore().GetByKey(name)
	if err != nil || !exists {
		return nil
	}
	return obj.(*v1.Node)
}

// liveNode reads the node live; nil if there is none.
func (g *Guard) liveNode(ctx context.Context, name string) (*v1.Node, error) {
	node, err := g.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", name, err)
	}
	return node, nil
}

// ready reports whether the node is there and Ready. It is evidence of nothing; it
// says whether the kubelet can be expected to end a deletion by itself.
func ready(node *v1.Node) bool {
	if node == nil {
		return false
	}
	for _, c := range node.Status.Conditions {
		if c.Type == v1.NodeReady {
			return c.Status == v1.ConditionTrue
		}
	}
	return false
}
