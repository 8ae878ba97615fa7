package scenario

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Break is what would break a promise. Its steps are left out of an ordinary run. Played
// with them under one scheduler, the scenario must fail at the checks that it names.
type Break struct {
	// Under is the scheduler; if absent, default, or the one that the scenario is limited
	// to.
	Under Scheduler `json:"under,omitempty"`
	// Steps are played as if they stood at the end of the timeline.
	Steps []Step `json:"steps"`
	// Fails are checks, word for word as a run prints them, each of which must fail then.
	Fails []string `json:"fails"`
}

// Workload is what became of the pods of one StatefulSet, Deployment or other object that
// makes pods, over the whole run. Absent fields are not asked.
type Workload struct {
	// Kind of the object, such as Deployment; StatefulSet if absent.
	Kind string `json:"kind,omitempty"`
	// Name is [namespace/]name of the object.
	Name string `json:"name"`
	// PodNames are the names that its pods had, and no others.
	PodNames []string `json:"podNames,omitempty"`
	// Pods is how many pods it had in all, each new one counted.
	Pods *int `json:"pods,omitempty"`
	// Unavailable is the most of its names that were without a Ready pod at once, after
	// they had one: from the request to delete one until what took its place was Ready.
	Unavailable *int `json:"unavailable,omitempty"`
	// Names is how many different names they had.
	Names *int `json:"names,omitempty"`
	// Addresses is how many different addresses they had.
	Addresses *int `json:"addresses,omitempty"`
	// Volumes is how many different volumes their claims were bound to.
	Volumes *int `json:"volumes,omitempty"`
}

// Order is an order in which pods of stable names were made or deleted.
type Order struct {
	// Pods are [namespace/]names, in the order. What happened to others is not asked.
	Pods []string `json:"pods"`
	// Each says what each waited for; not asked if absent.
	Each Waits `json:"each,omitempty"`
	// ReadyFor is how long the one before it had been Ready at least; with each:
	// AfterReady.
	ReadyFor *metav1.Duration `json:"readyFor,omitempty"`
	// From leaves out what happened before; 0s if absent.
	From *metav1.Duration `json:"from,omitempty"`
}

// Waits is what a pod's turn waited for.
type Waits string

const (
	// AfterReady: the one before it was Ready; of deletions, what took its place was.
	AfterReady Waits = "AfterReady"
	// AfterGone: the one before it was gone, to the last trace.
	AfterGone Waits = "AfterGone"
)

// Resolution is what a name resolved to by the DNS records that follow from Services and
// EndpointSlices.
type Resolution struct {
	// Name is relative to the namespace default (web-0.web), or whole
	// (web-0.web.shop.svc.cluster.local).
	Name string `json:"name"`
	// At is the virtual time; the end if absent.
	At *metav1.Duration `json:"at,omitempty"`
	// Pods are [namespace/]names: it resolved to the addresses that they had then, and to
	// no others.
	Pods []string `json:"pods,omitempty"`
	// Nothing: the name was unknown. Exactly one of pods and nothing.
	Nothing bool `json:"nothing,omitempty"`
}

// Claim is what became of a PersistentVolumeClaim.
type Claim struct {
	// Name is [namespace/]name.
	Name string `json:"name"`
	// State at the end is Bound, Pending, Lost or Absent.
	State ClaimState `json:"state,omitempty"`
	// Volumes is how many different volumes it was bound to, whoever made it anew.
	Volumes *int `json:"volumes,omitempty"`
}

// ClaimState is what became of a claim.
type ClaimState string

const (
	// ClaimBound: it has a volume.
	ClaimBound ClaimState = "Bound"
	// ClaimPending: it waits for one.
	ClaimPending ClaimState = "Pending"
	// ClaimLost: its volume is gone.
	ClaimLost ClaimState = "Lost"
	// ClaimAbsent: there is no such claim.
	ClaimAbsent ClaimState = "Absent"
)
