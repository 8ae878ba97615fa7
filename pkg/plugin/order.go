package plugin

import (
	"fmt"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/order"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// bindOrder keeps the ordinals of each set in order (S6). There is one of it for all
// profiles of a process, since the pods of one set may name different ones.
//
// Its lock is never held while the scheduling queue is called: the queue calls
// PreEnqueue, which takes it, under a lock of its own. What has changed is on the line
// before the queue is called, so a pod that is judged a moment too early is in the
// queue, or in flight, when it is woken, and judged again.
type bindOrder struct {
	once    sync.Once
	records *records
	clock   clock.PassiveClock
	// controllers are the kinds besides StatefulSet; the same in all profiles.
	controllers []config.ControllerKind
	pods        corelisters.PodLister
	sets        appslisters.StatefulSetLister
	// activate has the queue look at a pod again.
	activate func(pod *v1.Pod)
	waits    *waits

	mu   sync.Mutex
	line *order.Line
	// cycles has the binding cycle of each pod on the line.
	cycles map[identity.Identity]bindingCycle
}

// bindingCycle is what a pod on the line goes through.
type bindingCycle struct {
	pod types.UID
	// node is where it goes.
	node string
	// changed is closed when its turn changes.
	changed chan struct{}
	// cancel ends what other plugins do for it before the bind.
	cancel func(why string)
}

// judge gives the verdict on a pod from what is cached. A stale cache may make it wait,
// and never lets it overtake: what has been bound once does not cease to have been.
func (o *bindOrder) judge(id identity.Identity, pod *v1.Pod, policy order.Policy) order.Verdict {
	facts := o.facts(id, pod, policy)
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.judgeOnLine(facts)
}

// judgeOnLine is judge with the lock held.
func (o *bindOrder) judgeOnLine(f order.Facts) order.Verdict {
	if before, ok := order.Before(f.Identity); ok {
		f.Predecessor.OnLine = o.line.Leads(before)
	}
	return order.Judge(f)
}

// facts are those that the caches have. Records are read only where no pod decides.
func (o *bindOrder) facts(id identity.Identity, pod *v1.Pod, policy order.Policy) order.Facts {
	f := order.Facts{Identity: id, Policy: policy, Created: pod.CreationTimestamp.Time, Now: o.clock.Now()}
	f.First = o.firstOf(id, pod)
	before, ok := order.Before(id)
	if !ok {
		return f
	}
	if pod := o.podOf(before); pod != nil {
		f.Predecessor.BoundOnce = pod.Spec.NodeName != ""
		f.Predecessor.Ready = isReady(pod) && pod.DeletionTimestamp == nil
	}
	if !f.Predecessor.BoundOnce {
		f.Predecessor.BoundOnce = o.boundOnce(before)
	}
	f.BoundOnce = o.boundOnce(id)
	return f
}

func (o *bindOrder) identityOf(pod *v1.Pod) (identity.Identity, bool) {
	return identity.Of(pod, o.controllers...)
}

// firstOf is the first ordinal of the pod's set; nil while the set is not known. Sets of
// other kinds begin at 0.
func (o *bindOrder) firstOf(id identity.Identity, pod *v1.Pod) *int32 {
	if _, stock := identity.Of(pod); !stock {
		return ptr.To[int32](0)
	}
	set, err := o.sets.StatefulSets(id.Namespace).Get(id.Set)
	if err != nil {
		return nil
	}
	return ptr.To(firstOrdinal(set))
}

// podOf is the ordinal's pod as the scheduler sees it: not once it is terminal. Nil if
// there is none.
func (o *bindOrder) podOf(id identity.Identity) *v1.Pod {
	pod, err := o.pods.Pods(id.Namespace).Get(id.Name())
	if err != nil {
		return nil
	}
	if of, managed := o.identityOf(pod); !managed || of != id {
		return nil
	}
	return pod
}

// boundOnce is what the ordinal's record says. One that cannot be read says nothing.
func (o *bindOrder) boundOnce(id identity.Identity) bool {
	record, err := o.records.get(id)
	return err == nil && tenancy.BoundOnce(record)
}

// enter puts the pod, which was given the node, on the line, unless the verdict is that it waits.
func (o *bindOrder) enter(id identity.Identity, pod *v1.Pod, node string, policy order.Policy, cancel func(why string)) order.Verdict {
	facts := o.facts(id, pod, policy)
	var verdict order.Verdict
	o.change(id, func(l *order.Line) []identity.Identity {
		if verdict = o.judgeOnLine(facts); verdict.Waits {
			return nil
		}
		moved := l.Enter(id, pod.UID, verdict.Reason == order.ReasonPredecessorOnLine)
		if earlier, ok := o.cycles[id]; ok {
			close(earlier.changed)
		}
		o.cycles[id] = bindingCycle{pod: pod.UID, node: node, changed: make(chan struct{}), cancel: cancel}
		return moved
	})
	if !verdict.Waits {
		o.wakeAfter(id)
	}
	return verdict
}

// change changes the line by f, which returns whose turn that changes, and tells them.
// For those that are rejected it ends the other plugins' work too: they would keep room
// on a node for a bind that cannot come.
func (o *bindOrder) change(id identity.Identity, f func(l *order.Line) []identity.Identity) {
	o.mu.Lock()
	rejected := map[identity.Identity]bindingCycle{}
	for _, id := range f(o.line) {
		c := o.cycles[id]
		close(c.changed)
		c.changed = make(chan struct{})
		o.cycles[id] = c
		if o.line.Turn(id, c.pod) == order.TurnRejected {
			rejected[id] = c
		}
	}
	if c, ok := o.cycles[id]; ok && o.line.Turn(id, c.pod) == order.TurnNone {
		close(c.changed)
		delete(o.cycles, id)
	}
	o.mu.Unlock()
	for id, c := range rejected {
		c.cancel(rejection(id))
	}
}

// rejection says why an ordinal leaves the line.
func rejection(id identity.Identity) string {
	before, ok := order.Before(id)
	if !ok {
		return fmt.Sprintf("%s is being deleted", id.Name()) // It waits for nobody.
	}
	return fmt.Sprintf("%s gives its node back: it is being deleted, or %s, for whose bind it waits, has left its own", id.Name(), before.Name())
}

// turn tells where the pod stands on the line, and what is closed when that changes.
func (o *bindOrder) turn(id identity.Identity, pod types.UID) (order.Turn, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.line.Turn(id, pod), o.cycles[id].changed
}

// pass lets a pod on the line wait no longer; false if it did not wait.
func (o *bindOrder) pass(id identity.Identity, pod types.UID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.line.Pass(id, pod)
}

// bound notes that the pod was bound, and leaves that it was not and will not be.
func (o *bindOrder) bound(id identity.Identity, pod types.UID) {
	o.change(id, func(l *order.Line) []identity.Identity { return l.Bound(id, pod) })
	o.wakeAfter(id)
}

func (o *bindOrder) leave(id identity.Identity, pod types.UID) {
	o.change(id, func(l *order.Line) []identity.Identity { return l.Leave(id, pod) })
}

// wakeAfter has the queue look at the next ordinal again. One that is on the line is in
// no queue.
func (o *bindOrder) wakeAfter(id identity.Identity) {
	after, ok := order.After(id)
	if !ok {
		return
	}
	o.mu.Lock()
	onLine := o.line.Leads(after)
	o.mu.Unlock()
	if !onLine {
		o.wake(after)
	}
}

// wake has the queue look at the ordinal again, if there is a pod to be bound.
func (o *bindOrder) wake(id identity.Identity) {
	if pod := o.podOf(id); pod != nil && pod.Spec.NodeName == "" {
		o.activate(pod)
	}
}

// orderGate is the judgement of PreEnqueue and PreFilter; why is empty where the pod
// need not wait.
func (pl *Holdfast) orderGate(pod *v1.Pod) (status *fwk.Status, why order.Reason) {
	id, managed := pl.order.identityOf(pod)
	if !managed {
		return nil, ""
	}
	policy := pl.policyOf(pod)
	verdict := pl.order.judge(id, pod, policy)
	if verdict.Waits {
		why = verdict.Reason
	}
	return pl.orderStatus(id, pod, verdict), why
}

// orderStatus is the status of a verdict. No preemption makes another ordinal's bind
// come sooner, hence UnschedulableAndUnresolvable.
func (pl *Holdfast) orderStatus(id identity.Identity, pod *v1.Pod, verdict order.Verdict) *fwk.Status {
	if !verdict.Waits {
		pl.order.waits.end(pod.UID)
		if verdict.Reason == order.ReasonTimeout {
			pl.announceTimeout(pod, verdict.Message)
		}
		return nil
	}
	long := pl.order.waits.begin(pod, verdict.Deadline, pl.order.clock.Now(), func() { pl.announceWait(id, pod.UID) })
	if long {
		pl.announceOrder(pod, v1.EventTypeNormal, EventBindOrder, verdict.Message)
	}
	return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, verdict.Message)
}

