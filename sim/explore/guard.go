package explore

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
	"github.com/holdfast-dev/holdfast/sim/explore/model"
)

// The guard, as pkg/guard acts: what it reads, whom it asks, and in what order it writes.
// Each write is a step of its own, and what it is about to write is lost when it dies.

func (x *walker) guardMoves(st *model.State, next successor) {
	for n := range x.scope.Nodes {
		if node := &st.Nodes[n]; node.Object != node.Seen {
			after := *st
			x.see(&after, n)
			next(model.Action{Kind: model.GuardSees, Node: uint8(n)}, after)
		}
	}
	for o := range x.scope.Ordinals {
		ordinal := &st.Ordinals[o]
		if ordinal.Task.Kind != model.Idle {
			x.finishTask(st, o, next)
			continue
		}
		for i := range int(ordinal.Count) {
			x.settle(st, o, i, next)
		}
		if x.scope.Observe {
			x.ask(st, o, next)
		}
	}
}

// see brings the guard's watch the node's last change, and notes a removal on the records.
func (x *walker) see(st *model.State, n int) {
	node := &st.Nodes[n]
	before, now := node.Seen, node.Object
	node.Deliver()
	if now.Exists {
		return
	}
	removal := fence.RemovalOf(finalNode(n, now), fence.TaintWatch{}, now.Word, metav1.NewTime(epoch))
	for o := range x.scope.Ordinals {
		record := &st.Ordinals[o].Record
		if !record.Unclean() {
			continue
		}
		var seen []tenancy.Observation
		for _, c := range record.Candidates {
			if int(c.Node) == n+1 && c.UID == before.UID {
				of := candidateNode(c)
				seen = append(seen, tenancy.Observation{Node: of.Name, NodeUID: of.UID, Removal: &removal})
			}
		}
		if len(seen) > 0 {
			*record = x.observed(o, *record, seen)
		}
	}
}

// observed is the record with what was seen; as it was, if it does not take it.
func (x *walker) observed(o int, r model.Record, seen []tenancy.Observation) model.Record {
	status, err := x.decisions.Observe(x.tenancyOf(o, r, false), podUID(o, r.Of), seen...)
	if err != nil {
		return r
	}
	return recordOf(status)
}

// settle is the guard's look at one incarnation, up to its first write.
func (x *walker) settle(st *model.State, o, i int, next successor) {
	ordinal := &st.Ordinals[o]
	l := &ordinal.Lives[i]
	a := model.Action{Kind: model.GuardJudges, Ordinal: uint8(o), Life: uint8(i)}
	mine := int(ordinal.Record.Of) == i+1
	sight := map[model.Presence]fence.Sight{model.PodThere: fence.SightLive, model.PodFinal: fence.SightFinal, model.PodGone: fence.SightGone}[l.Pod]
	switch {
	case sight != fence.SightLive && (!mine || !ordinal.Record.Unclean()):
		if sight == fence.SightFinal {
			after := *st
			after.Ordinals[o].Lives[i].Pod = model.PodGone
			a.Kind = model.GuardHolds
			next(a, after)
		}
	case !mine, !ordinal.Record.Unclean():
		// A pod without a record of its own goes if its object is the proof; one whose
		// record is closed goes.
		if !l.Finalizer || !l.Deleting || !mine && !x.judged(st, o, i, sight, model.Record{}, false).Release {
			return
		}
		after := *st
		after.Ordinals[o].Lives[i].Pod = model.PodGone
		a.Kind = model.GuardLetsGo
		if mine {
			next(a, after, model.Event{Kind: model.LetGo, Ordinal: o})
		} else {
			next(a, after)
		}
	default:
		x.settleUnclean(st, o, i, sight, a, next)
	}
}

func (x *walker) settleUnclean(st *model.State, o, i int, sight fence.Sight, a model.Action, next successor) {
	record := st.Ordinals[o].Record
	verdict := x.judged(st, o, i, sight, record, false)
	if verdict.Kind == model.Fenced || verdict.Kind == model.NodeRemoved {
		// What they say of the nodes must also be so by live reads.
		verdict = x.judged(st, o, i, sight, record, true)
	}
	if !verdict.Release {
		x.guess(st, o, i, sight, a, next)
		x.keep(st, o, i, sight, a, next)
		return
	}
	after := *st
	after.Ordinals[o].Task = model.Task{Kind: model.ToClose, Life: uint8(i), Evidence: verdict.Kind}
	a.Evidence = verdict.Kind
	x.fired(verdict.rule)
	if l := &after.Ordinals[o].Lives[i]; x.decisions.LetGoFirst && l.Finalizer && l.Deleting {
		l.Pod = model.PodFinal
		next(a, after, model.Event{Kind: model.LetGo, Ordinal: o})
		return
	}
	next(a, after)
}

