// Package metrics is what Holdfast counts, in the registry that kube-scheduler
// serves under /metrics. docs/reference.md lists all of it.
//
// No label has the name of an object: there are as many series as there are words in
// the code. What is observed before Register goes nowhere, so the simulator and the
// tests, which never register, count nothing. The decision packages know nothing of
// this one: adapters observe.
package metrics

import (
	"cmp"
	"strconv"
	"sync"
	"time"

	k8smetrics "k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

const namespace = "holdfast"

// holdBuckets reach from a kubelet that is a little late to a machine that nobody
// looks after over a long weekend.
var holdBuckets = []float64{1, 5, 15, 60, 5 * 60, 15 * 60, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}

// waitBuckets reach from a bind to what an autoscaler needs for a node.
var waitBuckets = []float64{0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 5 * 60, 15 * 60, 3600}

// updateBuckets reach from a microsecond to a second.
var updateBuckets = k8smetrics.ExponentialBuckets(1e-6, 4, 11)

var (
	verdicts = k8smetrics.NewCounterVec(&k8smetrics.CounterOpts{
		Namespace:      namespace,
		Name:           "preenqueue_verdicts_total",
		Help:           "Verdicts of the gate before the scheduling queue, by whether the pod was gated and by reason. A pod that stays gated is judged again about every 5 minutes.",
		StabilityLevel: k8smetrics.ALPHA,
	}, []string{"gated", "reason"})

	bindRetries = k8smetrics.NewCounter(&k8smetrics.CounterOpts{
		Namespace:      namespace,
		Name:           "bind_retries_total",
		Help:           "Bindings that were posted again, because the pod had changed since it was judged or the answer to the binding was lost.",
		StabilityLevel: k8smetrics.ALPHA,
	})

	recordConflicts = k8smetrics.NewCounter(&k8smetrics.CounterOpts{
		Namespace:      namespace,
		Name:           "record_conflicts_total",
		Help:           "Writes of a record that somebody else's write had overtaken, each of which was tried again from a new read.",
		StabilityLevel: k8smetrics.ALPHA,
	})

	recordsCollected = k8smetrics.NewCounter(&k8smetrics.CounterOpts{
		Namespace:      namespace,
		Name:           "records_collected_total",
		Help:           "Records that were removed because neither set, pod nor claim was left.",
		StabilityLevel: k8smetrics.ALPHA,
	})

	releases = k8smetrics.NewCounterVec(&k8smetrics.CounterOpts{
		Namespace:      namespace,
		Name:           "releases_total",
		Help:           "Incarnations that were proven, or said, to be over, by the kind of evidence.",
		StabilityLevel: k8smetrics.BETA,
	}, []string{"evidence"})

	holdDuration = k8smetrics.NewHistogramVec(&k8smetrics.HistogramOpts{
		Namespace:      namespace,
		Name:           "hold_duration_seconds",
		Help:           "How long identities were held, by the kind of evidence that released them. Deletions that nobody had to wait for are not among them.",
		Buckets:        holdBuckets,
		StabilityLevel: k8smetrics.ALPHA,
	}, []string{"evidence"})

	orderWait = k8smetrics.NewHistogramVec(&k8smetrics.HistogramOpts{
		Namespace:      namespace,
		Name:           "order_wait_duration_seconds",
		Help:           "How long pods that had a node waited for the bind of the ordinal before them, by how the wait ended.",
		Buckets:        waitBuckets,
		StabilityLevel: k8smetrics.ALPHA,
	}, []string{"outcome"})

	orderWaiting = k8smetrics.NewGauge(&k8smetrics.GaugeOpts{
		Namespace:      namespace,
		Name:           "order_waiting_pods",
		Help:           "Pods that have a node and wait for the bind of the ordinal before them.",
		StabilityLevel: k8smetrics.ALPHA,
	})

	reachObjects = k8smetrics.NewGaugeVec(&k8smetrics.GaugeOpts{
		Namespace:      namespace,
		Name:           "reach_index_objects",
		Help:           "Objects in the index that tells from which nodes a volume can be used, by kind.",
		StabilityLevel: k8smetrics.ALPHA,
	}, []string{"kind"})

	reachUpdate = k8smetrics.NewHistogramVec(&k8smetrics.HistogramOpts{
		Namespace:      namespace,
		Name:           "reach_index_update_duration_seconds",
		Help:           "How long it took to bring one changed object into the index of reach, by kind.",
		Buckets:        updateBuckets,
		StabilityLevel: k8smetrics.ALPHA,
	}, []string{"kind"})
)

// all are the metrics that are written to. Those of the census are read when asked.
var all = []k8smetrics.Registerable{
	verdicts, bindRetries, recordConflicts, recordsCollected, releases, holdDuration,
	orderWait, orderWaiting, reachObjects, reachUpdate,
}

var once sync.Once

// Register puts all metrics into the registry that kube-scheduler serves. The census
// is taken when somebody asks. Only the first call counts.
func Register(take func() (Census, bool)) {
	once.Do(func() {
		legacyregistry.MustRegister(all...)
		legacyregistry.CustomMustRegister(newCensusCollector(take))
	})
}

// Judged counts a verdict of the gate. Pods of which no record can speak have no reason.
func Judged(gated bool, reason string) {
	verdicts.WithLabelValues(strconv.FormatBool(gated), cmp.Or(reason, "NoIdentity")).Inc()
}

// BindRetried counts a binding that is posted again.
func BindRetried() { bindRetries.Inc() }

// RecordOvertaken counts a write of a record that another writer was faster than.
func RecordOvertaken() { recordConflicts.Inc() }

// RecordCollected counts a record that nobody needs any more.
func RecordCollected() { recordsCollected.Inc() }

// Released counts an incarnation that is over.
func Released(evidence v1alpha1.EvidenceKind) { releases.WithLabelValues(string(evidence)).Inc() }

// HoldEnded observes how long an identity was held.
func HoldEnded(evidence v1alpha1.EvidenceKind, held time.Duration) {
	holdDuration.WithLabelValues(string(evidence)).Observe(max(held, 0).Seconds())
}

// OrderWaiting counts a pod that waits for the ordinal before it, until ended is
// called with how that came out and how long it took.
func OrderWaiting() (ended func(outcome string, waited time.Duration)) {
	orderWaiting.Inc()
	return func(outcome string, waited time.Duration) {
		orderWaiting.Dec()
		orderWait.WithLabelValues(outcome).Observe(max(waited, 0).Seconds())
	}
}

// ReachHas says how many objects of a kind are in the index of reach.
func ReachHas(kind string, objects int) { reachObjects.WithLabelValues(kind).Set(float64(objects)) }

// ReachUpdated observes how long it took to bring an object into the index of reach.
func ReachUpdated(kind string, took time.Duration) {
	reachUpdate.WithLabelValues(kind).Observe(max(took, 0).Seconds())
}
