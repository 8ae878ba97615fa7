package explore

import (
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/order"
	"github.com/holdfast-dev/holdfast/pkg/protect"
	"github.com/holdfast-dev/holdfast/pkg/reach"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
	"github.com/holdfast-dev/holdfast/sim/explore/model"
)

// The scheduler, as pkg/plugin acts in its hooks. PreEnqueue and PreFilter judge by the
// copy of the records that it has; Bind reads live, opens the record, and binds.

func (x *walker) schedulerMoves(st *model.State, next successor) {
	for o := range x.scope.Ordinals {
		ordinal := &st.Ordinals[o]
		x.reserve(st, o, next)
		for i := range int(ordinal.Count) {
			switch ordinal.Lives[i].Cycle {
			case model.CycleReserved:
				x.judgeBind(st, o, i, next)
			case model.CycleJudged:
				x.open(st, o, i, next)
			case model.CycleOpened:
				x.bind(st, o, i, next)
			case model.CycleNone:
			}
		}
	}
}

// line is order.Line as it stands: who has a place follows from the cycles.
func (x *walker) line(st *model.State) *order.Line {
	l := order.NewLine()
	for o := range x.scope.Ordinals {
		ordinal := &st.Ordinals[o]
		for i := range int(ordinal.Count) {
			if life := &ordinal.Lives[i]; life.Cycle != model.CycleNone {
				l.Enter(identityOf(o), podUID(o, uint8(i+1)), life.Follows)
			}
		}
	}
	return l
}

// reserve gives a pod that waits a node: PreEnqueue, PreFilter, Filter and Reserve.
func (x *walker) reserve(st *model.State, o int, next successor) {
	ordinal := &st.Ordinals[o]
	l, i := ordinal.Newest()
	if l.Cycle != model.CycleNone || l.Node != 0 || l.Deleting {
		return
	}
	if x.inFlight(ordinal) > x.decisions.Cycles {
		return
	}
	a := model.Action{Kind: model.Reserve, Ordinal: uint8(o), Life: uint8(i)}
	// Its copy of the records is as they are, or behind.
	x.reserveBy(st, o, i, x.records(st, false), a, next)
	if behind := x.records(st, true); behind != x.records(st, false) {
		x.reserveBy(st, o, i, behind, a, next)
	}
}

// reserveBy is reserve by a copy of the records.
func (x *walker) reserveBy(st *model.State, o, i int, records [model.OrdinalsMax]model.Record, a model.Action, next successor) {
	if x.gate(o, i, records[o]).Held {
		return
	}
	verdict := x.decisions.Order(x.orderFacts(st, o, records, x.line(st)))
	if verdict.Waits {
		if records == x.records(st, false) {
			next(a, *st, model.Event{Kind: model.Waited, Ordinal: o})
		}
		return
	}
	for n := range x.scope.Nodes {
		object := st.Nodes[n].Object
		if !object.Exists || !object.Ready || object.Tainted || !x.placeable(st, o, i, n, records, true) {
			continue
		}
		after := *st
		life := &after.Ordinals[o].Lives[i]
		life.Cycle, life.Target, life.Follows = model.CycleReserved, uint8(n+1), verdict.Reason == order.ReasonPredecessorOnLine
		a.Node = uint8(n)
		if life.Follows {
			next(a, after)
			continue
		}
		// Its turn has come: nothing is written before the live reads, and a step of its own
		// would add nothing.
		x.judgeBind(&after, o, i, next)
	}
}

// records are those of all ordinals, as they are or as a copy that is behind has them.
func (x *walker) records(st *model.State, behind bool) (records [model.OrdinalsMax]model.Record) {
	for o := range x.scope.Ordinals {
		if records[o] = st.Ordinals[o].Record; behind {
			records[o] = records[o].Before()
		}
	}
	return records
}

// inFlight is how many binding cycles of earlier incarnations go on.
func (x *walker) inFlight(o *model.Ordinal) int {
	n := 0
	for i := range o.Count {
		if o.Lives[i].Cycle != model.CycleNone {
			n++
		}
	}
	return n
}

func (x *walker) gate(o, place int, r model.Record) tenancy.Verdict {
	return x.decisions.Gate(x.tenancyOf(o, r, false), podUID(o, uint8(place+1)))
}

func (x *walker) orderFacts(st *model.State, o int, records [model.OrdinalsMax]model.Record, line *order.Line) order.Facts {
	first := int32(0)
	f := order.Facts{
		Identity: identityOf(o), Policy: order.Policy{Order: config.BindOrdinal}, First: &first, Created: epoch, Now: epoch,
		BoundOnce: tenancy.BoundOnce(x.tenancyOf(o, records[o], false)),
	}
	if o == 0 {
		return f
	}
	before := &st.Ordinals[o-1]
	l, _ := before.Newest()
	f.Predecessor = order.Predecessor{
		BoundOnce: l.Node != 0 || tenancy.BoundOnce(x.tenancyOf(o-1, records[o-1], false)),
		Ready:     l.Status == model.StatusRunning && !l.Deleting,
		OnLine:    line.Leads(identityOf(o - 1)),
	}
	return f
}

