package world

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Config says what the world is made of.
type Config struct {
	// Nodes are the machines; their names must differ.
	Nodes []NodeSpec
	// Classes are the kinds of disks; their names must differ.
	Classes []ClassSpec
	// Disks are those that are there from the beginning.
	Disks []GivenDisk
	// REST returns a configuration for the API server, with its Transport set, for
	// a client with this user agent. Every call must return a value of its own.
	REST func(userAgent string) *rest.Config
	// Cloud: the machines are a cloud's instances. Their nodes carry provider IDs, and
	// the cloud can take a machine back.
	Cloud bool
	// Observe is told of every change of the ground truth; nil: nobody is.
	Observe Observer
}

// NodeSpec is one machine.
type NodeSpec struct {
	Name         string
	Zone, Region string
	// Capacity is what the kubelet reports, all of it allocatable.
	Capacity corev1.ResourceList
	// Labels are added to those that every node has.
	Labels map[string]string
	// AttachLimit is how many disks can be attached to it; 0: any number.
	AttachLimit int
	// RuntimeForgets: with a reboot the container runtime loses what it knew of its
	// containers, as where CRI-O wipes its storage.
	RuntimeForgets bool
	// WithoutDrivers: no CSI driver runs on it, so no volume can be attached to it, nor
	// mounted on it.
	WithoutDrivers bool
	// Given is what is known of it from before; nil: it is new.
	Given *GivenNode
}

// ClassSpec is a kind of disk and how its storage behaves.
type ClassSpec struct {
	Name string
	// Given is the driver of a class that is there from the beginning; nil: the class is
	// new, and has a driver of the world's own.
	Given *GivenDriver
	// Topology is from where its disks can be reached; Zone if empty.
	Topology Topology
	// Unattached disks are reached without being attached, so nothing ever refuses
	// or fences a node (H14). Those of Node and Anywhere always are.
	Unattached bool
	// Attach and Detach are how long the storage takes for it.
	Attach, Detach time.Duration
	// DetachFences says whether a finished detach cuts off the writes of a node
	// that still has the disk mounted.
	DetachFences bool
}

// Fault is something that is done to the world: by chance, or by an operator.
type Fault interface {
	apply(ctx context.Context, w *World) error
	// String says what was done, as a line of a transcript would.
	String() string
}

// World is the machines, their kubelets and containers, the network and the
// storage. It holds the ground truth.
type World struct {
	config  Config
	ledger  *ledger
	storage *storage
	// machines are sorted by name.
	machines []*machine
	byName   map[string]*machine
	operator kubernetes.Interface
	running  sync.WaitGroup
}

// New makes a world in which nothing happens before Start.
func New(c Config) (*World, error) {
	if c.REST == nil {
		return nil, errors.New("world: REST is not set")
	}
	w := &World{config: c, ledger: newLedger(c.Observe), byName: map[string]*machine{}}
	var err error
	if w.operator, err = kubernetes.NewForConfig(c.REST(OperatorAgent)); err != nil {
		return nil, fmt.Errorf("operator's client: %w", err)
	}
	if w.storage, err = newStorage(c, w.ledger); err != nil {
		return nil, err
	}

	w.ledger.given(c.Disks)
	specs := append([]NodeSpec(nil), c.Nodes...)
	sort.Slice(specs, func(i, j int) bool { return specs[i].Name < specs[j].Name })
	for i, spec := range specs {
		if w.byName[spec.Name] != nil {
			return nil, fmt.Errorf("node %s: named twice", spec.Name)
		}
		m, err := newMachine(w, spec, i, stagger(i, len(specs)))
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", spec.Name, err)
		}
		w.machines, w.byName[spec.Name] = append(w.machines, m), m
	}
	return w, nil
}

// stagger spreads the first ticks of n kubelets over a heartbeat interval, as
// chance does in a real cluster, but the same in every run. None of them is on the
// full interval: what a story does there would meet the tick in one instant, and
// which of the two came first would be chance.
func stagger(i, n int) time.Duration {
	return (2*time.Duration(i) + 1) * heartbeatInterval / (2 * time.Duration(n))
}

// startTimeout is how long the machines get to become Ready.
const startTimeout = 5 * time.Minute

// Start creates the storage driver and the storage classes, switches the machines
// on, and returns when every node that is not silent from the beginning is Ready in
// the API. All of it ends with ctx;
// Wait returns when the last of it has ended.
func (w *World) Start(ctx context.Context) error {
	if err := w.storage.start(ctx, &w.running); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	for _, m := range w.machines {
		m.start(ctx)
	}
	giveUp := time.NewTimer(startTimeout)
	defer giveUp.Stop()
	for _, m := range w.machines {
		if m.link.silent() {
			continue
		}
		select {
		case <-m.kubelet.ready:
		case <-giveUp.C:
			return m.kubelet.notReady(fmt.Errorf("not within %s", startTimeout))
		case <-ctx.Done():
			return m.kubelet.notReady(ctx.Err())
		}
	}
	return nil
}

// Wait returns when everything that Start began has ended.
func (w *World) Wait() { w.running.Wait() }

// State returns the ground truth of now.
func (w *World) State() State { return w.ledger.state() }

// StorageLied tells whether the storage has said of an attachment what is still not so.
// Nobody looks after such a disk: no VolumeAttachment tells of it, or one tells of a disk
// that is not there, until it is attached or detached in truth.
func (w *World) StorageLied() bool { return w.ledger.believed() }

// Apply lets a fault happen, and returns when it has.
func (w *World) Apply(ctx context.Context, f Fault) error {
	if err := f.apply(ctx, w); err != nil {
		return fmt.Errorf("%s: %w", f, err)
	}
	return nil
}

// Silent says whether a node is cut off from the API server at this moment, or has
// no power. It is false for a node that does not exist.
func (w *World) Silent(node string) bool {
	m := w.byName[node]
	return m != nil && m.link.silent()
}

// machine returns the machine of that name.
func (w *World) machine(name string) (*machine, error) {
	if m := w.byName[name]; m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("no node %q", name)
}
