package world

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// State is the ground truth at one instant: what really runs, and who can really
// write. The API is only what components think.
type State struct {
	// At is the virtual time.
	At time.Time
	// Processes are all running container processes on all machines, reachable or
	// not, sorted by namespace, pod, node and container.
	Processes []Process
	// Writers are all live write paths that a running pod uses, sorted by disk,
	// node and pod. A path that is read-only is none of them.
	Writers []Writer
}

// Process is one running container.
type Process struct {
	Namespace, Pod string
	PodUID         types.UID
	Container      string
	Node           string
	// BootID tells the boot of the machine in which it runs.
	BootID  string
	Started time.Time
	// Denied: it runs, and the node's runtime says that it has ended.
	Denied bool
}

// Writer is a live write path from a running pod on a node to a disk.
type Writer struct {
	// Disk is the volume handle.
	Disk string
	// ClaimNamespace and Claim are the claim that the disk was made for.
	ClaimNamespace, Claim string
	AccessModes           []corev1.PersistentVolumeAccessMode
	Node                  string
	Namespace, Pod        string
	PodUID                types.UID
}

// Observer is told of every change of the ground truth, after it took effect, in
// order and one at a time. It must not call back into the world.
type Observer func(State)
