// Package fence judges whether an incarnation is proven over. It is the one
// place that releases: everything else holds on what it says.
//
// It is a pure function over an ordered table of rules. Facts about one pod UID
// go in, a verdict that names its evidence, or what is missing, comes out. What
// is not known holds.
package fence

import (
	"strings"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// Sight is how the pod object of an incarnation was last seen.
type Sight string

const (
	// SightUnknown: from a cache, a tombstone, or not at all. Nothing that such an
	// object says is evidence, for it may be older than what happened since.
	SightUnknown Sight = "Unknown"
	// SightLive: a live read returned the object.
	SightLive Sight = "Live"
	// SightFinal: the object of a DELETED event of an unfiltered, untrimmed watch.
	SightFinal Sight = "Final"
	// SightGone: a live read found that no object of this UID exists, and the final
	// object was not seen. It says nothing about processes.
	SightGone Sight = "Gone"
)

// Containers is what the pod's statuses say of its containers, all kinds together:
// init (with sidecars), regular and ephemeral.
type Containers string

const (
	// ContainersUnknown: none reported, or not every container of the spec accounted for.
	ContainersUnknown Containers = "Unknown"
	// ContainersRunning: at least one is reported running.
	ContainersRunning Containers = "Running"
	// ContainersStopped: every container of the spec is reported terminated, or
	// waiting without ever having had an ID (docs/kubernetes-facts.md §12).
	ContainersStopped Containers = "Stopped"
)

// Facts is all that Judge looks at. The zero value is an incarnation of which
// nothing is known; it holds. Use FactsOf to derive them from Kubernetes' objects.
type Facts struct {
	// Sight is how the object behind the other facts was seen.
	Sight Sight
	// Deleting: the object has a deletionTimestamp.
	Deleting bool
	// Bound: spec.nodeName is not empty.
	Bound bool
	// Terminal: the phase is Failed or Succeeded, whoever wrote it.
	Terminal bool
	// Containers is what the statuses say.
	Containers Containers
	// Filler: a container's current state is the kubelet's ContainerStatusUnknown,
	// which it writes when it does not know what became of the container (H25).
	Filler bool
	// ContainerSeen: a container of this UID once had an ID, or nobody can say that none had.
	ContainerSeen bool
	// PhaseByKubelet: managedFields give f:phase of the status to the kubelet.
	PhaseByKubelet bool
	// SandboxGone: PodReadyToStartContainers is False, and the kubelet that wrote
	// it had seen the object's present generation.
	SandboxGone bool
	// NewBoot: every machine that it may run on has booted since its deletion was
	// first seen.
	NewBoot bool
	// Machines is what is known of those machines.
	Machines Machines
	// Fence is what the taints of their nodes say. It explains; Machines decides.
	Fence Fence
	// Observed: the kubelet of each of those machines was asked twice and had it neither
	// among its pods nor among what runs.
	Observed bool
	// Attested: a human's statement names exactly this UID.
	Attested bool
}

// Verdict is what the rules say of an incarnation.
type Verdict struct {
	// Release is true if the incarnation is proven, or attested, to be over.
	Release bool
	// Kind is the evidence of a release; empty on a hold.
	Kind v1alpha1.EvidenceKind
	// Detail says in one sentence what was seen, or why it is no proof.
	Detail string
	// Needs says on a hold what would release; empty on a release.
	Needs string
}

// Judge returns the verdict of the first rule whose conditions all hold, and a
// hold if there is none.
func Judge(f Facts) Verdict {
	return rules.Judge(f)
}

// Judge is the judgement by this table.
func (t Table) Judge(f Facts) Verdict {
	for _, r := range t {
		if r.matches(f) {
			return Verdict{Release: true, Kind: r.Kind, Detail: r.Detail}
		}
	}
	return hold(f)
}

// hold explains why no rule matched and what would make one match. It decides nothing.
func hold(f Facts) Verdict {
	report := "the kubelet's final report (missing: " + strings.Join(missingFrom(kubeletConfirmed, f), ", ") + ")"
	const (
		fence  = "a fence of its node (the taint node.kubernetes.io/out-of-service, set while the node is not Ready)"
		attest = "an attestation for this pod UID"
	)
	switch f.Sight {
	case SightLive:
		switch {
		case !f.Deleting && f.Attested:
			return Verdict{
				Detail: "the pod is attested to be over but is not being deleted",
				Needs:  report + ", or the pod's deletion",
			}
		case !f.Deleting:
			return Verdict{
				Detail: "the pod is not being deleted",
				Needs:  report + ", or the pod's deletion and " + attest,
			}
		}
		return Verdict{
			Detail: "the pod is being deleted and nothing proves that its containers stopped" + voidFence(f),
			Needs:  report + ", " + fence + ", or " + attest,
		}
	case SightFinal:
		return Verdict{
			Detail: "the pod's object is gone, and its last state does not prove that its containers stopped (missing: " +
				strings.Join(missingFrom(kubeletConfirmed, f), ", ") + ")" + voidFence(f),
			Needs: fence + ", or " + attest,
		}
	case SightGone:
		return Verdict{
			Detail: "the pod's object is gone and its last state was not seen" + voidFence(f),
			Needs:  fence + ", or " + attest,
		}
	default:
		return Verdict{Detail: "the pod's object was not read live", Needs: "a live read of the pod"}
	}
}

// voidFence says why a fencing taint that is there does not count.
func voidFence(f Facts) string {
	switch f.Fence {
	case FenceOnReadyNode:
		return "; its node has a fencing taint but is Ready, so its kubelet runs"
	case FenceFound:
		return "; its node has a fencing taint that nobody saw set since the node is not Ready: if the node is down, remove the taint and set it again"
	}
	return ""
}
