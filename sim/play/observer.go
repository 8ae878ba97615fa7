package play

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	holdfastv1alpha1 "github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/client/informers/externalversions"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/sim/check"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// observer writes down what happens to the ordinals of StatefulSets: what the API
// says, through watches of its own, and what is true, as the world tells it.
type observer struct {
	// checker is told of releases: of the API it hears nothing else.
	checker *check.Checker

	mu       sync.Mutex
	zero     time.Time
	events   []report.Event
	ordinals map[string]*ordinal
	pods     map[types.UID]*incarnation
	ready    map[string]bool
	attempts []attempt
	// announced are the events, each once; known has their UIDs.
	announced []report.Announcement
	known     map[types.UID]bool
	// told are the attempts that each event has told of so far, by the event's UID.
	told map[types.UID]int
	// witness writes down what workloads promise their pods.
	witness *witness
}

// ordinal is what is known of one identity, by namespace/pod.
type ordinal struct {
	name string
	id   identity.Identity
	// incarnations counts pod UIDs.
	incarnations int
	// current is the incarnation whose object is there; nil: none.
	current *incarnation
	holds   []report.Hold
	// held is the open hold, the last of holds.
	held bool
}

// incarnation is one pod UID of an ordinal.
type incarnation struct {
	of       *ordinal
	number   int
	node     string
	deleting bool
	running  bool
	// isReady is what the API says.
	isReady bool
	// unlocated: its kubelet says of a container that it could not be located.
	unlocated bool
	// over: it was told that its record has it as over.
	over bool
}

// attempt is a number of failed scheduling attempts of one pod, as far as they were
// told: the event's recorder tells of the third and later ones minutes late.
type attempt struct {
	pod   types.UID
	at    time.Time
	count int
}

func newObserver(checker *check.Checker) *observer {
	return &observer{
		checker:  checker,
		ordinals: map[string]*ordinal{}, pods: map[types.UID]*incarnation{}, ready: map[string]bool{},
		known: map[types.UID]bool{}, told: map[types.UID]int{}, witness: newWitness(),
	}
}

// begin sets time zero: nothing before it is written down.
func (o *observer) begin(zero time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.zero = zero
	o.events, o.announced = nil, nil
}

// watch starts the observer's informers and returns when they have synced.
func (o *observer) watch(ctx context.Context, cluster *engine.Cluster) error {
	client, err := kubernetes.NewForConfig(cluster.RESTConfig("observer"))
	if err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(client, 0)
	handlers := map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		shared.Core().V1().Pods().Informer():     handler(o, (*observer).podSeen, (*observer).podGone),
		shared.Core().V1().Nodes().Informer():    handler(o, (*observer).nodeSeen, nil),
		shared.Events().V1().Events().Informer(): handler(o, (*observer).eventSeen, nil),
	}
	maps.Copy(handlers, o.witnessHandlers(shared))
	if err := addHandlers(handlers); err != nil {
		return err
	}
	shared.Start(ctx.Done())
	shared.WaitForCacheSync(ctx.Done())

	if !cluster.Holdfast() {
		return nil
	}
	holdfast, err := versioned.NewForConfig(cluster.JSONConfig("observer"))
	if err != nil {
		return err
	}
	records := externalversions.NewSharedInformerFactory(holdfast, 0)
	err = addHandlers(map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		records.Holdfast().V1alpha1().Tenancies().Informer(): handler(o, (*observer).tenancySeen, (*observer).tenancyGone),
	})
	if err != nil {
		return err
	}
	records.Start(ctx.Done())
	records.WaitForCacheSync(ctx.Done())
	return nil
}

func addHandlers(handlers map[cache.SharedIndexInformer]cache.ResourceEventHandler) error {
	for informer, h := range handlers {
		if _, err := informer.AddEventHandler(h); err != nil {
			return err
		}
	}
	return nil
}

// handler calls seen for every object added or changed and gone for every one
// deleted, one at a time over all informers.
func handler[T metav1.Object](o *observer, seen, gone func(*observer, T)) cache.ResourceEventHandler {
	call := func(f func(*observer, T), object any) {
		if t, ok := object.(T); ok && f != nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			f(o, t)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) { call(seen, object) },
		UpdateFunc: func(before, object any) {
			// A list after a gap shows a namesake as a change of what it took the place of.
			if before, ok := before.(T); ok && before.GetUID() != object.(T).GetUID() {
				call(gone, before)
			}
			call(seen, object)
		},
		DeleteFunc: func(object any) {
			if lost, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = lost.Obj
			}
			call(gone, object)
		},
	}
}

