package attest

import (
	"errors"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// ordinal is db-0 with a record of incarnation "old".
func ordinal(phase v1alpha1.Phase, pod *v1.Pod, change ...func(*v1alpha1.Tenancy)) *cluster.Detail {
	d := &cluster.Detail{Ordinal: cluster.Ordinal{ID: identity.Identity{Namespace: "shop", Set: "db"}}}
	d.PodsRead, d.Pod = true, pod
	d.Record = &v1alpha1.Tenancy{
		ObjectMeta: metav1.ObjectMeta{Name: "db-0"},
		Status:     v1alpha1.TenancyStatus{Phase: phase, Incarnation: &v1alpha1.Incarnation{PodUID: "old"}},
	}
	if phase == v1alpha1.Over {
		d.Record.Status.Evidence = &v1alpha1.Evidence{PodUID: "old", Kind: v1alpha1.KubeletConfirmed}
	}
	for _, c := range change {
		c(d.Record)
	}
	return d
}

func held(r *v1alpha1.Tenancy) {
	r.Status.Conditions = []metav1.Condition{{Type: v1alpha1.HeldCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.HeldByGuard, Message: "held"}}
}

func pod(uid types.UID, deleted bool) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-0", UID: uid, Finalizers: []string{v1alpha1.PodFinalizer}}}
	if deleted {
		p.DeletionTimestamp = ptr.To(metav1.NewTime(time.Unix(0, 0)))
		p.DeletionGracePeriodSeconds = ptr.To[int64](30)
	}
	return p
}

func TestAWordThatWouldDoNothingIsNotTaken(t *testing.T) {
	for name, tc := range map[string]struct {
		ordinal *cluster.Detail
		podUID  types.UID
		// want is what the refusal says; empty: it is taken.
		want string
	}{
		"held by the guard":                      {ordinal: ordinal(v1alpha1.InDoubt, pod("old", true), held)},
		"held, and named by its UID":             {ordinal: ordinal(v1alpha1.InDoubt, pod("old", true), held), podUID: "old"},
		"the object is gone":                     {ordinal: ordinal(v1alpha1.InDoubt, nil)},
		"a replacement waits":                    {ordinal: ordinal(v1alpha1.InDoubt, pod("new", false))},
		"another incarnation is meant":           {ordinal: ordinal(v1alpha1.InDoubt, pod("old", true), held), podUID: "older", want: "the latest incarnation of db-0 is old"},
		"a pod that is not being deleted":        {ordinal: ordinal(v1alpha1.Occupied, pod("old", false)), want: "kubectl delete pod db-0 -n shop"},
		"a pod that is still within its time":    {ordinal: ordinal(v1alpha1.InDoubt, pod("old", true)), want: "not held yet"},
		"an incarnation that is proven over":     {ordinal: ordinal(v1alpha1.Over, nil), want: "is over (KubeletConfirmed)"},
		"an ordinal that never was":              {ordinal: ordinal(v1alpha1.Vacant, nil, func(r *v1alpha1.Tenancy) { r.Status.Incarnation = nil }), want: "no incarnation yet"},
		"a record that contradicts itself":       {ordinal: ordinal(v1alpha1.InDoubt, nil, func(r *v1alpha1.Tenancy) { r.Status.Incarnation = nil }), want: "cannot be read"},
		"an ordinal of which there is no record": {ordinal: &cluster.Detail{}, want: "no record"},
	} {
		t.Run(name, func(t *testing.T) {
			uid, err := Check(tc.ordinal, tc.podUID)
			switch {
			case tc.want == "" && (err != nil || uid != "old"):
				t.Errorf("got %q, %v", uid, err)
			case tc.want != "" && (!errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want a refusal with %q", err, tc.want)
			}
		})
	}
}
