package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/order"
)

// testOrder is a bindOrder over caches that the test fills, and remembers who is woken.
type testOrder struct {
	*bindOrder
	podCache, setCache cache.Indexer
	woken              []string
}

func newTestOrder(ctx context.Context, tenancies cache.Indexer) *testOrder {
	byNamespace := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	o := &testOrder{
		podCache: cache.NewIndexer(cache.MetaNamespaceKeyFunc, byNamespace),
		setCache: cache.NewIndexer(cache.MetaNamespaceKeyFunc, byNamespace),
	}
	activate := func(pod *v1.Pod) { o.woken = append(o.woken, pod.Name) }
	o.bindOrder = &bindOrder{
		records:  &records{tenancies},
		clock:    clock.RealClock{},
		pods:     corelisters.NewPodLister(o.podCache),
		sets:     appslisters.NewStatefulSetLister(o.setCache),
		activate: activate,
		waits:    newWaits(ctx, activate),
		line:     order.NewLine(),
		cycles:   map[identity.Identity]bindingCycle{},
	}
	return o
}

// ordered is a plugin in virtual time, and the pods web-0 to web-3 of a set that makes
// all of its pods at once.
type ordered struct {
	*testing.T
	ctx      context.Context
	pl       *Holdfast
	order    *testOrder
	recorder *events.FakeRecorder
	records  cache.Indexer
	pods     []*v1.Pod
	// cancelled are the pods whose binding cycle was ended.
	cancelled []string
}

func inOrder(t *testing.T, policy order.Policy, f func(o *ordered)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		o := &ordered{T: t, ctx: ctx, recorder: events.NewFakeRecorder(64), records: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})}
		o.order = newTestOrder(ctx, o.records)
		o.pl, _ = newTestPlugin(t, nil)
		o.pl.order, o.pl.bindPolicy, o.pl.recorder = o.order.bindOrder, policy, o.recorder
		o.pl.handle = &canceller{o: o}
		o.add(o.order.setCache, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "set"}})
		for i := range 4 {
			pod := ordinal(types.UID(fmt.Sprintf("uid-%d", i)))
			pod.Name = fmt.Sprintf("web-%d", i)
			pod.CreationTimestamp = metav1.Now()
			o.pods = append(o.pods, pod)
			o.add(o.order.podCache, pod)
		}
		f(o)
	})
}

func (o *ordered) add(to cache.Indexer, obj any) {
	o.Helper()
	if err := to.Add(obj); err != nil {
		o.Fatal(err)
	}
}

// canceller ends binding cycles, as the framework's handle does.
type canceller struct {
	fwk.Handle
	o *ordered
}

type cancelled struct {
	fwk.PodInPreBind
	o   *ordered
	pod types.UID
}

func (c *canceller) GetPodInPreBind(uid types.UID) fwk.PodInPreBind {
	return cancelled{o: c.o, pod: uid}
}

func (c cancelled) CancelPod(string) bool {
	c.o.cancelled = append(c.o.cancelled, "web-"+strings.TrimPrefix(string(c.pod), "uid-"))
	return true
}

// gate is what PreEnqueue and PreFilter say of ordinal i: that it goes on.
func (o *ordered) gate(i int) bool {
	o.Helper()
	enqueue := o.pl.PreEnqueue(o.ctx, o.pods[i])
	_, filter := o.pl.PreFilter(o.ctx, newState(), o.pods[i], nil)
	if enqueue.Code() != filter.Code() || !enqueue.IsSuccess() && enqueue.Code() != fwk.UnschedulableAndUnresolvable {
		o.Errorf("web-%d: PreEnqueue says %v, PreFilter %v", i, enqueue, filter)
	}
	return enqueue.IsSuccess()
}

func (o *ordered) reserve(i int) *fwk.Status { return o.pl.Reserve(o.ctx, nil, o.pods[i], "a") }

// await is PreBind's wait of ordinal i, where it has to wait, and then what Bind says of
// its turn; that comes when the wait ends.
func (o *ordered) await(i int) <-chan *fwk.Status {
	done := make(chan *fwk.Status, 1)
	go func() {
		_, status := o.pl.PreBindPreFlight(o.ctx, nil, o.pods[i], "a")
		if status.IsSuccess() {
			status = o.pl.PreBind(o.ctx, nil, o.pods[i], "a")
		}
		if status.IsSuccess() || status.IsSkip() {
			status = o.pl.itsTurn(o.pods[i])
		}
		done <- status
	}()
	synctest.Wait()
	return done
}

