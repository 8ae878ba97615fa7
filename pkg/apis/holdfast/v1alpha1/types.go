package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// PodFinalizer keeps a pod's object until its incarnation is proven over, so
	// that the kubelet has a place to report to and the StatefulSet controller
	// cannot create a replacement (docs/kubernetes-facts.md 0.4).
	PodFinalizer = "holdfast.dev/tenancy"

	// TenancyFinalizer keeps a record from being deleted while it is unclean.
	TenancyFinalizer = "holdfast.dev/unclean"

	// EpochAnnotation carries the incarnation's epoch on the pod, written by the
	// bind itself: a container reads its fencing token through the downward API.
	EpochAnnotation = "holdfast.dev/epoch"

	// ProtectAnnotation on a pod says All, Writers or None, and goes before the
	// profile's protect.
	ProtectAnnotation = "holdfast.dev/protect"

	// BindOrderAnnotation on a pod says Ordinal, OrdinalReady or None, and goes before
	// the profile's bindOrder.
	BindOrderAnnotation = "holdfast.dev/bind-order"

	// BindOrderTimeoutAnnotation on a pod is a duration, and goes before the profile's
	// bindOrderTimeout.
	BindOrderTimeoutAnnotation = "holdfast.dev/bind-order-timeout"

	// HeldCondition is the type of the condition, on a Tenancy and on a gated
	// pod, that says that an identity is held, why, and what would release it.
	HeldCondition = "Held"
)

// Reasons of HeldCondition: which of the two lines of defence holds.
const (
	// HeldByGuard: the old pod's object is kept by PodFinalizer.
	HeldByGuard = "HeldByGuard"
	// HeldByScheduler: a replacement exists and is not let through.
	HeldByScheduler = "HeldByScheduler"
	// NotHeld: nothing is in the way of the next incarnation.
	NotHeld = "NotHeld"
)

// Tenancy is the durable record of an identity's latest incarnation, and of
// whether that incarnation is proven over. It is named like the pod. A
// replacement is let through only while its phase is Vacant or Over.
//
// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=tn,categories=holdfast
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Held",type=string,JSONPath=`.status.conditions[?(@.type=="Held")].reason`
// +kubebuilder:printcolumn:name="Since",type=date,JSONPath=`.status.conditions[?(@.type=="Held")].lastTransitionTime`
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.status.incarnation.nodes[*].name`
// +kubebuilder:printcolumn:name="Evidence",type=string,JSONPath=`.status.evidence.kind`
// +kubebuilder:printcolumn:name="Epoch",type=integer,JSONPath=`.status.epoch`,priority=1
// +kubebuilder:printcolumn:name="Why",type=string,JSONPath=`.status.conditions[?(@.type=="Held")].message`,priority=1
type Tenancy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec TenancySpec `json:"spec,omitempty"`
	// +optional
	Status TenancyStatus `json:"status,omitempty"`
}

// TenancySpec says whose record this is, and holds the statements of humans.
type TenancySpec struct {
	// StatefulSet is the name of the set that the identity belongs to.
	// +optional
	StatefulSet string `json:"statefulSet,omitempty"`

	// Ordinal is the identity's ordinal in its set.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Ordinal int32 `json:"ordinal,omitempty"`

	// Attestations are humans' statements that an incarnation is over. At most 16.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=podUID
	// +optional
	Attestations []Attestation `json:"attestations,omitempty"`
}

// Attestation is one human's word that the incarnation of PodUID is over: no
// container of it runs, and none will. It is an assertion, not a proof; what
// follows from a false one is outside of what Holdfast guarantees.
type Attestation struct {
	// PodUID names the incarnation that is over. It never speaks for another one.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=1
	PodUID types.UID `json:"podUID"`

	// Reason says how it is known.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason"`

	// By is who attests.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	By string `json:"by"`

	// CoversAttachments: the word is also that the machine writes none of the
	// incarnation's volumes any more, so that nobody need wait for the end of a
	// VolumeAttachment to it (docs/kubernetes-facts.md H11).
	// +optional
	CoversAttachments bool `json:"coversAttachments,omitempty"`
}

