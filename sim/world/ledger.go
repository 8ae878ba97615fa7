package world

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ledger is the ground truth: what runs, what is attached and what is mounted. It
// tells the observer of every change, in order, while it holds its lock.
type ledger struct {
	observe Observer

	mu        sync.Mutex
	processes map[processKey]Process
	disks     map[string]disk
	attached  map[attachment]bool
	// untrue are the attachments of which the storage has told a lie that still is one.
	untrue map[attachment]bool
	mounts map[mount]mountState
	told   State
	// attachLimits are how many disks the storage attaches to a node; absent: any
	// number.
	attachLimits map[string]int
	// cutOff are the nodes that do not reach the disks behind the network.
	cutOff map[string]bool
}

type processKey struct {
	node      string
	pod       types.UID
	container string
}

// disk is one piece of storage.
type disk struct {
	handle                string
	claimNamespace, claim string
	accessModes           []corev1.PersistentVolumeAccessMode
	class                 ClassSpec
}

// singleNode says whether the disk may be attached to one node only.
func (d disk) singleNode() bool {
	return !slices.ContainsFunc(d.accessModes, func(m corev1.PersistentVolumeAccessMode) bool {
		return m == corev1.ReadWriteMany || m == corev1.ReadOnlyMany
	})
}

// attachment is what the storage knows: this node may use this disk.
type attachment struct{ disk, node string }

// mount is what the machine knows: this pod has this disk mounted.
type mount struct {
	disk, node     string
	namespace, pod string
	uid            types.UID
	readOnly       bool
}

// mountState is where a mount is.
type mountState int

const (
	// onHost: the machine has it, and so have the containers of the pod.
	onHost mountState = iota
	// inContainers: the machine has it no more, and containers that ran then have it
	// still, for each has a mount namespace of its own (docs/kubernetes-facts.md §2.6).
	inContainers
)

func newLedger(observe Observer) *ledger {
	return &ledger{
		observe:   observe,
		processes: map[processKey]Process{},
		disks:     map[string]disk{},
		attached:  map[attachment]bool{},
		untrue:    map[attachment]bool{},
		mounts:    map[mount]mountState{},

		attachLimits: map[string]int{},
		cutOff:       map[string]bool{},
	}
}

// change alters the truth and tells of it if anybody could see the difference.
func (l *ledger) change(alter func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	alter()
	s := l.snapshot()
	if reflect.DeepEqual(s.Processes, l.told.Processes) && reflect.DeepEqual(s.Writers, l.told.Writers) {
		return
	}
	l.told = s
	if l.observe != nil {
		l.observe(s)
	}
}

func (l *ledger) state() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.snapshot()
}

// starts records new processes, all of them at one instant.
func (l *ledger) starts(processes ...Process) {
	l.change(func() {
		for _, p := range processes {
			l.processes[processKey{p.Node, p.PodUID, p.Container}] = p
		}
	})
}

// ends records that every process of a pod on a node has ended.
func (l *ledger) ends(node string, uid types.UID) {
	l.change(func() {
		maps.DeleteFunc(l.processes, func(k processKey, _ Process) bool { return k.node == node && k.pod == uid })
		maps.DeleteFunc(l.mounts, func(m mount, s mountState) bool { return m.node == node && m.uid == uid && s == inContainers })
	})
}

// denies records that a node's runtime says of the processes of a pod that they have
// ended, and that they run on.
func (l *ledger) denies(node string, uid types.UID) {
	l.change(func() {
		for k, p := range l.processes {
			if k.node == node && k.pod == uid {
				p.Denied = true
				l.processes[k] = p
			}
		}
	})
}

// runs is called with the lock held.
func (l *ledger) runs(node string, uid types.UID) bool {
	for k := range l.processes {
		if k.node == node && k.pod == uid {
			return true
		}
	}
	return false
}

// endsNode records that every process on a node has ended.
func (l *ledger) endsNode(node string) {
	l.change(func() {
		maps.DeleteFunc(l.processes, func(k processKey, _ Process) bool { return k.node == node })
	})
}

// provisions records a new disk.
func (l *ledger) provisions(d disk) {
	l.change(func() { l.disks[d.handle] = d })
}

// disk returns a disk by its handle.
func (l *ledger) disk(handle string) (disk, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.disks[handle]
	return d, ok
}

// attaches lets a node use a disk, and refuses with the codes that the CSI
// specification asks of ControllerPublishVolume: a disk for a single node while
// another node has it, and any disk beyond the node's limit.
func (l *ledger) attaches(handle, node string) (err error) {
	l.change(func() {
		if err = l.refuses(handle, node); err == nil {
			l.attached[attachment{handle, node}] = true
			delete(l.untrue, attachment{handle, node})
		}
	})
	return err
}