// guess judges once more as if a read had failed. What holds with all that there is to
// know must hold with less.
func (x *walker) guess(st *model.State, o, i int, sight fence.Sight, a model.Action, next successor) {
	for _, failed := range []string{"the pod", "the nodes", "whether a boot is shared"} {
		verdict := x.judgedWithout(st, o, i, sight, failed)
		x.readFailures++
		if !verdict.Release {
			continue
		}
		after := *st
		after.Ordinals[o].Task = model.Task{Kind: model.ToClose, Life: uint8(i), Evidence: verdict.Kind}
		a.Evidence = verdict.Kind
		next(a, after, model.Event{Kind: model.Guessed, Ordinal: o, Detail: failed + " could not be read"})
	}
}

// keep is what follows from a hold: what was seen goes on the record, then the doubt. The
// guard writes both at once; here the doubt may be later, so that anything may happen
// between its reads and its write. While the kubelet is ready the guard has patience, so it
// may note what it sees without a doubt.
func (x *walker) keep(st *model.State, o, i int, sight fence.Sight, a model.Action, next successor) {
	a.Kind = model.GuardHolds
	l := &st.Ordinals[o].Lives[i]
	asked := sight != fence.SightLive || l.Deleting
	patient := sight == fence.SightLive && st.Ordinals[o].Record.Phase == model.Occupied && l.Node != 0 && st.Nodes[l.Node-1].Seen.Ready
	if asked && patient {
		x.note(st, o, i, sight, false, a, next)
	}
	x.note(st, o, i, sight, asked, a, next)
}

// note puts what was seen on the record, and prepares the doubt.
func (x *walker) note(st *model.State, o, i int, sight fence.Sight, doubting bool, a model.Action, next successor) {
	after := *st
	ordinal := &after.Ordinals[o]
	ordinal.Record = x.observed(o, ordinal.Record, x.observations(st, o, i, sight, doubting))
	switch {
	case doubting && ordinal.Record.Phase == model.Occupied:
		ordinal.Task = model.Task{Kind: model.ToDoubt, Life: uint8(i)}
	case sight == fence.SightFinal:
		ordinal.Lives[i].Pod = model.PodGone
	}
	if after != *st {
		next(a, after)
	}
}

// observations are what there is to record. Before the doubt, and where a boot is not on
// the record, the nodes are read live.
func (x *walker) observations(st *model.State, o, i int, sight fence.Sight, doubting bool) []tenancy.Observation {
	ordinal := &st.Ordinals[o]
	l := &ordinal.Lives[i]
	var seen []tenancy.Observation
	nodes := nodesOf(ordinal.Record)
	boundTo := -1
	// While the object shows a container it need not be written down.
	if doubting || !l.HadID {
		seen = append(seen, tenancy.Observation{ContainerSeen: l.HadID})
	}
	if sight != fence.SightGone {
		if l.Node != 0 {
			if boundTo = int(l.Node) - 1; !slices.Contains(nodes, boundTo) {
				nodes = append(nodes, boundTo)
			}
		}
	}
	live := doubting && ordinal.Record.Phase == model.Occupied || ordinal.Record.Phase == model.InDoubt && unknownBoot(st, ordinal.Record, nodes)
	for _, n := range nodes {
		object := st.Nodes[n].Seen
		if live {
			object = st.Nodes[n].Object
		}
		switch node := nodeObject(n, object); {
		case node == nil && boundTo == n:
			seen = append(seen, tenancy.Observation{Node: model.NodeName(n)})
		case node == nil, boundTo >= 0 && boundTo != n:
		default:
			seen = append(seen, tenancy.Observation{
				Node: node.Name, NodeUID: node.UID, Machine: fence.MachineOf(node),
				BootID: node.Status.NodeInfo.BootID, StaleBoot: fence.StaleBoot(node),
			})
		}
	}
	return seen
}

func nodesOf(r model.Record) []int {
	var nodes []int
	for _, c := range r.Candidates {
		if c.Node != 0 && !slices.Contains(nodes, int(c.Node)-1) {
			nodes = append(nodes, int(c.Node)-1)
		}
	}
	return nodes
}

func unknownBoot(st *model.State, r model.Record, nodes []int) bool {
	return slices.ContainsFunc(nodes, func(n int) bool {
		seen := st.Nodes[n].Seen
		return seen.Exists && !slices.ContainsFunc(r.Candidates[:], func(c model.Candidate) bool {
			return int(c.Node) == n+1 && c.Machine == seen.Machine && (c.Boots|c.Later)&(1<<seen.Boot) != 0
		})
	})
}

