package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/config/scheme"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	holdfastfake "github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned/fake"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/order"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

const (
	oldUID types.UID = "old"
	newUID types.UID = "new"
)

// ordinal is the pod default/web-0 of a StatefulSet.
func ordinal(uid types.UID) *v1.Pod {
	owner := metav1.NewControllerRef(&metav1.ObjectMeta{Name: "web", UID: "set"}, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: "web-0", UID: uid, ResourceVersion: "7", OwnerReferences: []metav1.OwnerReference{*owner},
	}}
}

// record of default/web-0 with the incarnation oldUID on node a.
func record(phase v1alpha1.Phase) *v1alpha1.Tenancy {
	r := tenancy.New(identity.Identity{Namespace: "default", Set: "web"})
	r.APIVersion, r.Kind = v1alpha1.SchemeGroupVersion.String(), "Tenancy"
	r.Status.Phase = phase
	if phase == v1alpha1.Vacant {
		return r
	}
	r.Status.Epoch = 5
	r.Status.Incarnation = &v1alpha1.Incarnation{PodUID: oldUID, Nodes: []v1alpha1.CandidateNode{{Name: "a"}}}
	if phase == v1alpha1.Over {
		r.Status.Evidence = &v1alpha1.Evidence{Kind: v1alpha1.KubeletConfirmed, PodUID: oldUID}
	}
	return r
}

func asUnstructured(t *testing.T, r *v1alpha1.Tenancy) *unstructured.Unstructured {
	t.Helper()
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(r)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: object}
}

// newTestPlugin has only what the hooks of the scheduling cycle need; the rest is
// tested against a real API server.
func newTestPlugin(t *testing.T, cached []runtime.Object, without ...Defence) (*Holdfast, *events.FakeRecorder) {
	t.Helper()
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, recordIndexers())
	for _, object := range cached {
		if err := indexer.Add(object); err != nil {
			t.Fatal(err)
		}
	}
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	pods, err := indexPods(factory.Core().V1().Pods().Informer())
	if err != nil {
		t.Fatal(err)
	}
	recorder := events.NewFakeRecorder(8)
	return &Holdfast{
		order:          newTestOrder(context.Background(), indexer).bindOrder,
		bindPolicy:     order.Policy{Order: config.BindOrdinal},
		orderAnnounced: newAnnounced(announcedMax),

		records:   &records{indexer},
		feed:      newFeed(),
		claims:    factory.Core().V1().PersistentVolumeClaims().Lister(),
		pods:      pods,
		handle:    &snapshotHandle{snapshot: internalcache.NewEmptySnapshot()},
		recorder:  recorder,
		clock:     clocktesting.NewFakePassiveClock(time.Unix(1_700_000_000, 0)),
		args:      scheme.Default(),
		announced: newAnnounced(announcedMax),
		arrival:   newArrival(over()),
		without:   sets.New(without...),
	}, recorder
}

// withAPI gives the plugin an API server that has the objects, for its live reads and its
// writes, and returns it: pods and nodes, and records.
func withAPI(pl *Holdfast, objects ...runtime.Object) *fakeAPI {
	var records, others []runtime.Object
	for _, object := range objects {
		if _, ok := object.(*v1alpha1.Tenancy); ok {
			records = append(records, object)
		} else {
			others = append(others, object)
		}
	}
	a := &fakeAPI{kube: fake.NewClientset(others...), records: holdfastfake.NewSimpleClientset(records...)}
	pl.kube, pl.store = a.kube, store.New(a.records)
	return a
}

// fakeAPI is what withAPI makes.
type fakeAPI struct {
	kube    *fake.Clientset
	records *holdfastfake.Clientset
}

// mustBeUntouched asks that nothing was written, neither a pod nor a record.
func (a *fakeAPI) mustBeUntouched(t *testing.T) {
	t.Helper()
	for _, action := range append(a.kube.Actions(), a.records.Actions()...) {
		if action.GetVerb() != "get" {
			t.Errorf("written: %s %s %s", action.GetVerb(), action.GetResource().Resource, action.GetSubresource())
		}
	}
}

// snapshotHandle has the scheduler's snapshot.
type snapshotHandle struct {
	fwk.Handle
	snapshot fwk.SharedLister
}

func (h *snapshotHandle) SnapshotSharedLister() fwk.SharedLister { return h.snapshot }

// over is the word that every pod that was there is on the record.
func over() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// activator remembers what it was told to wake.
type activator struct {
	fwk.Handle
	woken chan string
}

