// Package world is the part of a simulated cluster that cannot be real: machines,
// their kubelets and containers, the network between them and the API server, and
// the disks. It talks to a real API server and holds the ground truth of what runs
// and who writes (State), which no component of the cluster can see.
//
// The kubelets follow v1.37.1 as docs/kubernetes-facts.md describes it, sections 1
// to 3; the code names the upstream file where it follows one closely. Static
// pods, probes, evictions, admission, sidecars and crashes of containers are left
// out; init containers end well the moment their pod starts.
//
// The storage is CSI drivers with their sidecars: disks that are attached to nodes of
// a zone, and disks that are reached without (drivers.go). It follows sections 2, 5
// and 8 of the facts, external-provisioner and external-attacher. What is attached is
// the storage's, what is mounted the machine's, and what ought to be either the
// kubelet's, who forgets it when it restarts (mounts.go, reconstruct.go).
//
// Everything waits by timers, channels and locks only, so that a world can run in
// a synctest bubble; it must then be made inside of it.
package world
