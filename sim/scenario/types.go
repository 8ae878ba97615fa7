package scenario

import (
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

const (
	// APIVersion is the version of the file format.
	APIVersion = "sim.holdfast.dev/v1alpha1"
	// Kind is the kind of a scenario file.
	Kind = "Scenario"
)

// Scheduler names one of the two sides of a comparison.
type Scheduler string

const (
	// Default is the stock kube-scheduler.
	Default Scheduler = "default"
	// Holdfast is the kube-scheduler with the plugin and the guard.
	Holdfast Scheduler = "holdfast"
)

// Schedulers are all of them, in the order in which they are run and shown.
func Schedulers() []Scheduler { return []Scheduler{Default, Holdfast} }

// Scenario is one story: a cluster, the objects in it, what happens to it and
// when, and what must come of it under each scheduler.
type Scenario struct {
	// APIVersion is sim.holdfast.dev/v1alpha1.
	APIVersion string `json:"apiVersion"`
	// Kind is Scenario.
	Kind string `json:"kind"`

	// Name of the scenario; the file's name without extension if empty.
	Name string `json:"name,omitempty"`
	// Description says in a sentence or two what the scenario shows.
	Description string `json:"description,omitempty"`

	// Schedulers limits the scenario to these, where the other one would have nothing
	// to show; empty: both.
	Schedulers []Scheduler `json:"schedulers,omitempty"`
	// SchedulerConfiguration is a file with the KubeSchedulerConfiguration that the
	// Holdfast side runs in place of the one that is installed; relative to the
	// scenario file. The pods are given to its first profile with Holdfast.
	SchedulerConfiguration string `json:"schedulerConfiguration,omitempty"`
	// Args are fields of HoldfastArgs, for the profile that is installed: a short way
	// to say what a schedulerConfiguration would. At most one of the two.
	Args *runtime.RawExtension `json:"args,omitempty"`

	// Cluster is the machines and the storage.
	Cluster Cluster `json:"cluster"`

	// Objects are Kubernetes manifests. They carry no schedulerName: the engine
	// sets it per run.
	Objects []Object `json:"objects,omitempty"`

	// Timeline has the steps; time zero is when the cluster is up and the objects
	// are applied.
	Timeline []Step `json:"timeline,omitempty"`

	// Until is when the run ends.
	Until metav1.Duration `json:"until"`

	// Timers replace upstream's defaults.
	Timers Timers `json:"timers,omitempty"`

	// Expect says what must come of it, per scheduler. A scheduler that is not
	// named must keep every invariant, and nothing else is asked of it.
	Expect map[Scheduler]Expectation `json:"expect,omitempty"`

	// Breaks are what would break the promise that the scenario shows: proof that what it
	// expects can fail.
	Breaks []Break `json:"breaks,omitempty"`

	// file is where the scenario was read from: the files that it names are relative
	// to it.
	file string
	// snapshot is what cluster.from has; nil: there is none.
	snapshot *snapshot.Cluster
	// argsNode is args as they were read, with their lines; nil in a scenario made in
	// code.
	argsNode *yaml.Node
}

// Cluster is the machines and the storage.
type Cluster struct {
	// From are files with the objects of a cluster that exists, in place of nodeGroups
	// and storageClasses: what kubectl get -o yaml or -o json prints, or an export of
	// kube-scheduler-simulator; relative to the scenario file. The run begins in the
	// state that they tell of: running pods run, attached volumes are attached.
	From []string `json:"from,omitempty"`
	// NodeGroups are the machines; required without from.
	NodeGroups []NodeGroup `json:"nodeGroups,omitempty"`
	// StorageClasses are the kinds of disk; the engine makes an object of each.
	StorageClasses []StorageClass `json:"storageClasses,omitempty"`
	// Cloud: the machines are rented from a cloud. Its controller taints the nodes of
	// machines without power and deletes those of machines that are gone.
	Cloud bool `json:"cloud,omitempty"`
}

// NodeGroup is a number of alike machines. They are named <name>-0, <name>-1, ...
type NodeGroup struct {
	// Name begins the names of its nodes.
	Name string `json:"name"`
	// Zone is where all of them stand.
	Zone string `json:"zone"`
	// Count is how many there are: 1 to 1000.
	Count int `json:"count"`
	// Capacity defaults to 8 CPUs, 32Gi of memory and 110 pods, each by itself.
	Capacity corev1.ResourceList `json:"capacity,omitempty"`
	// Labels are added to those that every node has (hostname, zone, region, os, arch).
	Labels map[string]string `json:"labels,omitempty"`
	// AttachLimit is how many volumes can be attached to each of them: 1 to 1000; any
	// number if absent.
	AttachLimit *int `json:"attachLimit,omitempty"`
	// RuntimeForgets: with a reboot the container runtime loses what it knew of its
	// containers, as where CRI-O wipes its storage; false: containerd, which does not.
	RuntimeForgets bool `json:"runtimeForgets,omitempty"`
	// CSIDrivers says whether the CSI drivers of the storage classes run on its nodes;
	// true if absent. Without them no volume can be attached there, nor mounted.
	CSIDrivers *bool `json:"csiDrivers,omitempty"`
}

// StorageClass is a kind of disk and how its storage behaves.
type StorageClass struct {
	// Name is what claims refer to.
	Name string `json:"name"`
	// Topology is from where a volume can be reached: Zone, from the zone in which it
	// was made, and the default; Node, from that node alone; Anywhere, from every node.
	Topology Topology `json:"topology,omitempty"`
	// AttachRequired says whether a volume must be attached to a node. If not, nothing
	// keeps a node from it, and nothing ever cuts one off. True if absent for Zone,
	// always false for Node and Anywhere. The fields below are for attached volumes.
	AttachRequired *bool `json:"attachRequired,omitempty"`
	// AttachSeconds is how long attaching takes; 2 if absent.
	AttachSeconds *int32 `json:"attachSeconds,omitempty"`
	// DetachSeconds is how long detaching takes; 2 if absent.
	DetachSeconds *int32 `json:"detachSeconds,omitempty"`
	// DetachFences says whether a finished detach cuts off writes of a node that
	// still has the volume mounted; true if absent.
	DetachFences *bool `json:"detachFences,omitempty"`
}

// attached says whether volumes of the class are attached to nodes.
func (c *StorageClass) attached() bool {
	if c.AttachRequired != nil {
		return *c.AttachRequired
	}
	return c.Topology != TopologyNode && c.Topology != TopologyAnywhere
}

// Topology is from where a volume can be reached.
type Topology string

const (
	// TopologyZone: from every node of the zone in which the volume was made.
	TopologyZone Topology = "Zone"
	// TopologyNode: from the node on which it was made.
	TopologyNode Topology = "Node"
	// TopologyAnywhere: from every node.
	TopologyAnywhere Topology = "Anywhere"
)

// Object is one Kubernetes manifest inline, or a file of them: exactly one of the two.
type Object struct {
	// File is a path relative to the scenario file; it may have several documents.
	File string `json:"file,omitempty"`
	// Manifest is one Kubernetes object. Without a namespace it is in default.
	Manifest *runtime.RawExtension `json:"manifest,omitempty"`

	// node is the manifest as it was read, with its lines; nil in a scenario made
	// in code.
	node *yaml.Node
}

// Step is one thing that happens: exactly one of the actions, at a virtual time
// or after another step.
type Step struct {
	// Name is how other steps refer to this one.
	Name string `json:"name,omitempty"`
	// At is the virtual time. Exactly one of at and after.
	At *metav1.Duration `json:"at,omitempty"`
	// After puts the step some time after another one.
	After *After `json:"after,omitempty"`
	// Schedulers limits the step to these; empty: all. A step after a step that is
	// skipped is skipped too.
	Schedulers []Scheduler `json:"schedulers,omitempty"`

	// Partition cuts a node off from the API server; its containers run on.
	Partition *NodeTarget `json:"partition,omitempty"`
	// Heal ends the partition of a node; with {}, of all nodes.
	Heal *NodeTarget `json:"heal,omitempty"`
	// ForceDelete is kubectl delete pod --force --grace-period=0.
	ForceDelete *ForceDelete `json:"forceDelete,omitempty"`
	// Attest is a human's word, on the record, that the latest incarnation of an
	// ordinal is over. The default scheduler keeps no record: limit such a step.
	Attest *Attest `json:"attest,omitempty"`
	// StallWatch lets a component's watches of one resource deliver nothing more.
	StallWatch *WatchTarget `json:"stallWatch,omitempty"`
	// ResumeWatch lets them go on, with everything that was held up.
	ResumeWatch *WatchTarget `json:"resumeWatch,omitempty"`
	// Storage says how the storage of a class answers from now on.
	Storage *Storage `json:"storage,omitempty"`

	// RestartKubelet ends a node's kubelet and starts another; the containers run on.
	RestartKubelet *RestartKubelet `json:"restartKubelet,omitempty"`
	// Crash takes a machine's power away: every process ends at once.
	Crash *NodeTarget `json:"crash,omitempty"`
	// PowerOn gives it back: a new boot of the same machine.
	PowerOn *NodeTarget `json:"powerOn,omitempty"`
	// Reboot is both, with some time between them.
	Reboot *Reboot `json:"reboot,omitempty"`
	// Terminate gives a machine back to its cloud, for good; the cluster needs one.
	Terminate *NodeTarget `json:"terminate,omitempty"`

	// DeleteNode is kubectl delete node; the machine and its containers run on.
	DeleteNode *NodeTarget `json:"deleteNode,omitempty"`
	// Taint is kubectl taint node --overwrite.
	Taint *Taint `json:"taint,omitempty"`
	// Delete is kubectl delete pod, with the pod's own grace period.
	Delete *PodTarget `json:"delete,omitempty"`
	// StripFinalizers removes a pod's finalizers, and nothing else.
	StripFinalizers *PodTarget `json:"stripFinalizers,omitempty"`
	// DeleteTenancy deletes an ordinal's record. The default scheduler keeps none:
	// limit such a step.
	DeleteTenancy *DeleteTenancy `json:"deleteTenancy,omitempty"`

	// RestartScheduler ends the process of scheduler, plugin and guard, at once or in
	// the middle of what it does, and starts it again.
	RestartScheduler *RestartScheduler `json:"restartScheduler,omitempty"`
	// StartScheduler starts a second process of scheduler, plugin and guard beside the
	// first, without a leader between them. Its user agents are kube-scheduler-2 and
	// holdfast-guard-2. What restarts the scheduler is about the first.
	StartScheduler *StartScheduler `json:"startScheduler,omitempty"`

	// Apply is kubectl apply --server-side --force-conflicts: it creates an object, or
	// sets the fields that the manifest has.
	Apply *Object `json:"apply,omitempty"`
	// Scale is kubectl scale statefulset.
	Scale *Scale `json:"scale,omitempty"`
	// DeleteObject is kubectl delete of any object, a Namespace too.
	DeleteObject *DeleteObject `json:"deleteObject,omitempty"`

	// LoseAnswer lets the answer to the next such request get lost: it takes effect, at
	// once or late, and who sent it gets an error.
	LoseAnswer *LostRequest `json:"loseAnswer,omitempty"`
	// LoseRequest lets the next such request get lost: it takes no effect, and who
	// sent it gets the same error.
	LoseRequest *LostRequest `json:"loseRequest,omitempty"`

	// Freeze stops a machine as SIGSTOP stops a process. Its processes are there all
	// the same and go on when it is thawed, so the invariants count them.
	Freeze *Freeze `json:"freeze,omitempty"`
	// Thaw lets it go on.
	Thaw *NodeTarget `json:"thaw,omitempty"`
	// Replace puts another machine in its place, which registers anew under its name.
	Replace *NodeTarget `json:"replace,omitempty"`
	// PartitionOneWay lets packets between a node and the API server vanish in one
	// direction, until heal.
	PartitionOneWay *OneWay `json:"partitionOneWay,omitempty"`
	// KillContainers ends a pod's containers behind the kubelet's back, which starts
	// them again as the pod's restartPolicy says.
	KillContainers *KillContainers `json:"killContainers,omitempty"`
	// Refuse lets the API server turn requests away.
	Refuse *Refuse `json:"refuse,omitempty"`
	// DropWatch ends a component's open watches of one resource.
	DropWatch *DropWatch `json:"dropWatch,omitempty"`
	// RestartDriver takes a node's CSI drivers out of its CSINode for a time.
	RestartDriver *RestartDriver `json:"restartDriver,omitempty"`
	// Cordon is kubectl cordon.
	Cordon *Cordon `json:"cordon,omitempty"`
	// Drain is kubectl drain: a cordon, and evictions that respect disruption budgets.
	Drain *NodeTarget `json:"drain,omitempty"`
	// Fence is what a remediator does: it takes a machine's power away, and says by the
	// out-of-service taint that the node is dead.
	Fence *Fence `json:"fence,omitempty"`
	// Unfence gives the power back and then takes the taint away.
	Unfence *NodeTarget `json:"unfence,omitempty"`

	// CutStorage cuts a node off from its volumes alone: the API server is reached. Reads
	// and writes fail, and so does whatever is to be attached to it or mounted on it. Disks
	// of a class with topology Node are part of the machine and stay.
	CutStorage *NodeTarget `json:"cutStorage,omitempty"`
	// HealStorage lets the node reach its volumes again: what is still mounted there, and
	// was not fenced meanwhile, is written to again.
	HealStorage *NodeTarget `json:"healStorage,omitempty"`
	// StickContainers lets neither SIGTERM nor SIGKILL end what runs of a pod, as where it
	// waits in the kernel for a disk.
	StickContainers *PodTarget `json:"stickContainers,omitempty"`
	// FreeContainers lets the signals through, also those that came meanwhile.
	FreeContainers *PodTarget `json:"freeContainers,omitempty"`
	// HangRuntime lets a node's container runtime answer nobody. What runs there runs on;
	// the kubelet can start, stop and see nothing, and the node is soon not ready.
	HangRuntime *NodeTarget `json:"hangRuntime,omitempty"`
	// ResumeRuntime lets it go on.
	ResumeRuntime *NodeTarget `json:"resumeRuntime,omitempty"`
	// LieAboutStop: when the kubelet stops what runs of a pod, it is told that it has
	// stopped, and it runs on until the machine's power goes. What follows is outside the
	// trust boundary.
	LieAboutStop *PodTarget `json:"lieAboutStop,omitempty"`
	// SetAttachLimit changes how many volumes can be attached to a node.
	SetAttachLimit *SetAttachLimit `json:"setAttachLimit,omitempty"`
	// LagWatches lets the watches of a node deliver late, as those of an API server do whose
	// cache lags; what it asks otherwise is answered with what is so.
	LagWatches *LagWatches `json:"lagWatches,omitempty"`
	// SetClock lets the clock of one machine jump, or run at another pace: what its kubelet
	// and its runtime write down of times follows it. How long things take does not.
	SetClock *SetClock `json:"setClock,omitempty"`
}

// After refers to another step.
type After struct {
	// Step is the name of a step that stands earlier in the file.
	Step string `json:"step"`
	// Delay is counted from when that step was played.
	Delay metav1.Duration `json:"delay,omitempty"`
}

// NodeTarget finds a node: at most one of its fields.
type NodeTarget struct {
	// Node is its name.
	Node string `json:"node,omitempty"`
	// NodeOf is a pod, [namespace/]name: the node that it is bound to at that moment.
	NodeOf string `json:"nodeOf,omitempty"`
	// NodeOfStep is the name of an earlier step: the node that it found then.
	NodeOfStep string `json:"nodeOfStep,omitempty"`
}

// RestartKubelet finds a node and says how long it is without a kubelet.
type RestartKubelet struct {
	NodeTarget `json:",inline"`
	// DownFor is how long no kubelet runs; 10s if absent.
	DownFor *metav1.Duration `json:"downFor,omitempty"`
	// Rejects are pods, [namespace/]name, that the next kubelet does not admit any more,
	// as where the labels of its node have changed.
	Rejects []string `json:"rejects,omitempty"`
	// LooksAfter is for how long from its start the next kubelet does not see what runs.
	// What the API calls failed or succeeded it takes for ended then.
	LooksAfter metav1.Duration `json:"looksAfter,omitempty"`
}

// Reboot finds a node and says how long its machine is without power.
type Reboot struct {
	NodeTarget `json:",inline"`
	// DownFor is how long it has no power; 30s if absent.
	DownFor *metav1.Duration `json:"downFor,omitempty"`
}

// Taint finds a node and names a taint. Without a key it is the statement that the
// node is out of service: node.kubernetes.io/out-of-service=nodeshutdown:NoExecute.
type Taint struct {
	NodeTarget `json:",inline"`
	// Key of the taint; node.kubernetes.io/out-of-service if absent.
	Key string `json:"key,omitempty"`
	// Value of the taint; nodeshutdown if there is neither key nor value.
	Value string `json:"value,omitempty"`
	// Effect is NoExecute, NoSchedule or PreferNoSchedule; NoExecute if absent.
	Effect corev1.TaintEffect `json:"effect,omitempty"`
	// Remove takes the taint of that key and effect away.
	Remove bool `json:"remove,omitempty"`
}

// PodTarget names a pod.
type PodTarget struct {
	// Pod is [namespace/]name.
	Pod string `json:"pod"`
}

// DeleteTenancy names an ordinal whose record is deleted.
type DeleteTenancy struct {
	// Pod is [namespace/]name.
	Pod string `json:"pod"`
	// StripFinalizers removes the record's finalizers first.
	StripFinalizers bool `json:"stripFinalizers,omitempty"`
}

// RestartScheduler says when the process ends and how long it is away.
type RestartScheduler struct {
	// DownFor is counted from its end; 5s if absent.
	DownFor *metav1.Duration `json:"downFor,omitempty"`
	// OnRequest lets it end when it sends its next such request, which does not reach
	// the API server; absent: at once. A request that is never sent fails the run.
	OnRequest *Request `json:"onRequest,omitempty"`
}

// Request is what a component asks of the API server.
type Request struct {
	// Component is the user agent: kube-scheduler or holdfast-guard.
	Component string `json:"component"`
	// Verb is get, list, watch, create, update, patch or delete.
	Verb string `json:"verb"`
	// Resource is the plural name, with a subresource after a slash: pods/status.
	Resource string `json:"resource"`
}

// LostRequest is a request that gets lost, or its answer. One that is never sent
// fails the run.
type LostRequest struct {
	// Component is the user agent, such as kube-scheduler or statefulset-controller.
	Component string `json:"component"`
	// Verb is get, list, create, update, patch or delete.
	Verb string `json:"verb"`
	// Resource is the plural name, with a subresource after a slash: pods/binding.
	Resource string `json:"resource"`
	// ErrorAfter is how long the sender waits before it gets its error; 45s if absent,
	// in which an HTTP/2 connection finds out that nobody answers.
	ErrorAfter *metav1.Duration `json:"errorAfter,omitempty"`
	// LandsAfter is how long the request of loseAnswer is on its way before it takes
	// effect; at once if absent.
	LandsAfter *metav1.Duration `json:"landsAfter,omitempty"`
}

// StartScheduler says how long the second process runs.
type StartScheduler struct {
	// RunsFor is after how long it ends; absent: it runs to the end.
	RunsFor *metav1.Duration `json:"runsFor,omitempty"`
}

// Scale names a StatefulSet and how many replicas it is to have.
type Scale struct {
	// StatefulSet is [namespace/]name.
	StatefulSet string `json:"statefulSet"`
	// Replicas is how many.
	Replicas int32 `json:"replicas"`
}

// DeleteObject names an object.
type DeleteObject struct {
	// APIVersion of the object, such as apps/v1.
	APIVersion string `json:"apiVersion"`
	// Kind of the object, such as StatefulSet.
	Kind string `json:"kind"`
	// Name is [namespace/]name.
	Name string `json:"name"`
	// Cascade is what becomes of what the object owns: Background, Foreground or
	// Orphan; as kubectl does if absent, in the background.
	Cascade metav1.DeletionPropagation `json:"cascade,omitempty"`
}

// ForceDelete names a pod whose object is removed without waiting for its kubelet.
type ForceDelete struct {
	// Pod is [namespace/]name.
	Pod string `json:"pod"`
	// StripFinalizers removes the pod's finalizers first, as the impatient do.
	StripFinalizers bool `json:"stripFinalizers,omitempty"`
}

// Attest names an ordinal and what is said of its latest incarnation.
type Attest struct {
	// Pod is [namespace/]name.
	Pod string `json:"pod"`
	// Reason says how it is known.
	Reason string `json:"reason"`
	// By is who attests.
	By string `json:"by"`
	// CoversAttachments: the word is also that the machine writes none of the
	// incarnation's volumes any more, whatever is still attached to it.
	CoversAttachments bool `json:"coversAttachments,omitempty"`
}

// WatchTarget names watches by who watches and what.
type WatchTarget struct {
	// Component is the watcher's user agent, such as kube-scheduler.
	Component string `json:"component"`
	// Resource is the plural name, such as tenancies.
	Resource string `json:"resource"`
}

// Storage says how the storage of a class answers. Without a node it is meant for
// all of them, whatever was said of single ones before.
type Storage struct {
	// Class is the storage class, one whose volumes are attached.
	Class string `json:"class"`
	// NodeTarget limits it to calls about one node.
	NodeTarget `json:",inline"`
	// Attach is the answer to calls that attach; as before if absent.
	Attach Answer `json:"attach,omitempty"`
	// Detach is the answer to calls that detach; as before if absent.
	Detach Answer `json:"detach,omitempty"`
}

// Answer is how storage answers a call.
type Answer string

const (
	// Work: it does what is asked.
	Work Answer = "Work"
	// Fail: it refuses, and is asked again after a growing back-off of up to 5 minutes.
	Fail Answer = "Fail"
	// Hang: it does not answer until this changes.
	Hang Answer = "Hang"
	// Lie: it says that it has done what is asked, and has done nothing.
	Lie Answer = "Lie"
)

// Timers replace the defaults of upstream's controllers; absent keeps the default.
type Timers struct {
	// NodeMonitorGracePeriod is how long a silent node stays Ready; 50s.
	NodeMonitorGracePeriod *metav1.Duration `json:"nodeMonitorGracePeriod,omitempty"`
	// TolerationSeconds is how long a pod stays on an unreachable or not-ready node; 300.
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty"`
	// ForceDetach is after how long a volume is detached from a node that is not
	// ready although it may be mounted there; 6m.
	ForceDetach *metav1.Duration `json:"forceDetach,omitempty"`
	// PodGCQuarantine is how long a node must be gone before its pods are removed; 40s.
	PodGCQuarantine *metav1.Duration `json:"podGCQuarantine,omitempty"`
}

// Expectation is what must come of the story under one scheduler.
type Expectation struct {
	// Violations are the invariants that must break, each once; any other
	// violation fails the run.
	Violations []Violation `json:"violations,omitempty"`
	// PreconditionsMet are invariants that must have had something to hold in this run:
	// one that never had says nothing of it.
	PreconditionsMet []string `json:"preconditionsMet,omitempty"`
	// Ordinals are final states.
	Ordinals []Ordinal `json:"ordinals,omitempty"`
	// Holds must each have happened.
	Holds []Hold `json:"holds,omitempty"`
	// NoOtherHolds: every hold of a pod that was deleted by a step is listed in Holds.
	NoOtherHolds bool `json:"noOtherHolds,omitempty"`
	// SchedulingAttemptsWhileHeldMax bounds how often the scheduler tried a pod
	// while it was held (L3); absent: not asked. Only 0 is exact: the scheduler
	// tells of its third and later attempts minutes late.
	SchedulingAttemptsWhileHeldMax *int `json:"schedulingAttemptsWhileHeldMax,omitempty"`
	// BindOrder are ordinals in the order of their first binds; those of others may
	// come between.
	BindOrder []string `json:"bindOrder,omitempty"`
	// Events must each have been seen in the API.
	Events []Event `json:"events,omitempty"`
	// Workloads are what became of the pods of sets, Deployments and others.
	Workloads []Workload `json:"workloads,omitempty"`
	// Creations are orders in which pods were made.
	Creations []Order `json:"creations,omitempty"`
	// Deletions are orders in which pods were told to go.
	Deletions []Order `json:"deletions,omitempty"`
	// DNS is what names resolved to.
	DNS []Resolution `json:"dns,omitempty"`
	// Claims are final states of PersistentVolumeClaims.
	Claims []Claim `json:"claims,omitempty"`
}

// Event is a Kubernetes event that must have been seen: one is enough that is as asked.
type Event struct {
	// Reason of the event, such as Held.
	Reason string `json:"reason"`
	// Kind of the object that it is about; Pod if absent.
	Kind string `json:"kind,omitempty"`
	// Name of the object, [namespace/]name.
	Name string `json:"name"`
	// Note is a part of what it says.
	Note string `json:"note,omitempty"`
	// First is when it was first seen.
	First *Moment `json:"first,omitempty"`
}

// Violation is a time span in which an invariant is broken.
type Violation struct {
	// Invariant is its id, as docs/invariants.md has it. S7 is any of S1 to S6 that breaks
	// while a watch is stopped or late.
	Invariant string `json:"invariant"`
	// By is who broke it, [namespace/]name: the claim for S2, the set for L4, the pod for
	// all others.
	By string `json:"by"`
	// Outside is the kind of the false evidence that it follows from, which puts it outside
	// the trust boundary: Fenced, NodeRemoved or Attested, whose word was false, or
	// KubeletConfirmed or Observed of a runtime that lied; empty: inside.
	Outside string `json:"outside,omitempty"`
	// From is when it begins.
	From *Moment `json:"from,omitempty"`
	// To is when it ends.
	To *Moment `json:"to,omitempty"`
}

// Ordinal is the final state of one ordinal. Absent fields are not asked.
type Ordinal struct {
	// Name is [namespace/]pod name.
	Name string `json:"name"`
	// State is Running, Pending, Held or Absent.
	State OrdinalState `json:"state,omitempty"`
	// Incarnations is how many of its incarnations had a running process.
	Incarnations *int `json:"incarnations,omitempty"`
	// LastStart is when its latest container started.
	LastStart *Moment `json:"lastStart,omitempty"`
	// Down is the total time without a running process, after the first start.
	Down *Span `json:"down,omitempty"`
	// Twice is the total time with two or more.
	Twice *Span `json:"twice,omitempty"`
	// SameVolumes: all of its incarnations had the same volumes, or not.
	SameVolumes *bool `json:"sameVolumes,omitempty"`
	// SameNode: all of them were bound to the same node, or not.
	SameNode *bool `json:"sameNode,omitempty"`
	// SameAddress: all of them had the same address, or not.
	SameAddress *bool `json:"sameAddress,omitempty"`
	// Updated: the latest is of another revision of the template than the first, or not.
	Updated *bool `json:"updated,omitempty"`
	// Restarts is how often containers of the latest were started again.
	Restarts *int `json:"restarts,omitempty"`
	// Stops is how long the process of the latest that ended ran on after its deletion was
	// asked for.
	Stops *Span `json:"stops,omitempty"`
}

// OrdinalState is what became of an ordinal.
type OrdinalState string

const (
	// Running: a container runs and the API knows it as ready.
	Running OrdinalState = "Running"
	// Held: unclean, and held by guard or scheduler.
	Held OrdinalState = "Held"
	// Pending: a pod object exists and does not run, and is not held.
	Pending OrdinalState = "Pending"
	// Absent: no pod object.
	Absent OrdinalState = "Absent"
)

// HolderName is who holds.
type HolderName string

const (
	// ByGuard: the old pod's object is kept.
	ByGuard HolderName = "guard"
	// ByScheduler: the replacement is not let through.
	ByScheduler HolderName = "scheduler"
)

// Hold is a hold that must have happened.
type Hold struct {
	// Ordinal is [namespace/]pod name.
	Ordinal string `json:"ordinal"`
	// By is guard or scheduler.
	By HolderName `json:"by"`
	// Evidence is the kind that released it; empty: not released by the end.
	Evidence string `json:"evidence,omitempty"`
	// From is when it began.
	From *Moment `json:"from,omitempty"`
	// To is when it was released.
	To *Moment `json:"to,omitempty"`
}

// Moment is a virtual time with a tolerance: At-Within to At+Within.
type Moment struct {
	// At is the virtual time.
	At metav1.Duration `json:"at"`
	// Within is the tolerance to both sides.
	Within metav1.Duration `json:"within"`
}

// Span is a length of time with bounds.
type Span struct {
	// Min is the least that is allowed.
	Min metav1.Duration `json:"min"`
	// Max is the most that is allowed.
	Max metav1.Duration `json:"max"`
}