// placeable tells whether the pod's volume can be used from the node: beside the others
// that use it, and where it is attached.
func (x *walker) placeable(st *model.State, o, i, n int, records [model.OrdinalsMax]model.Record, cached bool) bool {
	v := x.scope.VolumeOf(o)
	if v < 0 {
		return true
	}
	uses := x.usesOf(o)
	departures := []reach.Departure{reach.DepartureOf(x.tenancyOf(o, records[o], x.attested(st, o, records[o])), podUID(o, uint8(i+1)))}
	for p := range x.scope.Ordinals {
		if p == o || x.scope.VolumeOf(p) != v {
			continue
		}
		record := x.tenancyOf(p, records[p], x.attested(st, p, records[p]))
		if sharing := x.decisions.Share(record, namespace, uses, runsOn(st, p, records[p])); !sharing.Allows(model.NodeName(n)) {
			return false
		}
		if tenancy.Shares(record, namespace, uses) && (cached || !tenancy.Unclean(record)) {
			departures = append(departures, reach.DepartureOf(record, podUID(o, uint8(i+1))))
		}
		if x.usedElsewhere(st, p, n) {
			return false
		}
	}
	index := indexOf(x.scope, st)
	for _, d := range departures {
		verdict := x.decisions.Reach(index, []reach.Use{{
			Claim: uses[0].Claim, Volume: uses[0].Volume, SingleWriter: tenancy.SingleWriter(uses[0].AccessModes),
		}}, d)
		if !verdict.Allows(model.NodeName(n)) {
			x.outOfReach++
			return false
		}
	}
	return true
}

// usedElsewhere is what the scheduler's own snapshot shows: a pod of the ordinal, bound or
// on its way, on another node.
func (x *walker) usedElsewhere(st *model.State, o, n int) bool {
	if x.decisions.Blind {
		return false
	}
	l, _ := st.Ordinals[o].Newest()
	return l.Node != 0 && int(l.Node) != n+1 || l.Cycle != model.CycleNone && int(l.Target) != n+1
}

// runsOn is the node on which the record's own pod is bound and not being deleted.
func runsOn(st *model.State, o int, r model.Record) string {
	l, i := st.Ordinals[o].Newest()
	if int(r.Of) != i+1 || l.Node == 0 || l.Deleting {
		return ""
	}
	return model.NodeName(int(l.Node - 1))
}

func (x *walker) attested(st *model.State, o int, r model.Record) bool {
	return r.Of != 0 && r.Of != model.OfPast && st.Ordinals[o].Lives[r.Of-1].Attested
}

// indexOf knows the nodes, the volumes, and what is attached where.
func indexOf(scope model.Scope, st *model.State) *reach.Index {
	index := reach.NewIndex()
	for n := range scope.Nodes {
		if node := nodeObject(n, st.Nodes[n].Object); node != nil {
			index.SetNode(node)
		}
	}
	for v := range scope.Volumes {
		name := claimOf(v).Volume
		index.SetVolume(&v1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: v1.PersistentVolumeSpec{PersistentVolumeSource: v1.PersistentVolumeSource{
				CSI: &v1.CSIPersistentVolumeSource{Driver: "csi.example.com", VolumeHandle: name},
			}},
		})
		for n := range scope.Nodes {
			if st.Attached[v]&(1<<n) != 0 {
				index.SetAttachment(&storagev1.VolumeAttachment{
					ObjectMeta: metav1.ObjectMeta{Name: name + "-" + model.NodeName(n)},
					Spec: storagev1.VolumeAttachmentSpec{
						Attacher: "csi.example.com", NodeName: model.NodeName(n), Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &name},
					},
				})
			}
		}
	}
	return index
}

// leave ends a binding cycle, and those of all that wait for it.
func (x *walker) leave(st *model.State, o, i int) {
	line := x.line(st)
	rejected := line.Leave(identityOf(o), podUID(o, uint8(i+1)))
	st.Ordinals[o].Lives[i].EndCycle()
	for _, id := range rejected {
		l, _ := st.Ordinals[id.Ordinal].Newest()
		l.EndCycle()
	}
}

// judgeBind waits for the turn (PreBind), and is Bind up to the open: the live reads, and
// the finalizer.
func (x *walker) judgeBind(st *model.State, o, i int, next successor) {
	l := &st.Ordinals[o].Lives[i]
	a := model.Action{Kind: model.JudgeBind, Ordinal: uint8(o), Life: uint8(i), Node: l.Target - 1}
	switch x.line(st).Turn(identityOf(o), podUID(o, uint8(i+1))) {
	case order.TurnWaits:
		return
	case order.TurnComes, order.TurnNone, order.TurnRejected:
	}
	x.readFailures++
	if l.Follows {
		failed := *st
		x.leave(&failed, o, i)
		next(model.Action{Kind: model.FailRead, Ordinal: uint8(o), Life: uint8(i)}, failed)
	}

	n := int(l.Target) - 1
	records := x.records(st, false)
	object := st.Nodes[n].Object
	pod := podObject(o, i, l)
	id, named := identity.Of(owned(pod))
	need, _ := protect.Of(pod, config.ProtectAll)
	passes := named && need == protect.Always && l.Pod == model.PodThere && !l.Deleting && object.Exists &&
		!x.gate(int(id.Ordinal), i, records[o]).Held && x.placeable(st, o, i, n, records, false)
	if !passes {
		return // As FailRead.
	}
	after := *st
	life := &after.Ordinals[o].Lives[i]
	life.Cycle, life.Finalizer = model.CycleJudged, true
	life.TargetUID, life.TargetMachine, life.TargetBoot = object.UID, object.Machine, object.Boot
	if x.decisions.Swap {
		life.Read = records[o]
	}
	next(a, after)
}

