package explain

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

var start = metav1.NewTime(time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC))

// record is one of incarnation "old" on node a.
func record(phase v1alpha1.Phase, change ...func(*v1alpha1.Tenancy)) *v1alpha1.Tenancy {
	r := &v1alpha1.Tenancy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-0"},
		Status: v1alpha1.TenancyStatus{Phase: phase, Epoch: 7, Incarnation: &v1alpha1.Incarnation{
			PodUID: "old", Nodes: []v1alpha1.CandidateNode{{Name: "a", UID: "node-a", BootIDs: []string{"boot"}}},
		}},
	}
	if phase == v1alpha1.Over {
		r.Status.Evidence = &v1alpha1.Evidence{Kind: v1alpha1.KubeletConfirmed, PodUID: "old"}
	}
	for _, c := range change {
		c(r)
	}
	return r
}

func announced(r *v1alpha1.Tenancy) {
	r.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.HeldCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.HeldByGuard, Message: "said by the guard", LastTransitionTime: start,
	}}
}

// pod is one on node a with the guard's finalizer.
func pod(uid string, change ...func(*v1.Pod)) *v1.Pod {
	p := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-0", UID: types.UID(uid), Finalizers: []string{v1alpha1.PodFinalizer}},
		Spec:       v1.PodSpec{NodeName: "a", Containers: []v1.Container{{Name: "main"}}},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

// deleted is asked for with so many seconds of grace.
func deleted(grace int64) func(*v1.Pod) {
	return func(p *v1.Pod) { p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &start, &grace }
}

func unbound(p *v1.Pod) { p.Spec.NodeName = "" }

// confirmed is the kubelet's final report.
func confirmed(p *v1.Pod) {
	p.Status.Phase = v1.PodFailed
	p.Status.ContainerStatuses = []v1.ContainerStatus{{Name: "main", State: v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ContainerID: "c"}}}}
	p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet", Subresource: "status", FieldsV1: metav1.NewFieldsV1(`{"f:status":{"f:phase":{}}}`)}}
}

func TestWhatIsHeldAndWhatWouldLetTwoRun(t *testing.T) {
	const byGuard, byScheduler = v1alpha1.HeldByGuard, v1alpha1.HeldByScheduler
	for name, tc := range map[string]struct {
		record *v1alpha1.Tenancy
		pod    *v1.Pod
		unread bool
		// wantBy is who holds; empty: nobody.
		wantBy  string
		wantTwo bool
	}{
		"a pod that runs": {record: record(v1alpha1.Occupied), pod: pod("old")},
		"the guard says that it holds": {
			record: record(v1alpha1.InDoubt, announced), pod: pod("old", deleted(0)), wantBy: byGuard, wantTwo: true,
		},
		"the guard says so and pods cannot be read": {
			record: record(v1alpha1.InDoubt, announced), unread: true, wantBy: byGuard, wantTwo: true,
		},
		"a pod that is being deleted within its time": {record: record(v1alpha1.InDoubt), pod: pod("old", deleted(30))},
		"a pod that was force-deleted a moment ago, of which the guard has said nothing yet": {
			record: record(v1alpha1.Occupied), pod: pod("old", deleted(0)), wantTwo: true,
		},
		"a pod that was force-deleted and whose kubelet has confirmed": {
			record: record(v1alpha1.InDoubt), pod: pod("old", deleted(0), confirmed),
		},
		"a pod whose record is closed, about to be let go": {record: record(v1alpha1.Over), pod: pod("old", deleted(0))},
		"no object has the name any more": {
			record: record(v1alpha1.Occupied), wantBy: byScheduler, wantTwo: true,
		},
		"no object was looked for": {record: record(v1alpha1.Occupied), unread: true},
		"a replacement waits": {
			record: record(v1alpha1.InDoubt), pod: pod("new", unbound), wantBy: byScheduler, wantTwo: true,
		},
		"the next incarnation may come":       {record: record(v1alpha1.Over), pod: pod("new", unbound)},
		"an ordinal that never was":           {record: record(v1alpha1.Vacant, func(r *v1alpha1.Tenancy) { r.Status.Incarnation = nil })},
		"no record, and the pod runs":         {pod: pod("old")},
		"no record, and nothing has the name": {},
		"no record, and the pod was force-deleted": {
			pod: pod("old", deleted(0)), wantTwo: true,
		},
		"no record, and the pod was deleted before it was bound": {
			pod: pod("old", deleted(0), unbound),
		},
		"a record that contradicts itself": {
			record: record(v1alpha1.Over, func(r *v1alpha1.Tenancy) { r.Status.Evidence = nil }), pod: pod("old"), wantBy: byScheduler, wantTwo: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := Facts{Record: tc.record, Pod: tc.pod, PodsRead: !tc.unread}
			got := ""
			if hold := HoldOf(f); hold != nil {
				got = hold.By
				if hold.Message == "" {
					t.Error("the hold does not say why")
				}
			}
			if got != tc.wantBy {
				t.Errorf("held by %q, want %q", got, tc.wantBy)
			}
			if why := LetsTwoRun(f); (why != "") != tc.wantTwo {
				t.Errorf("lets two run: %q, want %t", why, tc.wantTwo)
			}
		})
	}
}

func TestTheWordOfTheGuardGoesFirst(t *testing.T) {
	hold := HoldOf(Facts{Record: record(v1alpha1.InDoubt, announced), Pod: pod("new", unbound), PodsRead: true})
	if hold == nil || hold.Message != "said by the guard" || hold.Since != start {
		t.Errorf("got %+v", hold)
	}
}

func TestEveryRuleSaysWhatItMisses(t *testing.T) {
	missing := func(f Facts, rule string) []string {
		for _, w := range Ways(f) {
			if w.Rule == rule {
				return w.Missing
			}
		}
		t.Fatalf("there is no way %s", rule)
		return nil
	}
	f := Facts{Record: record(v1alpha1.InDoubt), Pod: pod("old", deleted(0)), PodsRead: true}
	if got := missing(f, "Attested"); !slices.Equal(got, []string{"an attestation for this pod UID"}) {
		t.Errorf("the attestation misses %q", got)
	}
	if got := missing(f, "KubeletConfirmedByPhase"); !slices.Contains(got, "a terminal phase") {
		t.Errorf("the kubelet's report misses %q", strings.Join(got, ", "))
	}
	f.Pod = pod("old", deleted(0), confirmed)
	if got := missing(f, "KubeletConfirmedByPhase"); len(got) != 0 {
		t.Errorf("the kubelet's report misses %q after it came", strings.Join(got, ", "))
	}
	f.PodsRead, f.Pod = false, nil
	if got := missing(f, "KubeletConfirmedByPhase"); len(got) == 0 {
		t.Error("the kubelet's report misses nothing where the pod could not be read")
	}
	if ways := Ways(Facts{Record: record(v1alpha1.Over)}); ways != nil {
		t.Errorf("what is over has ways: %v", ways)
	}
}
