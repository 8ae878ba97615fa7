package world

import (
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// mounts is what is really mounted on a machine since it was switched on. It is
// the kernel's: it outlives the kubelet, and ends with the power.
//
// A volume is staged once for the whole node (NodeStageVolume, the device mount),
// then published to each pod that has it (NodePublishVolume).
type mounts struct {
	node   string
	ledger *ledger

	mu        sync.Mutex
	staged    map[corev1.UniqueVolumeName]bool
	published map[types.UID]map[corev1.UniqueVolumeName]podVolume
}

func newMounts(node string, l *ledger) *mounts {
	return &mounts{
		node: node, ledger: l,
		staged:    map[corev1.UniqueVolumeName]bool{},
		published: map[types.UID]map[corev1.UniqueVolumeName]podVolume{},
	}
}

// stage mounts a volume for the node; again is harmless.
func (m *mounts) stage(name corev1.UniqueVolumeName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.staged[name] = true
}

// unstage is called when no pod of the node has the volume any more.
func (m *mounts) unstage(name corev1.UniqueVolumeName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.staged, name)
}

func (m *mounts) isStaged(name corev1.UniqueVolumeName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.staged[name]
}

// publish gives a staged volume to a pod; again is harmless.
func (m *mounts) publish(volume podVolume) {
	m.mu.Lock()
	defer m.mu.Unlock()
	uid := volume.mount.uid
	if m.published[uid] == nil {
		m.published[uid] = map[corev1.UniqueVolumeName]podVolume{}
	}
	m.published[uid][volume.name] = volume
	m.ledger.mountsDisk(volume.mount)
}

// unpublish takes a volume from a pod. Containers that run all the same keep the
// path in a mount namespace of their own (docs/kubernetes-facts.md §2.6).
func (m *mounts) unpublish(volume podVolume) {
	m.mu.Lock()
	defer m.mu.Unlock()
	uid := volume.mount.uid
	delete(m.published[uid], volume.name)
	if len(m.published[uid]) == 0 {
		delete(m.published, uid)
	}
	m.ledger.unmountsDisk(volume.mount)
}

// pods returns the volumes that pods have, as a look into their directories would.
func (m *mounts) pods() map[types.UID]map[corev1.UniqueVolumeName]podVolume {
	m.mu.Lock()
	defer m.mu.Unlock()
	pods := map[types.UID]map[corev1.UniqueVolumeName]podVolume{}
	for uid, volumes := range m.published {
		pods[uid] = maps.Clone(volumes)
	}
	return pods
}

// lost ends every mount of the machine at once, for its power is gone. What is
// attached stays so: that is the storage's knowledge, not the machine's.
func (m *mounts) lost() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.staged)
	clear(m.published)
	m.ledger.losesMounts(m.node)
}
