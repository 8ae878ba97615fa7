package cycles

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/metrics/testutil"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	kubescheduler "k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/bench/objects"
	"github.com/holdfast-dev/holdfast/bench/profiles"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
)

var withoutNarrowing = flag.Bool("without-narrowing", false, "Holdfast's PreFilter leaves the nodes as they are: what the index of reach is worth, and a regression that the gates must notice")

func TestMain(m *testing.M) {
	flag.Parse()
	quiet := flag.NewFlagSet("klog", flag.ExitOnError)
	klog.InitFlags(quiet)
	_ = quiet.Parse([]string{"-logtostderr=false", "-stderrthreshold=FATAL"})
	klog.SetOutput(io.Discard)
	metrics.Register()
	os.Exit(m.Run())
}

// sameApp selects the pods that are measured.
var sameApp = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}

func hostnameAntiAffinity(pod *v1.Pod) {
	pod.Spec.Affinity = &v1.Affinity{PodAntiAffinity: &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{
		{TopologyKey: v1.LabelHostname, LabelSelector: sameApp}}}}
}

func zoneSpread(pod *v1.Pod) {
	pod.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{
		{MaxSkew: 100_000, TopologyKey: v1.LabelTopologyZone, WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: sameApp}}
}

func zoneAffinity(pod *v1.Pod) {
	pod.Spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{
		{TopologyKey: v1.LabelTopologyZone, LabelSelector: sameApp}}}}
}

// someAlike makes a neighbour of every tenth node one of the measured pods' app, for
// their affinity to find.
func someAlike(pod *v1.Pod, node int) {
	if node%10 == 0 {
		pod.Labels["app"] = "db"
	}
}

// half asks for as much as leaves no room on a node for two of it.
var half = *resource.NewQuantity(objects.CPUs/2+4, resource.DecimalSI)

// everyOtherFull takes the room of every other node, with pods that nothing evicts.
func everyOtherFull(pod *v1.Pod, node int) {
	if node%2 == 0 && len(pod.Spec.Volumes) > 0 {
		pod.Spec.Priority = ptr.To[int32](2_000_000)
		pod.Spec.Containers[0].Resources.Requests[v1.ResourceCPU] = half
	}
}

// large fits on the other ones alone.
func large(pod *v1.Pod) { pod.Spec.Containers[0].Resources.Requests[v1.ResourceCPU] = half }

// bench is a workload on a cluster of both profiles.
type bench struct {
	*profiles.Pair
	workload objects.Workload
	// pods are those of each block, in the order of the queue.
	pods [][]*v1.Pod
	// nodes is where the pods' volumes are, or near.
	nodes map[string]int
	// held are pods that wait beside them.
	held []*v1.Pod
}

// setUp makes the cluster, with as many pods for each block as its side is to have.
func setUp(tb testing.TB, w objects.Workload, nodes int, order []side, count perBlock) *bench {
	c := objects.New(nodes, w)
	x := &bench{workload: w, nodes: map[string]int{}}
	i := 0
	for _, s := range order {
		var pods []*v1.Pod
		for range count[s] {
			pod, node := c.Measured(w, i, s.profile())
			x.nodes[pod.Name] = node
			pods = append(pods, pod)
			i++
		}
		x.pods = append(x.pods, pods)
	}
	options := profiles.Options{Listed: w.Owner == "ReplicaSet"}
	if *withoutNarrowing {
		options.Without = []plugin.Defence{plugin.Narrowing}
	}
	for i := range w.Held {
		x.held = append(x.held, c.Held(i, sideB.profile()))
	}
	var err error
	if x.Pair, err = profiles.New(tb.Context(), options, c.Objects...); err != nil {
		tb.Fatal(err)
	}
	return x
}

// filtered is how many nodes the side has filtered since the process began: how often
// the first of all Filter plugins was called, which is in the way of every node.
func filtered(tb testing.TB, s side) int64 {
	v, err := testutil.GetCounterMetricValue(metrics.PluginEvaluationTotal.WithLabelValues(names.NodeUnschedulable, metrics.Filter, s.profile()))
	if err != nil {
		tb.Fatal(err)
	}
	return int64(v)
}