// add writes an event down, at this instant.
func (o *observer) add(e report.Event) {
	e.At = since(time.Now(), o.zero)
	o.events = append(o.events, e)
}

// of writes down what happened to an incarnation.
func (o *observer) of(i *incarnation, kind report.EventKind, detail string) {
	o.add(report.Event{Ordinal: i.of.name, Kind: kind, Node: i.node, Incarnation: i.number, Detail: detail})
}

// step writes down what the timeline does.
func (o *observer) step(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.add(report.Event{Kind: report.Step, Detail: text})
}

// lost writes down which ordinals go out of sight with a node.
func (o *observer) lost(node string, state world.State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	told := map[types.UID]bool{}
	for _, p := range state.Processes {
		if i := o.pods[p.PodUID]; i != nil && p.Node == node && !told[p.PodUID] {
			told[p.PodUID] = true
			o.of(i, report.Lost, "its process runs on, out of sight")
		}
	}
}

// processes writes down the first process of an incarnation and the end of its last.
func (o *observer) processes(state world.State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	running := map[types.UID]bool{}
	for _, p := range state.Processes {
		running[p.PodUID] = true
		if i := o.pods[p.PodUID]; i != nil && !i.running {
			i.running = true
			o.of(i, report.Started, "")
		}
	}
	var stopped []*incarnation
	for uid, i := range o.pods {
		if i.running && !running[uid] {
			stopped = append(stopped, i)
		}
	}
	slices.SortFunc(stopped, func(a, b *incarnation) int {
		return cmp.Or(cmp.Compare(a.of.name, b.of.name), cmp.Compare(a.number, b.number))
	})
	for _, i := range stopped {
		i.running = false
		o.of(i, report.Stopped, "")
	}
}

// ordinal returns the identity, new if not seen before.
func (o *observer) ordinal(id identity.Identity) *ordinal {
	x := o.ordinals[id.String()]
	if x == nil {
		x = &ordinal{name: id.String(), id: id}
		o.ordinals[x.name] = x
	}
	return x
}

func (o *observer) podSeen(pod *corev1.Pod) {
	o.witness.podSeen(pod, o.now())
	i := o.pods[pod.UID]
	if i == nil {
		id, ok := identity.Of(pod)
		if !ok {
			return
		}
		i = &incarnation{of: o.ordinal(id)}
		i.of.incarnations++
		i.number = i.of.incarnations
		i.of.current = i
		o.pods[pod.UID] = i
		o.of(i, report.Created, "")
	}
	if i.node == "" && pod.Spec.NodeName != "" {
		i.node = pod.Spec.NodeName
		o.of(i, report.Bound, "")
	}
	if !i.deleting && pod.DeletionTimestamp != nil {
		i.deleting = true
		o.of(i, report.DeletionAsked, "")
	}
	i.isReady = podReady(pod)
	i.unlocated = slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.State.Terminated != nil && c.State.Terminated.Reason == reasonStatusUnknown
	})
}

// reasonStatusUnknown is the kubelet's ContainerReasonStatusUnknown (pkg/kubelet/container/
// runtime.go).
const reasonStatusUnknown = "ContainerStatusUnknown"

func (o *observer) podGone(pod *corev1.Pod) {
	o.witness.podGone(pod, o.now())
	i := o.pods[pod.UID]
	if i == nil {
		return
	}
	if i.of.current == i {
		i.of.current = nil
	}
	o.of(i, report.Removed, "")
}

func podReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (o *observer) nodeSeen(node *corev1.Node) {
	ready := false
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			ready = c.Status == corev1.ConditionTrue
		}
	}
	was, known := o.ready[node.Name]
	o.ready[node.Name] = ready
	switch {
	case !known || was == ready:
	case ready:
		o.add(report.Event{Kind: report.NodeReady, Node: node.Name})
	default:
		o.add(report.Event{Kind: report.NodeNotReady, Node: node.Name})
	}
}

