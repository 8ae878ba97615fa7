package perf

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
	perf "k8s.io/kubernetes/test/integration/scheduler_perf"
	"k8s.io/kubernetes/test/utils/client-go/ktesting"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/bench/objects"
)

// creators is how many clients create at once.
const creators = 32

// BenchmarkPerfDrain creates ordinals whose volume is on one node, and then drains them, with
// a real API server: both sides one after the other, each in a control plane of its own.
func BenchmarkPerfDrain(b *testing.B) {
	for _, size := range []struct{ nodes, pods int }{{20, 40}, {500, 500}, {5_000, 1_000}} {
		for _, side := range turns(b) {
			b.Run(fmt.Sprintf("claim=node/nodes=%d/side=%s", size.nodes, side), func(b *testing.B) {
				if err := flag.Set("data-items-dir", b.TempDir()); err != nil {
					b.Fatal(err)
				}
				g := newGate()
				plugins := registry()
				plugins[gateName] = g.factory
				perf.RunBenchmarkPerfScheduling(b, emptyConfig(b, side), "drain", plugins, perf.WithPrepareFn(func(t ktesting.TContext) error {
					if err := installTenancies(t); err != nil {
						return err
					}
					perSecond, dry := createAndDrain(t, b, g, size.nodes, size.pods)
					inner, ok := t.TB().(interface{ ReportMetric(float64, string) })
					if !ok {
						return fmt.Errorf("scheduler_perf hands over a %T, which takes no metrics", t.TB())
					}
					// In the end, for it forgets what was reported before its own workload.
					t.TB().Cleanup(func() {
						inner.ReportMetric(perSecond, "pods/s")
						inner.ReportMetric(dry, "queue-dry-share")
						inner.ReportMetric(float64(g.tried.Load())/float64(size.pods), "attempts/pod")
					})
					return nil
				}))
			})
		}
	}
}

func createAndDrain(t ktesting.TContext, tb testing.TB, g *gate, nodes, pods int) (perSecond, dry float64) {
	w := objects.Workload{Claim: objects.OneNode}
	c := objects.New(nodes, w)
	for i := range pods {
		c.Measured(w, i, v1.DefaultSchedulerName)
	}
	// Pods last: what they refer to is there then.
	var sets sync.Map
	for _, pass := range []bool{false, true} {
		var now []runtime.Object
		for _, object := range c.Objects {
			if _, pod := object.(*v1.Pod); pod == pass {
				now = append(now, object)
			}
		}
		workqueue.ParallelizeUntil(t, creators, len(now), func(i int) {
			if err := create(t, t.Client(), now[i], &sets); err != nil && !apierrors.IsAlreadyExists(err) {
				tb.Errorf("create %T: %v", now[i], err)
			}
		})
	}
	for waiting := 0; waiting < pods; waiting, _ = g.counts() {
		if tb.Failed() || t.Err() != nil {
			tb.Fatalf("%d of %d pods wait", waiting, pods)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return g.drain(tb, pods, min(100, pods/20))
}

// create makes the object as a client would, without what the API server gives. It notes
// the UIDs of sets, which their pods must name: garbage collection runs.
func create(ctx context.Context, client kubernetes.Interface, object runtime.Object, sets *sync.Map) error {
	var err error
	o := metav1.CreateOptions{}
	switch object := object.(type) {
	case *v1.Node:
		_, err = client.CoreV1().Nodes().Create(ctx, object, o)
	case *storagev1.CSINode:
		_, err = client.StorageV1().CSINodes().Create(ctx, object, o)
	case *storagev1.StorageClass:
		_, err = client.StorageV1().StorageClasses().Create(ctx, object, o)
	case *storagev1.CSIDriver:
		_, err = client.StorageV1().CSIDrivers().Create(ctx, object, o)
	case *v1.PersistentVolume:
		_, err = client.CoreV1().PersistentVolumes().Create(ctx, object, o)
	case *v1.PersistentVolumeClaim:
		_, err = client.CoreV1().PersistentVolumeClaims(object.Namespace).Create(ctx, object, o)
	case *appsv1.StatefulSet:
		object.Spec.Template = v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: object.Spec.Selector.MatchLabels}, Spec: objects.PodSpec()}
		object.Spec.Template.Spec.TerminationGracePeriodSeconds = ptr.To[int64](30)
		var made *appsv1.StatefulSet
		if made, err = client.AppsV1().StatefulSets(object.Namespace).Create(ctx, object, o); err == nil {
			sets.Store(made.Name, made.UID)
		}
	case *v1.Pod:
		object.UID, object.ResourceVersion = "", ""
		for i := range object.OwnerReferences {
			owner := &object.OwnerReferences[i]
			uid, known := sets.Load(owner.Name)
			if !known {
				return fmt.Errorf("pod %s: there is no set %s", object.Name, owner.Name)
			}
			owner.UID = uid.(types.UID)
		}
		_, err = client.CoreV1().Pods(object.Namespace).Create(ctx, object, o)
	}
	// Services are nobody's here: no controller of them runs.
	return err
}

// emptyConfig is a workload for the side of a single pod, which scheduler_perf asks for and
// runs when everything is over. Its figures say nothing.
func emptyConfig(tb testing.TB, side string) string {
	tb.Helper()
	return write(tb, "config.yaml", marshal(tb, []any{map[string]any{
		"name":                   "control-plane",
		"schedulerConfigPath":    gatedConfiguration(tb, side),
		"defaultPodTemplatePath": filepath.Join(upstream(tb), "test/integration/scheduler_perf/templates/pod-default.yaml"),
		"workloadTemplate":       []any{map[string]any{"opcode": "createPods", "count": 1, "collectMetrics": true}},
		"workloads":              []any{map[string]any{"name": "drain", "labels": []string{label}}},
	}}))
}