// cycle finds a node for the pod, and with a pod that fits nowhere runs what comes after.
func (x *bench) cycle(ctx context.Context, tb testing.TB, pod *v1.Pod) {
	state := framework.NewCycleState()
	state.SetRecordPluginMetrics(false)
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		tb.Fatal(err)
	}
	f := x.Scheduler.Profiles[pod.Spec.SchedulerName]
	found, err := x.Scheduler.SchedulePod(ctx, f, state, &framework.QueuedPodInfo{PodInfo: info})
	var unfit *framework.FitError
	switch {
	case x.workload.Fails && errors.As(err, &unfit):
		f.RunPostFilterPlugins(ctx, state, pod, unfit.Diagnosis.NodeToStatus)
	case err != nil:
		tb.Fatalf("pod %s: %v", pod.Name, err)
	case x.workload.Fails:
		tb.Fatalf("pod %s fits on %s", pod.Name, found.SuggestedHost)
	default:
		x.verify(tb, pod, found.SuggestedHost)
	}
}

// verify: a ratio needs the same placements.
func (x *bench) verify(tb testing.TB, pod *v1.Pod, node string) {
	if want := objects.NodeName(x.nodes[pod.Name]); x.workload.Claim == objects.OneNode && node != want {
		tb.Fatalf("pod %s of %s goes to %s, and its volume is on %s", pod.Name, pod.Spec.SchedulerName, node, want)
	}
}

// cycles measures single cycles that change nothing: each block goes over its pods until
// it has had them all and a while has passed.
func cycles(tb testing.TB, w objects.Workload, nodes, pairs int, count perBlock, atLeast time.Duration) *result {
	order := turns(tb, pairs)
	x := setUp(tb, w, nodes, order, count)
	r := &result{}
	for i, s := range order {
		r.add(tb, s, func(m *block) {
			for start := time.Now(); m.pods < len(x.pods[i]) || time.Since(start) < atLeast; {
				for _, pod := range x.pods[i] {
					began := time.Now()
					x.cycle(tb.Context(), tb, pod)
					m.each = append(m.each, time.Since(began))
					m.pods++
				}
			}
		})
	}
	return r
}

// drain measures what operators see: the pods are all in the queue, and the scheduler
// takes one after the other out of it until all are bound.
func drain(tb testing.TB, w objects.Workload, nodes, pairs int, count perBlock) *result {
	ctx := tb.Context()
	order := turns(tb, pairs)
	x := setUp(tb, w, nodes, order, count)
	total := 0
	for _, pods := range x.pods {
		total += len(pods)
	}
	queue := x.Scheduler.SchedulingQueue
	x.StartQueue(ctx)
	await(tb, "all pods are in the queue", func() bool { return len(queue.PodsInActiveQ()) == total })

	turn := x.watch(tb)
	r := &result{depth: total}
	var bound int64
	for i, s := range order {
		*turn = s
		r.depth = min(r.depth, len(queue.PodsInActiveQ()))
		bound += int64(len(x.pods[i]))
		r.add(tb, s, func(m *block) {
			for range x.pods[i] {
				x.Scheduler.ScheduleOne(ctx)
				m.pods++
			}
			await(tb, "the block is bound", func() bool { return x.Bound() >= bound })
		})
	}
	return r
}

// watch fails the test where a pod fails, goes elsewhere than it should, or comes in a
// turn that is not its side's.
func (x *bench) watch(tb testing.TB) (turn *side) {
	turn = new(side)
	place := x.Scheduler.SchedulePod
	x.Scheduler.SchedulePod = func(ctx context.Context, f framework.Framework, state fwk.CycleState, pod *framework.QueuedPodInfo) (kubescheduler.ScheduleResult, error) {
		if pod.Pod.Spec.SchedulerName != turn.profile() {
			tb.Errorf("pod %s of %s in a block of %s", pod.Pod.Name, pod.Pod.Spec.SchedulerName, turn.profile())
		}
		found, err := place(ctx, f, state, pod)
		if err == nil {
			x.verify(tb, pod.Pod, found.SuggestedHost)
		}
		return found, err
	}
	x.Scheduler.FailureHandler = func(_ context.Context, _ framework.Framework, pod *framework.QueuedPodInfo, status *fwk.Status, _ *fwk.NominatingInfo, _ time.Time) {
		tb.Errorf("pod %s: %s", pod.Pod.Name, status.Message())
	}
	return turn
}

func await(tb testing.TB, what string, is func() bool) {
	deadline := time.Now().Add(2 * time.Minute)
	for !is() {
		if tb.Failed() {
			tb.FailNow()
		}
		if time.Now().After(deadline) {
			tb.Fatalf("within two minutes it has not come so far that %s", what)
		}
		time.Sleep(20 * time.Microsecond)
	}
}
