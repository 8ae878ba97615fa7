package plugin

import (
	"time"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/holdfast-dev/holdfast/pkg/metrics"
)

// observe tells how long the index took to take an event, and how large it is then.
func (f *feed) observe(began time.Time, old, object any) {
	if object == nil {
		object = old
	}
	metrics.ReachUpdated(kindOf(object), time.Since(began))
	f.observeSize()
}

func (f *feed) observeSize() {
	size := f.index.Len()
	metrics.ReachHas("Node", size.Nodes)
	metrics.ReachHas("CSINode", size.CSINodes)
	metrics.ReachHas("CSIDriver", size.Drivers)
	metrics.ReachHas("PersistentVolume", size.Volumes)
	metrics.ReachHas("VolumeAttachment", size.Attachments)
}

// kindOf is the kind of an object of the index; of a tombstone nobody asks what it was.
func kindOf(object any) string {
	switch object.(type) {
	case *v1.Node:
		return "Node"
	case *v1.PersistentVolume:
		return "PersistentVolume"
	case *storagev1.CSINode:
		return "CSINode"
	case *storagev1.CSIDriver:
		return "CSIDriver"
	case *storagev1.VolumeAttachment:
		return "VolumeAttachment"
	default:
		return "Other"
	}
}
