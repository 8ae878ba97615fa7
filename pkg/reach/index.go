// Package reach tells from which nodes the volumes of a pod can be used: where the
// node affinity of each bound volume matches, its CSI driver is registered, and no
// attachment elsewhere stands in the way.
//
//	label value ──▶ nodes ◀── place ◀── volume          Judge: volumes ──▶ nodes
//	                            ▲
//	     driver ──▶ nodes ──────┘       attachment ──▶ node
//
// A label leads to nodes by its value, never by the belief that a hostname is a node's
// name. So a volume that fits k nodes costs O(k), however many there are; the nodes of
// a place are kept until a node joins or leaves it.
package reach

import (
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// Index knows the objects that decide from where volumes can be used. It takes the
// states of one object in any order and keeps the newest. It is not safe for
// concurrent use; a Verdict is, and stays as it is when the index moves on.
type Index struct {
	nodes   map[string]*node
	values  map[string]map[string]sets.Set[string] // label key and value to nodes
	drivers map[string]*driver
	volumes map[string]*volume
	places  map[placeKey]*place

	// Where a place is found by the labels of a node that may join or leave it.
	byLabel map[Label]sets.Set[*place]
	byKey   map[string]sets.Set[*place]
	loose   sets.Set[*place]

	csiNodes map[string]sets.Set[string] // node to registered drivers

	attachments map[string]*attachment
	attached    map[string]sets.Set[*attachment] // volume to its attachments
	attachedAt  map[string]sets.Set[*attachment] // node to its attachments
	// slots is how many volumes of a driver can be attached to a node, where there is a limit.
	slots map[string]map[string]int

	nodeVersions, csiNodeVersions, driverVersions, volumeVersions, attachmentVersions *versions

	// scratch lends its labels to upstream's matcher, which wants a node.
	scratch v1.Node
}

type node struct {
	labels map[string]string
	ready  bool
}

// driver is what is known of a CSI driver; nil if nothing is.
type driver struct {
	object bool // there is a CSIDriver of the name
	nodes  sets.Set[string]
	places sets.Set[*place]
}

// asked tells whether nodes without the driver are out of reach. A driver of which
// nobody has heard, neither as a CSIDriver nor on any node, may be none that registers.
func (d *driver) asked() bool { return d != nil && (d.object || len(d.nodes) > 0) }

type volume struct {
	// place is nil for a volume that reach leaves to others.
	place *place
}

// NewIndex returns an index that knows nothing yet.
func NewIndex() *Index {
	return &Index{
		nodes:    map[string]*node{},
		values:   map[string]map[string]sets.Set[string]{},
		drivers:  map[string]*driver{},
		volumes:  map[string]*volume{},
		places:   map[placeKey]*place{},
		byLabel:  map[Label]sets.Set[*place]{},
		byKey:    map[string]sets.Set[*place]{},
		loose:    sets.New[*place](),
		csiNodes: map[string]sets.Set[string]{},
		slots:    map[string]map[string]int{},

		attachments: map[string]*attachment{},
		attached:    map[string]sets.Set[*attachment]{},
		attachedAt:  map[string]sets.Set[*attachment]{},

		nodeVersions: newVersions(), csiNodeVersions: newVersions(), driverVersions: newVersions(),
		volumeVersions: newVersions(), attachmentVersions: newVersions(),
	}
}

// Size is how much an index holds.
type Size struct {
	Nodes, CSINodes, Drivers, Volumes, Attachments int
	// Places are the different sets of nodes that volumes have.
	Places int
}

// Len returns the size.
func (x *Index) Len() Size {
	return Size{
		Nodes: len(x.nodes), CSINodes: len(x.csiNodes), Drivers: len(x.drivers),
		Volumes: len(x.volumes), Attachments: len(x.attachments), Places: len(x.places),
	}
}

// SetNode takes a state of a node, and tells whether it is news, as all that follow do.
func (x *Index) SetNode(n *v1.Node) bool {
	if !x.nodeVersions.set(n.Name, n.ResourceVersion) {
		return false
	}
	x.replaceNode(n.Name, &node{labels: n.Labels, ready: IsReady(n)})
	return true
}

// IsReady tells whether the node says that it is.
func IsReady(n *v1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c v1.NodeCondition) bool {
		return c.Type == v1.NodeReady && c.Status == v1.ConditionTrue
	})
}

