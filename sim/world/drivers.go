package world

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// The CSI drivers. Whether a disk must be attached is a property of the driver
// (CSIDriver.spec.attachRequired), and so is from where its disks can be reached:
// each kind of disk has a driver of its own.
const (
	// Driver attaches its disks to nodes of the zone in which they were made.
	Driver = "zonal.sim.holdfast.dev"
	// UnattachedZonalDriver has disks that every node of their zone reaches unasked.
	UnattachedZonalDriver = "unattached.zonal.sim.holdfast.dev"
	// LocalDriver has disks that are part of a node.
	LocalDriver = "local.sim.holdfast.dev"
	// AnywhereDriver has disks that every node reaches unasked, as those of a file
	// server are.
	AnywhereDriver = "anywhere.sim.holdfast.dev"
)

// LocalNodeLabel is the topology key of local disks. Its value is the name of the
// node, which has the label once the driver runs there.
const LocalNodeLabel = "topology." + LocalDriver + "/node"

// Topology is from where the disks of a class can be reached.
type Topology string

const (
	// Zone: from every node of the zone in which the disk was made; also the zero value's meaning.
	Zone Topology = "Zone"
	// Node: from the node on which the disk was made.
	Node Topology = "Node"
	// Anywhere: from every node.
	Anywhere Topology = "Anywhere"
)

// driver is one CSI driver, as its CSIDriver and CSINode objects describe it.
type driver struct {
	name           string
	attachRequired bool
	// topologyKey is the node label whose value a disk's nodes share; empty: every
	// node will do.
	topologyKey string
}

// driver returns the driver of the class's disks.
func (c ClassSpec) driver() driver {
	switch {
	case c.Given != nil:
		return driver{name: c.Given.Name, attachRequired: c.Given.AttachRequired, topologyKey: c.Given.TopologyKey}
	case c.Topology == Node:
		return driver{name: LocalDriver, topologyKey: LocalNodeLabel}
	case c.Topology == Anywhere:
		return driver{name: AnywhereDriver}
	case c.Unattached:
		return driver{name: UnattachedZonalDriver, topologyKey: corev1.LabelTopologyZone}
	default:
		return driver{name: Driver, attachRequired: true, topologyKey: corev1.LabelTopologyZone}
	}
}

// driversOf returns the drivers that the classes need, by name.
func driversOf(classes []ClassSpec) []driver {
	var drivers []driver
	for _, class := range classes {
		if d := class.driver(); !slices.Contains(drivers, d) {
			drivers = append(drivers, d)
		}
	}
	slices.SortFunc(drivers, func(a, b driver) int { return cmp.Compare(a.name, b.name) })
	return drivers
}

// attachingOnes are the names of the drivers that attach.
func attachingOnes(drivers []driver) map[string]bool {
	names := map[string]bool{}
	for _, d := range drivers {
		if d.attachRequired {
			names[d.name] = true
		}
	}
	return names
}

// affinity says which nodes reach a disk that is made for a node; nil: all do.
func (d driver) affinity(node *corev1.Node) (*corev1.VolumeNodeAffinity, error) {
	if d.topologyKey == "" {
		return nil, nil
	}
	value, ok := node.Labels[d.topologyKey]
	if !ok {
		return nil, fmt.Errorf("node %s: no label %s", node.Name, d.topologyKey)
	}
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: d.topologyKey, Operator: corev1.NodeSelectorOpIn, Values: []string{value}},
		}}},
	}}, nil
}

// object is the driver's CSIDriver. It does not ask kubelets to read their attach
// limit again when an attach was refused for it (nodeAllocatableUpdatePeriodSeconds):
// so they do not reject the pod either (pkg/volume/csi/csi_plugin.go,
// VerifyExhaustedResource).
func (d driver) object() *storagev1.CSIDriver {
	podInfo := false
	return &storagev1.CSIDriver{
		ObjectMeta: metav1.ObjectMeta{Name: d.name},
		Spec: storagev1.CSIDriverSpec{
			AttachRequired: &d.attachRequired, PodInfoOnMount: &podInfo,
			VolumeLifecycleModes: []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecyclePersistent},
		},
	}
}

// onNode is what the driver's node plugin says of a node in the CSINode object.
// Only a driver that attaches can have a limit.
func (d driver) onNode(m *machine) storagev1.CSINodeDriver {
	on := storagev1.CSINodeDriver{Name: d.name, NodeID: m.spec.Name}
	if d.topologyKey != "" {
		on.TopologyKeys = []string{d.topologyKey}
	}
	if limit := m.attachLimit.Load(); d.attachRequired && limit > 0 {
		on.Allocatable = &storagev1.VolumeNodeResources{Count: new(limit)}
	}
	return on
}

// registered is an error unless the driver runs on the node, as the sidecars and the
// kubelet learn of it: by the CSINode object.
func registered(ctx context.Context, api kubernetes.Interface, driver, node string) error {
	on, err := api.StorageV1().CSINodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(on.Spec.Drivers, func(d storagev1.CSINodeDriver) bool { return d.Name == driver }) {
		return status.Errorf(codes.FailedPrecondition, "CSINode %s does not contain driver %s", node, driver)
	}
	return nil
}
