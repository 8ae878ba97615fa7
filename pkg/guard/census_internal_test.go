package guard

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/metrics"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

func TestCensusCountsWhatTheCachesShow(t *testing.T) {
	unreadable := recorded(v1alpha1.InDoubt)
	unreadable.Status.Incarnation = nil
	g := &Guard{
		clock:     clocktesting.NewFakePassiveClock(start.Add(time.Hour)),
		tenancies: cache.NewSharedIndexInformer(&cache.ListWatch{}, &v1alpha1.Tenancy{}, 0, cache.Indexers{}),
		nodes:     &nodeWatch{clock: clock.RealClock{}, nodes: map[string]*v1.Node{}},
		adoption:  newAdoption(),
	}
	for name, record := range map[string]*v1alpha1.Tenancy{
		"web-0": heldRecord(v1alpha1.HeldByGuard, "why"),
		"web-1": heldRecord(v1alpha1.HeldByScheduler, "why"),
		"web-2": heldRecord(v1alpha1.NotHeld, "why"),
		"web-3": recorded(v1alpha1.InDoubt),
		"web-4": recorded(v1alpha1.Occupied),
		"web-5": recorded(v1alpha1.Over),
		"web-6": unreadable,
		"web-7": tenancy.New(web0),
	} {
		record.Name = name
		if err := g.tenancies.GetStore().Add(record); err != nil {
			t.Fatal(err)
		}
	}
	for name, version := range map[string]string{"a": "v1.34.9", "b": "v1.35.0", "c": "unknown", "d": ""} {
		node := &v1.Node{}
		node.Status.NodeInfo.KubeletVersion = version
		g.nodes.nodes[name] = node
	}

	if _, ok := g.Census(); ok {
		t.Error("a guard that does not lead counts too")
	}
	g.leading.Store(true)
	census, ok := g.Census()
	if !ok {
		t.Fatal("the leader does not count")
	}
	for hold, want := range map[metrics.Hold]int{
		{Holder: v1alpha1.HeldByGuard, Reason: tenancy.ReasonInDoubt}:        1,
		{Holder: v1alpha1.HeldByScheduler, Reason: tenancy.ReasonInDoubt}:    1,
		{Holder: v1alpha1.HeldByScheduler, Reason: tenancy.ReasonUnreadable}: 1,
	} {
		if got := census.Held[hold]; got != want {
			t.Errorf("%d are held as %+v, want %d", got, hold, want)
		}
	}
	if got := len(census.Held); got != 3 {
		t.Errorf("held in %d ways, want 3: %v", got, census.Held)
	}
	if census.OldestHold != time.Hour {
		t.Errorf("the oldest hold is of %s, want an hour", census.OldestHold)
	}
	for phase, want := range map[v1alpha1.Phase]int{v1alpha1.Vacant: 1, v1alpha1.Occupied: 1, v1alpha1.InDoubt: 5, v1alpha1.Over: 1} {
		if got := census.Records[phase]; got != want {
			t.Errorf("%d records are %s, want %d", got, phase, want)
		}
	}
	if census.OldKubelets != 2 {
		t.Errorf("%d old kubelets, want 2: one is of 1.34, of one the version cannot be read", census.OldKubelets)
	}
	if census.Adopted {
		t.Error("adopted without the mark")
	}
}