// policyOf is what the pod asks for. It is told of annotations that cannot be read.
func (pl *Holdfast) policyOf(pod *v1.Pod) order.Policy {
	policy, err := order.PolicyOf(pod.Annotations, pl.bindPolicy)
	if err != nil {
		pl.announceOrder(pod, v1.EventTypeWarning, EventUnknownBindOrder,
			fmt.Sprintf("%v. The profile's value is taken: order %s, timeout %s.", err, policy.Order, policy.Timeout))
	}
	return policy
}

// announceWait tells a pod that has waited for a while, as it is by then.
func (pl *Holdfast) announceWait(id identity.Identity, uid types.UID) {
	pod := pl.order.podOf(id)
	if pod == nil || pod.UID != uid {
		pl.order.waits.end(uid) // It went before the wait was noted.
		return
	}
	if verdict := pl.order.judge(id, pod, pl.policyOf(pod)); verdict.Waits {
		pl.announceOrder(pod, v1.EventTypeNormal, EventBindOrder, verdict.Message)
	}
}

func (pl *Holdfast) announceTimeout(pod *v1.Pod, message string) {
	pl.announceOrder(pod, v1.EventTypeWarning, EventBindOrderTimeout, message)
}

// announceOrder writes an event on the pod, and the same again only after a while.
func (pl *Holdfast) announceOrder(pod *v1.Pod, eventType, reason, message string) {
	key := pod.UID + types.UID("/"+reason)
	if pl.orderAnnounced.due(key, tenancy.Reason(reason), pl.order.clock.Now()) {
		pl.recorder.Eventf(pod, nil, eventType, reason, actionScheduling, "%s", note(message))
	}
}
