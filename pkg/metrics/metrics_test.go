package metrics

import (
	"strings"
	"testing"
	"time"

	k8smetrics "k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/testutil"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

func TestWhatIsObservedBeforeRegistrationGoesNowhere(t *testing.T) {
	Judged(true, string(tenancy.ReasonInDoubt))
	BindRetried()
	Released(v1alpha1.Attested)
	HoldEnded(v1alpha1.Attested, time.Minute)
	OrderWaiting()("Bound", time.Second)
	ReachHas("Node", 1)
	ReachUpdated("Node", time.Millisecond)

	registry := k8smetrics.NewKubeRegistry()
	registry.MustRegister(all...)
	Released(v1alpha1.KubeletConfirmed)
	RecordOvertaken()
	want := `
# HELP holdfast_bind_retries_total [ALPHA] Bindings that were posted again, because the pod had changed since it was judged or the answer to the binding was lost.
# TYPE holdfast_bind_retries_total counter
holdfast_bind_retries_total 0
# HELP holdfast_record_conflicts_total [ALPHA] Writes of a record that somebody else's write had overtaken, each of which was tried again from a new read.
# TYPE holdfast_record_conflicts_total counter
holdfast_record_conflicts_total 1
# HELP holdfast_releases_total [BETA] Incarnations that were proven, or said, to be over, by the kind of evidence.
# TYPE holdfast_releases_total counter
holdfast_releases_total{evidence="KubeletConfirmed"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want),
		"holdfast_bind_retries_total", "holdfast_record_conflicts_total", "holdfast_releases_total"); err != nil {
		t.Error(err)
	}
}

func TestTheCensusIsTakenAnewEachTimeAndByTheLeaderAlone(t *testing.T) {
	census, leads := Census{
		Held: map[Hold]int{
			{v1alpha1.HeldByGuard, tenancy.ReasonInDoubt}: 2,
			{"by hand", "by hand"}:                        1,
		},
		OldestHold:  90 * time.Second,
		Records:     map[v1alpha1.Phase]int{v1alpha1.Over: 3, "by hand": 1},
		OldKubelets: 4,
		Adopted:     true,
	}, true
	registry := k8smetrics.NewKubeRegistry()
	registry.CustomMustRegister(newCensusCollector(func() (Census, bool) { return census, leads }))
	compare := func(want string) {
		t.Helper()
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "holdfast_held_identities", "holdfast_oldest_hold_seconds", "holdfast_records", "holdfast_old_kubelet_nodes"); err != nil {
			t.Error(err)
		}
	}
	shown := func(held, oldest, over, old string) string {
		return `
# HELP holdfast_held_identities [BETA] Identities that are held at present, by the line of defence that holds them and by reason. The leader of the guard alone has it.
# TYPE holdfast_held_identities gauge
holdfast_held_identities{holder="HeldByGuard",reason="PredecessorInDoubt"} ` + held + `
holdfast_held_identities{holder="HeldByGuard",reason="PredecessorOccupied"} 0
holdfast_held_identities{holder="HeldByGuard",reason="RecordUnreadable"} 0
holdfast_held_identities{holder="HeldByScheduler",reason="PredecessorInDoubt"} 0
holdfast_held_identities{holder="HeldByScheduler",reason="PredecessorOccupied"} 0
holdfast_held_identities{holder="HeldByScheduler",reason="RecordUnreadable"} 0
# HELP holdfast_old_kubelet_nodes [ALPHA] Nodes whose kubelet is older than 1.35 and may start a deleted pod again. The leader of the guard alone has it.
# TYPE holdfast_old_kubelet_nodes gauge
holdfast_old_kubelet_nodes ` + old + `
# HELP holdfast_oldest_hold_seconds [BETA] For how long the identity that is held longest has been; 0 if none is. The leader of the guard alone has it.
# TYPE holdfast_oldest_hold_seconds gauge
holdfast_oldest_hold_seconds ` + oldest + `
# HELP holdfast_records [ALPHA] Records, by phase. The leader of the guard alone has it.
# TYPE holdfast_records gauge
holdfast_records{phase="InDoubt"} 0
holdfast_records{phase="Occupied"} 0
holdfast_records{phase="Over"} ` + over + `
holdfast_records{phase="Vacant"} 0
`
	}
	compare(shown("2", "90", "3", "4"))
	census = Census{}
	compare(shown("0", "0", "0", "0"))
	leads = false
	compare("")
}
