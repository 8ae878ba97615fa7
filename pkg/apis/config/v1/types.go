package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
)

// HoldfastArgs is what one profile asks of the plugin. Every field may be left out.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type HoldfastArgs struct {
	metav1.TypeMeta `json:",inline"`

	// Protect says which pods of StatefulSets are held, and guarded: All, Writers
	// (those with a ReadWriteOnce or ReadWriteOncePod claim), or None. The annotation
	// holdfast.dev/protect on a pod goes before it. Default: All. Must be the same in
	// all profiles.
	// +optional
	Protect config.Protection `json:"protect,omitempty"`

	// Controllers are the kinds besides StatefulSet whose pods have stable names,
	// <owner>-<ordinal>, and are treated as a StatefulSet's. At most 16. Default: none.
	// Must be the same in all profiles.
	// +optional
	Controllers []ControllerKind `json:"controllers,omitempty"`

	// BindOrder is the order in which the ordinals of a set are bound for the first
	// time: Ordinal (when the one before has been bound, once, ever), OrdinalReady
	// (when the one before is Ready), or None. The annotation holdfast.dev/bind-order
	// on a pod goes before it. Default: Ordinal.
	// +optional
	BindOrder config.BindOrder `json:"bindOrder,omitempty"`

	// BindOrderTimeout is after how long an ordinal waits no more for the one before
	// it: 0, which is for ever, or 1s to 24h. The annotation
	// holdfast.dev/bind-order-timeout on a pod goes before it. Default: 0.
	// +optional
	BindOrderTimeout *metav1.Duration `json:"bindOrderTimeout,omitempty"`

	// NodeRemoval says when the removal of a Node object counts as evidence that its
	// machine runs no more: Managed (when the cloud or an autoscaler says so), WhenDown
	// (also when the final object was not Ready, whoever deleted it), or Never.
	// Default: Managed. Must be the same in all profiles.
	// +optional
	NodeRemoval config.NodeRemoval `json:"nodeRemoval,omitempty"`

	// ObserveKubelets lets the guard ask kubelets which pods they run, and take two
	// answers without a pod as evidence. It needs the right to get nodes/proxy, which
	// the shipped roles do not grant. Default: false. Must be the same in all profiles.
	// +optional
	ObserveKubelets *bool `json:"observeKubelets,omitempty"`

	// Score weighs what makes one reachable node better than another.
	// +optional
	Score ScoreWeights `json:"score,omitempty"`

	// AttachErrorWindow is how long a failed attachment counts against its node: 1s to
	// 24h. Default: 10m.
	// +optional
	AttachErrorWindow *metav1.Duration `json:"attachErrorWindow,omitempty"`
}

// ControllerKind names a kind of controller.
type ControllerKind struct {
	// Group is the API group, without a version: apps.kruise.io.
	Group string `json:"group"`
	// Kind is the kind as ownerReferences have it: StatefulSet.
	Kind string `json:"kind"`
}

// ScoreWeights weigh the parts of the plugin's score, each 0 to 100. A part of weight
// 0 is not asked; with all of them 0 the plugin does not score.
type ScoreWeights struct {
	// Attached favours the node to which the pod's volumes are still attached: nothing
	// need be detached nor attached. Default: 60.
	// +optional
	Attached *int32 `json:"attached,omitempty"`
	// AttachErrors disfavours nodes on which attaching failed within
	// attachErrorWindow. Default: 20.
	// +optional
	AttachErrors *int32 `json:"attachErrors,omitempty"`
	// AttachSlots favours nodes with room for more attachments. Default: 5.
	// +optional
	AttachSlots *int32 `json:"attachSlots,omitempty"`
	// ZoneSpread favours zones with fewer ordinals of the same set. Default: 15.
	// +optional
	ZoneSpread *int32 `json:"zoneSpread,omitempty"`
}
