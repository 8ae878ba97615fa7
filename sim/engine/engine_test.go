package engine_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/sim/engine"
)

func TestMain(m *testing.M) {
	engine.DiscardLogs()
	os.Exit(m.Run())
}

func TestVirtualTimeReturnsTheErrorOfItsWork(t *testing.T) {
	want := errors.New("the work went wrong")
	if err := engine.InVirtualTime(func(context.Context) error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestVirtualTimeStartsAtTheEpochAndJumps(t *testing.T) {
	err := engine.InVirtualTime(func(context.Context) error {
		if now := time.Now(); !now.Equal(engine.Epoch) {
			t.Errorf("it is %s, want %s", now, engine.Epoch)
		}
		time.Sleep(1000 * time.Hour)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestVirtualTimeSaysWhatStoppedIt(t *testing.T) {
	for name, tc := range map[string]struct {
		work func(context.Context) error
		want string
	}{
		"the work panics":           {func(context.Context) error { panic("no such shelf") }, "panic: no such shelf"},
		"everything waits for ever": {func(context.Context) error { <-make(chan int); return nil }, "virtual time stopped: "},
	} {
		t.Run(name, func(t *testing.T) {
			err := engine.InVirtualTime(tc.work)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// TestTheControlPlaneIsReal looks for the traces of each real part: admission
// defaults, the StatefulSet controller's pods, the scheduler's verdict.
func TestTheControlPlaneIsReal(t *testing.T) {
	inCluster(t, engine.Options{Scheduler: engine.Stock}, func(ctx context.Context, c *engine.Cluster) error {
		kube, err := kubernetes.NewForConfig(c.RESTConfig("test"))
		if err != nil {
			return err
		}
		if _, err := kube.AppsV1().StatefulSets("default").Create(ctx, statefulSet(), metav1.CreateOptions{}); err != nil {
			return err
		}
		var pod *corev1.Pod
		err = wait.PollUntilContextTimeout(ctx, time.Second, time.Minute, true, func(ctx context.Context) (bool, error) {
			pod, err = kube.CoreV1().Pods("default").Get(ctx, "web-0", metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			return err == nil && len(pod.Status.Conditions) > 0, err
		})
		if err != nil {
			return err
		}
		if c := pod.Status.Conditions[0]; c.Type != corev1.PodScheduled || c.Reason != corev1.PodReasonUnschedulable {
			t.Errorf("without nodes the scheduler says %+v", c)
		}
		if seconds := toleration(pod, corev1.TaintNodeUnreachable); seconds != 300 {
			t.Errorf("admission lets the pod tolerate an unreachable node for %d s, want 300", seconds)
		}
		return nil
	})
}

func TestTimersReachTheirControllers(t *testing.T) {
	inCluster(t, engine.Options{Scheduler: engine.Stock, Timers: engine.Timers{TolerationSeconds: ptr.To[int64](7)}}, func(ctx context.Context, c *engine.Cluster) error {
		kube, err := kubernetes.NewForConfig(c.RESTConfig("test"))
		if err != nil {
			return err
		}
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "one"}, Spec: statefulSet().Spec.Template.Spec}
		if pod, err = kube.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			return err
		}
		if seconds := toleration(pod, corev1.TaintNodeUnreachable); seconds != 7 {
			t.Errorf("tolerated for %d s, want 7", seconds)
		}
		return nil
	})
}

// TestTenanciesAreServed checks that the real API server holds records to their schema.
func TestTenanciesAreServed(t *testing.T) {
	inCluster(t, engine.Options{Scheduler: engine.Holdfast}, func(ctx context.Context, c *engine.Cluster) error {
		holdfast, err := versioned.NewForConfig(c.JSONConfig("test"))
		if err != nil {
			return err
		}
		records := holdfast.HoldfastV1alpha1().Tenancies("default")
		record, err := records.Create(ctx, &v1alpha1.Tenancy{
			ObjectMeta: metav1.ObjectMeta{Name: "web-0"},
			Spec:       v1alpha1.TenancySpec{StatefulSet: "web"},
			Status:     v1alpha1.TenancyStatus{Phase: v1alpha1.Over, Epoch: 12},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if record.Status.Phase != "" || record.Status.Epoch != 0 {
			t.Errorf("a create wrote the status: %+v", record.Status)
		}
		record.Status.Phase = "Perhaps"
		if _, err := records.UpdateStatus(ctx, record, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
			t.Errorf("a phase that there is none of: got %v, want invalid", err)
		}
		record.Status.Phase = v1alpha1.Vacant
		updated, err := records.UpdateStatus(ctx, record, metav1.UpdateOptions{})
		if err != nil {
			return err
		}
		if _, err := records.UpdateStatus(ctx, record, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			t.Errorf("an update of a version that is no more: got %v, want a conflict", err)
		}
		if updated.Status.Phase != v1alpha1.Vacant {
			t.Errorf("phase %q", updated.Status.Phase)
		}
		return nil
	})
}

// TestEitherStoreKeepsVirtualTime waits for the end of an object's lease, which is
// the store's own affair, and looks at what the store tells and leaves behind.
func TestEitherStoreKeepsVirtualTime(t *testing.T) {
	for _, store := range engine.StoreKinds() {
		t.Run(string(store), func(t *testing.T) {
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			var commits atomic.Int64
			o := engine.Options{Scheduler: engine.Stock, Store: store, OnCommit: func(engine.Commit) { commits.Add(1) }}
			inCluster(t, o, func(ctx context.Context, c *engine.Cluster) error {
				files, err := os.ReadDir(temporary)
				if err != nil {
					return err
				}
				if onDisk := len(files) > 0; onDisk != (store == engine.Etcd) {
					t.Errorf("temporary files while it runs: %v", files)
				}
				kube, err := kubernetes.NewForConfig(c.RESTConfig("test"))
				if err != nil {
					return err
				}
				before := commits.Load()
				event := &corev1.Event{
					ObjectMeta:     metav1.ObjectMeta{Name: "web-0.1"},
					InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "web-0"},
				}
				if _, err := kube.CoreV1().Events("default").Create(ctx, event, metav1.CreateOptions{}); err != nil {
					return err
				}
				time.Sleep(time.Second) // The store may tell of it after the API server did.
				if commits.Load() == before {
					t.Error("nobody was told of the commit")
				}
				for _, check := range []struct {
					after time.Duration
					want  bool
				}{
					{59 * time.Minute, true},
					{5 * time.Minute, false}, // The API server lets objects share a lease for 1 min.
				} {
					time.Sleep(check.after)
					_, err := kube.CoreV1().Events("default").Get(ctx, event.Name, metav1.GetOptions{})
					if apierrors.IsNotFound(err) == check.want {
						t.Errorf("%s later: got %v, want that it is there: %t", check.after, err, check.want)
					}
				}
				return nil
			})
			if files, err := os.ReadDir(temporary); err != nil || len(files) > 0 {
				t.Errorf("left behind: %v, %v", files, err)
			}
		})
	}
}

func TestAWrongOptionIsNamed(t *testing.T) {
	for name, o := range map[string]engine.Options{
		"nomad": {Scheduler: "nomad"},
		"disk":  {Scheduler: engine.Stock, Store: "disk"},
	} {
		err := engine.InVirtualTime(func(ctx context.Context) error {
			_, err := engine.Start(ctx, o)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func inCluster(t *testing.T, o engine.Options, f func(context.Context, *engine.Cluster) error) {
	t.Helper()
	err := engine.InVirtualTime(func(ctx context.Context) error {
		c, err := engine.Start(ctx, o)
		if err != nil {
			return err
		}
		return f(ctx, c)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func statefulSet() *appsv1.StatefulSet {
	labels := map[string]string{"app": "web"}
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: ptr.To[int32](1), ServiceName: "web", Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "registry.example/web:1"}}},
			},
		},
	}
}

// toleration is for how many seconds the pod tolerates the taint; -1: not named.
func toleration(pod *corev1.Pod, taint string) int64 {
	for _, t := range pod.Spec.Tolerations {
		if t.Key == taint && t.TolerationSeconds != nil {
			return *t.TolerationSeconds
		}
	}
	return -1
}

func TestEventsOfOneInstantAreKeptEach(t *testing.T) {
	inCluster(t, engine.Options{Scheduler: engine.Stock}, func(ctx context.Context, c *engine.Cluster) error {
		kube, err := kubernetes.NewForConfig(c.RESTConfig("test"))
		if err != nil {
			return err
		}
		for _, reason := range []string{"Held", "Released"} {
			_, err := kube.CoreV1().Events("default").Create(ctx, &corev1.Event{
				ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: "web-0.1"},
				InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "web-0"}, Reason: reason,
			}, metav1.CreateOptions{})
			if err != nil {
				return err
			}
		}
		all, err := kube.CoreV1().Events("default").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=web-0"})
		if err == nil && len(all.Items) != 2 {
			t.Errorf("%d events, want both", len(all.Items))
		}
		return err
	})
}
