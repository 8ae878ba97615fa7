package world

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Replace puts another machine in a machine's place, under its name: the old one
// loses its power for good, its Node and CSINode are deleted, and the new one
// registers anew, with a machine ID of its own and an empty runtime.
type Replace struct {
	Node string
}

func (f Replace) apply(ctx context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inCloud {
		return errors.New("a cloud's machine has its identity from the cloud: terminate it")
	}
	if err := m.losePower(); err != nil {
		return err
	}
	// The CSINode is the Node's, and what the garbage collector would still have to
	// delete would be the new machine's.
	for _, object := range []struct {
		kind   string
		remove func(context.Context, string, metav1.DeleteOptions) error
	}{
		{"Node", w.operator.CoreV1().Nodes().Delete},
		{"CSINode", w.operator.StorageV1().CSINodes().Delete},
	} {
		if err := object.remove(ctx, f.Node, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("%s: %w", object.kind, err)
		}
	}
	m.runtime.forgetAll()
	m.installations++
	m.switchOn()
	return nil
}

func (f Replace) String() string { return "replacement of the machine of " + f.Node }
