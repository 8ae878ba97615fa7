package perf

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	_ "k8s.io/component-base/logs/json/register" // What scheduler_perf's own flags name.
	fwk "k8s.io/kube-scheduler/framework"
	plfeature "k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	perf "k8s.io/kubernetes/test/integration/scheduler_perf"
	"k8s.io/kubernetes/test/utils/client-go/ktesting"

	"github.com/holdfast-dev/holdfast/manifests/crd"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
	"github.com/holdfast-dev/holdfast/pkg/plugin/limits"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

var sideFlag = flag.String("side", "both", "the side that is measured: A (the default profile), B (Holdfast's), or both, in turns")

func TestMain(m *testing.M) {
	if err := perf.InitTests(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	perf.PerfSchedulingLabelFilter = label
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "etcd")
	if err == nil {
		defer os.RemoveAll(folder)
		err = etcd(folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// turns are the sides in the order in which they run.
func turns(tb testing.TB) []string {
	switch *sideFlag {
	case "A", "B":
		return []string{*sideFlag}
	case "both":
		return []string{"A", "B"}
	}
	tb.Fatalf("-side=%s: want A, B or both", *sideFlag)
	return nil
}

// BenchmarkUpstream runs workloads of scheduler_perf unchanged. They create pods while
// they are scheduled, so they measure what creates them too; of pods that are not ours
// they ask whether Holdfast is in the way. Run it with -count, for medians of each side.
func BenchmarkUpstream(b *testing.B) {
	for _, w := range []workload{
		{"misc/performance-config.yaml", "SchedulingBasic", "5Nodes"},
		{"misc/performance-config.yaml", "SchedulingBasic", "500Nodes"},
		{"misc/performance-config.yaml", "SchedulingBasic", "5000Nodes"},
		{"volumes/performance-config.yaml", "SchedulingCSIPVs", "5Nodes"},
		{"volumes/performance-config.yaml", "SchedulingCSIPVs", "500Nodes"},
		{"volumes/performance-config.yaml", "SchedulingCSIPVs", "5000Nodes"},
	} {
		b.Run(w.test+"/"+w.name, func(b *testing.B) {
			if err := flag.Set("data-items-dir", b.TempDir()); err != nil {
				b.Fatal(err)
			}
			perf.RunBenchmarkPerfScheduling(b, w.config(b, turns(b)), w.test, registry(), perf.WithPrepareFn(installTenancies))
		})
	}
}

// registry makes the plugin when the scheduler does: before, there is no API server.
func registry() frameworkruntime.Registry {
	features := plfeature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate)
	return frameworkruntime.Registry{
		plugin.Name: func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
			shared, err := newShared(ctx, handle.KubeConfig())
			if err != nil {
				return nil, err
			}
			return plugin.Factory(shared)(ctx, args, handle)
		},
		limits.Name: frameworkruntime.FactoryAdapter(features, limits.New),
	}
}

// newShared has an informer of records of its own, for scheduler_perf gives the scheduler
// none: nobody is woken by it, and in these workloads no pod is held.
func newShared(ctx context.Context, c *rest.Config) (*plugin.Shared, error) {
	c = rest.CopyConfig(c)
	c.ContentType, c.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	tenancies, err := versioned.NewForConfig(c)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, err
	}
	informers := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	adopted := make(chan struct{})
	close(adopted)
	shared := plugin.NewShared(store.New(tenancies), informers, adopted)
	informers.Start(ctx.Done())
	context.AfterFunc(ctx, informers.Shutdown)
	return shared, nil
}

// installTenancies adds the kind of the records to the API server, on both sides alike.
func installTenancies(t ktesting.TContext) error {
	definition, err := crd.Tenancies()
	if err != nil {
		return err
	}
	return crd.Install(t, t.RESTConfig(), definition)
}
