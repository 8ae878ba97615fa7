package world

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// attachDetachAnnotation leaves attaching to the attach-detach controller, which
// passes over nodes without it (docs/kubernetes-facts.md §5).
const attachDetachAnnotation = "volumes.kubernetes.io/controller-managed-attach-detach"

// Between attempts to register, the kubelet waits from registerRetryMin, twice as
// long each time, up to registerRetryMax (pkg/kubelet/kubelet_node_status.go).
const (
	registerRetryMin = 200 * time.Millisecond
	registerRetryMax = 7 * time.Second
)

// register makes the Node and the CSINode object and writes the first status,
// trying until ctx ends. An object that exists is kept, and with it the Node's UID
// (docs/kubernetes-facts.md §3.5).
func (k *kubelet) register(ctx context.Context) error {
	for wait := registerRetryMin; ; wait = min(2*wait, registerRetryMax) {
		err := k.tryRegister(ctx)
		if err == nil {
			return nil
		}
		k.refused.Store(&err)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// notReady says why the node never came up: what the API server had against it, if
// it had anything.
func (k *kubelet) notReady(err error) error {
	if refused := k.refused.Load(); refused != nil {
		err = *refused
	}
	return fmt.Errorf("node %s is not ready: %w", k.machine.spec.Name, err)
}

func (k *kubelet) tryRegister(ctx context.Context) error {
	node, err := k.api.CoreV1().Nodes().Create(ctx, k.initialNode(), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		node, err = k.api.CoreV1().Nodes().Get(ctx, k.machine.spec.Name, metav1.GetOptions{})
	}
	if err != nil {
		return err
	}
	k.rebuild.Do(func() { k.volumes.reconstruct(node.Status.VolumesAttached) })
	_, err = k.api.StorageV1().CSINodes().Create(ctx, k.csiNode(node), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return k.syncNodeStatus(ctx, true)
}

func (k *kubelet) initialNode() *corev1.Node {
	spec := k.machine.spec
	labels := map[string]string{
		corev1.LabelHostname:       spec.Name,
		corev1.LabelOSStable:       "linux",
		corev1.LabelArchStable:     "amd64",
		corev1.LabelTopologyZone:   spec.Zone,
		corev1.LabelTopologyRegion: spec.Region,
	}
	for _, d := range k.machine.drivers {
		if d.topologyKey == LocalNodeLabel {
			labels[LocalNodeLabel] = spec.Name
		}
	}
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	maps.Copy(labels, spec.Labels)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name:        spec.Name,
		Labels:      labels,
		Annotations: map[string]string{attachDetachAnnotation: "true"},
	}}
	if k.machine.inCloud {
		node.Spec.ProviderID = k.machine.providerID()
	}
	k.setNodeStatus(&node.Status)
	return node
}

// csiNode says which drivers run on the node.
func (k *kubelet) csiNode(node *corev1.Node) *storagev1.CSINode {
	drivers := []storagev1.CSINodeDriver{}
	for _, d := range k.machine.drivers {
		drivers = append(drivers, d.onNode(k.machine))
	}
	return &storagev1.CSINode{
		ObjectMeta: metav1.ObjectMeta{
			Name: node.Name,
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID},
			},
		},
		Spec: storagev1.CSINodeSpec{Drivers: drivers},
	}
}
