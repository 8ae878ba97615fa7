package plugin

import (
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/reach"
)

// feed keeps the index of what is within reach of what, one for all profiles, from the
// informers that the scheduler has anyway.
//
// Handlers of one informer run each at its own pace, so the queue may wake a pod for an
// object of which the feed's handler has not been told. So a queueing hint applies the
// object of its event itself before it judges, and before a pod is refused the feed
// looks into the informers' stores, which an object enters before any handler hears of
// it. What comes after that reaches the refused pod as an event.
type feed struct {
	started sync.Once
	err     error

	mu    sync.Mutex
	index *reach.Index
	// filled is true once the stores, which are full when the first pod is judged, have
	// been read.
	filled bool

	// nodes has the index nodesByLabel.
	nodes                                   cache.Indexer
	csiNodes, drivers, volumes, attachments cache.Store
}

// nodesByLabel is the index of the informer's nodes by their labels, key=value.
const nodesByLabel = Name + "/label"

func labelsOf(object any) ([]string, error) {
	node, ok := object.(*v1.Node)
	if !ok {
		return nil, nil
	}
	values := make([]string, 0, len(node.Labels))
	for key, value := range node.Labels {
		values = append(values, key+"="+value)
	}
	return values, nil
}

func newFeed() *feed { return &feed{index: reach.NewIndex()} }

// start follows the informers. The first profile does, for all.
func (f *feed) start(factory informers.SharedInformerFactory) error {
	f.started.Do(func() {
		nodes := factory.Core().V1().Nodes().Informer()
		f.nodes = nodes.GetIndexer()
		err := nodes.AddIndexers(cache.Indexers{nodesByLabel: labelsOf})
		if _, made := f.nodes.GetIndexers()[nodesByLabel]; !made {
			f.err = fmt.Errorf("index nodes by label: %w", err)
			return
		}
		f.follow("nodes", nodes)
		f.volumes = f.follow("volumes", factory.Core().V1().PersistentVolumes().Informer())
		f.csiNodes = f.follow("CSINodes", factory.Storage().V1().CSINodes().Informer())
		f.drivers = f.follow("CSIDrivers", factory.Storage().V1().CSIDrivers().Informer())
		f.attachments = f.follow("VolumeAttachments", factory.Storage().V1().VolumeAttachments().Informer())
	})
	return f.err
}

func (f *feed) follow(what string, informer cache.SharedIndexInformer) cache.Store {
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { f.apply(nil, object) },
		UpdateFunc: f.apply,
		DeleteFunc: func(object any) { f.apply(object, nil) },
	})
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("follow %s: %w", what, err)
	}
	return informer.GetStore()
}

// apply takes an event, whoever tells of it. Every update of the index by an event
// passes here.
func (f *feed) apply(old, object any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.observe(time.Now(), old, object)
	if object == nil {
		f.remove(old)
	} else {
		f.set(object)
	}
}

func (f *feed) set(object any) bool {
	switch object := object.(type) {
	case *v1.Node:
		return f.index.SetNode(object)
	case *v1.PersistentVolume:
		return f.index.SetVolume(object)
	case *storagev1.CSINode:
		return f.index.SetCSINode(object)
	case *storagev1.CSIDriver:
		return f.index.SetDriver(object)
	case *storagev1.VolumeAttachment:
		return f.index.SetAttachment(object)
	}
	return false
}

func (f *feed) remove(object any) {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	switch object := object.(type) {
	case *v1.Node:
		f.index.DeleteNode(object)
	case *v1.PersistentVolume:
		f.index.DeleteVolume(object)
	case *storagev1.CSINode:
		f.index.DeleteCSINode(object)
	case *storagev1.CSIDriver:
		f.index.DeleteDriver(object)
	case *storagev1.VolumeAttachment:
		f.index.DeleteAttachment(object)
	}
}

