package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// judgeEvidence is S3 and S4 at a bind. S3: every incarnation before it that was bound,
// and that Holdfast had guarded or recorded, was over by evidence that names it. S4: a
// guarded pod is on the record, with this node, before it is bound.
func (l *Log) judgeEvidence(at time.Time, name string, pod *podState) {
	for _, old := range l.earlier[name] {
		if old == pod || !old.bound || !old.guarded && !l.recorded[old.UID] {
			continue
		}
		l.meets(S3)
		if !l.over[old.UID] {
			l.breaks(S3, at, name, pod.Spec.NodeName, "it was bound, and no release names the incarnation before it")
		}
	}
	if !guarded(pod.Pod) {
		return
	}
	l.meets(S4)
	r := l.records[name]
	switch {
	case r == nil || r.Incarnation == nil || r.Incarnation.PodUID != pod.UID:
		l.breaks(S4, at, name, pod.Spec.NodeName, "it was bound, and the record does not name it")
	case !slices.ContainsFunc(r.Incarnation.Nodes, func(n v1alpha1.CandidateNode) bool { return n.Name == pod.Spec.NodeName }):
		l.breaks(S4, at, name, pod.Spec.NodeName, "it was bound to a node that the record does not name")
	}
}

// judgeLetGo is S4 where the guard's finalizer goes: the incarnation was released, or it
// was never bound, or an operator took it off.
func (l *Log) judgeLetGo(at time.Time, name string, pod *podState) {
	if l.rules.Profile == "" || !pod.bound || l.stripped[name] {
		return
	}
	l.meets(S4)
	if !l.over[pod.UID] {
		l.breaks(S4, at, name, pod.Spec.NodeName, "its finalizer was taken off, and no release names it")
	}
}

// judgeRecord is S4 where a record passes on to another incarnation, and S3 where it
// comes to be over: the evidence names this incarnation, and the nodes by what its kind
// goes by.
func (l *Log) judgeRecord(at time.Time, name string, before, after *v1alpha1.TenancyStatus) {
	if before != nil && before.Incarnation != nil && (after.Incarnation == nil || after.Incarnation.PodUID != before.Incarnation.PodUID) {
		l.meets(S4)
		if before.Phase != v1alpha1.Over && before.Phase != v1alpha1.Vacant {
			l.breaks(S4, at, name, "", fmt.Sprintf("its record passed on to another incarnation while it was %s", before.Phase))
		}
	}
	if after.Phase != v1alpha1.Over || after.Incarnation == nil || l.over[after.Incarnation.PodUID] {
		return
	}
	l.meets(S3)
	l.over[after.Incarnation.PodUID] = true
	if why := unnamed(after, l.candidates(name, after.Incarnation)); why != "" {
		l.breaks(S3, at, name, "", why)
	}
}

// candidates are the nodes on the record that the incarnation may have run on: those on
// which a bind was tried, or the one that it turned out to be bound to.
func (l *Log) candidates(name string, inc *v1alpha1.Incarnation) []v1alpha1.CandidateNode {
	for _, pod := range l.earlier[name] {
		if pod.UID == inc.PodUID && pod.bound {
			return slices.DeleteFunc(slices.Clone(inc.Nodes), func(n v1alpha1.CandidateNode) bool { return n.Name != pod.Spec.NodeName })
		}
	}
	return inc.Nodes
}

// unnamed says what the evidence should name and does not; empty: nothing.
func unnamed(r *v1alpha1.TenancyStatus, candidates []v1alpha1.CandidateNode) string {
	if r.Evidence == nil || r.Evidence.PodUID != r.Incarnation.PodUID {
		return "it was released by evidence that does not name it"
	}
	ofNodes := []v1alpha1.EvidenceKind{v1alpha1.Rebooted, v1alpha1.Fenced, v1alpha1.NodeRemoved}
	if len(candidates) == 0 && slices.Contains(ofNodes, r.Evidence.Kind) {
		return "it was released by what became of its node, and the record does not have that node"
	}
	for _, n := range candidates {
		switch r.Evidence.Kind {
		case v1alpha1.Rebooted:
			if n.UID == "" || len(n.BootIDs) == 0 || len(n.LaterBootIDs) < 2 {
				return fmt.Sprintf("it was released by reboots, and the record does not name two later boots of node %s", n.Name)
			}
		case v1alpha1.Fenced:
			if n.UID == "" {
				return fmt.Sprintf("it was released by a fence, and the record does not know which node %s it was", n.Name)
			}
		case v1alpha1.NodeRemoved:
			if n.UID == "" || n.Removal == nil {
				return fmt.Sprintf("it was released by a removal, and the record has none of node %s", n.Name)
			}
		}
	}
	return ""
}
