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
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	perf "k8s.io/kubernetes/test/integration/scheduler_perf"
	"k8s.io/kubernetes/test/utils/client-go/ktesting"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/bench/objects"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// creators is how many clients create at once.
const creators = 32

// BenchmarkPerfDrain creates ordinals and then drains them, with a real API server: both
// sides one after the other, each in a control plane of its own.
//
//	claim=node  first incarnations, whose volume is on one node
//	failover    the storm after a zone's machines were lost and fenced: later incarnations,
//	            whose volumes every node of their zone reaches, and whose records are over
func BenchmarkPerfDrain(b *testing.B) {
	for _, c := range []struct {
		name     string
		claim    objects.Reach
		replaced bool
	}{{"claim=node", objects.OneNode, false}, {"failover", objects.OneZone, true}} {
		for _, size := range []struct{ nodes, pods int }{{20, 40}, {500, 500}, {5_000, 1_000}} {
			for _, side := range turns(b) {
				b.Run(fmt.Sprintf("%s/nodes=%d/side=%s", c.name, size.nodes, side), func(b *testing.B) {
					made := objects.New(size.nodes, objects.Workload{Claim: c.claim})
					for i := range size.pods {
						pod, node := made.Measured(objects.Workload{Claim: c.claim}, i, v1.DefaultSchedulerName)
						if c.replaced && side == "B" {
							made.Objects = append(made.Objects, over(pod, node))
						}
					}
					runDrain(b, side, made, size.pods)
				})
			}
		}
	}
}

// over is the record of an ordinal whose earlier pod is proven over.
func over(pod *v1.Pod, node int) *v1alpha1.Tenancy {
	id, _ := identity.Named(pod.Namespace, pod.Name)
	record := tenancy.New(id)
	record.Status = v1alpha1.TenancyStatus{
		Phase: v1alpha1.Over, Epoch: 1, BoundOnce: true,
		Incarnation: &v1alpha1.Incarnation{PodUID: "before", Nodes: []v1alpha1.CandidateNode{{Name: objects.NodeName(node), UID: "lost"}}},
		Evidence:    &v1alpha1.Evidence{Kind: v1alpha1.KubeletConfirmed, PodUID: "before", Time: metav1.Now(), Detail: "the kubelet reported it"},
	}
	return record
}

func runDrain(b *testing.B, side string, made *objects.Cluster, pods int) {
	b.Helper()
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
		perSecond, dry := createAndDrain(t, b, g, made, pods)
		inner, ok := t.TB().(interface{ ReportMetric(float64, string) })
		if !ok {
			return fmt.Errorf("scheduler_perf hands over a %T, which takes no metrics", t.TB())
		}
		// In the end, for it forgets what was reported before its own workload.
		t.TB().Cleanup(func() {
			inner.ReportMetric(perSecond, "pods/s")
			inner.ReportMetric(dry, "queue-dry-share")
			inner.ReportMetric(float64(g.tried.Load())/float64(pods), "attempts/pod")
		})
		return nil
	}))
}

func createAndDrain(t ktesting.TContext, tb testing.TB, g *gate, c *objects.Cluster, pods int) (perSecond, dry float64) {
	json := rest.CopyConfig(t.RESTConfig())
	json.ContentType, json.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	records, err := versioned.NewForConfig(json)
	if err != nil {
		tb.Fatal(err)
	}
	api := &creator{kube: t.Client(), records: records}
	// Pods last: what they refer to is there then.
	for _, pass := range []bool{false, true} {
		var now []runtime.Object
		for _, object := range c.Objects {
			if _, pod := object.(*v1.Pod); pod == pass {
				now = append(now, object)
			}
		}
		workqueue.ParallelizeUntil(t, creators, len(now), func(i int) {
			if err := api.create(t, now[i]); err != nil && !apierrors.IsAlreadyExists(err) {
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

// creator makes objects as a client would.
type creator struct {
	kube    kubernetes.Interface
	records versioned.Interface
	// sets are the UIDs of sets by their names, which their pods must name: garbage
	// collection runs.
	sets sync.Map
}

// create makes the object, without what the API server gives.
func (c *creator) create(ctx context.Context, object runtime.Object) error {
	var err error
	o := metav1.CreateOptions{}
	client := c.kube
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
			c.sets.Store(made.Name, made.UID)
		}
	case *v1alpha1.Tenancy:
		records := c.records.HoldfastV1alpha1().Tenancies(object.Namespace)
		var made *v1alpha1.Tenancy
		if made, err = records.Create(ctx, object, o); err == nil {
			made.Status = object.Status
			_, err = records.UpdateStatus(ctx, made, metav1.UpdateOptions{})
		}
	case *v1.Pod:
		object.UID, object.ResourceVersion = "", ""
		for i := range object.OwnerReferences {
			owner := &object.OwnerReferences[i]
			uid, known := c.sets.Load(owner.Name)
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
		"schedulerConfigPath":    configuration(tb, side, gateName),
		"defaultPodTemplatePath": filepath.Join(upstream(tb), "test/integration/scheduler_perf/templates/pod-default.yaml"),
		"workloadTemplate":       []any{map[string]any{"opcode": "createPods", "count": 1, "collectMetrics": true}},
		"workloads":              []any{map[string]any{"name": "drain", "labels": []string{label}}},
	}}))
}
