package perf

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// gateName is the plugin of both sides that lets pods be created first, and drained then.
const gateName = "BenchmarkGate"

// gate keeps the measured pods out of the queue until all are there, and notes when
// each was bound.
type gate struct {
	handle fwk.Handle

	mu      sync.Mutex
	open    bool
	waiting map[string]*v1.Pod
	binds   []time.Time
	// tried is how many attempts there were.
	tried atomic.Int64
}

var (
	_ fwk.PreEnqueuePlugin = (*gate)(nil)
	_ fwk.PreFilterPlugin  = (*gate)(nil)
	_ fwk.PostBindPlugin   = (*gate)(nil)
	_ fwk.SignPlugin       = (*gate)(nil)
)

func newGate() *gate { return &gate{waiting: map[string]*v1.Pod{}} }

// factory gives the scheduler this gate.
func (g *gate) factory(_ context.Context, _ runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
	g.handle = handle
	return g, nil
}

func (*gate) Name() string { return gateName }

func measured(pod *v1.Pod) bool { return pod.Labels["app"] == "db" && pod.Spec.NodeName == "" }

func (g *gate) PreEnqueue(_ context.Context, pod *v1.Pod) *fwk.Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open || !measured(pod) {
		return nil
	}
	g.waiting[klog.KObj(pod).String()] = pod
	return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "the benchmark has not begun")
}

func (g *gate) PreFilter(_ context.Context, _ fwk.CycleState, pod *v1.Pod, _ []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	g.tried.Add(1)
	return nil, fwk.NewStatus(fwk.Skip)
}

func (*gate) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

func (*gate) SignPod(context.Context, *v1.Pod) ([]fwk.SignFragment, *fwk.Status) { return nil, nil }

func (g *gate) PostBind(_ context.Context, _ fwk.CycleState, pod *v1.Pod, _ string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.binds = append(g.binds, time.Now())
}

func (g *gate) counts() (waiting, bound int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting), len(g.binds)
}

// drain opens the gate and returns when all are bound: how many a second between the
// 5th and the 95th percentile of the binds, and in which share of the samples of that
// time fewer than short were left to be bound. They need not be in the queue any more: the
// API server, not the scheduler, can be what they wait for.
func (g *gate) drain(tb testing.TB, total, short int) (perSecond, dry float64) {
	g.mu.Lock()
	g.open = true
	waiting := g.waiting
	g.mu.Unlock()
	g.handle.Activate(klog.Background(), waiting)

	var samples, low int
	from, to := total*5/100, total*95/100
	deadline := time.Now().Add(20 * time.Minute)
	for {
		_, bound := g.counts()
		if bound >= total {
			break
		}
		if bound >= from && bound < to {
			samples++
			if total-bound < short {
				low++
			}
		}
		if time.Now().After(deadline) {
			tb.Fatalf("%d of %d pods are bound", bound, total)
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	took := g.binds[to-1].Sub(g.binds[from])
	if samples == 0 {
		samples, low = 1, 1 // So short that nothing can be said of the queue.
	}
	return float64(to-1-from) / took.Seconds(), float64(low) / float64(samples)
}
