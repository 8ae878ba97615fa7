package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
)

const (
	// askTimeout is how long one answer of a kubelet is waited for.
	askTimeout = 5 * time.Second
	// askAgain is how long after an answer without the pod its kubelet is asked again,
	// askLater after any other outcome: it may be killing the pod, or be silent.
	askAgain = fence.ObservationGapMin + time.Second
	askLater = 20 * time.Second
	// asksPerSecond and asksBurst bound how many nodes are asked, over all identities.
	asksPerSecond, asksBurst = 2, 10
	// sightsMax bounds how many answers are kept of an incarnation, the latest.
	sightsMax = 32
)

// kubeletAnswers are what kubelets said of incarnations in doubt. They are in memory
// only: after a restart they are asked anew.
type kubeletAnswers struct {
	limit flowcontrol.RateLimiter

	mu sync.Mutex
	of *recent[[]fence.KubeletSight]
	// failed is when the kubelet of a node, by the Node's name, last gave no answer: who
	// waits for one that is silent must not keep the others waiting.
	failed *recent[time.Time]
}

func newKubeletAnswers() *kubeletAnswers {
	return &kubeletAnswers{
		limit: flowcontrol.NewTokenBucketRateLimiter(asksPerSecond, asksBurst),
		of:    newRecent[[]fence.KubeletSight](toldMax), failed: newRecent[time.Time](toldMax),
	}
}

func (k *kubeletAnswers) get(uid types.UID) []fence.KubeletSight {
	k.mu.Lock()
	defer k.mu.Unlock()
	sights, _ := k.of.get(uid)
	return slices.Clone(sights)
}

func (k *kubeletAnswers) add(uid types.UID, s fence.KubeletSight) {
	k.mu.Lock()
	defer k.mu.Unlock()
	sights, _ := k.of.get(uid)
	sights = append(slices.Clone(sights), s)
	k.of.put(uid, sights[max(0, len(sights)-sightsMax):])
}

// askKubelets asks the kubelet of every node on which the incarnation may run, if that
// is wanted and could prove anything, has it judged again in a while, and reports
// whether one answered. The deletion is on the record: every answer is younger than it.
func (g *Guard) askKubelets(ctx context.Context, record *v1alpha1.Tenancy, t tenant) (answered bool) {
	inc := incarnationOf(record)
	if !g.args.ObserveKubelets || record.Status.Phase != v1alpha1.InDoubt || !t.deletionAsked() || !fence.Observable(inc) {
		return false
	}
	next := askAgain
	for _, name := range nodeNamesOf(inc) {
		if !ready(g.nodes.get(name)) {
			return answered // Its Node's next change has this judged again.
		}
		if !g.answers.due(t.uid, name, g.clock.Now()) {
			continue
		}
		if !g.answers.limit.TryAccept() {
			next = askLater
			continue
		}
		sight, err := g.askKubelet(ctx, name, t.uid)
		if err != nil {
			g.answers.fail(name, g.clock.Now())
			klog.FromContext(ctx).V(2).Info("A kubelet gave no answer", "node", name, "tenancy", klog.KObj(record), "reason", err)
			next = askLater
			continue
		}
		g.answers.add(t.uid, sight)
		answered = true
		if !sight.Absent {
			next = askLater
		}
	}
	g.queue.AddAfter(keyOf(record), next)
	return answered
}

// fail notes that the node's kubelet gave no answer.
func (k *kubeletAnswers) fail(name string, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed.put(types.UID(name), now)
}

func (k *kubeletAnswers) failedAt(name string) (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failed.get(types.UID(name))
}

// due reports whether the node's kubelet may be asked: not before its last answer is
// old enough for the next one to tell anything new, nor soon after it gave none.
func (k *kubeletAnswers) due(uid types.UID, name string, now time.Time) bool {
	if at, failed := k.failedAt(name); failed && now.Sub(at) < askLater {
		return false
	}
	for _, s := range slices.Backward(k.get(uid)) {
		if s.Node.Name == name {
			return now.Sub(s.Answered) >= fence.ObservationGapMin
		}
	}
	return true
}

// askKubelet asks through the API server's proxy what pods the kubelet has and what
// runs. The Node is read before and after, so that it is known which machine and which
// boot the answer is of.
func (g *Guard) askKubelet(ctx context.Context, name string, uid types.UID) (fence.KubeletSight, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	node, err := g.liveNode(ctx, name)
	if err != nil {
		return fence.KubeletSight{}, err
	}
	if node == nil {
		return fence.KubeletSight{}, fmt.Errorf("node %s: is gone", name)
	}
	var lists []v1.PodList
	for _, path := range []string{"pods", "runningpods/"} {
		list, err := g.kubeletList(ctx, name, path)
		if err != nil {
			return fence.KubeletSight{}, fmt.Errorf("kubelet of node %s, %s: %w", name, path, err)
		}
		lists = append(lists, list)
	}
	if why := fence.Answers(name, lists[0]); why != "" {
		return fence.KubeletSight{}, fmt.Errorf("kubelet of node %s: %s", name, why)
	}
	now, err := g.liveNode(ctx, name)
	if err != nil {
		return fence.KubeletSight{}, err
	}
	if now == nil || !fence.SameBoot(node, now) {
		return fence.KubeletSight{}, fmt.Errorf("node %s: is another one, or was booted, since it was asked", name)
	}
	return fence.KubeletSight{Node: trimNode(node), Absent: fence.AbsentFrom(uid, lists...), Answered: g.clock.Now()}, nil
}

// kubeletList reads one list of pods of a kubelet. An answer that is no list of pods
// is none: to an empty object every pod would be absent.
func (g *Guard) kubeletList(ctx context.Context, node, path string) (v1.PodList, error) {
	var list v1.PodList
	// By AbsPath, for a subresource would lose the slash at the end of the path, and a
	// kubelet answers without it with a redirection.
	data, err := g.kube.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes/" + node + "/proxy/" + path).Do(ctx).Raw()
	if err != nil {
		return list, err
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return list, fmt.Errorf("its answer: %w", err)
	}
	if list.Kind != "PodList" {
		return list, fmt.Errorf("its answer is a %q and no PodList", list.Kind)
	}
	return list, nil
}
