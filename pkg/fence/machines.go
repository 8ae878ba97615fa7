package fence

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	cloudproviderapi "k8s.io/cloud-provider/api"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// Machines is what is known of the machines on which an incarnation may run: of all
// of them together, so it is what is known of the least known one.
type Machines string

const (
	// MachinesUnknown: at least one of them may run it.
	MachinesUnknown Machines = "Unknown"
	// MachinesRebooted: each has booted twice since the deletion was first seen.
	MachinesRebooted Machines = "Rebooted"
	// MachinesFenced: each is Rebooted or fenced by a taint.
	MachinesFenced Machines = "Fenced"
	// MachinesRemoved: each is Rebooted, Fenced, or was removed together with its Node.
	MachinesRemoved Machines = "Removed"
	// MachinesDown: each is one of these, or its Node was removed while it was not
	// Ready, and that counts (config.RemovalWhenDown).
	MachinesDown Machines = "Down"
)

// machinesByTrust are the values from the best known to the least.
var machinesByTrust = []Machines{MachinesRebooted, MachinesFenced, MachinesRemoved, MachinesDown, MachinesUnknown}

// Fence is what a node's taints say.
type Fence string

const (
	// FenceNone: it has no fencing taint.
	FenceNone Fence = "None"
	// FenceSet: a fencing taint was set while the node was not Ready, and it still is not.
	FenceSet Fence = "Set"
	// FenceFound: a fencing taint is on the node, and nobody saw it set in this
	// not-Ready episode. It may be one that was left there.
	FenceFound Fence = "Found"
	// FenceOnReadyNode: a fencing taint is on a node that is Ready.
	FenceOnReadyNode Fence = "OnReadyNode"
)

// NodeSight is a node as a live read returned it.
type NodeSight struct {
	// Name is the name that was read.
	Name string
	// Node is the object; nil if there is none of that name.
	Node *v1.Node
	// Taints is what was seen of the object before.
	Taints TaintWatch
}

// Nodes is what is known now of the nodes of an incarnation.
type Nodes struct {
	// Read are the nodes of the names on the record. One that is missing is unknown.
	Read []NodeSight
	// Booted tells whether a Node object of another name shows the boot. Nodes that
	// share a kernel share its boot ID (docs/kubernetes-facts.md §1.5), and then it
	// tells nothing. Nil: nobody looked.
	Booted func(bootID, except string) bool
	// Removal says when the removal of a Node counts; empty: config.RemovalManaged.
	Removal config.NodeRemoval
}

func (n Nodes) sight(name string) (NodeSight, bool) {
	i := slices.IndexFunc(n.Read, func(s NodeSight) bool { return s.Name == name })
	if i < 0 {
		return NodeSight{}, false
	}
	return n.Read[i], true
}

// candidatesOf are the nodes on the record that the incarnation may run on. The name
// of the node that it is bound to is known once the object shows it; which of the
// machines that had the name, only the record knows. Nil: unknown.
func candidatesOf(inc *v1alpha1.Incarnation, boundTo string) []v1alpha1.CandidateNode {
	if inc == nil {
		return nil
	}
	if boundTo == "" {
		return inc.Nodes
	}
	var of []v1alpha1.CandidateNode
	for _, n := range inc.Nodes {
		if n.Name == boundTo {
			of = append(of, n)
		}
	}
	return of
}

// machinesOf is what is known of the candidates together; MachinesUnknown if there
// are none.
func machinesOf(candidates []v1alpha1.CandidateNode, nodes Nodes) Machines {
	if len(candidates) == 0 {
		return MachinesUnknown
	}
	weakest := 0
	for _, c := range candidates {
		weakest = max(weakest, slices.Index(machinesByTrust, machineOf(c, nodes)))
	}
	return machinesByTrust[weakest]
}

// machineOf is what is known of one candidate.
func machineOf(c v1alpha1.CandidateNode, nodes Nodes) Machines {
	if c.UID == "" || nodes.Booted == nil {
		return MachinesUnknown
	}
	sight, read := nodes.sight(c.Name)
	shared := bootShared(c, nodes)
	switch {
	case laterBoots(c) >= 2 && !shared:
		return MachinesRebooted
	case !read:
		return MachinesUnknown
	case sight.Node != nil && sight.Node.UID == c.UID && sight.Taints.fenceOn(sight.Node) == FenceSet:
		return MachinesFenced
	case !removed(c, sight) || shared || nodes.Removal == config.RemovalNever:
		return MachinesUnknown
	case c.Removal.Ground != "":
		return MachinesRemoved
	case nodes.Removal == config.RemovalWhenDown && (c.Removal.Ready == v1.ConditionFalse || c.Removal.Ready == v1.ConditionUnknown):
		return MachinesDown
	}
	return MachinesUnknown
}

