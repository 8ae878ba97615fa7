package campaign_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

func at(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

// What a campaign counts is read from a run in which something was played, something was
// not, and something is for the other scheduler.
func TestWhatIsCountedOfARun(t *testing.T) {
	s := &scenario.Scenario{
		Timeline: []scenario.Step{
			{At: at(time.Minute), Crash: &scenario.NodeTarget{Node: "a-0"}},
			{At: at(time.Minute), Delete: &scenario.PodTarget{Pod: "db-0"}},
			{At: at(time.Minute), Schedulers: []scenario.Scheduler{scenario.Default}, Delete: &scenario.PodTarget{Pod: "db-1"}},
			{At: at(2 * time.Minute), PowerOn: &scenario.NodeTarget{Node: "a-0"}},
		},
		Expect: map[scenario.Scheduler]scenario.Expectation{scenario.Holdfast: {Ordinals: []scenario.Ordinal{
			{Name: "db-0", State: scenario.Running}, {Name: "db-1", State: scenario.Running},
		}}},
	}
	told := &report.Run{
		Until: metav1.Duration{Duration: time.Hour},
		Checks: []report.Check{
			{Name: "timeline[1] is played: delete db-0", Got: "not found"},
			{Name: "S1: no identity ever ran twice", OK: true},
		},
		Events: []report.Event{
			{Kind: report.Over, Evidence: "KubeletConfirmed"}, {Kind: report.Released, Evidence: "Fenced"}, {Kind: report.Held},
		},
		Faults: []report.Fault{
			{Kind: "crash", From: *at(time.Minute), To: at(2 * time.Minute)},
			{Kind: "powerOn", From: *at(2 * time.Minute), To: at(2 * time.Minute)},
			{Kind: "delete", From: *at(time.Minute), To: at(time.Minute)},
		},
		Holds: []report.Hold{
			{Ordinal: "default/db-0", From: *at(90 * time.Second), To: at(3 * time.Minute)},
			{Ordinal: "default/db-1", From: *at(150 * time.Second)},
		},
		Ordinals: []report.Ordinal{
			{Name: "default/db-0", State: "Running", Incarnations: 3}, {Name: "default/db-1", State: "Held", Incarnations: 1},
			{Name: "default/web-0", State: "Held", Unprovable: true},
		},
		Violations: []report.Violation{{Invariant: "S1", By: "default/db-0", Outside: "Fenced"}},
		Met:        map[string]int{"S1": 2, "S3": 4},
	}
	o := campaign.Outcome{Scheduler: scenario.Holdfast}
	campaign.PlayOnce(t.Context(), func(context.Context, string, scenario.Scheduler) (*report.Run, error) { return told, nil }, time.Hour, s, "", &o)
	o.Wall = metav1.Duration{}
	want := campaign.Outcome{
		Scheduler: scenario.Holdfast, Ended: campaign.Played, Virtual: *at(time.Hour),
		Steps: 3, NotPlayed: 1,
		Bit:      map[string]int{"crash": 1},
		HeldIn:   map[string]int{"node": 1},
		Evidence: map[string]int{"KubeletConfirmed": 1, "Fenced": 1},
		Met:      map[string]int{"S1": 2, "S3": 4, "L4": 2},
		// Of web nothing is asked, web-1 included: one of it waits for a human.
		Unprovable: 1,
		Broken: []campaign.Broken{
			{Invariant: "S1", By: "default/db-0", Outside: "Fenced"},
			{Invariant: "L4", By: "default/db-1", From: *at(time.Hour), Why: "it is Held at the end"},
		},
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("got  %+v\nwant %+v", o, want)
	}
}