// DeleteNode takes the last state of a node that is gone.
func (x *Index) DeleteNode(n *v1.Node) bool {
	if !x.nodeVersions.remove(n.Name, n.ResourceVersion) {
		return false
	}
	x.replaceNode(n.Name, nil)
	return true
}

func (x *Index) replaceNode(name string, next *node) {
	old := x.nodes[name]
	if next == nil {
		delete(x.nodes, name)
	} else {
		x.nodes[name] = next
	}
	if old != nil && next != nil && maps.Equal(old.labels, next.labels) {
		return // Most updates are heartbeats.
	}
	if old != nil {
		for key, value := range old.labels {
			remove(x.values[key], value, name)
			if len(x.values[key]) == 0 {
				delete(x.values, key)
			}
		}
	}
	if next != nil {
		for key, value := range next.labels {
			if x.values[key] == nil {
				x.values[key] = map[string]sets.Set[string]{}
			}
			insert(x.values[key], value, name)
		}
	}
	x.relabel(old, next)
}

// SetCSINode takes a state of the drivers that are registered on a node.
func (x *Index) SetCSINode(c *storagev1.CSINode) bool {
	if !x.csiNodeVersions.set(c.Name, c.ResourceVersion) {
		return false
	}
	registered := sets.New[string]()
	slots := map[string]int{}
	for i := range c.Spec.Drivers {
		d := &c.Spec.Drivers[i]
		registered.Insert(d.Name)
		if d.Allocatable != nil && d.Allocatable.Count != nil {
			slots[d.Name] = int(*d.Allocatable.Count)
		}
	}
	x.slots[c.Name] = slots
	x.register(c.Name, registered)
	return true
}

// DeleteCSINode takes the last state of a CSINode that is gone.
func (x *Index) DeleteCSINode(c *storagev1.CSINode) bool {
	if !x.csiNodeVersions.remove(c.Name, c.ResourceVersion) {
		return false
	}
	delete(x.slots, c.Name)
	x.register(c.Name, nil)
	return true
}

// register makes next the drivers of the node.
func (x *Index) register(name string, next sets.Set[string]) {
	old := x.csiNodes[name]
	if next == nil {
		delete(x.csiNodes, name)
	} else {
		x.csiNodes[name] = next
	}
	for gained := range next.Difference(old) {
		x.changeDriver(gained, name, func(d *driver) { d.nodes.Insert(name) })
	}
	for lost := range old.Difference(next) {
		x.changeDriver(lost, name, func(d *driver) { d.nodes.Delete(name) })
	}
}

// SetDriver takes a state of a CSIDriver.
func (x *Index) SetDriver(d *storagev1.CSIDriver) bool {
	if !x.driverVersions.set(d.Name, d.ResourceVersion) {
		return false
	}
	x.changeDriver(d.Name, "", func(d *driver) { d.object = true })
	return true
}

// DeleteDriver takes the last state of a CSIDriver that is gone.
func (x *Index) DeleteDriver(d *storagev1.CSIDriver) bool {
	if !x.driverVersions.remove(d.Name, d.ResourceVersion) {
		return false
	}
	x.changeDriver(d.Name, "", func(d *driver) { d.object = false })
	return true
}

