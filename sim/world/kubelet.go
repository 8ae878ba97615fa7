package world

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
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
	machine    *machine
	connection *connection
	api        kubernetes.Interface
	heartbeat  kubernetes.Interface

	// bootID is read once, at the start (docs/kubernetes-facts.md §1.5).
	bootID string
	// end ends the process; running is what goes on in it.
	end     context.CancelFunc
	running sync.WaitGroup

	config  *podConfig
	volumes *volumes
	// rebuild lets volumes find out once what its predecessor has mounted.
	rebuild sync.Once
	reports *reports
	status  nodeStatus
	// node has the Node as it was last heard of.
	node cache.Store

	// runtimeSeen is when the runtime last answered; nil: it was not asked yet.
	runtimeSeen atomic.Pointer[time.Time]
	// rejects are the pods that it does not admit.
	rejects []string
	// sees is whether it sees yet what runs.
	sees sight
	// housekept once it has looked for what runs of pods that it does not know.
	housekept atomic.Bool
	// refused is why the latest attempt to register failed.
	refused atomic.Pointer[error]
	// registered is closed once the API has the node with this kubelet's status,
	// ready once it has its lease too.
	registered, ready chan struct{}

	mu      sync.Mutex
	workers map[types.UID]*podWorker
}

// newKubelet makes a process that knows nothing: a kubelet keeps no checkpoints of
// pods (docs/kubernetes-facts.md §1.3).
func newKubelet(m *machine) (*kubelet, error) {
	k := &kubelet{
		machine:    m,
		registered: make(chan struct{}), ready: make(chan struct{}),
		workers: map[types.UID]*podWorker{},
	}
	api := m.rest(kubeletAgent)
	// The kubelet's defaults for --kube-api-qps and --kube-api-burst.
	api.QPS, api.Burst = 50, 100
	// One connection for both clients: the heartbeat client's configuration is a copy,
	// and client-go gives equal ones the same transport (cmd/kubelet/app/server.go).
	k.connection = m.link.connect(api.Transport)
	api.Transport = k.connection
	heartbeat := m.rest(kubeletAgent)
	heartbeat.QPS, heartbeat.Timeout = -1, heartbeatTimeout
	heartbeat.Transport = api.Transport

	var err error
	if k.api, err = kubernetes.NewForConfig(api); err != nil {
		return nil, fmt.Errorf("kubelet's client: %w", err)
	}
	if k.heartbeat, err = kubernetes.NewForConfig(heartbeat); err != nil {
		return nil, fmt.Errorf("kubelet's heartbeat client: %w", err)
	}
	k.node = cache.NewStore(cache.MetaNamespaceKeyFunc)
	k.config = newPodConfig()
	k.volumes = newVolumes(k)
	k.reports = newReports(k)
	return k, nil
}

// start lets the kubelet run until ctx ends or it is stopped.
func (k *kubelet) start(ctx context.Context, bootID string) {
	k.bootID = bootID
	k.sees.from = time.Now().Add(k.sees.after)
	ctx, k.end = context.WithCancel(ctx)
	k.machine.running.Go(func() {
		<-ctx.Done()
		k.running.Wait()
	})
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
	k.running.Go(func() { k.askRuntimeUntil(ctx) })
	k.running.Go(func() { k.watchNodeUntil(ctx) })
	k.running.Go(func() { k.watchPodsUntil(ctx) })
	k.running.Go(func() { k.syncLoop(ctx) })
	k.running.Go(func() { k.reports.sendUntil(ctx) })
	k.running.Go(func() { k.housekeepUntil(ctx) })
	k.running.Go(func() { k.volumes.unmountOrphansUntil(ctx) })
}

// stop ends the process and returns when nothing of it is left: no request of it
// reaches the API any more. What its containers do is none of its business. One that
// was not started has nothing to end but its connection.
func (k *kubelet) stop() {
	k.connection.close()
	if k.end != nil {
		k.end()
	}
	k.running.Wait()
}

// syncLoop hands the pods that the source reports to their workers.
func (k *kubelet) syncLoop(ctx context.Context) {
	for k.awaitRuntime(ctx) == nil {
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
		case opAdd:
			k.add(ctx, pod)
		case opUpdate, opDelete:
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

// couldRun says whether a container of the pod may still run, as far as the kubelet
// knows: a pod without a worker may until it has looked for such (pkg/kubelet/
// pod_workers.go, CouldHaveRunningContainers).
func (k *kubelet) couldRun(uid types.UID) bool {
	if w := k.knownWorker(uid); w != nil {
		return !w.isTerminated()
	}
	return !k.housekept.Load()
}

// housekeepingPeriod is how often what is left of removed pods is cleared away.
const housekeepingPeriod = 2 * time.Second

func (k *kubelet) housekeepUntil(ctx context.Context) {
	for sleep(ctx, housekeepingPeriod) == nil {
		// Until the API has said which pods there are, nothing is known to be an orphan
		// (docs/kubernetes-facts.md §1.3).
		if k.config.seen() {
			k.housekeep(ctx)
		}
	}
}

// housekeep forgets the workers and containers of pods that are gone from the API
// and finished, and the reports of pods that are gone at all: nobody could be told
// any more (docs/kubernetes-facts.md §1.1). It kills what runs of pods that the
// kubelet has never heard of.
func (k *kubelet) housekeep(ctx context.Context) {
	k.reports.keepOnly(k.config.has)
	k.mu.Lock()
	defer k.mu.Unlock()
	for uid, w := range k.workers {
		switch pod := k.config.get(uid); {
		case !w.isFinished():
		case pod == nil:
			delete(k.workers, uid)
			k.machine.runtime.forget(uid)
		case w.orphan && pod.DeletionTimestamp != nil && isTerminal(pod.Status.Phase):
			// What ran of it was killed without it: there is still something to report.
			k.takeAsEnded(ctx, pod, k.machine.runtime.status(uid))
		}
	}
	// By now every pod that it was told of has a worker (SyncKnownPods), and only then it
	// looks at what runs.
	k.housekept.Store(true)
	if k.sees.nothing() {
		return
	}
	for _, uid := range k.orphans() {
		w := newOrphanWorker(ctx, k, uid)
		k.workers[uid] = w
		k.running.Go(func() { w.end(); w.terminateOrphan(ctx) })
	}
}

// orphans are the pods of which something runs, and of which neither the API nor
// this kubelet knows, or which it has rejected. What is mounted of them is taken away by
// another loop. It is called with the lock held.
func (k *kubelet) orphans() []types.UID {
	return slices.DeleteFunc(k.machine.runtime.running(), func(uid types.UID) bool {
		pod := k.config.get(uid)
		return k.workers[uid] != nil || pod != nil && !k.rejected(pod)
	})
}

// report tells the API what runs of a pod, in its own time. With over, no
// container runs and none will be started.
func (k *kubelet) report(pod *corev1.Pod, over bool) {
	k.reportOf(pod, k.machine.runtime.status(pod.UID), over)
}

// reportOf is report, by what the kubelet thinks that runs or ran.
func (k *kubelet) reportOf(pod *corev1.Pod, ran sandbox, over bool) {
	old, ok := k.reports.get(pod.UID)
	if !ok {
		old = pod.Status
	}
	status := generateStatus(pod, ran, old, over)
	status.HostIP = k.machine.nodeIP()
	status.HostIPs = []corev1.HostIP{{IP: status.HostIP}}
	k.reports.set(pod, status)
}
