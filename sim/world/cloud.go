package world

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	cloudprovider "k8s.io/cloud-provider"
)

// CloudName is the name of the cloud that the machines of a world are rented from,
// and the scheme of their provider IDs.
const CloudName = "sim"

// providerID names the machine as its cloud does. The kubelet is told of it, as by
// its flag --provider-id.
func (m *machine) providerID() string { return CloudName + ":///" + m.spec.Name }

// Cloud is what a cloud controller manager asks about the machines. It tells the
// truth at that moment: whether a machine is there, and whether it has power.
func (w *World) Cloud() cloudprovider.Interface { return cloud{w} }

// cloud has instances and nothing else.
type cloud struct{ world *World }

func (c cloud) Initialize(cloudprovider.ControllerClientBuilder, <-chan struct{}) {}
func (c cloud) LoadBalancer() (cloudprovider.LoadBalancer, bool)                  { return nil, false }
func (c cloud) Instances() (cloudprovider.Instances, bool)                        { return nil, false }
func (c cloud) InstancesV2() (cloudprovider.InstancesV2, bool)                    { return c, true }
func (c cloud) Zones() (cloudprovider.Zones, bool)                                { return nil, false }
func (c cloud) Clusters() (cloudprovider.Clusters, bool)                          { return nil, false }
func (c cloud) Routes() (cloudprovider.Routes, bool)                              { return nil, false }
func (c cloud) ProviderName() string                                              { return CloudName }
func (c cloud) HasClusterID() bool                                                { return true }

// InstanceExists implements cloudprovider.InstancesV2.
func (c cloud) InstanceExists(_ context.Context, node *corev1.Node) (bool, error) {
	m := c.instance(node)
	if m == nil {
		return false, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.terminated, nil
}

// InstanceShutdown implements cloudprovider.InstancesV2.
func (c cloud) InstanceShutdown(_ context.Context, node *corev1.Node) (bool, error) {
	m := c.instance(node)
	if m == nil {
		return false, cloudprovider.InstanceNotFound
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.hasPower(), nil
}

// InstanceMetadata implements cloudprovider.InstancesV2.
func (c cloud) InstanceMetadata(_ context.Context, node *corev1.Node) (*cloudprovider.InstanceMetadata, error) {
	m := c.instance(node)
	if m == nil {
		return nil, cloudprovider.InstanceNotFound
	}
	return &cloudprovider.InstanceMetadata{ProviderID: m.providerID(), Zone: m.spec.Zone, Region: m.spec.Region}, nil
}

// instance finds a node's machine by its provider ID, or by its name where it has
// none, as the interface asks; nil if there is none.
func (c cloud) instance(node *corev1.Node) *machine {
	if node.Spec.ProviderID == "" {
		return c.world.byName[node.Name]
	}
	name, ok := strings.CutPrefix(node.Spec.ProviderID, CloudName+":///")
	if !ok {
		return nil
	}
	return c.world.byName[name]
}
