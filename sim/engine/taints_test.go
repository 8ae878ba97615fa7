package engine_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/engine/inproc"
)

// TestATaintThatFailsDoesNotStopTime has the node's taint fail while the pass that looks
// at all nodes is on its way to change the rate of evictions. Upstream retries with the
// queue's lock held, for which the pass then waits: with a pause between the tries virtual
// time would never get to its end. This is how a cluster that is taken up with a node that
// is not ready could stand still.
func TestATaintThatFailsDoesNotStopTime(t *testing.T) {
	for name, fail := range map[string]func(context.Context, *engine.Cluster, kubernetes.Interface) error{
		"it conflicts": func(ctx context.Context, _ *engine.Cluster, kube kubernetes.Interface) error {
			_, err := kube.CoreV1().Nodes().Patch(ctx, "a", types.MergePatchType, []byte(`{"metadata":{"labels":{"written":"meanwhile"}}}`), metav1.PatchOptions{})
			return err
		},
		"the API server is asked too much": func(_ context.Context, c *engine.Cluster, _ kubernetes.Interface) error {
			c.Transport.Refuse(inproc.Refusal{
				Request: inproc.Request{Component: "node-controller", Resource: "nodes"},
				With:    inproc.TooManyRequests(), Until: time.Now().Add(5 * time.Second),
			})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) { aTaintFails(t, fail) })
	}
}

// aTaintFails lets fail see to it, at the request that taints the node a.
func aTaintFails(t *testing.T, fail func(context.Context, *engine.Cluster, kubernetes.Interface) error) {
	inCluster(t, engine.Options{Scheduler: engine.Stock, StallLimit: 20 * time.Second}, func(ctx context.Context, c *engine.Cluster) error {
		kube, err := kubernetes.NewForConfig(c.RESTConfig("test"))
		if err != nil {
			return err
		}
		// The second node falls silent one pass of the controller after the first. In that
		// pass the first, which was found silent in the pass before, is queued for its taint,
		// and the zone has no ready node any more.
		time.Sleep(passes / 2) // Not at the instant of a pass.
		for _, name := range []string{"a", "b"} {
			if err := readyNodeWithPod(ctx, kube, name); err != nil {
				return err
			}
			time.Sleep(passes)
		}
		var late, failure sync.Once
		var waited, failed atomic.Bool
		c.Transport.Observe(func(r *http.Request) {
			switch {
			case r.Method != http.MethodPatch && r.Method != http.MethodPut || r.UserAgent() != "node-controller":
			case strings.HasSuffix(r.URL.Path, "/pods/on-b/status"):
				// The pass is kept from going on until the first node is tainted.
				late.Do(func() {
					for end := time.Now().Add(time.Minute); !failed.Load() && time.Now().Before(end); {
						time.Sleep(10 * time.Millisecond)
					}
					waited.Store(true)
				})
			case strings.HasSuffix(r.URL.Path, "/nodes/a") && strings.Contains(body(t, r), `"NoExecute"`):
				failure.Do(func() {
					defer failed.Store(true)
					if err := fail(ctx, c, kube); err != nil {
						t.Error(err)
					}
				})
			}
		})
		time.Sleep(2 * time.Minute) // Nobody tells of the nodes: they become unreachable.
		if !waited.Load() || !failed.Load() {
			t.Errorf("waited: %t, failed: %t; want both, or the test shows nothing", waited.Load(), failed.Load())
		}
		return nil
	})
}

// passes is how long after one another the node controller looks at all nodes
// (cmd/kube-controller-manager, --node-monitor-period).
const passes = 5 * time.Second

// readyNodeWithPod makes a node of the name, and a pod that is bound to it.
func readyNodeWithPod(ctx context.Context, kube kubernetes.Interface, name string) error {
	if _, err := kube.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := setReady(ctx, kube, name); err != nil {
		return err
	}
	pod, err := kube.CoreV1().Pods("default").Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "on-" + name},
		Spec:       corev1.PodSpec{NodeName: name, Containers: []corev1.Container{{Name: "web", Image: "registry.example/web:1"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	_, err = kube.CoreV1().Pods("default").UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

func setReady(ctx context.Context, kube kubernetes.Interface, name string) error {
	const ready = `{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Test"}]}}`
	_, err := kube.CoreV1().Nodes().Patch(ctx, name, types.StrategicMergePatchType, []byte(ready), metav1.PatchOptions{}, "status")
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
