package engine

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	kubescheduler "k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/holdfast-dev/holdfast/sim/decisions"
)

// AttemptsMax is how many attempts are remembered; those after are not.
const AttemptsMax = 10_000

// Recorder remembers what every plugin says in every attempt.
//
// It stands in for the plugins where the framework calls them, one extension point
// at a time, after the framework was made: so the set of extension points of a plugin,
// its hints, its signature and its weight stay its own, and no decision changes. The
// plugins in the tree cannot be replaced by a registry: it refuses their names.
type Recorder struct {
	mu       sync.Mutex
	attempts []*attempt
	// current are the attempts that are under way, by the state that all plugins get.
	current map[fwk.CycleState]*attempt
	numbers map[types.UID]int
	dropped int
}

// attempt is one that may be under way.
type attempt struct {
	decisions.Attempt
	began time.Time
	state fwk.CycleState
}

// NewRecorder remembers nothing yet.
func NewRecorder() *Recorder {
	return &Recorder{current: map[fwk.CycleState]*attempt{}, numbers: map[types.UID]int{}}
}

// Attempts are all that were begun, in the order of their beginning, with times since
// zero. Dropped is how many more there were.
func (r *Recorder) Attempts(zero time.Time) (attempts []decisions.Attempt, dropped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.attempts {
		copied := a.Attempt
		copied.At = metav1.Duration{Duration: a.began.Sub(zero)}
		attempts = append(attempts, copied)
	}
	clear(r.current) // What is said from now on is none of theirs.
	slices.SortStableFunc(attempts, func(a, b decisions.Attempt) int { return cmp.Compare(a.At.Duration, b.At.Duration) })
	return attempts, r.dropped
}

// of records in the attempt that a state belongs to. Trials, such as those of
// preemption, have states of their own, and are none.
func (r *Recorder) of(state fwk.CycleState, record func(*decisions.Attempt)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.current[state]; a != nil {
		record(&a.Attempt)
	}
}

// begin begins an attempt with its first plugin. What is under way for the pod is over.
func (r *Recorder) begin(state fwk.CycleState, pod *corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current[state] != nil {
		return
	}
	for of, a := range r.current {
		if a.UID == pod.UID {
			delete(r.current, of)
		}
	}
	r.numbers[pod.UID]++
	if len(r.attempts) >= AttemptsMax {
		r.dropped++
		return
	}
	a := &attempt{
		Attempt: decisions.Attempt{Namespace: pod.Namespace, Pod: pod.Name, UID: pod.UID, Number: r.numbers[pod.UID]},
		began:   time.Now(), state: state,
	}
	r.attempts = append(r.attempts, a)
	r.current[state] = a
}

// standIn puts the recorder in front of the plugins of every profile.
func (r *Recorder) standIn(s *kubescheduler.Scheduler) error {
	for name, f := range s.Profiles {
		if err := r.standInFor(f); err != nil {
			return fmt.Errorf("profile %s: %w", name, err)
		}
	}
	return nil
}

func (r *Recorder) standInFor(f framework.Framework) error {
	weights := map[string]int64{}
	for _, p := range f.ListPlugins().Score.Enabled {
		weights[p.Name] = int64(p.Weight)
	}
	impl := reflect.ValueOf(f)
	if impl.Kind() != reflect.Pointer || impl.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("framework %T: not known", f)
	}
	impl = impl.Elem()
	return cmp.Or(
		replace(impl, "preFilterPlugins", func(p fwk.PreFilterPlugin) fwk.PreFilterPlugin { return recordedPreFilter{p, r} }),
		replace(impl, "filterPlugins", func(p fwk.FilterPlugin) fwk.FilterPlugin { return recordedFilter{p, r} }),
		replace(impl, "postFilterPlugins", func(p fwk.PostFilterPlugin) fwk.PostFilterPlugin { return recordedPostFilter{p, r} }),
		replace(impl, "preScorePlugins", func(p fwk.PreScorePlugin) fwk.PreScorePlugin { return recordedPreScore{p, r} }),
		replace(impl, "scorePlugins", func(p fwk.ScorePlugin) fwk.ScorePlugin { return recordedScore{p, r, weights[p.Name()]} }),
		replace(impl, "reservePlugins", func(p fwk.ReservePlugin) fwk.ReservePlugin { return recordedReserve{p, r} }),
		replace(impl, "permitPlugins", func(p fwk.PermitPlugin) fwk.PermitPlugin { return recordedPermit{p, r} }),
		replace(impl, "preBindPlugins", func(p fwk.PreBindPlugin) fwk.PreBindPlugin { return recordedPreBind{p, r} }),
		replace(impl, "bindPlugins", func(p fwk.BindPlugin) fwk.BindPlugin { return recordedBind{p, r} }),
	)
}

// replace puts another plugin in the place of each that a field of the framework
// lists (pkg/scheduler/framework/runtime/framework.go, frameworkImpl).
func replace[P fwk.Plugin](impl reflect.Value, name string, by func(P) P) error {
	field := impl.FieldByName(name)
	if !field.IsValid() || field.Type() != reflect.TypeFor[[]P]() {
		return fmt.Errorf("framework: no field %s of type %s", name, reflect.TypeFor[[]P]())
	}
	plugins := *(*[]P)(unsafe.Pointer(field.UnsafeAddr()))
	for i, p := range plugins {
		plugins[i] = by(p)
	}
	return nil
}

// said is a status in a word or in its reasons.
func said(s *fwk.Status) string {
	switch {
	case s.IsSuccess():
		return decisions.Success
	case s.IsSkip():
		return decisions.Skip
	case s.IsWait():
		return decisions.Wait
	case s.Message() == "":
		return s.Code().String()
	}
	return s.Message()
}

