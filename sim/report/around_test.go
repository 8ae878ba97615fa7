package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAViolationCarriesTheEventsAroundItsFirstMoment(t *testing.T) {
	moment := func(seconds int) metav1.Duration {
		return metav1.Duration{Duration: time.Duration(seconds) * time.Second}
	}
	r := &Run{Violations: []Violation{{From: moment(10)}, {From: moment(0)}, {From: moment(99)}}}
	for i := range 21 {
		r.Events = append(r.Events, Event{At: moment(i)})
	}
	r.TellAround()
	for i, want := range []struct{ from, to int }{{6, 14}, {0, 4}, {17, 21}} {
		if diff := cmp.Diff(r.Events[want.from:want.to], r.Violations[i].Around); diff != "" {
			t.Errorf("violation %d (-want,+got):\n%s", i, diff)
		}
	}
}