func (a *activator) Activate(_ klog.Logger, pods map[string]*v1.Pod) {
	for name := range pods {
		a.woken <- name
	}
}

func TestEveryPodWaitsUntilThoseThatWereThereAreOnTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		adopted := make(chan struct{})
		pl, _ := newTestPlugin(t, nil)
		pl.arrival = newArrival(adopted)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		a := &activator{woken: make(chan string, 8)}
		go pl.arrival.wakeWhenOver(ctx, a)

		pod := ordinal(newUID)
		if got := pl.PreEnqueue(ctx, pod); got.Code() != fwk.UnschedulableAndUnresolvable {
			t.Fatalf("before: %v", got)
		}
		if got := pl.PreEnqueue(ctx, &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "job"}}); got.Code() != fwk.UnschedulableAndUnresolvable {
			t.Fatalf("before, a pod that is no ordinal: %v", got)
		}
		if err := pl.judgeLive(ctx, identity.Identity{}, pod, "a"); !errors.Is(err, tenancy.ErrHeld) {
			t.Fatalf("before, at the bind: %v", err)
		}
		synctest.Wait()
		if len(a.woken) != 0 {
			t.Fatal("woken too early")
		}
		close(adopted)
		synctest.Wait()
		if len(a.woken) != 2 {
			t.Fatalf("%d pods were woken, want both", len(a.woken))
		}
		<-a.woken
		<-a.woken
		if got := pl.PreEnqueue(ctx, pod); !got.IsSuccess() {
			t.Errorf("after: %v", got)
		}
		// One that was judged before, but came to wait only after the waking.
		pl.arrival.mu.Lock()
		pl.arrival.waiting["shop/web-1"] = pod
		pl.arrival.mu.Unlock()
		time.Sleep(wakingPause)
		synctest.Wait()
		if len(a.woken) != 1 || <-a.woken != "shop/web-1" {
			t.Error("the late pod was not woken")
		}
	})
}

func TestWhoMayBeHeldWaitsUntilTheCachesAreFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenancies, claims := make(chan struct{}), make(chan struct{})
		pl, recorder := newTestPlugin(t, nil)
		pl.arrival = newArrival(over(), tenancies, claims)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		a := &activator{woken: make(chan string, 8)}
		go pl.arrival.wakeWhenOver(ctx, a)

		user := withClaim(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "debug"}})
		neither := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "job"}}
		refused := func(when string) {
			t.Helper()
			for _, pod := range []*v1.Pod{ordinal(newUID), user} {
				if got := pl.PreEnqueue(ctx, pod); got.Code() != fwk.UnschedulableAndUnresolvable {
					t.Errorf("%s: %s: %v", when, pod.Name, got)
				}
			}
			if got := pl.PreEnqueue(ctx, neither); !got.IsSuccess() {
				t.Errorf("%s: %s, which no record can hold: %v", when, neither.Name, got)
			}
			synctest.Wait()
			if len(a.woken) != 0 {
				t.Errorf("%s: %s is woken too early", when, <-a.woken)
			}
		}
		refused("before any cache is filled")
		close(tenancies)
		refused("before the claims are there")
		if len(recorder.Events) != 0 {
			t.Errorf("a start is told to users: %s", <-recorder.Events)
		}

		close(claims)
		synctest.Wait()
		woken := sets.New[string]()
		for len(a.woken) > 0 {
			woken.Insert(<-a.woken)
		}
		if want := sets.New("default/web-0", "shop/debug"); !woken.Equal(want) {
			t.Errorf("woken: %v, want %v", sets.List(woken), sets.List(want))
		}
		for _, pod := range []*v1.Pod{ordinal(newUID), user} {
			if got := pl.PreEnqueue(ctx, pod); !got.IsSuccess() {
				t.Errorf("after: %s: %v", pod.Name, got)
			}
		}
	})
}

