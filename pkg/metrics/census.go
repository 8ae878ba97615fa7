package metrics

import (
	"time"

	k8smetrics "k8s.io/component-base/metrics"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// Census is what is so at this moment. It is counted anew from the guard's caches
// whenever somebody asks and is never added up, so it is right after a restart and
// after a change of leaders too.
type Census struct {
	// Held is how many identities are held.
	Held map[Hold]int
	// OldestHold is for how long the one held longest has been; 0 if none is.
	OldestHold time.Duration
	// Records is how many records there are, by phase.
	Records map[v1alpha1.Phase]int
	// OldKubelets is how many nodes have a kubelet older than 1.35 (H7).
	OldKubelets int
	// Adopted is whether every pod that ran when Holdfast came is on the record.
	Adopted bool
}

// Hold is by what identities are held.
type Hold struct {
	// Holder is the line of defence, as HeldCondition names it.
	Holder string
	// Reason is that of the verdict on the record.
	Reason tenancy.Reason
}

var (
	heldIdentities = k8smetrics.NewDesc("holdfast_held_identities",
		"Identities that are held at present, by the line of defence that holds them and by reason. The leader of the guard alone has it.",
		[]string{"holder", "reason"}, nil, k8smetrics.BETA, "")
	oldestHold = k8smetrics.NewDesc("holdfast_oldest_hold_seconds",
		"For how long the identity that is held longest has been; 0 if none is. The leader of the guard alone has it.",
		nil, nil, k8smetrics.BETA, "")
	records = k8smetrics.NewDesc("holdfast_records",
		"Records, by phase. The leader of the guard alone has it.",
		[]string{"phase"}, nil, k8smetrics.ALPHA, "")
	oldKubelets = k8smetrics.NewDesc("holdfast_old_kubelet_nodes",
		"Nodes whose kubelet is older than 1.35 and may start a deleted pod again. The leader of the guard alone has it.",
		nil, nil, k8smetrics.ALPHA, "")
	adopted = k8smetrics.NewDesc("holdfast_adopted",
		"1 once every pod that ran when Holdfast came to the cluster is on the record; until then no pod is placed. The leader of the guard alone has it.",
		nil, nil, k8smetrics.ALPHA, "")
)

// All values of the labels. Each has its series at all times, as 0 where there is
// nothing, so that a series does not begin and end with what it counts; and what
// somebody wrote into a record by hand makes no series of its own.
var (
	holders     = []string{v1alpha1.HeldByGuard, v1alpha1.HeldByScheduler}
	heldReasons = []tenancy.Reason{tenancy.ReasonInDoubt, tenancy.ReasonOccupied, tenancy.ReasonUnreadable}
	phases      = []v1alpha1.Phase{v1alpha1.Vacant, v1alpha1.Occupied, v1alpha1.InDoubt, v1alpha1.Over}
)

// censusCollector asks for the census whenever the metrics are asked for.
type censusCollector struct {
	k8smetrics.BaseStableCollector
	take func() (Census, bool)
}

func newCensusCollector(take func() (Census, bool)) *censusCollector {
	return &censusCollector{take: take}
}

// DescribeWithStability names what is collected.
func (*censusCollector) DescribeWithStability(ch chan<- *k8smetrics.Desc) {
	for _, d := range []*k8smetrics.Desc{heldIdentities, oldestHold, records, oldKubelets, adopted} {
		ch <- d
	}
}

// CollectWithStability has the census, or nothing where there is none: of two
// replicas only one may tell, or sums over both would count everything twice.
func (c *censusCollector) CollectWithStability(ch chan<- k8smetrics.Metric) {
	census, ok := c.take()
	if !ok {
		return
	}
	gauge := func(d *k8smetrics.Desc, v float64, labels ...string) {
		ch <- k8smetrics.NewLazyConstMetric(d, k8smetrics.GaugeValue, v, labels...)
	}
	for _, holder := range holders {
		for _, reason := range heldReasons {
			gauge(heldIdentities, float64(census.Held[Hold{holder, reason}]), holder, string(reason))
		}
	}
	gauge(oldestHold, census.OldestHold.Seconds())
	for _, phase := range phases {
		gauge(records, float64(census.Records[phase]), string(phase))
	}
	gauge(oldKubelets, float64(census.OldKubelets))
	if census.Adopted {
		gauge(adopted, 1)
	} else {
		gauge(adopted, 0)
	}
}
