package world

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// The annotations by which the scheduler and the volume controller ask for a disk,
// and by which the provisioner knows its own.
const (
	selectedNodeAnnotation  = "volume.kubernetes.io/selected-node"
	provisionerAnnotation   = "volume.kubernetes.io/storage-provisioner"
	provisionedByAnnotation = "pv.kubernetes.io/provisioned-by"
)

// provisioner makes disks for claims, and volumes for disks, as
// external-provisioner does.
type provisioner struct {
	api     kubernetes.Interface
	ledger  *ledger
	classes map[string]ClassSpec

	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
}

func (p *provisioner) start(ctx context.Context, running *sync.WaitGroup) error {
	factory := informers.NewSharedInformerFactory(p.api, 0)
	claims, volumes := factory.Core().V1().PersistentVolumeClaims(), factory.Core().V1().PersistentVolumes()
	p.claims, p.volumes = claims.Lister(), volumes.Lister()
	if err := follow(ctx, running, claims.Informer(), p.provision); err != nil {
		return err
	}
	if err := follow(ctx, running, volumes.Informer(), p.reclaim); err != nil {
		return err
	}
	return startInformers(ctx, running, factory)
}

// provision makes a disk that the claim's selected node reaches.
func (p *provisioner) provision(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return nil // Not a key that a retry would mend.
	}
	claim, err := p.claims.PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	nodeName := claim.Annotations[selectedNodeAnnotation]
	if claim.Spec.VolumeName != "" || nodeName == "" || claim.Spec.StorageClassName == nil {
		return nil
	}
	class, ok := p.classes[*claim.Spec.StorageClassName]
	if !ok || claim.Annotations[provisionerAnnotation] != class.driver().name {
		return nil // Another provisioner's.
	}
	node, err := p.api.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("claim %s: selected node: %w", key, err)
	}
	if d := class.driver(); d.topologyKey != "" {
		// A disk of a topology is made where the driver tells of it.
		if err := registered(ctx, p.api, d.name, nodeName); err != nil {
			return fmt.Errorf("claim %s: %w", key, err)
		}
	}

	pv, err := volumeFor(claim, class.driver(), node)
	if err != nil {
		return fmt.Errorf("claim %s: %w", key, err)
	}
	if _, ok := p.ledger.disk(pv.Name); !ok {
		p.ledger.provisions(disk{
			handle: pv.Name, claimNamespace: namespace, claim: name,
			accessModes: claim.Spec.AccessModes, class: class,
		})
	}
	_, err = p.api.CoreV1().PersistentVolumes().Create(ctx, pv, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// volumeFor is the PersistentVolume of a claim's disk that is made for a node.
func volumeFor(claim *corev1.PersistentVolumeClaim, d driver, node *corev1.Node) (*corev1.PersistentVolume, error) {
	affinity, err := d.affinity(node)
	if err != nil {
		return nil, err
	}
	name := "pvc-" + string(claim.UID)
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedByAnnotation: d.name}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes,
			StorageClassName: *claim.Spec.StorageClassName, VolumeMode: claim.Spec.VolumeMode,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: d.name, VolumeHandle: name},
			},
			NodeAffinity: affinity,
		},
	}, nil
}

// reclaim removes the volume of a claim that is gone, once no node has the disk.
func (p *provisioner) reclaim(ctx context.Context, name string) error {
	pv, err := p.volumes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if pv.Status.Phase != corev1.VolumeReleased || !p.made(pv) ||
		pv.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		return nil
	}
	if p.ledger.isAttached(pv.Spec.CSI.VolumeHandle) {
		return fmt.Errorf("volume %s: still attached", name)
	}
	if err := p.letGo(ctx, pv); err != nil {
		return err
	}
	err = p.api.CoreV1().PersistentVolumes().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// made says whether the volume is of one of the world's disks.
func (p *provisioner) made(pv *corev1.PersistentVolume) bool {
	class, ok := p.classes[pv.Spec.StorageClassName]
	return ok && pv.Annotations[provisionedByAnnotation] == class.driver().name
}
