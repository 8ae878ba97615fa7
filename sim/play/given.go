package play

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	holdfastv1alpha1 "github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/snapshot"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// restored gives the engine the cluster of a snapshot, as it is with the run's
// scheduler in it; nil if there is none. Its times move with it: the snapshot was
// taken when the run begins.
func restored(given *snapshot.Cluster, s scenario.Scheduler) func(string) *snapshot.Cluster {
	if given == nil {
		return nil
	}
	return func(schedulerName string) *snapshot.Cluster {
		if taken := given.Taken(); !taken.IsZero() {
			given.Shift(time.Now().Truncate(time.Second).Sub(taken.Truncate(time.Second)))
		}
		for _, o := range given.Objects {
			scenario.SetSchedulerName(o, schedulerName)
		}
		if s != scenario.Holdfast {
			withoutHoldfast(given)
		}
		return given
	}
}

// withoutHoldfast is the cluster as one in which nobody ever installed it: nobody
// would take its finalizers off.
func withoutHoldfast(given *snapshot.Cluster) {
	given.Objects = slices.DeleteFunc(given.Objects, func(o snapshot.Object) bool {
		_, record := o.(*holdfastv1alpha1.Tenancy)
		return record
	})
	for _, pod := range snapshot.Of[*corev1.Pod](given) {
		pod.Finalizers = slices.DeleteFunc(pod.Finalizers, func(f string) bool { return f == holdfastv1alpha1.PodFinalizer })
	}
}

// givenNodes are the machines of a snapshot, with what runs on them.
func givenNodes(given *snapshot.Cluster) []world.NodeSpec {
	if given == nil {
		return nil
	}
	pods := map[string][]*corev1.Pod{}
	for _, pod := range snapshot.Of[*corev1.Pod](given) {
		pods[pod.Spec.NodeName] = append(pods[pod.Spec.NodeName], pod)
	}
	var specs []world.NodeSpec
	for _, node := range snapshot.Of[*corev1.Node](given) {
		drivers, limit := given.DriversOn(node.Name)
		specs = append(specs, world.NodeSpec{
			Name: node.Name, Zone: node.Labels[corev1.LabelTopologyZone], Region: node.Labels[corev1.LabelTopologyRegion],
			Capacity: node.Status.Capacity, Labels: node.Labels, AttachLimit: limit,
			Given: &world.GivenNode{Status: node.Status, Drivers: drivers, Silent: snapshot.Silent(node), Pods: pods[node.Name]},
		})
	}
	return specs
}

// givenClasses are the kinds of disks of a snapshot. What no object says of a storage
// is as the scenario's own have it by default.
func givenClasses(given *snapshot.Cluster) []world.ClassSpec {
	if given == nil {
		return nil
	}
	var specs []world.ClassSpec
	for _, class := range given.Classes() {
		specs = append(specs, givenClass(class))
	}
	return specs
}

func givenClass(class snapshot.Class) world.ClassSpec {
	return world.ClassSpec{
		Name: class.Name,
		Given: &world.GivenDriver{
			Name: class.Driver.Name, AttachRequired: class.Driver.AttachRequired, TopologyKey: class.Driver.TopologyKey,
		},
		Attach: time.Duration(scenario.DefaultAttachSeconds) * time.Second, Detach: time.Duration(scenario.DefaultDetachSeconds) * time.Second,
		DetachFences: scenario.DefaultDetachFences,
	}
}

func givenDisks(given *snapshot.Cluster) []world.GivenDisk {
	if given == nil {
		return nil
	}
	classes := given.Classes()
	var disks []world.GivenDisk
	for _, volume := range snapshot.Of[*corev1.PersistentVolume](given) {
		if volume.Spec.CSI == nil {
			continue
		}
		if class, ok := snapshot.ClassOf(classes, volume); ok {
			disks = append(disks, world.GivenDisk{Volume: volume, Class: givenClass(class), AttachedTo: given.AttachedTo(volume)})
		}
	}
	return disks
}
