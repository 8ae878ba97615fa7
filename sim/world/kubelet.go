package world

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// The user agents of the world. What stands before the first slash becomes the
// manager in managedFields, by which others tell who wrote a status
// (docs/kubernetes-facts.md §1.6).
const (
	kubeletVersion = "v1.37.1"
	kubeletAgent   = "kubelet/" + kubeletVersion + " (linux/amd64) kubernetes/sim"
	// OperatorAgent is the user agent of the human.
	OperatorAgent = "kubectl/" + kubeletVersion + " (linux/amd64) kubernetes/sim"
)

// relistPeriod is how often the kubelet looks at the runtime (the generic PLEG's
// relist). A pod worker's next step waits for a look that is newer than its last
// step (pkg/kubelet/pod_workers.go, podCache.GetNewerThan).
const relistPeriod = time.Second

// kubelet is the agent of one machine. It follows kubelet v1.37.1 where
// docs/kubernetes-facts.md speaks of it: sections 1 to 3. Left out are static
// pods, probes, evictions, admission, sidecars and crashes; init containers end
// well the moment the pod starts.
type kubelet struct {
	machine   *machine
	api       kubernetes.Interface
	heartbeat kubernetes.Interface
	running   *sync.WaitGroup

	config  *podConfig
	volumes *volumes
	reports *reports
	status  nodeStatus

	// refused is why the latest attempt to register failed.
	refused atomic.Pointer[error]
	// registered is closed once the API has the node with this kubelet's status,
	// ready once it has its lease too.
	registered, ready chan struct{}

	mu      sync.Mutex
	workers map[types.UID]*podWorker
}

func newKubelet(m *machine, config func(string) *rest.Config, running *sync.WaitGroup) (*kubelet, error) {
	k := &kubelet{
		machine: m, running: running,
		registered: make(chan struct{}), ready: make(chan struct{}),
		workers: map[types.UID]*podWorker{},
	}
	api := config(kubeletAgent)
	// The kubelet's defaults for --kube-api-qps and --kube-api-burst.
	api.QPS, api.Burst = 50, 100
	// One connection for both clients: the heartbeat client's configuration is a copy,
	// and client-go gives equal ones the same transport (cmd/kubelet/app/server.go).
	api.Transport = m.link.connect(api.Transport)
	heartbeat := config(kubeletAgent)
	heartbeat.QPS, heartbeat.Timeout = -1, heartbeatTimeout
	heartbeat.Transport = api.Transport

	var err error
	if k.api, err = kubernetes.NewForConfig(api); err != nil {
		return nil, fmt.Errorf("kubelet's client: %w", err)
	}
	if k.heartbeat, err = kubernetes.NewForConfig(heartbeat); err != nil {
		return nil, fmt.Errorf("kubelet's heartbeat client: %w", err)
	}
	k.config = newPodConfig()
	k.volumes = newVolumes(k)
	k.reports = newReports(k)
	return k, nil
}

// start lets the kubelet run until ctx ends.
func (k *kubelet) start(ctx context.Context) {
	k.running.Go(func() {
		if err := k.register(ctx); err != nil {
			return // Only the end of ctx stops it.
		}
		close(k.registered)
		k.syncNodeStatusUntil(ctx)
	})
	k.running.Go(func() {
		select {
		case <-k.registered:
		case <-ctx.Done():
			return
		}
		k.renewLeaseUntil(ctx)
	})
	k.running.Go(func() { k.watchPodsUntil(ctx) })
	k.running.Go(func() { k.syncLoop(ctx) })
	k.running.Go(func() { k.reports.sendUntil(ctx) })
	k.running.Go(func() { k.housekeepUntil(ctx) })
	k.running.Go(func() { k.volumes.unmountOrphansUntil(ctx) })
}

// syncLoop hands the pods that the source reports to their workers.
func (k *kubelet) syncLoop(ctx context.Context) {
	for {
		select {
		case u := <-k.config.updates:
			k.handle(ctx, u)
		case <-ctx.Done():
			return
		}
	}
}

func (k *kubelet) handle(ctx context.Context, u podUpdate) {
	for _, pod := range u.pods {
		switch u.op {
		case opAdd, opUpdate, opDelete:
			k.worker(ctx, pod).update(pod, false)
		case opRemove:
			if w := k.knownWorker(pod.UID); w != nil {
				w.update(pod, true)
			}
		case opReconcile:
			// What the API shows is compared with what was reported by the reports' own loop.
		}
	}
}

// worker returns the worker of a pod, and starts it for a pod that has none. The
// name plays no part: a new pod may start while the old one of that name is still
// being killed (docs/kubernetes-facts.md §0.7).
func (k *kubelet) worker(ctx context.Context, pod *corev1.Pod) *podWorker {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w := k.workers[pod.UID]; w != nil {
		return w
	}
	w := newPodWorker(ctx, k, pod)
	k.workers[pod.UID] = w
	k.running.Go(func() { w.run(ctx) })
	return w
}

// knownWorker returns the worker of a pod, or nil.
func (k *kubelet) knownWorker(uid types.UID) *podWorker {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.workers[uid]
}

// couldRun says whether a container of the pod may still run, as far as its
// worker knows.
func (k *kubelet) couldRun(uid types.UID) bool {
	w := k.knownWorker(uid)
	return w != nil && !w.isTerminated()
}

// housekeepingPeriod is how often what is left of removed pods is cleared away.
const housekeepingPeriod = 2 * time.Second

func (k *kubelet) housekeepUntil(ctx context.Context) {
	for sleep(ctx, housekeepingPeriod) == nil {
		k.housekeep()
	}
}

// housekeep forgets the workers and containers of pods that are gone from the API
// and finished, and the reports of pods that are gone at all: nobody could be told
// any more (docs/kubernetes-facts.md §1.1).
func (k *kubelet) housekeep() {
	k.reports.keepOnly(k.config.has)
	k.mu.Lock()
	defer k.mu.Unlock()
	for uid, w := range k.workers {
		if w.isFinished() && !k.config.has(uid) {
			delete(k.workers, uid)
			k.machine.runtime.forget(uid)
		}
	}
}

// report tells the API what runs of a pod, in its own time. With over, no
// container runs and none will be started.
func (k *kubelet) report(pod *corev1.Pod, over bool) {
	old, ok := k.reports.get(pod.UID)
	if !ok {
		old = pod.Status
	}
	status := generateStatus(pod, k.machine.runtime.status(pod.UID), old, over)
	status.HostIP = k.machine.nodeIP()
	status.HostIPs = []corev1.HostIP{{IP: status.HostIP}}
	k.reports.set(pod, status)
}