// finishTask makes the write that the guard has decided on.
func (x *walker) finishTask(st *model.State, o int, next successor) {
	task := st.Ordinals[o].Task
	i := int(task.Life)
	after := *st
	ordinal := &after.Ordinals[o]
	ordinal.Task = model.Task{}
	record := x.tenancyOf(o, ordinal.Record, false)
	uid := podUID(o, task.Life+1)
	a := model.Action{Ordinal: uint8(o), Life: task.Life, Evidence: task.Evidence}
	if task.Kind == model.ToDoubt {
		a.Kind = model.GuardDoubts
		if status, err := x.decisions.Doubt(record, uid, epoch); err == nil {
			ordinal.Record = recordOf(status)
		}
	} else {
		a.Kind = model.GuardCloses
		if status, err := x.decisions.Close(record, v1alpha1.Evidence{Kind: kinds[task.Evidence], PodUID: uid}); err == nil {
			ordinal.Record = recordOf(status)
			ordinal.Closed(&ordinal.Lives[i], task.Evidence)
		}
	}
	if l := &ordinal.Lives[i]; l.Pod == model.PodFinal {
		l.Pod = model.PodGone
	}
	next(a, after)
}

// ask asks the kubelets of the nodes on which an incarnation in doubt may run.
func (x *walker) ask(st *model.State, o int, next successor) {
	ordinal := &st.Ordinals[o]
	record := ordinal.Record
	if record.Phase != model.InDoubt || record.Of == model.OfPast || !fence.Observable(x.tenancyOf(o, record, false).Status.Incarnation) {
		return
	}
	i := int(record.Of) - 1
	if l := &ordinal.Lives[i]; l.Pod == model.PodThere && !l.Deleting {
		return
	}
	for _, n := range nodesOf(record) {
		node := &st.Nodes[n]
		if object := node.Object; node.Seen.Ready && object.Exists {
			machine := node.Machines[object.Machine]
			if !machine.On || machine.Cut || object.Boot != machine.Boot {
				continue
			}
			after := *st
			answers := &after.Ordinals[o].Answers[n]
			now := model.Answers{Count: 1, UID: object.UID, Machine: object.Machine, Boot: object.Boot}
			if before := *answers; before.Count > 0 && before.UID == now.UID && before.Machine == now.Machine && before.Boot == now.Boot {
				now.Count = 2
			}
			if ordinal.Lives[i].Kubelets[object.Machine] != model.KubeletUnaware {
				now = model.Answers{} // It has the pod.
			}
			*answers = now
			if after != *st {
				next(model.Action{Kind: model.GuardAsks, Ordinal: uint8(o), Life: uint8(i), Node: uint8(n)}, after)
			}
		}
	}
}

// kubeletSights are the answers as the guard remembers them.
func kubeletSights(answers [model.NodesMax]model.Answers) []fence.KubeletSight {
	var sights []fence.KubeletSight
	for n, a := range answers {
		node := finalNode(n, model.Object{UID: a.UID, Machine: a.Machine, Boot: a.Boot, Ready: true})
		for k := range a.Count {
			sights = append(sights, fence.KubeletSight{Node: node, Absent: true, Answered: epoch.Add(fence.ObservationGapMin * 2 * time.Duration(k))})
		}
	}
	return sights
}

// subjectOf is what the guard knows of an incarnation.
func (x *walker) subjectOf(k judgement) fence.Subject {
	s := fence.Subject{UID: podUID(k.ordinal, uint8(k.place+1)), Sight: k.sight}
	if k.sight != fence.SightGone {
		s.Pod = podObject(k.ordinal, k.place, &k.life)
		s.NeverStarted = !k.life.HadID && !k.life.Unfollowed
	}
	record := x.tenancyOf(k.ordinal, k.record, k.life.Attested)
	if record == nil {
		return s
	}
	s.Incarnation, s.Attestations = record.Status.Incarnation, record.Spec.Attestations
	if s.Pod != nil && k.life.Node > 0 {
		s.TakenOver = fence.TakenOver(s.Incarnation, nodeObject(int(k.life.Node)-1, k.confirms))
	}
	if k.record.Phase != model.InDoubt {
		return s
	}
	s.Kubelets = kubeletSights(k.answers)
	s.Nodes = x.nodesRead(k)
	return s
}