// status is nil while the wait lasts.
func status(done <-chan *fwk.Status) string {
	synctest.Wait()
	select {
	case s := <-done:
		return s.Code().String()
	default:
		return "waits"
	}
}

// bind has the API server bind ordinal i, and the informer see it.
func (o *ordered) bind(i int) {
	o.Helper()
	o.update(i, func(pod *v1.Pod) { pod.Spec.NodeName = "a" })
}

func (o *ordered) update(i int, f func(pod *v1.Pod)) {
	o.Helper()
	old := o.pods[i]
	o.pods[i] = old.DeepCopy()
	f(o.pods[i])
	o.add(o.order.podCache, o.pods[i])
	o.order.podChanged(old, o.pods[i])
}

func (o *ordered) wantWoken(want ...string) {
	o.Helper()
	if !slices.Equal(o.order.woken, want) {
		o.Errorf("woken %v, want %v", o.order.woken, want)
	}
	o.order.woken = nil
}

func (o *ordered) wantEvents(want ...string) {
	o.Helper()
	var got []string
	for len(o.recorder.Events) > 0 {
		got = append(got, <-o.recorder.Events)
	}
	if len(got) != len(want) {
		o.Errorf("events %q, want %q", got, want)
		return
	}
	for i := range got {
		if !strings.HasPrefix(got[i], want[i]) {
			o.Errorf("event %q, want %q", got[i], want[i])
		}
	}
}

var byOrdinal = order.Policy{Order: config.BindOrdinal}

func TestOrdinalsAreGivenNodesAtOnceAndBoundOneAfterTheOther(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		if !o.gate(0) || o.gate(1) || o.gate(2) {
			t.Error("the gate lets others than the first through")
		}
		for i := range 3 {
			if s := o.reserve(i); !s.IsSuccess() {
				t.Fatalf("web-%d: %v", i, s)
			}
			if !o.gate(i + 1) {
				t.Errorf("web-%d is gated, although the one before has its node", i+1)
			}
		}
		o.wantWoken("web-1", "web-2", "web-3")
		one, two := o.await(1), o.await(2)
		if got := status(o.await(0)); got != "Success" {
			t.Errorf("the first does not go: %s", got)
		}
		if a, b := status(one), status(two); a != "waits" || b != "waits" {
			t.Errorf("before the first bind: %s, %s", a, b)
		}
		o.pl.PostBind(o.ctx, nil, o.pods[0], "a")
		if a, b := status(one), status(two); a != "Success" || b != "waits" {
			t.Errorf("after the first bind: %s, %s", a, b)
		}
		// The informer may be faster than PostBind.
		o.bind(1)
		if got := status(two); got != "Success" {
			t.Errorf("after the second bind was seen: %s", got)
		}
		o.pl.PostBind(o.ctx, nil, o.pods[1], "a")
		o.bind(0)
		o.bind(2)
		if o.order.line.Len() != 0 || len(o.order.cycles) != 0 {
			t.Errorf("%d and %d are left on the line", o.order.line.Len(), len(o.order.cycles))
		}
	})
}

func TestWhoLeavesTakesAllAlongThatWaitBehind(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		for i := range 4 {
			o.reserve(i)
		}
		two, three := o.await(2), o.await(3)
		o.order.woken = nil
		o.pl.Unreserve(o.ctx, nil, o.pods[1], "a")
		if a, b := status(two), status(three); a != "Unschedulable" || b != "Unschedulable" {
			t.Errorf("behind one that left: %s, %s", a, b)
		}
		slices.Sort(o.cancelled)
		if !slices.Equal(o.cancelled, []string{"web-2", "web-3"}) {
			t.Errorf("the work of %v was ended", o.cancelled)
		}
		if o.gate(2) || o.gate(3) {
			t.Error("the gate lets those through that were rejected")
		}
		// As the framework does after it.
		o.pl.Unreserve(o.ctx, nil, o.pods[2], "a")
		o.pl.Unreserve(o.ctx, nil, o.pods[3], "a")
		o.wantWoken()
		if s := o.reserve(2); s.Code() != fwk.UnschedulableAndUnresolvable {
			t.Errorf("Reserve behind one that left: %v", s)
		}
		o.reserve(1)
		o.wantWoken("web-2")
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		o.reserve(0)
		o.reserve(1)
		ctx, preempt := context.WithCancel(o.ctx)
		done := make(chan *fwk.Status, 1)
		go func() { done <- o.pl.awaitTurn(ctx, o.pods[1]) }()
		if got := status(done); got != "waits" {
			t.Fatalf("before: %s", got)
		}
		preempt()
		if got := status(done); got != "Error" {
			t.Errorf("after: %s", got)
		}
	})
}

