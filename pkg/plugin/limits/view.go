package limits

import (
	"k8s.io/client-go/informers"
	"k8s.io/client-go/informers/storage"
	storagev1 "k8s.io/client-go/informers/storage/v1"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"
)

// view is the cluster's VolumeAttachments without those of some volumes.
type view struct {
	without func(volume string) bool
}

func nothing(string) bool    { return false }
func everything(string) bool { return true }

// Upstream's plugin asks its handle for the informers' factory, and so on down to the
// index of VolumeAttachments by node. Each step on this way is wrapped; the rest is
// the cluster's own.
type (
	viewed struct {
		fwk.Handle
		view view
	}
	viewedFactory struct {
		informers.SharedInformerFactory
		view view
	}
	viewedStorage struct {
		storage.Interface
		view view
	}
	viewedStorageV1 struct {
		storagev1.Interface
		view view
	}
	viewedAttachments struct {
		storagev1.TypedVolumeAttachmentInformer
		view view
	}
	viewedInformer struct {
		cache.SharedIndexInformer
		view view
	}
	viewedIndexer struct {
		cache.Indexer
		view view
	}
)

func (h viewed) SharedInformerFactory() informers.SharedInformerFactory {
	return viewedFactory{h.Handle.SharedInformerFactory(), h.view}
}

func (f viewedFactory) Storage() storage.Interface {
	return viewedStorage{f.SharedInformerFactory.Storage(), f.view}
}

func (s viewedStorage) V1() storagev1.Interface {
	return viewedStorageV1{s.Interface.V1(), s.view}
}

func (s viewedStorageV1) VolumeAttachments() storagev1.TypedVolumeAttachmentInformer {
	return viewedAttachments{s.Interface.VolumeAttachments(), s.view}
}

func (a viewedAttachments) Informer() cache.SharedIndexInformer {
	return viewedInformer{a.TypedVolumeAttachmentInformer.Informer(), a.view}
}

func (i viewedInformer) GetIndexer() cache.Indexer {
	return viewedIndexer{i.SharedIndexInformer.GetIndexer(), i.view}
}

// ByIndex returns what is indexed, as far as the view has it.
func (i viewedIndexer) ByIndex(name, value string) ([]any, error) {
	attachments, err := i.Indexer.ByIndex(name, value)
	if err != nil {
		return nil, err
	}
	var seen []any
	for _, obj := range attachments {
		if !i.view.without(volumeOf(obj)) {
			seen = append(seen, obj)
		}
	}
	return seen, nil
}
