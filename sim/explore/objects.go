package explore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/sim/explore/model"
)

// The decisions read Kubernetes' objects, and the model has numbers. This file is the
// translation, both ways. Nothing here decides.

const (
	namespace = "default"
	set       = "web"
	// bootsMax is how many boots of a machine there can be: one more than bits that fit.
	bootsMax = 8
)

// epoch is when everything happens: no decision that is explored depends on a duration,
// but for the gap between two answers of a kubelet.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func identityOf(ordinal int) identity.Identity {
	return identity.Identity{Namespace: namespace, Set: set, Ordinal: int32(ordinal)}
}

// podUID is the UID of the incarnation at a place; of one that is forgotten, it is past.
func podUID(ordinal int, of uint8) types.UID {
	if of == model.OfPast {
		return types.UID(fmt.Sprintf("%d/past", ordinal))
	}
	return types.UID(fmt.Sprintf("%d/%d", ordinal, of))
}

func placeOf(uid types.UID) uint8 {
	_, place, _ := strings.Cut(string(uid), "/")
	if place == "past" {
		return model.OfPast
	}
	return digit(place)
}

func digit(s string) uint8 {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		panic(fmt.Sprintf("explore: a decision made up %q", s))
	}
	return uint8(n)
}

func nodeUID(node string, uid uint8) types.UID {
	if uid == 0 {
		return ""
	}
	return types.UID(fmt.Sprintf("%s/%d", node, uid))
}

func machineID(node string, machine uint8) string { return fmt.Sprintf("%s/%d", node, machine) }

func bootID(node string, machine, boot uint8) string {
	return fmt.Sprintf("%s/%d/%d", node, machine, boot)
}

// lastOf is the last number of a name that is made of numbers.
func lastOf(name string) uint8 { return digit(name[strings.LastIndexByte(name, '/')+1:]) }

// nodeObject is a Node as the API has it; nil if there is none.
func nodeObject(n int, o model.Object) *v1.Node {
	if !o.Exists {
		return nil
	}
	return finalNode(n, o)
}

// finalNode is nodeObject of one that is gone, too.
func finalNode(n int, o model.Object) *v1.Node {
	name := model.NodeName(n)
	node := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: nodeUID(name, o.UID)},
		Status: v1.NodeStatus{NodeInfo: v1.NodeSystemInfo{
			SystemUUID: machineID(name, o.Machine), BootID: bootID(name, o.Machine, o.Boot), KubeletVersion: "v1.37.1",
		}},
	}
	ready := v1.NodeCondition{Type: v1.NodeReady, Status: v1.ConditionUnknown, LastTransitionTime: metav1.NewTime(epoch)}
	if o.Ready {
		ready.Status = v1.ConditionTrue
	}
	if o.Since {
		ready.LastTransitionTime = metav1.NewTime(epoch.Add(time.Minute))
	}
	node.Status.Conditions = []v1.NodeCondition{ready}
	if o.Tainted {
		node.Spec.Taints = []v1.Taint{{Key: v1.TaintNodeOutOfService, Effect: v1.TaintEffectNoExecute}}
	}
	return node
}

// claimOf is the claim of an ordinal's volume, bound to it; ordinals may share one.
func claimOf(volume int) v1alpha1.VolumeUse {
	return v1alpha1.VolumeUse{
		Claim: fmt.Sprintf("claim-%d", volume), Volume: fmt.Sprintf("volume-%d", volume),
		AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
	}
}

func (x *walker) usesOf(ordinal int) []v1alpha1.VolumeUse {
	if v := x.scope.VolumeOf(ordinal); v >= 0 {
		return []v1alpha1.VolumeUse{claimOf(v)}
	}
	return nil
}