func TestGateHoldsAtEveryHookOfTheSchedulingCycle(t *testing.T) {
	for name, tc := range map[string]struct {
		pod     *v1.Pod
		cached  func(t *testing.T) []runtime.Object
		without []Defence
		want    fwk.Code
	}{
		"a replacement waits while the incarnation before it is in doubt": {
			pod: ordinal(newUID),
			cached: func(t *testing.T) []runtime.Object {
				return []runtime.Object{asUnstructured(t, record(v1alpha1.InDoubt))}
			},
			want: fwk.UnschedulableAndUnresolvable,
		},
		"a replacement waits while the incarnation before it runs": {
			pod: ordinal(newUID),
			cached: func(t *testing.T) []runtime.Object {
				return []runtime.Object{asUnstructured(t, record(v1alpha1.Occupied))}
			},
			want: fwk.UnschedulableAndUnresolvable,
		},
		"a replacement passes once the incarnation before it is over": {
			pod:    ordinal(newUID),
			cached: func(t *testing.T) []runtime.Object { return []runtime.Object{asUnstructured(t, record(v1alpha1.Over))} },
			want:   fwk.Success,
		},
		"the pod that occupies the record passes, for its own bind is tried again": {
			pod: ordinal(oldUID),
			cached: func(t *testing.T) []runtime.Object {
				return []runtime.Object{asUnstructured(t, record(v1alpha1.Occupied))}
			},
			want: fwk.Success,
		},
		"absence passes, for Bind reads live": {
			pod: ordinal(newUID), want: fwk.Success,
		},
		"a record that cannot be read holds": {
			pod: ordinal(newUID),
			cached: func(t *testing.T) []runtime.Object {
				u := asUnstructured(t, record(v1alpha1.Over))
				u.Object["status"] = "nonsense"
				return []runtime.Object{u}
			},
			want: fwk.UnschedulableAndUnresolvable,
		},
		"a pod that has lost its owner waits all the same, for the record speaks of the name": {
			pod: &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-0", UID: newUID}},
			cached: func(t *testing.T) []runtime.Object {
				return []runtime.Object{asUnstructured(t, record(v1alpha1.InDoubt))}
			},
			want: fwk.UnschedulableAndUnresolvable,
		},
		"a pod whose name no record can have is none of our business": {
			pod: &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: newUID}},
			cached: func(t *testing.T) []runtime.Object {
				return []runtime.Object{asUnstructured(t, record(v1alpha1.InDoubt))}
			},
			want: fwk.Success,
		},
		"with the gate switched off everything passes": {
			pod: ordinal(newUID),
			cached: func(t *testing.T) []runtime.Object {
				return []runtime.Object{asUnstructured(t, record(v1alpha1.InDoubt))}
			},
			without: []Defence{Gate},
			want:    fwk.Success,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var cached []runtime.Object
			if tc.cached != nil {
				cached = tc.cached(t)
			}
			pl, _ := newTestPlugin(t, cached, tc.without...)
			if got := pl.PreEnqueue(context.Background(), tc.pod); got.Code() != tc.want {
				t.Errorf("PreEnqueue: %v, want %v", got, tc.want)
			}
			state := newState()
			_, preFilter := pl.PreFilter(context.Background(), state, tc.pod, nil)
			if preFilter.IsSkip() {
				return // the framework calls no Filter then
			}
			if preFilter.Code() != tc.want {
				t.Errorf("PreFilter: %v, want %v", preFilter, tc.want)
			}
			if got := pl.Filter(context.Background(), state, tc.pod, nil); got.Code() != tc.want {
				t.Errorf("Filter: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestFilterWithoutPreFilterFailsClosed(t *testing.T) {
	pl, _ := newTestPlugin(t, nil)
	if got := pl.Filter(context.Background(), newState(), ordinal(newUID), nil); got.Code() != fwk.Error {
		t.Errorf("Filter: %v, want an error", got)
	}
}

func TestHeldPodIsAnnouncedAndAgainBeforeTheEventIsForgotten(t *testing.T) {
	pl, recorder := newTestPlugin(t, []runtime.Object{asUnstructured(t, record(v1alpha1.InDoubt))})
	clock := clocktesting.NewFakePassiveClock(time.Unix(1_700_000_000, 0))
	pl.clock = clock
	announcements := func() (n int) {
		for range 3 {
			pl.PreEnqueue(context.Background(), ordinal(newUID))
		}
		for len(recorder.Events) > 0 {
			if got := <-recorder.Events; !strings.HasPrefix(got, "Warning Held ") {
				t.Errorf("event %q", got)
			}
			n++
		}
		return n
	}
	if got := announcements(); got != 1 {
		t.Errorf("at first %d events, want 1: the guard tells the set", got)
	}
	clock.SetTime(clock.Now().Add(announceAgain - time.Second))
	if got := announcements(); got != 0 {
		t.Errorf("%d events before it is time", got)
	}
	clock.SetTime(clock.Now().Add(time.Second))
	if got := announcements(); got != 1 {
		t.Errorf("when it has lasted %d events, want 1", got)
	}
}

func TestSetIsToldOfAHoldThatTheGuardDoesNotTellOf(t *testing.T) {
	pl, recorder := newTestPlugin(t, nil)
	pl.arrival = newArrival(make(chan struct{}))
	pl.PreEnqueue(context.Background(), ordinal(newUID))
	if got := len(recorder.Events); got != 2 {
		t.Fatalf("%d events, want one for the pod and one for its set", got)
	}
	<-recorder.Events
	if got := <-recorder.Events; !strings.HasPrefix(got, "Warning Held "+ordinal(newUID).Name+": ") {
		t.Errorf("the set is told %q, which must name the pod", got)
	}
}

func TestAnnouncedForgetsTheOldestBeyondItsLimit(t *testing.T) {
	a := newAnnounced(2)
	now := time.Unix(1_700_000_000, 0)
	for i, step := range []struct {
		uid    types.UID
		reason tenancy.Reason
		want   bool
	}{
		{"a", "why", true}, {"b", "why", true}, {"a", "why", false}, {"c", "why", true}, {"b", "why", false},
		{"a", "why", true}, {"c", "why", false}, {"c", "another reason", true}, {"a", "why", false},
	} {
		if got := a.due(step.uid, step.reason, now); got != step.want {
			t.Errorf("step %d: due(%s, %s) = %v, want %v", i, step.uid, step.reason, got, step.want)
		}
	}
	if len(a.have) != 2 {
		t.Errorf("remembers %d, want 2", len(a.have))
	}
}

func TestWakesExactlyThePodThatItsRecordLetsThrough(t *testing.T) {
	other := func(r *v1alpha1.Tenancy) *v1alpha1.Tenancy {
		r.Name = "web-1"
		return r
	}
	for name, tc := range map[string]struct {
		oldRecord, newRecord *v1alpha1.Tenancy
		want                 fwk.QueueingHint
	}{
		"its record is closed":                          {record(v1alpha1.InDoubt), record(v1alpha1.Over), fwk.Queue},
		"its record is still in doubt":                  {record(v1alpha1.Occupied), record(v1alpha1.InDoubt), fwk.QueueSkip},
		"its record is deleted, and Bind decides":       {record(v1alpha1.Over), nil, fwk.Queue},
		"its record appears and holds":                  {nil, record(v1alpha1.Occupied), fwk.QueueSkip},
		"its record appears without an incarnation":     {nil, record(v1alpha1.Vacant), fwk.Queue},
		"another ordinal's record is closed":            {other(record(v1alpha1.InDoubt)), other(record(v1alpha1.Over)), fwk.QueueSkip},
		"another ordinal's record is deleted and clean": {other(record(v1alpha1.Over)), nil, fwk.QueueSkip},
	} {
		t.Run(name, func(t *testing.T) {
			var oldObj, newObj any
			if tc.oldRecord != nil {
				oldObj = asUnstructured(t, tc.oldRecord)
			}
			if tc.newRecord != nil {
				newObj = asUnstructured(t, tc.newRecord)
			}
			got, err := wake(klog.Background(), ordinal(newUID), oldObj, newObj)
			if err != nil || got != tc.want {
				t.Errorf("got %v, %v; want %v", got, err, tc.want)
			}
			narrowed, err := podOfTenancy(klog.Background(), oldObj, newObj)
			if err != nil || len(narrowed.Pods) != 2 || narrowed.AllPods {
				t.Errorf("narrowed to %+v, %v; want the pod and the next ordinal", narrowed, err)
			}
		})
	}
}

func TestWakesOnAnEventThatCannotBeRead(t *testing.T) {
	for name, obj := range map[string]any{
		"nothing at all": nil,
		"a tombstone":    cache.DeletedFinalStateUnknown{Key: "default/web-0"},
		"a status of the wrong type": &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"namespace": "default", "name": "web-0"}, "status": "nonsense",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := wake(klog.Background(), ordinal(newUID), nil, obj); err == nil || got != fwk.Queue {
				t.Errorf("got %v, %v; want Queue and an error", got, err)
			}
		})
	}
}

