package engine_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/holdfast-dev/holdfast/sim/engine"
)

// TestAConflictOfATaintDoesNotStopTime has the node's taint meet a conflict while the pass
// that looks at all nodes is on its way to change the rate of evictions. Upstream retries
// with the queue's lock held, for which the pass then waits: with a pause between the
// tries virtual time would never get to its end. This is how a cluster that is taken up
// with a node that is not ready could stand still.
func TestAConflictOfATaintDoesNotStopTime(t *testing.T) {
	inCluster(t, engine.Options{Scheduler: engine.Stock, StallLimit: 20 * time.Second}, func(ctx context.Context, c *engine.Cluster) error {
		kube, err := kubernetes.NewForConfig(c.RESTConfig("test"))
		if err != nil {
			return err
		}
		if err := readyNodeWithPod(ctx, kube); err != nil {
			return err
		}
		time.Sleep(10 * time.Second) // The controller has seen both.
		var late, conflict sync.Once
		met := map[string]bool{}
		c.Transport.Observe(func(r *http.Request) {
			switch {
			case r.Method != http.MethodPatch && r.Method != http.MethodPut || r.UserAgent() != "node-controller":
			case strings.HasSuffix(r.URL.Path, "/pods/web/status"):
				// The pass has queued the node, and is kept from going on until it is tainted.
				late.Do(func() { met["late"] = true; time.Sleep(150 * time.Millisecond) })
			case strings.HasSuffix(r.URL.Path, "/nodes/a") && strings.Contains(body(t, r), `"NoExecute"`):
				conflict.Do(func() {
					met["conflict"] = true
					if _, err := kube.CoreV1().Nodes().Patch(ctx, "a", types.MergePatchType, []byte(`{"metadata":{"labels":{"written":"meanwhile"}}}`), metav1.PatchOptions{}); err != nil {
						t.Error(err)
					}
				})
			}
		})
		time.Sleep(time.Minute) // Nobody tells of the node: it becomes unreachable.
		if !met["late"] || !met["conflict"] {
			t.Errorf("met %v, want a late request and a conflict: the test shows nothing", met)
		}
		return nil
	})
}

func readyNodeWithPod(ctx context.Context, kube kubernetes.Interface) error {
	if _, err := kube.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := setReady(ctx, kube); err != nil {
		return err
	}
	pod, err := kube.CoreV1().Pods("default").Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.PodSpec{NodeName: "a", Containers: []corev1.Container{{Name: "web", Image: "registry.example/web:1"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	_, err = kube.CoreV1().Pods("default").UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

func setReady(ctx context.Context, kube kubernetes.Interface) error {
	node, err := kube.CoreV1().Nodes().Get(ctx, "a", metav1.GetOptions{})
	if err != nil {
		return err
	}
	now := metav1.Now()
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Test", LastHeartbeatTime: now, LastTransitionTime: now}}
	_, err = kube.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
	return err
}

// body is what a request sends, which is left to be sent.
func body(t *testing.T, r *http.Request) string {
	t.Helper()
	if r.GetBody == nil {
		return ""
	}
	b, err := r.GetBody()
	if err != nil {
		t.Error(err)
		return ""
	}
	defer b.Close()
	data, err := io.ReadAll(b)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}