// podObject is an incarnation's pod, complete with managedFields.
func podObject(ordinal, place int, l *model.Life) *v1.Pod {
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: identityOf(ordinal).Name(), UID: podUID(ordinal, uint8(place+1)), Generation: 1,
		},
		Spec:   v1.PodSpec{Containers: []v1.Container{{Name: "c"}}},
		Status: v1.PodStatus{Phase: v1.PodPending},
	}
	if l.Node != 0 {
		pod.Spec.NodeName = model.NodeName(int(l.Node - 1))
	}
	if l.Finalizer {
		pod.Finalizers = []string{v1alpha1.PodFinalizer}
	}
	if l.Deleting {
		at := metav1.NewTime(epoch)
		pod.DeletionTimestamp = &at
		pod.Generation = 2
	}
	if l.SandboxGone {
		pod.Status.Conditions = []v1.PodCondition{{
			Type: v1.PodReadyToStartContainers, Status: v1.ConditionFalse, ObservedGeneration: pod.Generation,
		}}
	}
	manager := "kubelet"
	switch l.Phase {
	case model.PhaseByCollector:
		manager = "kube-controller-manager"
		pod.Status.Phase = v1.PodFailed
	case model.PhaseByKubelet:
		pod.Status.Phase = v1.PodFailed
	case model.PhaseOpen:
		if l.Status == model.StatusRunning {
			pod.Status.Phase = v1.PodRunning
		}
	}
	if l.Phase != model.PhaseOpen || l.Status != model.StatusNone {
		pod.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: manager, Subresource: "status", FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:status":{"f:phase":{}}}`),
		}}
	}
	if status := containerStatus(l); status != nil {
		pod.Status.ContainerStatuses = []v1.ContainerStatus{*status}
	}
	return pod
}

func containerStatus(l *model.Life) *v1.ContainerStatus {
	s := &v1.ContainerStatus{Name: "c"}
	switch l.Status {
	case model.StatusRunning:
		s.ContainerID, s.State.Running = "id", &v1.ContainerStateRunning{}
	case model.StatusTerminated:
		s.ContainerID, s.State.Terminated = "id", &v1.ContainerStateTerminated{ContainerID: "id"}
	case model.StatusFiller:
		s.State.Terminated = &v1.ContainerStateTerminated{Reason: "ContainerStatusUnknown"}
		if l.HadID {
			s.RestartCount = 1
		}
	case model.StatusNone:
		return nil
	}
	return s
}

// tenancyOf is the record as the API has it; nil if there is none.
func (x *walker) tenancyOf(ordinal int, r model.Record, attested bool) *v1alpha1.Tenancy {
	if r.Phase == model.NoRecord {
		return nil
	}
	id := identityOf(ordinal)
	t := &v1alpha1.Tenancy{
		ObjectMeta: metav1.ObjectMeta{Namespace: id.Namespace, Name: id.Name()},
		Spec:       v1alpha1.TenancySpec{StatefulSet: id.Set, Ordinal: id.Ordinal},
		Status:     v1alpha1.TenancyStatus{Phase: phases[r.Phase], Epoch: 1, BoundOnce: r.BoundOnce},
	}
	if r.Departure != model.NoEvidence {
		t.Status.DepartedBy = &v1alpha1.Evidence{Kind: kinds[r.Departure], PodUID: "before"}
	}
	if r.Of == 0 {
		return t
	}
	uid := podUID(ordinal, r.Of)
	if attested {
		t.Spec.Attestations = []v1alpha1.Attestation{{PodUID: uid, Reason: "seen", By: "operator"}}
	}
	if r.Evidence != model.NoEvidence {
		t.Status.Evidence = &v1alpha1.Evidence{Kind: kinds[r.Evidence], PodUID: uid}
	}
	inc := &v1alpha1.Incarnation{PodUID: uid, Volumes: x.usesOf(ordinal), ContainerSeen: r.Seen, Reported: r.Reported}
	for _, c := range r.Candidates {
		if c.Node != 0 {
			inc.Nodes = append(inc.Nodes, candidateNode(c))
		}
	}
	t.Status.Incarnation = inc
	return t
}