func TestManagedPodsAloneAreOptedOutOfBatching(t *testing.T) {
	pl := &Holdfast{}
	if _, status := pl.SignPod(context.Background(), ordinal(newUID)); status.Code() != fwk.Unschedulable {
		t.Errorf("managed pod: %v, want Unschedulable", status)
	}
	if fragments, status := pl.SignPod(context.Background(), &v1.Pod{}); !status.IsSuccess() || len(fragments) != 0 {
		t.Errorf("other pod: %v, %v, want success without fragments", fragments, status)
	}
}

func TestPreBindIsSkippedUnlessThePodWaitsForItsTurn(t *testing.T) {
	inOrder(t, byOrdinal, func(o *ordered) {
		o.reserve(0)
		o.reserve(1)
		if _, status := o.pl.PreBindPreFlight(o.ctx, nil, o.pods[0], "a"); !status.IsSkip() {
			t.Errorf("of one whose turn it is: %v, want Skip", status)
		}
		result, status := o.pl.PreBindPreFlight(o.ctx, nil, o.pods[1], "a")
		if !status.IsSuccess() || result == nil || result.AllowParallel {
			t.Errorf("of one that waits: %+v, %v; want success, alone", result, status)
		}
		if _, status := o.pl.PreBindPreFlight(o.ctx, nil, &v1.Pod{}, "a"); !status.IsSkip() {
			t.Errorf("of another pod: %v, want Skip", status)
		}
		api := withAPI(o.pl, o.pods[1], &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}})
		if status := o.pl.Bind(o.ctx, nil, o.pods[1], "a"); status.Code() != fwk.Unschedulable {
			t.Errorf("bind of one that waits: %v, want Unschedulable", status.Code())
		}
		api.mustBeUntouched(t)
		if status := o.pl.Bind(o.ctx, nil, &v1.Pod{}, "a"); !status.IsSkip() {
			t.Errorf("bind of another pod: %v, want Skip", status)
		}
	})
}