func TestADeletedPodLeavesTheLineWithThoseBehindIt(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		for i := range 3 {
			o.reserve(i)
		}
		one, two := o.await(1), o.await(2)
		o.update(1, func(pod *v1.Pod) { now := metav1.Now(); pod.DeletionTimestamp = &now })
		if a, b := status(one), status(two); a != "Unschedulable" || b != "Unschedulable" {
			t.Errorf("the deleted one and the one behind it: %s, %s", a, b)
		}
		o.order.podGone(o.pods[1])
		o.pl.Unreserve(o.ctx, nil, o.pods[1], "a")
		o.pl.Unreserve(o.ctx, nil, o.pods[2], "a")
		if o.order.line.Len() != 1 || len(o.order.cycles) != 1 {
			t.Errorf("%d and %d are on the line, want the first alone", o.order.line.Len(), len(o.order.cycles))
		}
	})
}

func TestTheBindByAnotherSchedulerLetsTheNextOneGo(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		if o.gate(1) {
			t.Error("the gate lets web-1 through first")
		}
		o.bind(0)
		o.wantWoken("web-1")
		if !o.gate(1) {
			t.Error("web-1 is gated")
		}
		if s := o.reserve(1); !s.IsSuccess() {
			t.Errorf("Reserve: %v", s)
		}
		if got := status(o.await(1)); got != "Success" {
			t.Errorf("at its bind: %s", got)
		}
	})
}

func TestReplacementsWaitForNobody(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		closed := record(v1alpha1.Over)
		closed.Name = "web-2"
		o.add(o.records, asUnstructured(t, closed))
		if !o.gate(2) {
			t.Error("a replacement is gated")
		}
		o.reserve(0)
		o.reserve(1)
		o.reserve(2)
		if got := status(o.await(2)); got != "Success" {
			t.Errorf("a replacement behind one on the line: %s", got)
		}
		// And what it replaces says that the one after it may go on.
		if !o.gate(3) {
			t.Error("the one after an ordinal that has been bound is gated")
		}
	})
}

func TestAnOrdinalWaitsUntilTheOneBeforeIsReady(t *testing.T) {
	inOrder(t, order.Policy{Order: config.BindOrdinalReady}, func(o *ordered) {
		o.bind(0)
		if o.gate(1) {
			t.Error("web-1 goes on before web-0 is Ready")
		}
		o.order.woken = nil
		ready := func(is v1.ConditionStatus) func(*v1.Pod) {
			return func(pod *v1.Pod) { pod.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: is}} }
		}
		o.update(0, ready(v1.ConditionTrue))
		o.wantWoken("web-1")
		if !o.gate(1) || !o.reserve(1).IsSuccess() {
			t.Error("web-1 does not go on once web-0 is Ready")
		}
		o.update(0, ready(v1.ConditionFalse))
		if got := status(o.await(1)); got != "Unschedulable" {
			t.Errorf("web-0 is not Ready any more when web-1 is to be bound: %s", got)
		}
		if o.gate(2) {
			t.Error("web-2 goes on behind one that has its node")
		}
	})
}

func TestAWaitingPodIsToldAfterAWhile(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		o.gate(1)
		o.gate(2)
		time.Sleep(tellAfter - time.Second)
		o.bind(0)
		o.gate(1)
		o.wantEvents()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		o.wantEvents("Normal BindOrder web-2 waits for web-1, which has not been bound yet")
		time.Sleep(5 * time.Minute)
		o.gate(2)
		o.wantEvents()
		time.Sleep(announceAgain)
		o.gate(2)
		o.wantEvents("Normal BindOrder web-2 waits")
	})
}

func TestATimeoutLetsAGatedPodGo(t *testing.T) {
	inOrder(t, order.Policy{Order: config.BindOrdinal, Timeout: time.Minute}, func(o *ordered) {
		if o.gate(1) {
			t.Error("web-1 does not wait")
		}
		o.update(1, func(pod *v1.Pod) { pod.Annotations = map[string]string{v1alpha1.BindOrderTimeoutAnnotation: "2m"} })
		o.wantWoken("web-1")
		o.gate(1)
		time.Sleep(2*time.Minute - time.Second)
		synctest.Wait()
		o.wantWoken()
		o.wantEvents("Normal BindOrder web-1 waits for web-0, which has not been bound yet (bind order Ordinal). Once web-0 is on its way to a node, it goes on, and at the latest 2m0s after its creation.")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		o.wantWoken("web-1")
		if !o.gate(1) {
			t.Error("web-1 waits on")
		}
		o.wantEvents("Warning BindOrderTimeout web-1 goes on without web-0, which has not been bound yet")
	})
}