var (
	phases = [...]v1alpha1.Phase{model.Vacant: v1alpha1.Vacant, model.Occupied: v1alpha1.Occupied, model.InDoubt: v1alpha1.InDoubt, model.Over: v1alpha1.Over}
	kinds  = [...]v1alpha1.EvidenceKind{
		model.NeverBound: v1alpha1.NeverBound, model.KubeletConfirmed: v1alpha1.KubeletConfirmed, model.Rebooted: v1alpha1.Rebooted,
		model.Observed: v1alpha1.Observed, model.Fenced: v1alpha1.Fenced, model.NodeRemoved: v1alpha1.NodeRemoved, model.Attested: v1alpha1.Attested,
	}
)

func candidateNode(c model.Candidate) v1alpha1.CandidateNode {
	name := model.NodeName(int(c.Node - 1))
	n := v1alpha1.CandidateNode{Name: name, UID: nodeUID(name, c.UID)}
	if c.UID != 0 {
		n.Machine = machineID(name, c.Machine)
	}
	for b := range uint8(bootsMax) {
		if c.Boots&(1<<b) != 0 {
			n.BootIDs = append(n.BootIDs, bootID(name, c.Machine, b))
		}
		if c.Later&(1<<b) != 0 {
			n.LaterBootIDs = append(n.LaterBootIDs, bootID(name, c.Machine, b))
		}
	}
	switch c.Removal {
	case model.RemovedReady:
		n.Removal = &v1alpha1.NodeRemoval{Ready: v1.ConditionTrue}
	case model.RemovedNotReady:
		n.Removal = &v1alpha1.NodeRemoval{Ready: v1.ConditionUnknown}
	case model.RemovedReadyWithWord:
		n.Removal = &v1alpha1.NodeRemoval{Ready: v1.ConditionTrue, Ground: v1alpha1.InstanceGone}
	case model.RemovedWithWord:
		n.Removal = &v1alpha1.NodeRemoval{Ready: v1.ConditionUnknown, Ground: v1alpha1.InstanceGone}
	case model.NotRemoved:
	}
	return n
}

// recordOf is the record that a transition has returned.
func recordOf(s v1alpha1.TenancyStatus) model.Record {
	r := model.Record{BoundOnce: s.BoundOnce}
	for p, phase := range phases {
		if phase != "" && phase == s.Phase {
			r.Phase = model.RecordPhase(p)
		}
	}
	r.Departure, r.Evidence = evidenceOf(s.DepartedBy), evidenceOf(s.Evidence)
	if s.Incarnation == nil {
		return r
	}
	r.Of, r.Seen, r.Reported = placeOf(s.Incarnation.PodUID), s.Incarnation.ContainerSeen, s.Incarnation.Reported
	if len(s.Incarnation.Nodes) > model.CandidatesMax {
		panic("explore: more candidate nodes than the model has room for")
	}
	for i, n := range s.Incarnation.Nodes {
		r.Candidates[i] = candidateOf(n)
	}
	return r
}

func evidenceOf(e *v1alpha1.Evidence) model.Evidence {
	if e == nil {
		return model.NoEvidence
	}
	return evidenceKind(e.Kind)
}

func evidenceKind(kind v1alpha1.EvidenceKind) model.Evidence {
	for k, known := range kinds {
		if known != "" && known == kind {
			return model.Evidence(k)
		}
	}
	panic(fmt.Sprintf("explore: evidence of kind %q", kind))
}

func candidateOf(n v1alpha1.CandidateNode) model.Candidate {
	c := model.Candidate{Node: n.Name[0] - 'a' + 1}
	if n.UID != "" {
		c.UID, c.Machine = lastOf(string(n.UID)), lastOf(n.Machine)
	}
	for _, b := range n.BootIDs {
		c.Boots |= 1 << lastOf(b)
	}
	for _, b := range n.LaterBootIDs {
		c.Later |= 1 << lastOf(b)
	}
	switch r := n.Removal; {
	case r == nil:
	case r.Ground != "" && r.Ready == v1.ConditionTrue:
		c.Removal = model.RemovedReadyWithWord
	case r.Ground != "":
		c.Removal = model.RemovedWithWord
	case r.Ready == v1.ConditionTrue:
		c.Removal = model.RemovedReady
	default:
		c.Removal = model.RemovedNotReady
	}
	return c
}