// judge says from where the volumes can be used.
func (f *feed) judge(n need) reach.Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prepare(n)
	return f.index.Judge(n.uses, n.departure)
}

// judgeAnew is judge after a look at the stores, for a refusal. It costs a look at the
// nodes near each volume, or at all of them where a volume's affinity names no values.
func (f *feed) judgeAnew(n need) reach.Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prepare(n)
	f.read(f.drivers)
	for _, use := range n.uses {
		f.readVolume(use.Volume)
		f.readAttachments(use.Volume)
		f.readNear(use.Volume)
	}
	return f.index.Judge(n.uses, n.departure)
}

// readNear reads every node that the volume can be within reach of, and what drivers
// are there. A node that has ceased to be may stay in the index: no pod is bound to it.
func (f *feed) readNear(volume string) {
	near, known := f.index.Near(volume)
	if !known || f.nodes == nil || f.csiNodes == nil {
		f.read(f.nodes, f.csiNodes)
		return
	}
	for _, label := range near {
		found, err := f.nodes.ByIndex(nodesByLabel, label.Key+"="+label.Value)
		if err != nil {
			f.read(f.nodes, f.csiNodes)
			return
		}
		for _, object := range found {
			f.set(object)
			if csiNode, ok, err := f.csiNodes.GetByKey(object.(*v1.Node).Name); ok && err == nil {
				f.set(csiNode)
			}
		}
	}
}

// rooms tells what the nodes, one after the other, have to do with the volumes.
func (f *feed) rooms(nodes []fwk.NodeInfo, uses []reach.Use) []reach.Room {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prepare(need{uses: uses})
	look := f.index.Rooms(uses)
	rooms := make([]reach.Room, 0, len(nodes))
	for _, node := range nodes {
		rooms = append(rooms, look.On(node.Node().Name))
	}
	return rooms
}

// matches tells whether a node with the labels has all that the volumes' affinity asks.
func (f *feed) matches(uses []reach.Use, labels map[string]string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.index.Matches(uses, labels)
}

// asksFor tells whether one of the volumes is the driver's.
func (f *feed) asksFor(uses []reach.Use, driver string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.index.AsksFor(uses, driver)
}

// attachedTo tells whether a single-writer volume is attached to the node.
func (f *feed) attachedTo(uses []reach.Use, node string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.index.AttachedTo(uses, node)
}

// prepare makes sure that the index has heard of what was there at the start, and of
// the volumes: one may have been provisioned a moment ago.
func (f *feed) prepare(n need) {
	if !f.filled {
		f.read(f.nodes, f.csiNodes, f.drivers, f.volumes, f.attachments)
		f.filled = true
		f.observeSize()
	}
	for _, use := range n.uses {
		if !f.index.HasVolume(use.Volume) {
			f.readVolume(use.Volume)
		}
	}
}

func (f *feed) readVolume(name string) {
	if f.volumes == nil {
		return
	}
	if pv, ok, err := f.volumes.GetByKey(name); ok && err == nil {
		f.set(pv)
	}
}

// readAttachments finds out which of the volume's attachments are gone, and how the nodes
// are that still have it, which need not be near it. The store is never behind the index,
// which hears of an object after it.
func (f *feed) readAttachments(volume string) {
	if f.attachments == nil {
		return
	}
	for _, last := range f.index.Attachments(volume) {
		if object, ok, err := f.attachments.GetByKey(last.Name); ok && err == nil {
			f.set(object)
			f.readNode(object.(*storagev1.VolumeAttachment).Spec.NodeName)
		} else if err == nil {
			f.remove(last)
		}
	}
}

func (f *feed) readNode(name string) {
	if f.nodes == nil {
		return
	}
	if node, ok, err := f.nodes.GetByKey(name); ok && err == nil {
		f.set(node)
	}
}

func (f *feed) read(stores ...cache.Store) {
	for _, store := range stores {
		if store == nil {
			continue
		}
		for _, object := range store.List() {
			f.set(object)
		}
	}
}
