package world

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	conflicts "k8s.io/client-go/util/retry"
)

// Taint is kubectl taint node --overwrite.
type Taint struct {
	Node  string
	Taint corev1.Taint
	// Remove takes the taint of that key and effect away, whatever its value.
	Remove bool
}

func (f Taint) apply(ctx context.Context, w *World) error {
	nodes := w.operator.CoreV1().Nodes()
	return conflicts.RetryOnConflict(conflicts.DefaultRetry, func() error {
		node, err := nodes.Get(ctx, f.Node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		taints := slices.DeleteFunc(slices.Clone(node.Spec.Taints), func(t corev1.Taint) bool { return t.MatchTaint(&f.Taint) })
		switch {
		case !f.Remove:
			taints = append(taints, f.Taint)
		case len(taints) == len(node.Spec.Taints):
			return fmt.Errorf("taint %s: not found", f.Taint.ToString())
		}
		// The version in the patch keeps it from writing over somebody else's taint.
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"resourceVersion": node.ResourceVersion},
			"spec":     map[string]any{"taints": taints},
		})
		if err != nil {
			return err
		}
		_, err = nodes.Patch(ctx, f.Node, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	})
}

func (f Taint) String() string {
	if f.Remove {
		return fmt.Sprintf("removal of taint %s from node %s", f.Taint.ToString(), f.Node)
	}
	return fmt.Sprintf("taint %s on node %s", f.Taint.ToString(), f.Node)
}
