package snapshot

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// Driver is what a snapshot tells of a CSI driver.
type Driver struct {
	// Name is what StorageClasses call their provisioner.
	Name string
	// AttachRequired: its volumes are attached to nodes. Without a CSIDriver object
	// they are, as Kubernetes has it.
	AttachRequired bool
	// TopologyKey is the node label whose value the nodes of a volume share, by the node
	// affinity of its volumes, or else by what it tells of nodes; empty: there is none.
	TopologyKey string
}

// Class is a StorageClass, or what stands for one, with its driver.
type Class struct {
	// Name is that of the StorageClass, or of the driver where there is none.
	Name   string
	Driver Driver
	// IsObject: there is a StorageClass of the name.
	IsObject bool
}

// isDriver is true of a provisioner that is a CSI driver, by its name: those of
// before CSI, and those beside it, have names with a slash.
func isDriver(provisioner string) bool { return !strings.Contains(provisioner, "/") }

// Classes are the storage classes of CSI drivers, and one for each driver that has
// volumes and no class.
func (c *Cluster) Classes() []Class {
	var classes []Class
	withClass := map[string]bool{}
	for _, class := range Of[*storagev1.StorageClass](c) {
		if !isDriver(class.Provisioner) {
			continue
		}
		withClass[class.Provisioner] = true
		classes = append(classes, Class{class.Name, c.driver(class.Provisioner), true})
	}
	for _, volume := range Of[*corev1.PersistentVolume](c) {
		if csi := volume.Spec.CSI; csi != nil && !withClass[csi.Driver] {
			withClass[csi.Driver] = true
			classes = append(classes, Class{csi.Driver, c.driver(csi.Driver), false})
		}
	}
	slices.SortFunc(classes, func(a, b Class) int { return cmp.Compare(a.Name, b.Name) })
	return classes
}

// ClassOf finds the class of a CSI volume among those of Classes: its own, or one of
// its driver.
func ClassOf(classes []Class, volume *corev1.PersistentVolume) (Class, bool) {
	driver := volume.Spec.CSI.Driver
	own := slices.IndexFunc(classes, func(class Class) bool {
		return class.Name == volume.Spec.StorageClassName && class.Driver.Name == driver
	})
	if own < 0 {
		own = slices.IndexFunc(classes, func(class Class) bool { return class.Driver.Name == driver })
	}
	if own < 0 {
		return Class{}, false
	}
	return classes[own], true
}

func (c *Cluster) driver(name string) Driver {
	d := Driver{Name: name, AttachRequired: true}
	for _, o := range Of[*storagev1.CSIDriver](c) {
		if o.Name == name && o.Spec.AttachRequired != nil {
			d.AttachRequired = *o.Spec.AttachRequired
		}
	}
	for _, volume := range Of[*corev1.PersistentVolume](c) {
		if csi := volume.Spec.CSI; csi != nil && csi.Driver == name {
			if key := affinityKey(volume); key != "" {
				d.TopologyKey = key
				return d
			}
		}
	}
	for _, node := range Of[*storagev1.CSINode](c) {
		for _, on := range node.Spec.Drivers {
			if on.Name == name && len(on.TopologyKeys) > 0 {
				// Of region and zone, the zone is the narrower one.
				d.TopologyKey = on.TopologyKeys[max(0, slices.IndexFunc(on.TopologyKeys, func(k string) bool { return strings.Contains(k, "zone") }))]
				return d
			}
		}
	}
	return d
}

// affinityKey is the label by which a volume's node affinity tells its nodes.
func affinityKey(volume *corev1.PersistentVolume) string {
	if volume.Spec.NodeAffinity == nil || volume.Spec.NodeAffinity.Required == nil {
		return ""
	}
	first := ""
	for _, term := range volume.Spec.NodeAffinity.Required.NodeSelectorTerms {
		for _, e := range term.MatchExpressions {
			if e.Operator == corev1.NodeSelectorOpIn && (first == "" || strings.Contains(e.Key, "zone")) {
				first = e.Key
			}
		}
	}
	return first
}

// DriversOn are the names of the drivers that run on a node, and how many volumes
// they can attach to it; 0: any number, or it is not known. The names are nil if
// there is no CSINode.
func (c *Cluster) DriversOn(node string) (names []string, attachLimit int) {
	for _, o := range Of[*storagev1.CSINode](c) {
		if o.Name != node {
			continue
		}
		names = []string{}
		limited := true
		for _, on := range o.Spec.Drivers {
			names = append(names, on.Name)
			if on.Allocatable == nil || on.Allocatable.Count == nil {
				limited = limited && !c.driver(on.Name).AttachRequired
				continue
			}
			attachLimit += int(*on.Allocatable.Count)
		}
		if !limited {
			attachLimit = 0
		}
	}
	return names, attachLimit
}

// AttachedTo are the nodes that a volume is attached to.
func (c *Cluster) AttachedTo(volume *corev1.PersistentVolume) []string {
	var nodes []string
	for _, a := range Of[*storagev1.VolumeAttachment](c) {
		if name := a.Spec.Source.PersistentVolumeName; name != nil && *name == volume.Name && a.Status.Attached {
			nodes = append(nodes, a.Spec.NodeName)
		}
	}
	return nodes
}

// Silent says whether a node is known as not ready: whether that is because nobody
// hears of it, a snapshot does not tell.
func Silent(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status != corev1.ConditionTrue
		}
	}
	return false
}

// assume says what the simulator takes for granted of what no object tells.
func assume(c *Cluster) {
	var silent []string
	for _, node := range nodesOf(c) {
		if Silent(node) {
			silent = append(silent, node.Name)
		}
	}
	if len(silent) > 0 {
		c.note("Not ready, so taken to be cut off, with their containers running on: nodes %s", some(silent))
	}
	attached, unseen := map[string]bool{}, map[string]bool{}
	for _, class := range c.Classes() {
		if class.Driver.AttachRequired {
			attached[class.Driver.Name] = true
			if !slices.ContainsFunc(Of[*storagev1.CSIDriver](c), func(d *storagev1.CSIDriver) bool { return d.Name == class.Driver.Name }) {
				unseen[class.Driver.Name] = true
			}
		}
	}
	if len(attached) > 0 {
		c.note("Assumed of attached volumes (%s): 2s to attach, 2s to detach, and a detach ends the node's writes", some(slices.Sorted(maps.Keys(attached))))
	}
	if len(unseen) > 0 {
		c.note("Without a CSIDriver in the snapshot, so taken to attach their volumes: %s", some(slices.Sorted(maps.Keys(unseen))))
	}
	var unmade []string
	for _, class := range Of[*storagev1.StorageClass](c) {
		if !isDriver(class.Provisioner) {
			unmade = append(unmade, class.Name)
		}
	}
	if len(unmade) > 0 {
		c.note("Of no CSI driver, so new claims of theirs get no volume: storage classes %s", some(unmade))
	}
	var others []string
	for _, volume := range Of[*corev1.PersistentVolume](c) {
		if volume.Spec.CSI == nil {
			others = append(others, volume.Name)
		}
	}
	if len(others) > 0 {
		c.note("Of no CSI driver, so it is not checked who writes to them: volumes %s", some(others))
	}
}