// Phase is where a tenancy stands.
//
// +kubebuilder:validation:Enum=Vacant;Occupied;InDoubt;Over
type Phase string

const (
	// Vacant: no incarnation yet.
	Vacant Phase = "Vacant"
	// Occupied: an incarnation is or may be running.
	Occupied Phase = "Occupied"
	// InDoubt: deletion was asked for and the kubelet is late or silent, or the object is
	// gone, and nothing proves yet that the incarnation is over.
	InDoubt Phase = "InDoubt"
	// Over: proven over; the evidence is on the record.
	Over Phase = "Over"
)

// TenancyStatus is what Holdfast knows of the latest incarnation.
type TenancyStatus struct {
	// Phase is where the tenancy stands. Empty means Vacant.
	// +optional
	Phase Phase `json:"phase,omitempty"`

	// Epoch grows with every incarnation: a fencing token. The first one of a
	// record is the Unix time in seconds, so that it grows even over a lost record.
	// +optional
	Epoch int64 `json:"epoch,omitempty"`

	// Incarnation is the latest incarnation; nil while Vacant.
	// +optional
	Incarnation *Incarnation `json:"incarnation,omitempty"`

	// BoundOnce is true once an incarnation is known to have been bound: what comes
	// after it is a replacement, and no longer waits for the ordinals before it. It is
	// written with what is written anyway, so false proves nothing.
	// +optional
	BoundOnce bool `json:"boundOnce,omitempty"`

	// DepartedBy is what ended the latest incarnation before this one that was bound:
	// what it left attached is judged by that, whatever has become of attempts since.
	// +optional
	DepartedBy *Evidence `json:"departedBy,omitempty"`

	// Evidence is what ended the incarnation; nil unless Over.
	// +optional
	Evidence *Evidence `json:"evidence,omitempty"`

	// Conditions has HeldCondition.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Incarnation is one life of an identity.
type Incarnation struct {
	// PodUID is the UID of the pod object.
	PodUID types.UID `json:"podUID"`

	// Nodes has every node on which a bind was tried, for a bind whose answer was
	// lost may still land (docs/kubernetes-facts.md H16). Two nodes of one name are
	// two entries, told apart by UID and machine. At most 8.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	Nodes []CandidateNode `json:"nodes,omitempty"`

	// Volumes has the claims that the incarnation uses.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=claim
	// +optional
	Volumes []VolumeUse `json:"volumes,omitempty"`

	// ContainerSeen is true once it is on record that any container of the incarnation
	// was reported with an ID: when its end comes into doubt, or when its object shows
	// it no more. False proves nothing: a container may run unreported.
	// +optional
	ContainerSeen bool `json:"containerSeen,omitempty"`

	// Reported is true once the kubelet was seen to have reported a container with an
	// ID: it has taken the pod on. Of an adopted incarnation ContainerSeen is true from
	// the beginning, because nobody can say that none was; this is not.
	// +optional
	Reported bool `json:"reported,omitempty"`
}

// CandidateNode is a node on which the incarnation runs or may run.
type CandidateNode struct {
	Name string `json:"name"`
	// UID tells this node from another one of the same name; empty if it was not
	// known, and then nothing that is said of a node is said of this one.
	// +optional
	UID types.UID `json:"uid,omitempty"`
	// Machine is the node's systemUUID, or its machineID where it has none: two
	// machines of one host name take over each other's Node object, UID and all.
	// +optional
	Machine string `json:"machine,omitempty"`
	// BootIDs are the boots that the incarnation may have run on: those seen on the
	// node up to the first sight of the deletion, at which it is read live. At most 8.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	BootIDs []string `json:"bootIDs,omitempty"`
	// LaterBootIDs are boots that were reported since (docs/kubernetes-facts.md
	// §1.5), as far as anybody needs to know: at most 2.
	// +kubebuilder:validation:MaxItems=2
	// +listType=atomic
	// +optional
	LaterBootIDs []string `json:"laterBootIDs,omitempty"`
	// Removal is how the Node object of this UID went; nil if nobody saw it go.
	// +optional
	Removal *NodeRemoval `json:"removal,omitempty"`
}

// NodeRemoval is what the end of a Node object showed. That the object is gone
// proves nothing by itself: anybody can delete it while the machine runs (H3).
type NodeRemoval struct {
	// Time is when its DELETED event came.
	Time metav1.Time `json:"time"`
	// Ready is the status of the final object's Ready condition; Unknown if it had none.
	Ready corev1.ConditionStatus `json:"ready"`
	// Ground is what says that the machine itself is gone; empty: nothing does.
	// +optional
	Ground RemovalGround `json:"ground,omitempty"`
}

// RemovalGround is who says that the machine of a removed Node runs no more.
//
// +kubebuilder:validation:Enum="";InstanceGone;InstanceShutDown;InstanceTerminated
type RemovalGround string

const (
	// InstanceGone: the cloud controller's event for this Node UID says that the
	// instance does not exist.
	InstanceGone RemovalGround = "InstanceGone"
	// InstanceShutDown: the final object had the cloud controller's shutdown taint
	// and was not Ready.
	InstanceShutDown RemovalGround = "InstanceShutDown"
	// InstanceTerminated: the final object still had the finalizer of an autoscaler
	// that takes it off when it has terminated the instance.
	InstanceTerminated RemovalGround = "InstanceTerminated"
)

// VolumeUse is a claim in use, with the volume that it was bound to.
type VolumeUse struct {
	// Claim is the name of the PersistentVolumeClaim, in the tenancy's namespace.
	Claim string `json:"claim"`
	// Volume is the name of the PersistentVolume; empty if not bound yet.
	// +optional
	Volume string `json:"volume,omitempty"`
	// AccessModes are the claim's.
	// +listType=atomic
	// +optional
	AccessModes []corev1.PersistentVolumeAccessMode `json:"accessModes,omitempty"`
}

// EvidenceKind names a rule of pkg/fence.
type EvidenceKind string

const (
	// NeverBound: the pod is being deleted, or is gone, and was bound to no node.
	NeverBound EvidenceKind = "NeverBound"
	// KubeletConfirmed: the kubelet itself reported every container terminated.
	KubeletConfirmed EvidenceKind = "KubeletConfirmed"
	// Rebooted: every machine that it may have run on has booted twice since its
	// deletion was first seen.
	Rebooted EvidenceKind = "Rebooted"
	// Observed: the kubelet of every machine that it may run on was asked twice, and had
	// it neither among its pods nor among what runs.
	Observed EvidenceKind = "Observed"
	// Fenced: a taint that says that the node is out of service, or shut down, was
	// set on it while it was not Ready. Somebody's word.
	Fenced EvidenceKind = "Fenced"
	// NodeRemoved: the Node object is gone, and the cloud or an autoscaler says that
	// the machine is too. Somebody's word.
	NodeRemoved EvidenceKind = "NodeRemoved"
	// Attested: a human's word for this pod UID.
	Attested EvidenceKind = "Attested"
)

// Evidence is the receipt of a release.
type Evidence struct {
	Kind EvidenceKind `json:"kind"`
	// PodUID is the incarnation that it ended.
	PodUID types.UID `json:"podUID"`
	// Source is who or what it came from.
	Source string `json:"source"`
	// Time is when it was judged.
	Time metav1.Time `json:"time"`
	// Detail says in one sentence what was seen.
	// +optional
	Detail string `json:"detail,omitempty"`
	// CoversAttachments is that of the attestation that released.
	// +optional
	CoversAttachments bool `json:"coversAttachments,omitempty"`
}

// TenancyList is a list of tenancies.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
type TenancyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Tenancy `json:"items"`
}
