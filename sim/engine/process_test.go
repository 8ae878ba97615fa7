package engine_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/holdfast-dev/holdfast/sim/engine"
)

// readyNode makes a node by hand that pods can be bound to.
func readyNode(ctx context.Context, kube kubernetes.Interface) error {
	capacity := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("10")}
	_, err := kube.CoreV1().Nodes().Create(ctx, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{corev1.LabelHostname: "a"}},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: capacity,
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}, metav1.CreateOptions{})
	return err
}

// lonely makes a pod of its own for the cluster's scheduler.
func lonely(ctx context.Context, c *engine.Cluster, kube kubernetes.Interface, name string) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: statefulSet().Spec.Template.Spec}
	pod.Spec.SchedulerName = c.SchedulerName()
	_, err := kube.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{})
	return err
}

// untilPod waits until a pod is as asked.
func untilPod(ctx context.Context, kube kubernetes.Interface, name string, is func(*corev1.Pod) bool) (*corev1.Pod, error) {
	var pod *corev1.Pod
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		var err error
		pod, err = kube.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil && is(pod), err
	})
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", name, err)
	}
	return pod, nil
}

func bound(p *corev1.Pod) bool { return p.Spec.NodeName != "" }

func TestAStoppedSchedulerSchedulesNothingAndAStartedOneEverything(t *testing.T) {
	for _, kind := range []engine.Kind{engine.Stock, engine.Holdfast} {
		t.Run(string(kind), func(t *testing.T) {
			inCluster(t, engine.Options{Scheduler: kind}, func(ctx context.Context, c *engine.Cluster) error {
				kube, err := kubernetes.NewForConfig(c.RESTConfig("test"))
				if err != nil {
					return err
				}
				if err := readyNode(ctx, kube); err != nil {
					return err
				}
				if err := lonely(ctx, c, kube, "before"); err != nil {
					return err
				}
				if _, err := untilPod(ctx, kube, "before", bound); err != nil {
					return err
				}
				if err := c.StartScheduler(); err == nil {
					t.Error("a second process was started beside the first")
				}
				c.StopScheduler()
				if err := c.RestartScheduler(engine.Restart{}); err == nil {
					t.Error("a process was restarted that is down")
				}
				if err := lonely(ctx, c, kube, "while"); err != nil {
					return err
				}
				time.Sleep(10 * time.Second)
				pod, err := kube.CoreV1().Pods("default").Get(ctx, "while", metav1.GetOptions{})
				if err != nil {
					return err
				}
				if pod.Spec.NodeName != "" || len(pod.Status.Conditions) != 0 {
					t.Errorf("a process that is dead put the pod on %q and said %+v", pod.Spec.NodeName, pod.Status.Conditions)
				}
				if err := c.StartScheduler(); err != nil {
					return err
				}
				_, err = untilPod(ctx, kube, "while", bound)
				return err
			})
		})
	}
}

// goroutinesPerLife is what a life of the process that schedules may leave behind:
// goroutines that upstream never ends.
const goroutinesPerLife = 5

func TestLivesOfTheSchedulerLeaveLittleBehind(t *testing.T) {
	for _, kind := range []engine.Kind{engine.Stock, engine.Holdfast} {
		t.Run(string(kind), func(t *testing.T) {
			inCluster(t, engine.Options{Scheduler: kind}, func(_ context.Context, c *engine.Cluster) error {
				const lives = 10
				restart := func() error {
					c.StopScheduler()
					// Upstream's longest loops look at their context once a minute.
					time.Sleep(2 * time.Minute)
					return c.StartScheduler()
				}
				if err := restart(); err != nil { // What is made once is not counted.
					return err
				}
				time.Sleep(time.Minute)
				before := runtime.NumGoroutine()
				for range lives {
					if err := restart(); err != nil {
						return err
					}
				}
				time.Sleep(time.Minute)
				left := runtime.NumGoroutine() - before
				t.Logf("left behind by each life: %.1f goroutines", float64(left)/lives)
				if left > lives*goroutinesPerLife {
					t.Errorf("%d lives left %d goroutines behind", lives, left)
				}
				return nil
			})
		})
	}
}
