package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// Rules say what a run's scheduler promises.
type Rules struct {
	// Profile is the schedulerName of the pods that Holdfast guards; empty: the run has
	// the default scheduler, which is held to S5 alone.
	Profile string
	// BindOrder and BindOrderTimeout are the profile's, for pods that say nothing.
	BindOrder        string
	BindOrderTimeout time.Duration
}

// Log checks the API writes of one run, in the order in which they were committed: S4 to
// S6, S8, S9, L1 to L6, and of S3 that each bind had a release before it; and S10 by what a
// scheduler's plugins said, if it is told. It may be used from several goroutines.
type Log struct {
	mu sync.Mutex
	// rules are nil until the run begins; commits wait until then.
	rules *Rules
	// unread are commits of the kinds that matter, not decoded yet.
	unread []commit
	// err is the first object that could not be decoded.
	err      error
	finished bool

	pods     map[string]*podState
	earlier  map[string][]*podState // by identity, all that were there before
	stripped map[string]bool        // identities whose pod lost its finalizers to an operator
	records  map[string]*v1alpha1.TenancyStatus
	recorded map[types.UID]bool
	over     map[types.UID]bool

	nodes       map[string]*corev1.Node
	csiNodes    map[string]*storagev1.CSINode
	volumes     map[string]*corev1.PersistentVolume
	claims      map[string]*corev1.PersistentVolumeClaim
	attachments map[string]*storagev1.VolumeAttachment
	sets        map[string]*appsv1.StatefulSet

	// blind are the spans in which room could not be known, csiBefore what CSINodes said
	// before.
	blind     []blindness
	csiBefore map[string][]earlierCSINode

	found []Violation
	met   map[Invariant]int

	// now is the instant that is being read.
	now time.Time
	// open are the waits that go on, by what is due to whom; waits are those that ended.
	open  map[string]*wait
	waits []wait
	// latencies are how long replacements waited that were bound (L1).
	latencies []time.Duration
	// crashes are the spans without a scheduler's process.
	crashes []Span
	// stale are the watches that are stopped or late, and staleSpans when any was.
	stale      map[string]bool
	staleSpans []Span
	// rejudged has the holds that stand.
	rejudged map[string]*rejudged
	// announced are the pods that an event calls held; bornHeld those held from the first.
	announced, bornHeld map[types.UID]bool
	// gated are the pods that were held from the first, whoever could see it; tried are
	// those of which an attempt was seen (L2).
	gated, tried map[types.UID]bool
	// heldFrom is since or from when each pod is held, and heldLong are those that L6 counted.
	heldFrom map[types.UID]time.Time
	heldLong map[types.UID]bool
	// excusedAt is when each set was last excused from being ready.
	excusedAt map[string]time.Time

	// asks is what each node's pods ask for; nil: a pod has changed since.
	asks map[string]*asked

	// onFound is called once, at the first violation that is seen when it happens.
	onFound func()
}

// commit is one change of one key; a nil value is a delete.
type commit struct {
	at    time.Time
	key   string
	value []byte
	// mark, in place of a change: what the run tells of itself.
	mark func()
}

// podState is what the log has of one pod UID.
type podState struct {
	*corev1.Pod
	// bound: it has, or had, a node.
	bound bool
	// guarded: it had the guard's finalizer at some time.
	guarded bool
}

// unreadMax is how many commits wait before they are read.
const unreadMax = 512

// kinds are the prefixes of the keys that matter. Heartbeats are leases, which do not.
var kinds = []string{
	"/registry/pods/", "/registry/holdfast.dev/tenancies/", "/registry/minions/", "/registry/csinodes/",
	"/registry/persistentvolumes/", "/registry/persistentvolumeclaims/", "/registry/volumeattachments/", "/registry/statefulsets/",
	"/registry/events/",
}

// NewLog returns a log that has read nothing yet.
func NewLog() *Log {
	return &Log{
		pods: map[string]*podState{}, earlier: map[string][]*podState{}, stripped: map[string]bool{},
		records: map[string]*v1alpha1.TenancyStatus{}, recorded: map[types.UID]bool{}, over: map[types.UID]bool{},
		nodes: map[string]*corev1.Node{}, csiNodes: map[string]*storagev1.CSINode{},
		volumes: map[string]*corev1.PersistentVolume{}, claims: map[string]*corev1.PersistentVolumeClaim{},
		attachments: map[string]*storagev1.VolumeAttachment{}, sets: map[string]*appsv1.StatefulSet{},
		met: map[Invariant]int{}, open: map[string]*wait{}, stale: map[string]bool{}, rejudged: map[string]*rejudged{},
		announced: map[types.UID]bool{}, bornHeld: map[types.UID]bool{}, excusedAt: map[string]time.Time{},
		heldFrom: map[types.UID]time.Time{}, heldLong: map[types.UID]bool{},
		gated: map[types.UID]bool{}, tried: map[types.UID]bool{},
	}
}

