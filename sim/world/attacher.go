package world

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/status"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
)

// attacherFinalizer keeps a VolumeAttachment until the disk is detached. The world's
// attacher puts it on; those of before have put on one of their driver's.
const attacherFinalizer = attacherFinalizers + Driver

func ofAttacher(finalizer string) bool { return strings.HasPrefix(finalizer, attacherFinalizers) }

// attacher does what VolumeAttachments ask for, as external-attacher does. It asks
// the storage, never the node: a disk can be detached under a running pod.
type attacher struct {
	api     kubernetes.Interface
	ledger  *ledger
	answers *answers
	// drivers are the names of those that attach.
	drivers map[string]bool

	attachments storagelisters.VolumeAttachmentLister
	volumes     corelisters.PersistentVolumeLister
}

func (a *attacher) start(ctx context.Context, running *sync.WaitGroup) error {
	factory := informers.NewSharedInformerFactory(a.api, 0)
	attachments := factory.Storage().V1().VolumeAttachments()
	a.attachments, a.volumes = attachments.Lister(), factory.Core().V1().PersistentVolumes().Lister()
	if err := followChanges(ctx, running, attachments.Informer(), moreThanErrors, a.sync); err != nil {
		return err
	}
	return startInformers(ctx, running, factory)
}

// moreThanErrors passes over the errors that the attacher has just written itself:
// to look at them at once would be a retry without back-off (external-attacher,
// shouldEnqueueVAChange).
func moreThanErrors(before, now any) bool {
	old, changed := before.(*storagev1.VolumeAttachment), now.(*storagev1.VolumeAttachment).DeepCopy()
	changed.ResourceVersion, changed.ManagedFields = old.ResourceVersion, old.ManagedFields
	changed.Status.AttachError, changed.Status.DetachError = old.Status.AttachError, old.Status.DetachError
	return !equality.Semantic.DeepEqual(old, changed)
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
	case !a.drivers[va.Spec.Attacher] || va.Spec.Source.PersistentVolumeName == nil:
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
	if !slices.ContainsFunc(va.Finalizers, ofAttacher) {
		held := va.DeepCopy()
		held.Finalizers = append(held.Finalizers, attacherFinalizer)
		var err error
		if va, err = a.patch(ctx, va, held); err != nil {
			return err
		}
	}

	refused := registered(ctx, a.api, va.Spec.Attacher, va.Spec.NodeName)
	if refused == nil {
		refused = a.publish(ctx, a.handle(va), va.Spec.NodeName)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	told := va.DeepCopy()
	told.Status = storagev1.VolumeAttachmentStatus{Attached: refused == nil, AttachError: volumeError(refused)}
	if _, err := a.patch(ctx, va, told, "status"); err != nil {
		return err
	}
	return refused
}

// publish is the driver's ControllerPublishVolume.
func (a *attacher) publish(ctx context.Context, handle, node string) error {
	d, _ := a.ledger.disk(handle)
	if err := sleep(ctx, d.class.Attach); err != nil {
		return err
	}
	if err := a.answers.await(ctx, call{class: d.class.Name, node: node, does: attaching}); errors.Is(err, errLies) {
		a.ledger.liesAbout(handle, node)
		return nil
	} else if err != nil {
		return err
	}
	return a.ledger.attaches(handle, node)
}

// unpublish is the driver's ControllerUnpublishVolume.
func (a *attacher) unpublish(ctx context.Context, handle, node string) error {
	d, _ := a.ledger.disk(handle)
	if err := sleep(ctx, d.class.Detach); err != nil {
		return err
	}
	if err := a.answers.await(ctx, call{class: d.class.Name, node: node, does: detaching}); errors.Is(err, errLies) {
		a.ledger.liesAbout(handle, node)
		return nil
	} else if err != nil {
		return err
	}
	a.ledger.detaches(handle, node)
	return nil
}

// volumeError is a call's error as external-attacher writes it down; nil for none.
// Of the code the kubelet reads ResourceExhausted alone, and only if the driver
// wants it (driver.object); no controller reads any.
func volumeError(err error) *storagev1.VolumeError {
	if err == nil {
		return nil
	}
	return &storagev1.VolumeError{
		Time: metav1.NewTime(time.Now()), Message: err.Error(), ErrorCode: new(int32(status.Code(err))),
	}
}

func (a *attacher) detach(ctx context.Context, va *storagev1.VolumeAttachment) error {
	if !slices.ContainsFunc(va.Finalizers, ofAttacher) {
		return nil
	}
	refused := a.unpublish(ctx, a.handle(va), va.Spec.NodeName)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	told := va.DeepCopy()
	if refused != nil {
		// It stays attached, and says so.
		told.Status.DetachError = volumeError(refused)
		if _, err := a.patch(ctx, va, told, "status"); err != nil {
			return err
		}
		return refused
	}
	told.Status = storagev1.VolumeAttachmentStatus{}
	va, err := a.patch(ctx, va, told, "status")
	if err != nil {
		return err
	}
	free := va.DeepCopy()
	free.Finalizers = slices.DeleteFunc(free.Finalizers, ofAttacher)
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