// TestARecordThatCannotBeReadLetsNobodyThrough: the read that fails may be the only one
// that would have held the pod. Once it can be read the record refuses.
func TestARecordThatCannotBeReadLetsNobodyThrough(t *testing.T) {
	unowned := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-0", UID: newUID}}
	unguarded := ordinal(newUID)
	unguarded.Annotations = map[string]string{v1alpha1.ProtectAnnotation: "None"}
	left := record(v1alpha1.Over)
	left.Status.Evidence.Kind = v1alpha1.Fenced
	for name, tc := range map[string]struct {
		pod    *v1.Pod
		record *v1alpha1.Tenancy
	}{
		"a replacement of one in doubt":                             {ordinal(newUID), record(v1alpha1.InDoubt)},
		"one that is not guarded, and nothing reads it again":       {unguarded, record(v1alpha1.InDoubt)},
		"one that has lost its owner":                               {unowned, record(v1alpha1.InDoubt)},
		"a volume is left attached, which the open does not ask of": {withClaim(ordinal(newUID)), left},
		"a debug pod with the volume of one in doubt":               {debugPod("data-web-0"), using(v1alpha1.InDoubt)},
	} {
		t.Run(name, func(t *testing.T) {
			node, ofWeb := nodeIn("1", "b-0", "b"), claimTo("")
			ofWeb.Name = "data-web-0"
			// The cache has not heard of the record yet.
			pl, _ := reaching(t, node, nodeIn("2", "b-1", "b"), claimTo("pv-1"), ofWeb, volumeIn("7", "pv-1", "b"), attachmentTo("8", "pv-1", "b-1"))
			api := withAPI(pl, tc.pod, node, tc.record)
			failed := false
			api.records.PrependReactor("get", "tenancies", func(clienttesting.Action) (bool, runtime.Object, error) {
				first := !failed
				failed = true
				return first, nil, apierrors.NewInternalError(errors.New("etcd has no leader"))
			})
			if status := pl.Bind(t.Context(), nil, tc.pod, node.Name); status.Code() != fwk.Error {
				t.Errorf("Bind while the record cannot be read: %v %q, want Error", status.Code(), status.Message())
			}
			if status := pl.Bind(t.Context(), nil, tc.pod, node.Name); status.Code() != fwk.UnschedulableAndUnresolvable {
				t.Errorf("Bind once it can be read: %v %q, want it refused", status.Code(), status.Message())
			}
			api.mustBeUntouched(t)
		})
	}
}