// Begin says what is promised. Until then the log only takes in.
func (l *Log) Begin(rules Rules) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = &rules
}

// Commit takes in a change of a key of the store, at its instant; a nil value is a
// delete. The value is kept for a while and must not be written to. What comes after
// Finish is ignored.
func (l *Log) Commit(at time.Time, key string, value []byte) {
	if slices.ContainsFunc(kinds, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
		l.take(commit{at: at, key: key, value: value})
	}
}

// Strip takes in that an operator is about to take the finalizers off a pod: what then
// goes without a release is not Holdfast's doing.
func (l *Log) Strip(namespace, pod string) {
	l.take(commit{mark: func() { l.stripped[namespace+"/"+pod] = true }})
}

// Scheduler takes in that the process that schedules ends, or is there again.
func (l *Log) Scheduler(at time.Time, runs bool) {
	l.take(commit{at: at, mark: func() {
		last := len(l.crashes) - 1
		switch lasts := last >= 0 && l.crashes[last].To.IsZero(); {
		case runs && lasts:
			l.crashes[last].To = at
		case !runs && !lasts:
			l.crashes = append(l.crashes, Span{From: at})
			l.countHalfDone(at)
		}
	}})
}

// Stale takes in that a watch, by any name that tells it from others, is stopped or late
// from now on, or no more (S7).
func (l *Log) Stale(at time.Time, watch string, is bool) {
	l.take(commit{at: at, mark: func() {
		was := len(l.stale) > 0
		if is {
			l.stale[watch] = true
			// Who does not see that a pod is held tries it, which no bound speaks of; and the
			// events of that may come when the fault is over.
			clear(l.bornHeld)
		} else {
			delete(l.stale, watch)
		}
		switch now := len(l.stale) > 0; {
		case now && !was:
			l.staleSpans = append(l.staleSpans, Span{From: at})
		case was && !now:
			l.staleSpans[len(l.staleSpans)-1].To = at
		}
	}})
}

// WasStale says, after Finish, whether a watch was stopped or late at this time.
func (l *Log) WasStale(at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.staleSpans, func(s Span) bool { return s.has(at, 0) })
}

// OnFound, before the first commit, lets the function be called once, at the first
// violation that a write shows; those of a bound show at the end. Every write is then read
// at once. The function must be quick and must not call the log.
func (l *Log) OnFound(f func()) { l.onFound = sync.OnceFunc(f) }

func (l *Log) take(c commit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished {
		return
	}
	if l.unread = append(l.unread, c); l.rules != nil && (l.onFound != nil || len(l.unread) >= unreadMax) {
		l.readAll()
	}
}

// Ending is how a run ended, for what is bounded in time.
type Ending struct {
	At time.Time
	// Faults are the spans in which the control plane was not as it should be.
	Faults []Span
	// Quiet is when the last step or fault ended; zero: one lasts.
	Quiet time.Time
}

// Findings are what a log came to.
type Findings struct {
	// Violations in order of time.
	Violations []Violation
	// Unasked are those of L4 under a scheduler that promises none of it.
	Unasked []Violation
	// Met is how often each invariant had something to hold: one that never had says
	// nothing of the run.
	Met map[Invariant]int
	// Replaced are how long replacements that could be bound waited for it, sorted (L1).
	Replaced []time.Duration
}

// Finish, after Begin, returns what was broken. An error means that an object of the log
// could not be read. It must be called once.
func (l *Log) Finish(end Ending) (Findings, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readAll()
	l.finished = true
	if !l.now.IsZero() {
		l.settle(l.now)
	}
	if l.rules.Profile != "" {
		l.countHolds(end.At)
	}
	l.judgeWaits(end.At, end.Faults)
	f := Findings{Replaced: slices.Sorted(slices.Values(l.latencies))}
	converged := l.judgeConvergence(end.At, end.Quiet)
	if l.rules.Profile == "" {
		f.Unasked = converged
	} else {
		l.found = append(l.found, converged...)
	}
	f.Violations, f.Met = Merge(l.found, nil), maps.Clone(l.met)
	return f, l.err
}

func (l *Log) readAll() {
	for _, c := range l.unread {
		if err := l.read(c); err != nil && l.err == nil {
			l.err = fmt.Errorf("log of API writes: %s: %w", c.key, err)
		}
	}
	clear(l.unread)
	l.unread = l.unread[:0]
}