// refuses is called with the lock held.
func (l *ledger) refuses(handle, node string) error {
	d, ok := l.disks[handle]
	if !ok {
		return status.Errorf(codes.NotFound, "disk %s: not found", handle)
	}
	if l.attached[attachment{handle, node}] {
		return nil
	}
	if !l.reaches(node, d) {
		return status.Errorf(codes.DeadlineExceeded, "disk %s: node %s does not answer the storage", handle, node)
	}
	onNode := 0
	for _, a := range slices.SortedFunc(maps.Keys(l.attached), compareAttachments) {
		if a.disk == handle && d.singleNode() {
			return status.Errorf(codes.FailedPrecondition, "disk %s: attached to node %s", handle, a.node)
		}
		if a.node == node {
			onNode++
		}
	}
	if limit, ok := l.attachLimits[node]; ok && onNode >= limit {
		return status.Errorf(codes.ResourceExhausted, "disk %s: node %s has %d disks, as many as it can", handle, node, onNode)
	}
	return nil
}

// setAttachLimit says how many disks the storage attaches to a node from now on.
func (l *ledger) setAttachLimit(node string, limit int) {
	l.change(func() { l.attachLimits[node] = limit })
}

// cutsStorage records that a node reaches the disks behind the network no more, or again.
func (l *ledger) cutsStorage(node string, cut bool) {
	l.change(func() {
		if cut {
			l.cutOff[node] = true
		} else {
			delete(l.cutOff, node)
		}
	})
}

// reaches says whether what a node asks of a disk gets there at all. It is called with
// the lock held.
func (l *ledger) reaches(node string, d disk) bool {
	return !l.cutOff[node] || d.class.Topology == Node
}

// reachable says whether what a node asks of a disk gets there at all.
func (l *ledger) reachable(node, handle string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reaches(node, l.disks[handle])
}

// detaches takes a disk from a node, whether or not it is mounted there.
func (l *ledger) detaches(handle, node string) {
	l.change(func() {
		delete(l.attached, attachment{handle, node})
		delete(l.untrue, attachment{handle, node})
	})
}

// liesAbout records that the storage has said of an attachment what is not so.
func (l *ledger) liesAbout(handle, node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.untrue[attachment{handle, node}] = true
}

// believed says whether a lie of the storage has not come true since.
func (l *ledger) believed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.untrue) > 0
}

// isAttached says whether any node may use the disk.
func (l *ledger) isAttached(handle string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for a := range l.attached {
		if a.disk == handle {
			return true
		}
	}
	return false
}

func (l *ledger) mountsDisk(m mount) { l.change(func() { l.mounts[m] = onHost }) }

func (l *ledger) unmountsDisk(m mount) {
	l.change(func() {
		if _, ok := l.mounts[m]; ok && l.runs(m.node, m.uid) {
			l.mounts[m] = inContainers
		} else {
			delete(l.mounts, m)
		}
	})
}

// losesMounts records that nothing is mounted on a node any more, not even in
// containers.
func (l *ledger) losesMounts(node string) {
	l.change(func() { maps.DeleteFunc(l.mounts, func(m mount, _ mountState) bool { return m.node == node }) })
}

// snapshot is called with the lock held.
func (l *ledger) snapshot() State {
	s := State{At: time.Now()}
	runs := map[processKey]bool{}
	for k, p := range l.processes {
		s.Processes = append(s.Processes, p)
		runs[processKey{node: k.node, pod: k.pod}] = true
	}
	slices.SortFunc(s.Processes, compareProcesses)

	for m := range l.mounts {
		d := l.disks[m.disk]
		// A mount outlives the detach of a disk whose storage does not fence: the
		// node goes on writing through the path that it has. What is not attached is
		// never cut off at all.
		open := !d.class.driver().attachRequired || !d.class.DetachFences || l.attached[attachment{m.disk, m.node}]
		if open && l.reaches(m.node, d) && !m.readOnly && runs[processKey{node: m.node, pod: m.uid}] {
			s.Writers = append(s.Writers, Writer{
				Disk: m.disk, ClaimNamespace: d.claimNamespace, Claim: d.claim, AccessModes: d.accessModes,
				Node: m.node, Namespace: m.namespace, Pod: m.pod, PodUID: m.uid,
			})
		}
	}
	slices.SortFunc(s.Writers, compareWriters)
	return s
}

func compareProcesses(a, b Process) int {
	return cmp.Or(
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Node, b.Node),
		cmp.Compare(a.Container, b.Container), a.Started.Compare(b.Started), cmp.Compare(a.PodUID, b.PodUID),
	)
}

func compareWriters(a, b Writer) int {
	return cmp.Or(
		cmp.Compare(a.Disk, b.Disk), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.PodUID, b.PodUID),
	)
}

func compareAttachments(a, b attachment) int {
	return cmp.Or(cmp.Compare(a.disk, b.disk), cmp.Compare(a.node, b.node))
}