func TestABindToANodeThatEvictsIsRefused(t *testing.T) {
	unreachable := v1.Taint{Key: v1.TaintNodeUnreachable, Effect: v1.TaintEffectNoExecute}
	closed := v1.Taint{Key: "example.com/closed", Effect: v1.TaintEffectNoSchedule}
	tolerated := func(seconds *int64) []v1.Toleration {
		return []v1.Toleration{{Key: unreachable.Key, Operator: v1.TolerationOpExists, Effect: unreachable.Effect, TolerationSeconds: seconds}}
	}
	for name, tc := range map[string]struct {
		taints      []v1.Taint
		tolerations []v1.Toleration
		refused     bool
	}{
		"no taint":                         {},
		"one that evicts nobody":           {taints: []v1.Taint{closed}},
		"one that evicts":                  {taints: []v1.Taint{closed, unreachable}, refused: true},
		"one that is tolerated":            {taints: []v1.Taint{unreachable}, tolerations: tolerated(nil)},
		"one that is tolerated for a time": {taints: []v1.Taint{unreachable}, tolerations: tolerated(new(int64(1)))},
		"one that is tolerated for none":   {taints: []v1.Taint{unreachable}, tolerations: tolerated(new(int64(0))), refused: true},
		"the first that fits counts":       {taints: []v1.Taint{unreachable}, tolerations: append(tolerated(new(int64(0))), tolerated(nil)...), refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: v1.NodeSpec{Taints: tc.taints}}
			pod := ordinal(newUID)
			pod.Spec.Tolerations = tc.tolerations
			if err := evicts(t.Context(), node, pod); (err != nil) != tc.refused {
				t.Errorf("got %v, want refused %t", err, tc.refused)
			}
		})
	}
}

func TestBindingCarriesEpochAndPreconditions(t *testing.T) {
	b := binding(ordinal(newUID), "a", opened{resourceVersion: "41", epoch: 6})
	if b.UID != newUID || b.ResourceVersion != "41" || b.Target.Name != "a" || b.Annotations[v1alpha1.EpochAnnotation] != "6" {
		t.Errorf("binding %+v", b)
	}
	if b := binding(ordinal(newUID), "a", opened{resourceVersion: "41"}); b.Annotations != nil {
		t.Errorf("binding without a record has annotations %v", b.Annotations)
	}
}

func TestRetryOfABindAsksForTheOpenRecordOfThisPodAndNode(t *testing.T) {
	for name, tc := range map[string]struct {
		record *v1alpha1.Tenancy
		pod    *v1.Pod
		node   string
		want   bool
	}{
		"open for this pod on this node": {record(v1alpha1.Occupied), ordinal(oldUID), "a", true},
		"open on another node only":      {record(v1alpha1.Occupied), ordinal(oldUID), "b", false},
		"open for another pod":           {record(v1alpha1.Occupied), ordinal(newUID), "a", false},
		"in doubt":                       {record(v1alpha1.InDoubt), ordinal(oldUID), "a", false},
		"over, which Judge would pass":   {record(v1alpha1.Over), ordinal(newUID), "a", false},
		"gone":                           {nil, ordinal(oldUID), "a", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := openFor(tc.record, tc.pod, tc.node); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestOnlyADefiniteRefusalEndsABindAtOnce(t *testing.T) {
	pods := v1.Resource("pods")
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"not found":      {apierrors.NewNotFound(pods, "web-0"), true},
		"forbidden":      {apierrors.NewForbidden(pods, "web-0", errors.New("no")), true},
		"conflict":       {apierrors.NewConflict(pods, "web-0", errors.New("changed")), false},
		"server timeout": {apierrors.NewServerTimeout(pods, "create", 1), false},
		"lost answer":    {fmt.Errorf("post: %w", context.DeadlineExceeded), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refused(tc.err); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// state is as much of a cycle state as the plugin uses.
type state struct {
	fwk.CycleState
	data map[fwk.StateKey]fwk.StateData
}

func newState() *state { return &state{data: map[fwk.StateKey]fwk.StateData{}} }

func (s *state) Read(key fwk.StateKey) (fwk.StateData, error) {
	data, ok := s.data[key]
	if !ok {
		return nil, fwk.ErrNotFound
	}
	return data, nil
}

func (s *state) Write(key fwk.StateKey, data fwk.StateData) { s.data[key] = data }

func TestATombstoneWakesOnlyThePodOfItsName(t *testing.T) {
	tombstone := cache.DeletedFinalStateUnknown{Key: "default/web-0", Obj: asUnstructured(t, record(v1alpha1.Over))}
	other := ordinal(newUID)
	other.Name = "web-1"
	for pod, want := range map[*v1.Pod]fwk.QueueingHint{ordinal(newUID): fwk.Queue, other: fwk.QueueSkip} {
		if got, err := wake(klog.Background(), pod, tombstone, nil); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", pod.Name, got, err, want)
		}
	}
}