// laterBoots is how often the machine is known to have booted since the deletion was
// first seen. Without a boot from before there is nothing that another is later than.
//
// One is not enough for a proof by itself: a boot that is reported only after the
// deletion may have started the pod from a list that is older (H9). The second one
// cannot have, since its kubelet listed after the deletion, and it has ended what
// the first one ran.
func laterBoots(c v1alpha1.CandidateNode) int {
	if len(c.BootIDs) == 0 {
		return 0
	}
	return len(c.LaterBootIDs)
}

// bootShared tells whether a node of another name shows one of the boots.
func bootShared(c v1alpha1.CandidateNode, nodes Nodes) bool {
	return slices.ContainsFunc(slices.Concat(c.BootIDs, c.LaterBootIDs), func(boot string) bool {
		return nodes.Booted(boot, c.Name)
	})
}

// allBootedAnew tells whether every candidate has booted since the deletion was
// first seen.
func allBootedAnew(candidates []v1alpha1.CandidateNode, nodes Nodes) bool {
	return len(candidates) > 0 && nodes.Booted != nil &&
		!slices.ContainsFunc(candidates, func(c v1alpha1.CandidateNode) bool {
			return laterBoots(c) < 1 || bootShared(c, nodes)
		})
}

// removed: the object was seen to go, and no object of its name came back with one of
// its boots. That alone says nothing of the machine (H3).
func removed(c v1alpha1.CandidateNode, sight NodeSight) bool {
	if c.Removal == nil {
		return false
	}
	if sight.Node == nil {
		return true
	}
	boot := sight.Node.Status.NodeInfo.BootID
	return sight.Node.UID != c.UID && boot != "" && !StaleBoot(sight.Node) && !slices.Contains(c.BootIDs, boot) && !slices.Contains(c.LaterBootIDs, boot)
}

// fenceOf is what the taints of the candidates say, for the explanation of a hold:
// what stands in the way of a release first.
func fenceOf(candidates []v1alpha1.CandidateNode, nodes Nodes) Fence {
	said := FenceNone
	for _, c := range candidates {
		sight, _ := nodes.sight(c.Name)
		if sight.Node == nil || sight.Node.UID != c.UID {
			continue
		}
		switch fence := sight.Taints.fenceOn(sight.Node); fence {
		case FenceOnReadyNode, FenceFound:
			return fence
		case FenceSet:
			said = fence
		}
	}
	return said
}

// RemovalOf is what the final object of a Node shows, of a live DELETED event: an
// object that is only remembered may be older than its end. The watch has seen it to
// the end. With instanceGone the cloud controller's event says of this very Node UID
// that its instance is gone.
func RemovalOf(final *v1.Node, watch TaintWatch, instanceGone bool, at metav1.Time) v1alpha1.NodeRemoval {
	status, _ := readiness(final)
	r := v1alpha1.NodeRemoval{Time: at, Ready: status}
	switch {
	case instanceGone:
		r.Ground = v1alpha1.InstanceGone
	case watch.Next(final).isSet(cloudproviderapi.TaintNodeShutdown, final):
		r.Ground = v1alpha1.InstanceShutDown
	case slices.Contains(final.Finalizers, terminationFinalizer):
		r.Ground = v1alpha1.InstanceTerminated
	}
	return r
}

// terminationFinalizer is Karpenter's (karpenter.sh/v1, TerminationFinalizer): it is
// taken off a Node when its instance is terminated.
const terminationFinalizer = "karpenter.sh/termination"

// MachineOf tells the machine behind a Node object, as far as its kubelet does.
func MachineOf(node *v1.Node) string {
	if uuid := node.Status.NodeInfo.SystemUUID; uuid != "" {
		return uuid
	}
	return node.Status.NodeInfo.MachineID
}

// kubeletOfTrustedBoot is the first kubelet whose first list after its start is no
// older than the start, unless it is told otherwise (H7, docs/kubernetes-facts.md §1.3).
var kubeletOfTrustedBoot = version.MustParseGeneric("1.35.0")

// StaleBoot tells whether the node's kubelet may start pods from a list that is
// older than its boot. A version that cannot be read may.
func StaleBoot(node *v1.Node) bool {
	v, err := version.ParseGeneric(node.Status.NodeInfo.KubeletVersion)
	return err != nil || !v.AtLeast(kubeletOfTrustedBoot)
}

// TakenOver tells whether a node's name has passed to another machine than one of that
// name on which the incarnation may run. The kubelet there reports the end of every pod
// that is bound to the name, and knows nothing of what the other machine started.
func TakenOver(inc *v1alpha1.Incarnation, node *v1.Node) bool {
	return inc != nil && node != nil && slices.ContainsFunc(inc.Nodes, func(c v1alpha1.CandidateNode) bool {
		return c.Name == node.Name && isAnother(c, node)
	})
}

// isAnother: a machine keeps its ID when its Node is made anew. Of a candidate that was
// recorded without a UID nothing is known.
func isAnother(c v1alpha1.CandidateNode, node *v1.Node) bool {
	machine := MachineOf(node)
	if c.UID == node.UID {
		return c.Machine != "" && c.Machine != machine
	}
	return c.UID != "" && (machine == "" || c.Machine != machine)
}