func TestATimeoutLetsAPodOnTheLineGo(t *testing.T) {
	inOrder(t, order.Policy{Order: config.BindOrdinal, Timeout: time.Minute}, func(o *ordered) {
		o.reserve(0)
		o.reserve(1)
		one := o.await(1)
		time.Sleep(time.Minute - time.Second)
		if got := status(one); got != "waits" {
			t.Errorf("before the timeout: %s", got)
		}
		time.Sleep(time.Second)
		if got := status(one); got != "Success" {
			t.Errorf("at the timeout: %s", got)
		}
		o.wantEvents("Warning BindOrderTimeout web-1 goes on without web-0")
		o.pl.Unreserve(o.ctx, nil, o.pods[0], "a")
		if len(o.cancelled) != 0 {
			t.Errorf("%v was rejected with one that it waits for no more", o.cancelled)
		}
	})
}

func TestAnAnnotationThatCannotBeReadLeavesTheProfilesValue(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		o.pods[1].Annotations = map[string]string{v1alpha1.BindOrderAnnotation: "none"}
		for range 2 {
			if o.gate(1) {
				t.Error("web-1 goes on, against the profile's order")
			}
		}
		o.wantEvents("Warning UnknownBindOrder annotation holdfast.dev/bind-order is \"none\", and neither Ordinal, OrdinalReady nor None. The profile's value is taken: order Ordinal, timeout 0s.")
	})
}

func TestASetWakesTheOrdinalThatBecomesItsFirst(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "set"}}
		from2 := set.DeepCopy()
		from2.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: 2}
		if o.gate(2) {
			t.Error("web-2 goes on although its set begins at 0")
		}
		o.add(o.order.setCache, from2)
		o.order.setChanged(set, from2)
		o.wantWoken("web-2")
		if !o.gate(2) || o.gate(3) {
			t.Error("the set begins at 2: want web-2 to go on and web-3 to wait")
		}
		o.order.setChanged(from2, from2)
		o.wantWoken()
		o.order.setChanged(nil, from2)
		o.wantWoken("web-2")
	})
}

func TestPodsWithoutAnOrdinalAreInNoOrder(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		o.pods[1].OwnerReferences = nil
		if !o.gate(1) || !o.reserve(1).IsSuccess() || status(o.await(1)) != "Success" {
			t.Error("a pod without an owner is kept waiting")
		}
		o.pl.PostBind(o.ctx, nil, o.pods[1], "a")
		o.pl.Unreserve(o.ctx, nil, o.pods[1], "a")
		if o.order.line.Len() != 0 {
			t.Error("it is on the line")
		}
	})
}

func TestThePredecessorsRecordWakesOnceItSaysThatItWasBound(t *testing.T) {
	next := ordinal(newUID)
	next.Name = "web-1"
	seen := record(v1alpha1.Occupied)
	seen.Status.BoundOnce = true
	neverBound := record(v1alpha1.Over)
	neverBound.Status.Evidence.Kind = v1alpha1.NeverBound
	for name, tc := range map[string]struct {
		old, new *v1alpha1.Tenancy
		want     fwk.QueueingHint
	}{
		"a bind is about to be tried":     {nil, record(v1alpha1.Occupied), fwk.QueueSkip},
		"a container of it was seen":      {record(v1alpha1.Occupied), seen, fwk.Queue},
		"it is over, and was bound":       {record(v1alpha1.InDoubt), record(v1alpha1.Over), fwk.Queue},
		"it is over, and was never bound": {record(v1alpha1.InDoubt), neverBound, fwk.QueueSkip},
		"the record said so before":       {seen, seen, fwk.QueueSkip},
		"the record appears, and says so": {nil, seen, fwk.Queue},
		"the record is deleted":           {seen, nil, fwk.QueueSkip},
	} {
		t.Run(name, func(t *testing.T) {
			var oldObj, newObj any
			if tc.old != nil {
				oldObj = asUnstructured(t, tc.old)
			}
			if tc.new != nil {
				newObj = asUnstructured(t, tc.new)
			}
			if got, err := wake(klog.Background(), next, oldObj, newObj); err != nil || got != tc.want {
				t.Errorf("got %v, %v; want %v", got, err, tc.want)
			}
		})
	}
}