func (x *walker) nodesRead(k judgement) fence.Nodes {
	nodes := fence.Nodes{Removal: removalOf(x.scope)}
	nodes.Booted = func(boot, except string) bool {
		for n := range x.scope.Nodes {
			if node := nodeObject(n, k.nodes[n].seen); node != nil && node.Name != except && node.Status.NodeInfo.BootID == boot {
				return true
			}
		}
		return false
	}
	for _, n := range nodesOf(k.record) {
		of := k.nodes[n]
		sight := fence.NodeSight{Name: model.NodeName(n), Node: nodeObject(n, of.seen), Taints: watchOf(n, of.seen, of.untainted)}
		if k.live {
			sight.Node = nodeObject(n, of.live)
		}
		nodes.Read = append(nodes.Read, sight)
	}
	return nodes
}

// removalOf says when the removal of a Node counts.
func removalOf(s model.Scope) config.NodeRemoval {
	if s.WhenDown {
		return config.RemovalWhenDown
	}
	return config.RemovalManaged
}

// watchOf is the watch of a node's taints as it stands after what the guard has seen.
func watchOf(n int, seen model.Object, untainted bool) fence.TaintWatch {
	var w fence.TaintWatch
	node := nodeObject(n, seen)
	if node == nil {
		return w
	}
	if untainted {
		earlier := seen
		earlier.Tainted = false
		w = w.Next(nodeObject(n, earlier))
	}
	return w.Next(node)
}

// judgement is all that a verdict of pkg/fence depends on.
type judgement struct {
	ordinal, place int
	sight          fence.Sight
	life           model.Life
	record         model.Record
	nodes          [model.NodesMax]nodeKnown
	answers        [model.NodesMax]model.Answers
	// confirms is the Node that the pod is bound to, read live before a confirmation counts.
	confirms model.Object
	live     bool
	failed   string
}

type nodeKnown struct {
	seen, live model.Object
	untainted  bool
}

// verdict is one of pkg/fence, and the rule that it is by.
type verdict struct {
	Release bool
	Kind    model.Evidence
	rule    string
}

func (x *walker) judgementOf(st *model.State, o, i int, sight fence.Sight, record model.Record, live bool) judgement {
	l := st.Ordinals[o].Lives[i]
	k := judgement{ordinal: o, place: i, sight: sight, record: record, live: live}
	k.life = model.Life{Attested: l.Attested}
	if sight != fence.SightGone {
		k.life = model.Life{
			Pod: l.Pod, Deleting: l.Deleting, Finalizer: l.Finalizer, Node: l.Node, Status: l.Status,
			HadID: l.HadID, Phase: l.Phase, SandboxGone: l.SandboxGone, Unfollowed: l.Unfollowed, Attested: l.Attested,
		}
	}
	if sight != fence.SightGone && l.Node > 0 {
		now := st.Nodes[l.Node-1].Object
		k.confirms = model.Object{Exists: now.Exists, UID: now.UID, Machine: now.Machine}
	}
	if record.Phase != model.InDoubt {
		return k
	}
	k.answers = st.Ordinals[o].Answers
	for n := range x.scope.Nodes {
		k.nodes[n] = nodeKnown{seen: st.Nodes[n].Seen}
		if slices.Contains(nodesOf(record), n) {
			k.nodes[n].untainted = st.Nodes[n].Untainted
			if live {
				k.nodes[n].live = st.Nodes[n].Object
			}
		}
	}
	return k
}

func (x *walker) judged(st *model.State, o, i int, sight fence.Sight, record model.Record, live bool) verdict {
	return x.judge(x.judgementOf(st, o, i, sight, record, live))
}

// judgedWithout is judged where a read has failed.
func (x *walker) judgedWithout(st *model.State, o, i int, sight fence.Sight, failed string) verdict {
	k := x.judgementOf(st, o, i, sight, st.Ordinals[o].Record, false)
	k.failed = failed
	return x.judge(k)
}

func (x *walker) judge(k judgement) verdict {
	if known, ok := x.judgements[k]; ok {
		return known
	}
	s := x.subjectOf(k)
	switch k.failed {
	case "the pod":
		s.Pod, s.Sight = nil, fence.SightUnknown
	case "the nodes":
		s.Nodes.Read = nil
	case "whether a boot is shared":
		s.Nodes.Booted = nil
	}
	said := x.decisions.Fence(s)
	v := verdict{Release: said.Release}
	if said.Release {
		v.Kind, v.rule = evidenceKind(said.Kind), ruleOf(said)
	}
	x.judgements[k] = v
	return v
}

// ruleOf is the name of the rule with the verdict's sentence.
func ruleOf(v fence.Verdict) string {
	for _, r := range fence.Rules() {
		if r.Detail == v.Detail {
			return r.Name
		}
	}
	return string(v.Kind)
}