// owned is the pod with its owner.
func owned(pod *v1.Pod) *v1.Pod {
	controls := true
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set, Controller: &controls}}
	return pod
}

// open writes the incarnation on the record. That the store compares before it swaps makes
// of its read and its write one step.
func (x *walker) open(st *model.State, o, i int, next successor) {
	after := *st
	ordinal := &after.Ordinals[o]
	l := &ordinal.Lives[i]
	a := model.Action{Kind: model.OpenRecord, Ordinal: uint8(o), Life: uint8(i), Node: l.Target - 1}
	record := ordinal.Record
	if x.decisions.Swap {
		record, l.Read = l.Read, model.Record{}
	}
	target := model.Candidate{Node: l.Target, UID: l.TargetUID, Machine: l.TargetMachine, Boots: 1 << l.TargetBoot}
	tenancyRecord := x.tenancyOf(o, record, x.attested(st, o, record))
	if tenancyRecord == nil {
		tenancyRecord = tenancy.New(identityOf(o))
	}
	status, err := x.decisions.Open(tenancyRecord, v1alpha1.Incarnation{
		PodUID: podUID(o, uint8(i+1)), Nodes: []v1alpha1.CandidateNode{candidateNode(target)}, Volumes: x.usesOf(o),
	}, epoch)
	if err != nil {
		x.leave(&after, o, i)
		next(a, after)
		return
	}
	ordinal.Record = recordOf(status)
	l.Cycle = model.CycleOpened
	next(a, after, model.Event{Kind: model.Opened, Ordinal: o, Life: i})
}

// bind posts the binding. The API server refuses one of a pod that is gone, deleted or bound.
func (x *walker) bind(st *model.State, o, i int, next successor) {
	after := *st
	l := &after.Ordinals[o].Lives[i]
	a := model.Action{Kind: model.Bind, Ordinal: uint8(o), Life: uint8(i), Node: l.Target - 1}
	if l.Pod != model.PodThere || l.Deleting || l.Node != 0 {
		x.leave(&after, o, i)
		next(a, after)
		return
	}
	for _, id := range x.line(st).Seen(identityOf(o), podUID(o, uint8(i+1))) {
		turn, _ := after.Ordinals[id.Ordinal].Newest()
		turn.Follows = false
	}
	l.Node, after.Ordinals[o].BoundEver = l.Target, true
	l.EndCycle()
	next(a, after, model.Event{Kind: model.Bound, Ordinal: o})
}

// crashes are the deaths of the scheduler and the guard: what they remember is lost, and
// they begin with what is. A binding that was posted may land all the same.
func (x *walker) crashes(st *model.State, next successor) {
	after := *st
	posted := false
	for o := range x.scope.Ordinals {
		ordinal := &after.Ordinals[o]
		for i := range int(ordinal.Count) {
			posted = posted || ordinal.Lives[i].Cycle == model.CycleOpened
			ordinal.Lives[i].EndCycle()
		}
	}
	next(model.Action{Kind: model.CrashScheduler}, after)
	if posted {
		for o := range x.scope.Ordinals {
			for i := range int(st.Ordinals[o].Count) {
				if l := st.Ordinals[o].Lives[i]; l.Cycle == model.CycleOpened {
					after.Ordinals[o].Lives[i].Late = l.Target
				}
			}
		}
		next(model.Action{Kind: model.CrashScheduler}, after)
	}

	after = *st
	for n := range x.scope.Nodes {
		node := &after.Nodes[n]
		if !node.Object.Exists {
			node.Object = model.Object{}
		}
		node.Seen = node.Object
		node.Untainted = node.Seen.Exists && !node.Seen.Ready && !node.Seen.Tainted
	}
	for o := range x.scope.Ordinals {
		ordinal := &after.Ordinals[o]
		ordinal.Task, ordinal.Answers = model.Task{}, [model.NodesMax]model.Answers{}
		for i := range int(ordinal.Count) {
			l := &ordinal.Lives[i]
			if l.Pod == model.PodFinal {
				l.Pod = model.PodGone
			}
			l.Unfollowed = l.Unfollowed || l.Phase != model.PhaseOpen
		}
	}
	next(model.Action{Kind: model.CrashGuard}, after)
}
