package config

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HoldfastArgs is what one profile asks of the plugin. Profiles of one process have
// one guard between them: Protect, Controllers, NodeRemoval and ObserveKubelets must
// be the same in all of them.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type HoldfastArgs struct {
	metav1.TypeMeta

	// Protect says which pods with an identity are held, and guarded, where a pod's
	// own annotation does not.
	Protect Protection
	// Controllers are the kinds besides StatefulSet whose pods have stable names,
	// <owner>-<ordinal>, and are treated as a StatefulSet's.
	Controllers []ControllerKind
	// BindOrder is the order of a set's first binds where a pod's own annotation does
	// not say.
	BindOrder BindOrder
	// BindOrderTimeout is how long an ordinal waits for the one before it at most; 0:
	// for ever.
	BindOrderTimeout metav1.Duration
	// NodeRemoval says when the removal of a Node object counts as evidence.
	NodeRemoval NodeRemoval
	// ObserveKubelets lets the guard ask kubelets which pods they run.
	ObserveKubelets bool
	// Score weighs what makes one reachable node better than another.
	Score ScoreWeights
	// AttachErrorWindow is how long a failed attachment counts against its node.
	AttachErrorWindow metav1.Duration
}

// Protection says which pods with an identity are held and guarded.
type Protection string

const (
	// ProtectAll: every one of them.
	ProtectAll Protection = "All"
	// ProtectWriters: those with a ReadWriteOnce or ReadWriteOncePod claim.
	ProtectWriters Protection = "Writers"
	// ProtectNone: none of them.
	ProtectNone Protection = "None"
)

// ControllerKind names a kind of controller.
type ControllerKind struct {
	// Group is the API group, without a version.
	Group string
	// Kind is the kind as ownerReferences have it.
	Kind string
}

// BindOrder is the order in which the ordinals of a set are bound for the first time.
type BindOrder string

const (
	// BindOrdinal: an ordinal is bound when the one before it has been, once, ever.
	BindOrdinal BindOrder = "Ordinal"
	// BindOrdinalReady: an ordinal is bound when the one before it is Ready.
	BindOrdinalReady BindOrder = "OrdinalReady"
	// BindUnordered: each as it comes.
	BindUnordered BindOrder = "None"
)

// NodeRemoval says when the removal of a Node object counts as evidence that the
// machine runs no more.
type NodeRemoval string

const (
	// RemovalManaged: when the cloud or an autoscaler says that the machine is gone.
	RemovalManaged NodeRemoval = "Managed"
	// RemovalWhenDown: also when the final object was not Ready, whoever deleted it.
	RemovalWhenDown NodeRemoval = "WhenDown"
	// RemovalNever: never.
	RemovalNever NodeRemoval = "Never"
)

// ScoreWeights weigh the parts of the plugin's score, each 0 to 100; a part of
// weight 0 is not asked. All of them 0: the plugin does not score.
type ScoreWeights struct {
	// Attached favours the node to which the pod's volumes are still attached.
	Attached int32
	// AttachErrors disfavours nodes on which attaching failed a short while ago.
	AttachErrors int32
	// AttachSlots favours nodes with room for more attachments.
	AttachSlots int32
	// ZoneSpread favours zones with fewer ordinals of the same set.
	ZoneSpread int32
}
