package world

import (
	"context"
	"slices"
	"sync"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
)

// attacherFinalizer keeps a VolumeAttachment until the disk is detached.
const attacherFinalizer = "external-attacher/" + Driver

// attacher does what VolumeAttachments ask for, as external-attacher does. It asks
// the storage, never the node: a disk can be detached under a running pod.
type attacher struct {
	api    kubernetes.Interface
	ledger *ledger

	attachments storagelisters.VolumeAttachmentLister
	volumes     corelisters.PersistentVolumeLister
}

func (a *attacher) start(ctx context.Context, running *sync.WaitGroup) error {
	factory := informers.NewSharedInformerFactory(a.api, 0)
	attachments := factory.Storage().V1().VolumeAttachments()
	a.attachments, a.volumes = attachments.Lister(), factory.Core().V1().PersistentVolumes().Lister()
	if err := follow(ctx, running, attachments.Informer(), a.sync); err != nil {
		return err
	}
	return startInformers(ctx, running, factory)
}

func (a *attacher) sync(ctx context.Context, name string) error {
	va, err := a.attachments.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case va.Spec.Attacher != Driver || va.Spec.Source.PersistentVolumeName == nil:
		return nil
	case va.DeletionTimestamp != nil:
		return a.detach(ctx, va)
	case va.Status.Attached:
		return nil
	default:
		return a.attach(ctx, va)
	}
}

func (a *attacher) attach(ctx context.Context, va *storagev1.VolumeAttachment) error {
	// The finalizer comes first: once attached, it must be detached.
	if !slices.Contains(va.Finalizers, attacherFinalizer) {
		held := va.DeepCopy()
		held.Finalizers = append(held.Finalizers, attacherFinalizer)
		var err error
		if va, err = a.patch(ctx, va, held); err != nil {
			return err
		}
	}

	handle := a.handle(va)
	d, _ := a.ledger.disk(handle)
	if err := sleep(ctx, d.class.Attach); err != nil {
		return err
	}
	refused := a.ledger.attaches(handle, va.Spec.NodeName)
	told := va.DeepCopy()
	told.Status = storagev1.VolumeAttachmentStatus{Attached: refused == nil}
	if refused != nil {
		told.Status.AttachError = &storagev1.VolumeError{Time: metav1.NewTime(time.Now()), Message: refused.Error()}
	}
	if _, err := a.patch(ctx, va, told, "status"); err != nil {
		return err
	}
	return refused
}

func (a *attacher) detach(ctx context.Context, va *storagev1.VolumeAttachment) error {
	if !slices.Contains(va.Finalizers, attacherFinalizer) {
		return nil
	}
	handle := a.handle(va)
	d, _ := a.ledger.disk(handle)
	if err := sleep(ctx, d.class.Detach); err != nil {
		return err
	}
	a.ledger.detaches(handle, va.Spec.NodeName)

	told := va.DeepCopy()
	told.Status = storagev1.VolumeAttachmentStatus{}
	va, err := a.patch(ctx, va, told, "status")
	if err != nil {
		return err
	}
	free := va.DeepCopy()
	free.Finalizers = slices.DeleteFunc(free.Finalizers, func(f string) bool { return f == attacherFinalizer })
	_, err = a.patch(ctx, va, free)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// handle is the disk that a VolumeAttachment is about. A volume that is gone had
// its disk's name.
func (a *attacher) handle(va *storagev1.VolumeAttachment) string {
	name := *va.Spec.Source.PersistentVolumeName
	if pv, err := a.volumes.Get(name); err == nil && pv.Spec.CSI != nil {
		return pv.Spec.CSI.VolumeHandle
	}
	return name
}

func (a *attacher) patch(ctx context.Context, before, after *storagev1.VolumeAttachment, subresources ...string) (*storagev1.VolumeAttachment, error) {
	patch, err := patchBetween(before, after)
	if err != nil {
		return nil, err
	}
	return a.api.StorageV1().VolumeAttachments().
		Patch(ctx, before.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, subresources...)
}