// changeDriver changes what is known of a driver, and forgets the nodes of the places
// that this concerns: all of the driver's if it becomes one that must be registered,
// or ceases to be; otherwise those in which the node is.
func (x *Index) changeDriver(name, nodeName string, change func(*driver)) {
	d := x.drivers[name]
	if d == nil {
		d = &driver{nodes: sets.New[string](), places: sets.New[*place]()}
		x.drivers[name] = d
	}
	asked := d.asked()
	change(d)
	if asked != d.asked() {
		for p := range d.places {
			p.nodes = nil
		}
	} else if n := x.nodes[nodeName]; n != nil {
		x.around(n.labels, func(p *place) {
			if p.driver == name && p.nodes != nil && x.matches(p, n.labels) {
				p.nodes = nil
			}
		})
	}
	x.forgetDriver(name)
}

// forgetDriver drops a driver of which nothing is known any more.
func (x *Index) forgetDriver(name string) {
	if d := x.drivers[name]; d != nil && !d.asked() && len(d.places) == 0 {
		delete(x.drivers, name)
	}
}

// SetVolume takes a state of a PersistentVolume.
func (x *Index) SetVolume(pv *v1.PersistentVolume) bool {
	if !x.volumeVersions.set(pv.Name, pv.ResourceVersion) {
		return false
	}
	next := &volume{place: x.join(pv)}
	x.leave(x.volumes[pv.Name])
	x.volumes[pv.Name] = next
	return true
}

// DeleteVolume takes the last state of a PersistentVolume that is gone.
func (x *Index) DeleteVolume(pv *v1.PersistentVolume) bool {
	if !x.volumeVersions.remove(pv.Name, pv.ResourceVersion) {
		return false
	}
	x.leave(x.volumes[pv.Name])
	delete(x.volumes, pv.Name)
	return true
}

// HasVolume tells whether the volume is known.
func (x *Index) HasVolume(name string) bool { return x.volumes[name] != nil }

// join returns the place of the volume, which then has one volume more.
func (x *Index) join(pv *v1.PersistentVolume) *place {
	if translated(pv) {
		return nil
	}
	var affinity *v1.NodeSelector
	if pv.Spec.NodeAffinity != nil {
		affinity = pv.Spec.NodeAffinity.Required
	}
	name := ""
	if pv.Spec.CSI != nil {
		name = pv.Spec.CSI.Driver
	}
	key := keyOf(affinity, name)
	p := x.places[key]
	if p == nil {
		p = newPlace(key, affinity)
		x.places[key] = p
		x.anchor(p)
		if name != "" {
			if x.drivers[name] == nil {
				x.drivers[name] = &driver{nodes: sets.New[string](), places: sets.New[*place]()}
			}
			x.drivers[name].places.Insert(p)
		}
	}
	p.volumes++
	return p
}

// leave takes a volume from its place.
func (x *Index) leave(v *volume) {
	if v == nil || v.place == nil {
		return
	}
	p := v.place
	if p.volumes--; p.volumes > 0 {
		return
	}
	x.unanchor(p)
	delete(x.places, p.key)
	if p.driver != "" {
		x.drivers[p.driver].places.Delete(p)
		x.forgetDriver(p.driver)
	}
}

// translated tells whether the volume is of a kind that a CSI driver has taken over
// under another description, topology and all (k8s.io/csi-translation-lib). Reach sets
// no limit to such a volume: VolumeBinding and VolumeZone translate it and decide.
func translated(pv *v1.PersistentVolume) bool {
	s := &pv.Spec.PersistentVolumeSource
	return s.AWSElasticBlockStore != nil || s.GCEPersistentDisk != nil || s.AzureDisk != nil || s.AzureFile != nil ||
		s.Cinder != nil || s.VsphereVolume != nil || s.PortworxVolume != nil
}

// insert and remove keep a map of sets without empty ones.
func insert[K, V comparable](m map[K]sets.Set[V], key K, value V) {
	if m[key] == nil {
		m[key] = sets.New[V]()
	}
	m[key].Insert(value)
}

func remove[K, V comparable](m map[K]sets.Set[V], key K, value V) {
	m[key].Delete(value)
	if len(m[key]) == 0 {
		delete(m, key)
	}
}