// eventSeen writes an event down, and counts failed scheduling attempts; a repeated
// event says how often.
func (o *observer) eventSeen(e *eventsv1.Event) {
	if !o.known[e.UID] {
		o.known[e.UID] = true
		namespace := cmp.Or(e.Regarding.Namespace, metav1.NamespaceDefault)
		o.announced = append(o.announced, report.Announcement{
			At: since(time.Now(), o.zero), Reason: e.Reason, Kind: e.Regarding.Kind, Name: namespace + "/" + e.Regarding.Name, Note: e.Note,
		})
	}
	if e.Reason != "FailedScheduling" {
		return
	}
	count := 1
	if e.Series != nil {
		count = int(e.Series.Count)
	}
	o.attempts = append(o.attempts, attempt{pod: e.Regarding.UID, at: time.Now(), count: count - o.told[e.UID]})
	o.told[e.UID] = count
}

// tenancyGone ends the hold of a record that was deleted: nothing says any more
// that the identity is held.
func (o *observer) tenancyGone(t *holdfastv1alpha1.Tenancy) {
	if ord := o.ordinals[t.Namespace+"/"+t.Name]; ord != nil && ord.held {
		now := since(time.Now(), o.zero)
		ord.holds[len(ord.holds)-1].To, ord.held = &now, false
		o.add(report.Event{Ordinal: ord.name, Kind: report.Released, By: ord.holds[len(ord.holds)-1].By, Evidence: "nothing", Detail: "the record was deleted"})
	}
}

// releaseSeen tells the checker that an incarnation is over, and by what evidence. The
// checker takes the first of several: a record that is over is seen again and again.
func (o *observer) releaseSeen(t *holdfastv1alpha1.Tenancy) {
	if t.Status.Phase != holdfastv1alpha1.Over || t.Status.Incarnation == nil {
		return
	}
	kind := ""
	if t.Status.Evidence != nil {
		kind = string(t.Status.Evidence.Kind)
	}
	o.checker.Release(time.Now(), check.Release{
		Namespace: t.Namespace, Pod: t.Name, PodUID: t.Status.Incarnation.PodUID,
		Evidence: kind, Assertion: scenario.IsAssertion(kind),
	})
}

// endSeen tells that the record has an incarnation as over, unless that ends a hold.
func (o *observer) endSeen(t *holdfastv1alpha1.Tenancy) {
	if t.Status.Phase != holdfastv1alpha1.Over || t.Status.Incarnation == nil || t.Status.Evidence == nil {
		return
	}
	i := o.pods[t.Status.Incarnation.PodUID]
	if i == nil || i.over {
		return
	}
	i.over = true
	if i.of.held {
		return
	}
	o.add(report.Event{Ordinal: i.of.name, Kind: report.Over, Incarnation: i.number, Evidence: string(t.Status.Evidence.Kind)})
}

// tenancySeen follows an identity's hold: who holds it, why, and what released it.
func (o *observer) tenancySeen(t *holdfastv1alpha1.Tenancy) {
	o.releaseSeen(t)
	o.endSeen(t)
	ord := o.ordinals[t.Namespace+"/"+t.Name]
	c := meta.FindStatusCondition(t.Status.Conditions, holdfastv1alpha1.HeldCondition)
	if ord == nil || c == nil {
		return
	}
	by := map[string]string{holdfastv1alpha1.HeldByGuard: "guard", holdfastv1alpha1.HeldByScheduler: "scheduler"}[c.Reason]
	now := since(time.Now(), o.zero)
	if ord.held {
		hold := &ord.holds[len(ord.holds)-1]
		if hold.By == by {
			return
		}
		hold.To, ord.held = &now, false
		if by == "" && t.Status.Evidence != nil {
			hold.Evidence = string(t.Status.Evidence.Kind)
			o.add(report.Event{Ordinal: ord.name, Kind: report.Released, By: hold.By, Evidence: hold.Evidence, Detail: t.Status.Evidence.Detail})
		}
	}
	if by != "" {
		ord.held = true
		ord.holds = append(ord.holds, report.Hold{Ordinal: ord.name, By: by, From: now, Why: c.Message})
		o.add(report.Event{Ordinal: ord.name, Kind: report.Held, By: by, Detail: c.Message})
	}
}