// note writes an entry into a map that may not be there yet.
func note[M ~map[string]V, V any](m *M, key string, value V) {
	if *m == nil {
		*m = M{}
	}
	(*m)[key] = value
}

func noteScore(s *decisions.Scores, node, plugin string, score int64) {
	if (*s)[node] == nil {
		note(s, node, map[string]int64{})
	}
	(*s)[node][plugin] = score
}

type recordedPreFilter struct {
	fwk.PreFilterPlugin
	recorder *Recorder
}

func (p recordedPreFilter) PreFilter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	p.recorder.begin(state, pod)
	result, status := p.PreFilterPlugin.PreFilter(ctx, state, pod, nodes)
	p.recorder.of(state, func(a *decisions.Attempt) {
		note(&a.PreFilter, p.Name(), said(status))
		if status.IsSuccess() && !result.AllNodes() {
			note(&a.PreFilterNodes, p.Name(), slices.Sorted(slices.Values(result.NodeNames.UnsortedList())))
		}
	})
	return result, status
}

type recordedFilter struct {
	fwk.FilterPlugin
	recorder *Recorder
}

func (p recordedFilter) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node fwk.NodeInfo) *fwk.Status {
	status := p.FilterPlugin.Filter(ctx, state, pod, node)
	words := said(status)
	if status.IsSuccess() {
		words = decisions.Passed
	}
	p.recorder.of(state, func(a *decisions.Attempt) {
		name := node.Node().Name
		if a.Filter[name] == nil {
			note(&a.Filter, name, decisions.ByPlugin{})
		}
		a.Filter[name][p.Name()] = words
	})
	return status
}

type recordedPostFilter struct {
	fwk.PostFilterPlugin
	recorder *Recorder
}

func (p recordedPostFilter) PostFilter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, nodes fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	result, status := p.PostFilterPlugin.PostFilter(ctx, state, pod, nodes)
	p.recorder.of(state, func(a *decisions.Attempt) {
		note(&a.PostFilter, p.Name(), said(status))
		if result != nil && result.NominatingInfo != nil {
			a.NominatedNode = result.NominatedNodeName
		}
	})
	return result, status
}

type recordedPreScore struct {
	fwk.PreScorePlugin
	recorder *Recorder
}

func (p recordedPreScore) PreScore(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) *fwk.Status {
	status := p.PreScorePlugin.PreScore(ctx, state, pod, nodes)
	p.recorder.of(state, func(a *decisions.Attempt) { note(&a.PreScore, p.Name(), said(status)) })
	return status
}

type recordedScore struct {
	fwk.ScorePlugin
	recorder *Recorder
	weight   int64
}

func (p recordedScore) Score(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node fwk.NodeInfo) (int64, *fwk.Status) {
	score, status := p.ScorePlugin.Score(ctx, state, pod, node)
	if status.IsSuccess() {
		p.recorder.of(state, func(a *decisions.Attempt) {
			name := node.Node().Name
			noteScore(&a.Score, name, p.Name(), score)
			p.counts(a, name, score) // As it is, unless it is normalised.
		})
	}
	return score, status
}

func (p recordedScore) counts(a *decisions.Attempt, node string, score int64) {
	noteScore(&a.Normalized, node, p.Name(), score)
	noteScore(&a.Final, node, p.Name(), score*p.weight)
}

func (p recordedScore) ScoreExtensions() fwk.ScoreExtensions {
	if extensions := p.ScorePlugin.ScoreExtensions(); extensions != nil {
		return recordedNormalize{extensions, p}
	}
	return nil
}

type recordedNormalize struct {
	fwk.ScoreExtensions
	of recordedScore
}

func (n recordedNormalize) NormalizeScore(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, scores fwk.NodeScoreList) *fwk.Status {
	status := n.ScoreExtensions.NormalizeScore(ctx, state, pod, scores)
	n.of.recorder.of(state, func(a *decisions.Attempt) {
		for _, s := range scores {
			n.of.counts(a, s.Name, s.Score)
		}
	})
	return status
}

type recordedReserve struct {
	fwk.ReservePlugin
	recorder *Recorder
}

func (p recordedReserve) Reserve(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	status := p.ReservePlugin.Reserve(ctx, state, pod, node)
	p.recorder.of(state, func(a *decisions.Attempt) {
		a.SelectedNode = node
		note(&a.Reserve, p.Name(), said(status))
	})
	return status
}

type recordedPermit struct {
	fwk.PermitPlugin
	recorder *Recorder
}

func (p recordedPermit) Permit(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) (*fwk.Status, time.Duration) {
	status, timeout := p.PermitPlugin.Permit(ctx, state, pod, node)
	p.recorder.of(state, func(a *decisions.Attempt) {
		note(&a.Permit, p.Name(), said(status))
		note(&a.PermitTimeout, p.Name(), timeout.String())
	})
	return status, timeout
}

type recordedPreBind struct {
	fwk.PreBindPlugin
	recorder *Recorder
}

func (p recordedPreBind) PreBind(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	status := p.PreBindPlugin.PreBind(ctx, state, pod, node)
	p.recorder.of(state, func(a *decisions.Attempt) { note(&a.PreBind, p.Name(), said(status)) })
	return status
}

type recordedBind struct {
	fwk.BindPlugin
	recorder *Recorder
}

func (p recordedBind) Bind(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	status := p.BindPlugin.Bind(ctx, state, pod, node)
	p.recorder.of(state, func(a *decisions.Attempt) {
		a.SelectedNode = node
		note(&a.Bind, p.Name(), said(status))
	})
	return status
}