// read brings what is known up to date with one commit, and judges it.
func (l *Log) read(c commit) error {
	if c.at.After(l.now) {
		if !l.now.IsZero() {
			l.settle(l.now)
		}
		l.now = c.at
	}
	if c.mark != nil {
		c.mark()
		return nil
	}
	parts := strings.SplitN(strings.TrimPrefix(c.key, "/registry/"), "/", 2)
	kind, name := parts[0], parts[1]
	switch kind {
	case "pods":
		return l.readPod(c, name)
	case "holdfast.dev":
		return l.readRecord(c, strings.TrimPrefix(name, "tenancies/"))
	case "minions":
		return keep(l.nodes, name, c.value)
	case "csinodes":
		return l.readCSINode(c, name)
	case "persistentvolumes":
		return keep(l.volumes, name, c.value)
	case "persistentvolumeclaims":
		return keep(l.claims, name, c.value)
	case "volumeattachments":
		return keep(l.attachments, name, c.value)
	case "statefulsets":
		return keep(l.sets, name, c.value)
	case "events":
		return l.readEvent(c)
	}
	return nil
}

// keep decodes a built-in object into the map, or takes it out.
func keep[T runtime.Object](into map[string]T, name string, value []byte) error {
	if value == nil {
		delete(into, name)
		return nil
	}
	object, err := decode[T](value)
	if err != nil {
		return err
	}
	into[name] = object
	return nil
}

func decode[T runtime.Object](value []byte) (T, error) {
	var none T
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(value, nil, nil)
	if err != nil {
		return none, err
	}
	t, ok := object.(T)
	if !ok {
		return none, fmt.Errorf("it is a %T", object)
	}
	return t, nil
}

func (l *Log) readPod(c commit, name string) error {
	before := l.pods[name]
	l.asks = nil
	if c.value == nil {
		if before != nil {
			delete(l.heldFrom, before.UID)
		}
		delete(l.pods, name)
		return nil
	}
	pod, err := decode[*corev1.Pod](c.value)
	if err != nil {
		return err
	}
	after := &podState{Pod: pod, bound: pod.Spec.NodeName != "", guarded: guarded(pod)}
	if before == nil || before.UID != pod.UID {
		l.pods[name] = after
		l.earlier[name] = append(l.earlier[name], after)
		delete(l.stripped, name)
		l.born(name, after)
		l.noteAttempts(name, after)
		return nil
	}
	boundNow := !before.bound && after.bound
	letGo := guarded(before.Pod) && !after.guarded
	before.Pod, before.bound, before.guarded = pod, before.bound || after.bound, before.guarded || after.guarded
	if boundNow {
		l.judgeBind(c.at, name, before)
	}
	l.noteAttempts(name, before)
	if letGo {
		l.judgeLetGo(c.at, name, before)
	}
	return nil
}

// guarded says whether the pod has the guard's finalizer.
func guarded(pod *corev1.Pod) bool { return slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer) }

func (l *Log) readRecord(c commit, name string) error {
	if c.value == nil {
		delete(l.records, name)
		return nil
	}
	var t v1alpha1.Tenancy
	if err := json.Unmarshal(c.value, &t); err != nil {
		return err
	}
	before, after := l.records[name], &t.Status
	l.records[name] = after
	if after.Incarnation != nil {
		l.recorded[after.Incarnation.PodUID] = true
	}
	l.judgeRecord(c.at, name, before, after)
	l.judgeRejudged(c.at, name, before, after)
	return nil
}

// judgeBind holds one bind by a scheduler against everything that is said of binds.
func (l *Log) judgeBind(at time.Time, name string, pod *podState) {
	l.judgeReach(at, name, pod)
	if l.rules.Profile == "" || pod.Spec.SchedulerName != l.rules.Profile {
		return
	}
	l.countAtOnce(name, pod)
	l.judgeEvidence(at, name, pod)
	l.judgeOrder(at, name, pod)
	l.judgeRoom(at, name, pod)
}

// breaks writes a violation of an instant down.
func (l *Log) breaks(id Invariant, at time.Time, by, node, why string) {
	v := Violation{Invariant: id, By: by, From: at, To: at, Why: why}
	if node != "" {
		v.Nodes = []string{node}
	}
	l.found = append(l.found, v)
	if l.onFound != nil {
		l.onFound()
	}
}

// meets counts that an invariant had something to hold, and that it had in a stale view.
func (l *Log) meets(id Invariant) {
	l.met[id]++
	if len(l.stale) > 0 {
		l.met[S7]++
	}
}

// Merge returns both in order of beginning.
func Merge(a, b []Violation) []Violation {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(a, b Violation) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.By, b.By), cmp.Compare(a.Why, b.Why))
	})
	return all
}

// ownerSet is the name of the StatefulSet that the pod belongs to; empty if none.
func ownerSet(pod *corev1.Pod) string {
	if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "StatefulSet" {
		return owner.Name
	}
	return ""
}
