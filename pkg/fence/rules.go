package fence

import (
	"slices"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// Condition is one thing that must be so for a rule to match.
type Condition struct {
	// Text names it, so that it reads after "missing:".
	Text string
	// Met tells whether it is so.
	Met func(Facts) bool
}

// Rule releases where all of its conditions are met.
type Rule struct {
	// Name is unique in the table.
	Name string
	// Kind is the evidence that the release is recorded with. Two rules may share one.
	Kind v1alpha1.EvidenceKind
	// Conditions must all be met.
	Conditions []Condition
	// Detail is the sentence on the receipt.
	Detail string
	// Why says why the rule is sound and why it stands where it stands.
	Why string
}

// Table is rules in the order in which they are tried. The first that matches wins.
type Table []Rule

// Without returns the table without the rules of these names: tests and the
// simulator show so what each rule is worth.
func (t Table) Without(names ...string) Table {
	return slices.DeleteFunc(slices.Clone(t), func(r Rule) bool { return slices.Contains(names, r.Name) })
}

// Rules returns the rules in the order in which Judge tries them.
func Rules() Table {
	out := make(Table, len(rules))
	copy(out, rules)
	for i := range out {
		out[i].Conditions = append([]Condition(nil), out[i].Conditions...)
	}
	return out
}

func (r Rule) matches(f Facts) bool {
	for _, c := range r.Conditions {
		if !c.Met(f) {
			return false
		}
	}
	return true
}

// Missing lists the conditions that the facts do not meet, by their texts.
func (r Rule) Missing(f Facts) []string { return missingFrom(r, f) }

// missingFrom lists the conditions of a rule that the facts do not meet.
func missingFrom(r Rule, f Facts) []string {
	var out []string
	for _, c := range r.Conditions {
		if !c.Met(f) {
			out = append(out, c.Text)
		}
	}
	return out
}

// The conditions. Each is false where the fact behind it is unknown, so that no
// rule can be satisfied by ignorance.
var (
	seen = Condition{"the object read live or its final state", func(f Facts) bool {
		return f.Sight == SightLive || f.Sight == SightFinal
	}}
	deleted = Condition{"the pod's deletion", func(f Facts) bool {
		return f.Sight == SightFinal || f.Sight == SightLive && f.Deleting
	}}
	deletedOrGone = Condition{"the pod's deletion", func(f Facts) bool {
		return deleted.Met(f) || f.Sight == SightGone
	}}
	// A final object that carries no deletionTimestamp does not count here: only
	// the delete's own write raises the generation that SandboxGone is measured by.
	deletionTimestamp = Condition{"a deletionTimestamp", func(f Facts) bool {
		return f.Deleting
	}}
	notBound = Condition{"no node", func(f Facts) bool {
		return !f.Bound
	}}
	notRunning = Condition{"no container reported running", func(f Facts) bool {
		return f.Containers != ContainersRunning
	}}
	stopped = Condition{"every container reported terminated", func(f Facts) bool {
		return f.Containers == ContainersStopped
	}}
	terminal = Condition{"a terminal phase", func(f Facts) bool {
		return f.Terminal
	}}
	phaseWrittenByKubelet = Condition{"a phase written by the kubelet", func(f Facts) bool {
		return f.PhaseByKubelet
	}}
	sandboxGone = Condition{"PodReadyToStartContainers=False since the deletion", func(f Facts) bool {
		return f.SandboxGone
	}}
	// The kubelet's filler stands for "could not be located". After a boot that was
	// first reported after the deletion that is as good as terminated; on the same boot
	// the container may be running (H25).
	noFiller = Condition{"no container reported as ContainerStatusUnknown, or a new boot", func(f Facts) bool {
		return !f.Filler || f.NewBoot
	}}
	// A pod deleted while its images are pulled ends with the filler too, and would
	// otherwise be held for ever; no container of it was ever seen.
	noFillerOfASeenContainer = Condition{"no container reported as ContainerStatusUnknown, or a new boot", func(f Facts) bool {
		return noFiller.Met(f) || !f.ContainerSeen
	}}
	rebooted = Condition{"two boots of its machine since the deletion", func(f Facts) bool {
		return f.Machines == MachinesRebooted
	}}
	observedTwice = Condition{"two answers of its kubelet without it", func(f Facts) bool {
		return f.Observed
	}}
	fenced = Condition{"a fence of its node", func(f Facts) bool {
		return f.Machines == MachinesFenced
	}}
	removedNode = Condition{"the removal of its machine together with its node", func(f Facts) bool {
		return f.Machines == MachinesRemoved
	}}
	downNode = Condition{"the removal of its node while it was not Ready", func(f Facts) bool {
		return f.Machines == MachinesDown
	}}
	attested = Condition{"an attestation for this pod UID", func(f Facts) bool {
		return f.Attested
	}}
)

var (
	// First, because it needs least and nothing else can be so at the same time: a
	// pod without a node has no kubelet that could report, and waiting for one would
	// hold every pod that is deleted before it was placed.
	//
	// Sound only with the deletion: the API server refuses to bind a pod that has a
	// deletionTimestamp (H19), and before that a bind may land at any moment. A
	// running container contradicts the missing node, and a contradiction holds.
	neverBound = Rule{
		Name: "NeverBound", Kind: v1alpha1.NeverBound,
		Conditions: []Condition{deleted, notBound, notRunning},
		Detail:     "the pod was deleted before it was bound to a node",
		Why: "A pod without a node has no kubelet that could confirm anything, and since its deletion none can be bound to it (H19). " +
			"First, because it needs least and excludes what the other proofs are about.",
	}

	// Before the attestation, because a proof must name itself: where both are at
	// hand the receipt carries the one that does not rest on anybody's word.
	//
	// The only rule that does without a deletion: a kubelet never starts a container
	// of a pod whose phase it made terminal itself (§1.6), and the StatefulSet
	// controller deletes such a pod only afterwards.
	kubeletConfirmed = Rule{
		Name: "KubeletConfirmedByPhase", Kind: v1alpha1.KubeletConfirmed,
		Conditions: []Condition{seen, terminal, stopped, phaseWrittenByKubelet, noFillerOfASeenContainer},
		Detail:     "the kubelet itself made the phase terminal and reported every container terminated",
		Why: "Branch (a) of predicate K (§1.6). The phase alone is forged by circumstance (H21): PodGC writes Failed over a running pod, so its author must be the kubelet. " +
			"Statuses must cover all containers, because a rejected pod has none while an old container still runs (H8). " +
			"Before Attested, so that a receipt names the proof where there is one.",
	}

	// After branch (a), because it asks for more to make up for a phase that
	// somebody else wrote: that the kubelet reported after it had seen the deletion.
	kubeletConfirmedBySandbox = Rule{
		Name: "KubeletConfirmedBySandbox", Kind: v1alpha1.KubeletConfirmed,
		Conditions: []Condition{seen, terminal, stopped, deletionTimestamp, sandboxGone, noFiller},
		Detail:     "the kubelet reported, after the deletion, that the sandbox is gone and every container terminated",
		Why: "Branch (b) of predicate K (§1.6): f:phase stays with PodGC even after the kubelet has reported, but only a kubelet writes PodReadyToStartContainers, and its observedGeneration shows that it had seen the deletion. " +
			"After branch (a), because it needs the deletion. A filler releases only on a new boot, seen container or not: a kubelet that restarts under a Failed pod writes it for containers that live (H25).",
	}

	// After the kubelet's own report, which says more; before all assertions, because a
	// proof must name itself.
	rebootedTwice = Rule{
		Name: "Rebooted", Kind: v1alpha1.Rebooted,
		Conditions: []Condition{deletedOrGone, rebooted},
		Detail:     "its machine has booted twice since the deletion was first seen",
		Why: "Processes do not outlive a boot. The first boot that is reported after the deletion may itself have started the pod, from a list that is older (H9); " +
			"the second one, of a kubelet that lists after its start (H7), has ended that too and cannot have started it again. " +
			"Before the assertions, because it rests on nobody's word.",
	}

	// After Rebooted, which needs no question; before the assertions, because a kubelet
	// has spoken.
	observedGone = Rule{
		Name: "Observed", Kind: v1alpha1.Observed,
		Conditions: []Condition{deletedOrGone, observedTwice},
		Detail:     "its kubelet was asked twice, and had it neither among its pods nor among what runs",
		Why: "What the kubelet does not have it does not run, and what it has not been given again it will not start: the deletion was seen before the first answer, and the kubelet is one that lists anew after a restart (H7). " +
			"Two answers, because one can miss a container that is just being made (P4), from the same boot, and of a pod that a kubelet once reported, so that none is still to hear of it (H20). Before the assertions, because it rests on nobody's word but the kubelet's.",
	}

	// Before NodeRemoved, because it was read again live a moment ago, and because a
	// mixture of machines is as good as the weakest: machines that count as fenced may
	// be rebooted, machines that count as removed may be fenced.
	fencedOff = Rule{
		Name: "Fenced", Kind: v1alpha1.Fenced,
		Conditions: []Condition{deletedOrGone, fenced},
		Detail:     "its node was marked as out of service, or as shut down, while it was not Ready",
		Why: "An assertion: whoever sets the taint says that the machine runs nothing any more. The API lets anybody set it at any time (H4), so it counts only on this very Node UID, " +
			"while the node is not Ready, and if it was seen absent since the node is not: a taint that was left on a node speaks of an earlier failure.",
	}

	// After Fenced: the object that it speaks of can no longer be read.
	nodeRemoved = Rule{
		Name: "NodeRemoved", Kind: v1alpha1.NodeRemoved,
		Conditions: []Condition{deletedOrGone, removedNode},
		Detail:     "its node was removed, and whoever manages the machines says that the machine is gone too",
		Why: "An assertion. That the Node object is gone says nothing (H3): anybody deletes it while the kubelet runs. What counts is why it went: the cloud controller found no instance, " +
			"or had marked it as shut down, or an autoscaler's finalizer waited for the end of the instance; and no node has come back with one of its boots.",
	}

	// After NodeRemoved: nobody says what became of the machine. Only nodeRemoval:
	// WhenDown makes such machines, so by default no facts can match it.
	nodeRemovedWhenDown = Rule{
		Name: "NodeRemovedWhenDown", Kind: v1alpha1.NodeRemoved,
		Conditions: []Condition{deletedOrGone, downNode},
		Detail:     "its node was removed while it was not Ready, which counts here as the end of the machine (nodeRemoval: WhenDown)",
		Why: "An assertion by configuration: in this cluster whoever deletes a Node that is not Ready has made sure that its machine is off. A node that was Ready to the end was removed under a living kubelet, " +
			"which no configuration makes an end (H3). After NodeRemoved, so that a receipt names whoever knew of the machine itself.",
	}

	// Last: a human's word counts only where nothing proves it. It overrides a
	// running container, for that is what it is for (a node that will never report
	// again shows its last state for ever), but never a pod that nobody deleted: such
	// a pod is still meant to run, and its kubelet may start it again.
	attestedOver = Rule{
		Name: "Attested", Kind: v1alpha1.Attested,
		Conditions: []Condition{deletedOrGone, attested},
		Detail:     "a human attested that this incarnation is over",
		Why: "An assertion, not a proof, hence last. It must name the UID, so that it never speaks for another incarnation, and the pod must be deleted, " +
			"because a kubelet may start again what nobody asked it to stop.",
	}

	// rules is the order in which Judge tries them; the first that matches wins.
	rules = Table{neverBound, kubeletConfirmed, kubeletConfirmedBySandbox, rebootedTwice, observedGone, fencedOff, nodeRemoved, nodeRemovedWhenDown, attestedOver}
)
