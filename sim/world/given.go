package world

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A world can begin in the middle of its life: with nodes that the API knows already,
// containers that run, disks that are attached and mounted. Its kubelets then start
// as after an update of themselves: they find what runs and what is mounted, and take
// it up (docs/kubernetes-facts.md §1.3, §2.6).

// GivenNode is what is known of a machine that was there before.
type GivenNode struct {
	// Status is what its kubelet last reported. What it says of the machine stands:
	// capacity, allocatable, addresses, versions and, up to the next boot, the boot.
	Status corev1.NodeStatus
	// Drivers are the names of the CSI drivers that run on it.
	Drivers []string
	// Silent: it is cut off from the beginning.
	Silent bool
	// Pods are those bound to it. What runs of them by their status, runs.
	Pods []*corev1.Pod
}

// GivenDriver is a CSI driver that is not the world's own.
type GivenDriver struct {
	// Name is what StorageClasses call their provisioner.
	Name string
	// AttachRequired is as in its CSIDriver.
	AttachRequired bool
	// TopologyKey is the node label whose value a disk's nodes share; empty: every node
	// will do.
	TopologyKey string
}

// GivenDisk is a disk that was there before.
type GivenDisk struct {
	// Volume is its PersistentVolume, of a CSI driver.
	Volume *corev1.PersistentVolume
	// Class is how its storage behaves.
	Class ClassSpec
	// AttachedTo are the nodes that may use it.
	AttachedTo []string
}

// given puts the disks of before on record.
func (l *ledger) given(disks []GivenDisk) {
	l.change(func() {
		for _, g := range disks {
			d := disk{handle: g.Volume.Spec.CSI.VolumeHandle, accessModes: g.Volume.Spec.AccessModes, class: g.Class}
			if ref := g.Volume.Spec.ClaimRef; ref != nil {
				d.claimNamespace, d.claim = ref.Namespace, ref.Name
			}
			l.disks[d.handle] = d
			for _, node := range g.AttachedTo {
				l.attached[attachment{d.handle, node}] = true
			}
		}
	})
}

// takeUp lets run on the machine what ran there before. It is called once, before
// the machine's first kubelet is made: that one looks at what is mounted.
func (m *machine) takeUp(given *GivenNode, disks []GivenDisk) {
	if given.Silent {
		m.link.cut()
	}
	for _, pod := range given.Pods {
		if !runsBy(pod.Status) {
			continue
		}
		for _, volume := range m.volumesOf(pod, disks) {
			m.mounts.stage(volume.name)
			m.mounts.publish(volume)
		}
		m.runtime.takeUp(pod, m.bootID())
	}
}

// runsBy says whether a container of the pod runs.
func runsBy(s corev1.PodStatus) bool {
	if len(s.ContainerStatuses) == 0 {
		// A cluster without kubelets has no more to say than this.
		return s.Phase == corev1.PodRunning
	}
	return slices.ContainsFunc(s.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.State.Running != nil })
}

// volumesOf are the volumes that a running pod has mounted.
func (m *machine) volumesOf(pod *corev1.Pod, disks []GivenDisk) []podVolume {
	var mounted []podVolume
	for _, volume := range pod.Spec.Volumes {
		claim := claimOf(pod, volume)
		i := slices.IndexFunc(disks, func(d GivenDisk) bool {
			ref := d.Volume.Spec.ClaimRef
			return claim != "" && ref != nil && ref.Namespace == pod.Namespace && ref.Name == claim
		})
		if i < 0 {
			continue
		}
		mounted = append(mounted, podVolumeOf(pod, volume, disks[i].Volume, disks[i].Class.driver().attachRequired, m.spec.Name))
	}
	return mounted
}

