package scenario

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Freeze finds a machine and says how much of it stands still.
type Freeze struct {
	NodeTarget `json:",inline"`
	// KubeletOnly: only the kubelet hangs; the containers run on, and end as they would.
	KubeletOnly bool `json:"kubeletOnly,omitempty"`
}

// Direction is one of the two ways between a node and the API server.
type Direction string

const (
	// FromNode: what the node sends.
	FromNode Direction = "FromNode"
	// ToNode: what is sent to it.
	ToNode Direction = "ToNode"
)

// OneWay finds a node and says what of its traffic vanishes.
type OneWay struct {
	NodeTarget `json:",inline"`
	// Lost is FromNode, what the node sends, or ToNode, what is sent to it. Where only
	// answers vanish, requests take effect until the connection is given up.
	Lost Direction `json:"lost"`
}

// KillContainers names a pod whose containers end by themselves.
type KillContainers struct {
	// Pod is [namespace/]name.
	Pod string `json:"pod"`
	// ExitCode is what they end with; 137 if absent.
	ExitCode *int32 `json:"exitCode,omitempty"`
	// AgainAfter makes a crash loop: each time that they have run for so long, they end
	// again; absent: they run on after the restart.
	AgainAfter *metav1.Duration `json:"againAfter,omitempty"`
}

// Refusal is how the API server turns a request away.
type Refusal string

const (
	// Unavailable: the connection is refused, as while the server restarts. Open
	// watches end.
	Unavailable Refusal = "Unavailable"
	// TooManyRequests: 429, and a second to wait, of which requests that upstream sends
	// with a mutex held are not told.
	TooManyRequests Refusal = "TooManyRequests"
	// Conflict: 409, as if somebody else had just written the object.
	Conflict Refusal = "Conflict"
)

// Refuse says which requests the API server turns away, how, and for how long. What
// is absent stands for all.
type Refuse struct {
	// Component is the sender's user agent, such as kube-scheduler; all if absent.
	Component string `json:"component,omitempty"`
	// Verb is get, list, watch, create, update, patch or delete; all if absent.
	Verb string `json:"verb,omitempty"`
	// Resource is the plural name, with a subresource after a slash; all if absent.
	Resource string `json:"resource,omitempty"`
	// With is Unavailable, TooManyRequests or Conflict. Conflict is for update and patch.
	With Refusal `json:"with"`
	// For is how long.
	For metav1.Duration `json:"for"`
}

// DropWatch names watches that the API server ends.
type DropWatch struct {
	// Component is the watcher's user agent, such as kube-scheduler.
	Component string `json:"component"`
	// Resource is the plural name, such as tenancies.
	Resource string `json:"resource"`
	// Expired: history is compacted meanwhile. Who asks to go on where it was gets 410,
	// and has to list anew.
	Expired bool `json:"expired,omitempty"`
}

// RestartDriver finds a node and says how long its CSI drivers are not registered.
type RestartDriver struct {
	NodeTarget `json:",inline"`
	// DownFor is how long; 30s if absent.
	DownFor *metav1.Duration `json:"downFor,omitempty"`
}

// Cordon finds a node on which nothing more is to be placed.
type Cordon struct {
	NodeTarget `json:",inline"`
	// Undo is kubectl uncordon.
	Undo bool `json:"undo,omitempty"`
}

// Fence finds a node that a remediator takes for dead, and says what really comes of it.
type Fence struct {
	NodeTarget `json:",inline"`
	// Hits is the node whose machine loses its power, where that is the wrong one.
	Hits string `json:"hits,omitempty"`
	// Fails: the power switch says that it has done it, and has not.
	Fails bool `json:"fails,omitempty"`
}

// SetAttachLimit finds a node and says how many volumes can be attached to it.
type SetAttachLimit struct {
	NodeTarget `json:",inline"`
	// Limit is how many from now on: 1 to 1000. What is attached stays so.
	Limit int `json:"limit"`
	// Untold: only the storage knows; the node's CSINode object says what it said.
	Untold bool `json:"untold,omitempty"`
}

// SetClock finds a node and says what becomes of its clock. What is absent is as with
// every clock: no jump, the true pace.
type SetClock struct {
	NodeTarget `json:",inline"`
	// Ahead is by how much it is ahead of the others from now on, and if negative behind.
	Ahead metav1.Duration `json:"ahead,omitempty"`
	// GainsPerMinute is by how much it goes fast from then on, and if negative slow: less
	// than a minute to either side.
	GainsPerMinute metav1.Duration `json:"gainsPerMinute,omitempty"`
}

// LagWatches finds a node and says how late its watches deliver.
type LagWatches struct {
	NodeTarget `json:",inline"`
	// By is how much later; 0s: no later any more.
	By metav1.Duration `json:"by"`
}
