package world

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// RestartDriver takes the CSI drivers of a node out of its CSINode, as the kubelet
// does when their node plugins go away, and brings them back some time later. What
// is mounted stays mounted, and nothing can be attached or mounted meanwhile.
type RestartDriver struct {
	Node string
	// DownFor is how long none is registered.
	DownFor time.Duration
}

func (f RestartDriver) apply(ctx context.Context, w *World) error {
	m, err := w.machine(f.Node)
	if err != nil {
		return err
	}
	if err := w.setDrivers(ctx, m, []driver{}); err != nil {
		return err
	}
	m.plugins.shut()
	m.mu.Lock()
	life := m.world
	m.mu.Unlock()
	w.running.Go(func() {
		if sleep(life, f.DownFor) == nil {
			m.plugins.open()
			_ = retry(life, func() error { return w.setDrivers(life, m, m.drivers) })
		}
	})
	return nil
}

// setDrivers writes which drivers run on a machine.
func (w *World) setDrivers(ctx context.Context, m *machine, drivers []driver) error {
	on := []storagev1.CSINodeDriver{}
	for _, d := range drivers {
		on = append(on, d.onNode(m))
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"drivers": on}})
	if err != nil {
		return err
	}
	_, err = w.operator.StorageV1().CSINodes().Patch(ctx, m.spec.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func (f RestartDriver) String() string {
	return fmt.Sprintf("restart of the CSI drivers of %s within %s", f.Node, f.DownFor)
}