// takeUp lets the containers of a pod run that its status says do.
func (r *containerRuntime) takeUp(pod *corev1.Pod, bootID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sandboxes++
	s := newSandbox(pod, cmp.Or(pod.Status.PodIP, r.machine.podIP(r.sandboxes)))
	var processes []Process
	for _, spec := range pod.Spec.Containers {
		c := container{name: spec.Name, id: containerID(pod.UID, spec.Name, r.sandboxes), started: startOf(pod)}
		if i := slices.IndexFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == spec.Name }); i >= 0 {
			status := pod.Status.ContainerStatuses[i]
			if status.State.Running == nil {
				continue // The kubelet has it as one that is not there.
			}
			c.id, c.attempt, c.started = status.ContainerID, status.RestartCount, status.State.Running.StartedAt.Time
		} else if len(pod.Status.ContainerStatuses) > 0 {
			continue
		}
		s.containers = append(s.containers, c)
		processes = append(processes, Process{
			Namespace: pod.Namespace, Pod: pod.Name, PodUID: pod.UID, Container: spec.Name,
			Node: r.machine.spec.Name, BootID: bootID, Started: c.started,
		})
	}
	r.pods[pod.UID] = s
	r.machine.ledger.starts(processes...)
}

func startOf(pod *corev1.Pod) time.Time {
	if pod.Status.StartTime != nil {
		return pod.Status.StartTime.Time
	}
	return pod.CreationTimestamp.Time
}

// setGivenStatus sets what a kubelet's report says of a machine that was there before.
func (k *kubelet) setGivenStatus(s *corev1.NodeStatus) {
	given := k.machine.spec.Given.Status
	s.Allocatable = given.Allocatable.DeepCopy()
	if len(given.Addresses) > 0 {
		s.Addresses = slices.Clone(given.Addresses)
	}
	if given.NodeInfo.KubeletVersion != "" {
		s.NodeInfo = given.NodeInfo
	}
	s.NodeInfo.BootID = k.bootID
}

// givenBootID is the boot that a machine was in before, if it is known.
func (m *machine) givenBootID() string {
	if m.spec.Given == nil {
		return ""
	}
	return m.spec.Given.Status.NodeInfo.BootID
}

// givenIP is the address that a machine had before, if it is known.
func (m *machine) givenIP() string {
	if m.spec.Given == nil {
		return ""
	}
	for _, a := range m.spec.Given.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address
		}
	}
	return ""
}

// runsOn leaves the drivers that run on the node.
func (n NodeSpec) runsOn(drivers []driver) []driver {
	switch {
	case n.WithoutDrivers:
		return nil
	case n.Given == nil || n.Given.Drivers == nil:
		return drivers
	}
	return slices.DeleteFunc(slices.Clone(drivers), func(d driver) bool { return !slices.Contains(n.Given.Drivers, d.name) })
}

// The finalizers by which the sidecars of any driver keep what they look after.
const (
	attacherFinalizers    = "external-attacher/"
	provisionerFinalizers = "external-provisioner.volume.kubernetes.io/"
)

// ofSidecars is true of a finalizer that the sidecars of a driver take off.
func ofSidecars(finalizer string) bool {
	return strings.HasPrefix(finalizer, attacherFinalizers) || strings.HasPrefix(finalizer, provisionerFinalizers)
}

// letGo takes the sidecars' finalizers off a volume that is to be deleted: sidecars
// of before have put them on.
func (p *provisioner) letGo(ctx context.Context, pv *corev1.PersistentVolume) error {
	if !slices.ContainsFunc(pv.Finalizers, ofSidecars) {
		return nil
	}
	free := pv.DeepCopy()
	free.Finalizers = slices.DeleteFunc(free.Finalizers, ofSidecars)
	_, err := p.api.CoreV1().PersistentVolumes().Update(ctx, free, metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("volume %s: %w", pv.Name, err)
	}
	return nil
}

// madeHere leaves the classes that are not there already.
func madeHere(classes []ClassSpec) []ClassSpec {
	return slices.DeleteFunc(slices.Clone(classes), func(c ClassSpec) bool { return c.Given != nil })
}
