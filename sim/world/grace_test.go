package world

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestFact1_1_EffectiveGrace(t *testing.T) {
	seconds := func(s int64) *int64 { return &s }
	tests := map[string]struct {
		current        int64
		deletion, spec *int64
		want           int64
	}{
		"force delete: never below one second":                   {deletion: seconds(0), spec: seconds(600), want: 1},
		"graceful delete: what the API says":                     {deletion: seconds(30), spec: seconds(600), want: 30},
		"only the removal was seen: the spec's full period":      {spec: seconds(600), want: 600},
		"removal after a graceful delete: the shorter one stays": {current: 30, deletion: seconds(30), spec: seconds(600), want: 30},
		"a second delete shortens it":                            {current: 30, deletion: seconds(5), spec: seconds(600), want: 5},
		"a second delete cannot lengthen it":                     {current: 5, deletion: seconds(30), spec: seconds(600), want: 5},
		"force delete after a graceful one":                      {current: 30, deletion: seconds(0), spec: seconds(600), want: 1},
		"nobody ever said":                                       {want: 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{}
			pod.DeletionGracePeriodSeconds, pod.Spec.TerminationGracePeriodSeconds = tc.deletion, tc.spec
			if got := effectiveGrace(tc.current, pod); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestFact1_1_RuntimeRaisesTheGraceToTwoSeconds(t *testing.T) {
	for seconds, want := range map[int64]time.Duration{1: 2 * time.Second, 2: 2 * time.Second, 30: 30 * time.Second} {
		if got := runtimeGrace(seconds); got != want {
			t.Errorf("%d: got %v, want %v", seconds, got, want)
		}
	}
}

func TestStopping(t *testing.T) {
	tests := map[string]struct {
		annotation string
		// askedBefore is how long ago somebody sent SIGTERM already.
		askedBefore, grace time.Duration
		wantBySelf         bool
	}{
		"stops in a second by itself":         {grace: 30 * time.Second, wantBySelf: true},
		"takes its time within the grace":     {annotation: "20", grace: 30 * time.Second, wantBySelf: true},
		"takes the whole grace":               {annotation: "20", grace: 20 * time.Second, wantBySelf: true},
		"is killed when the grace is over":    {annotation: "20", grace: 2 * time.Second},
		"was asked by another kubelet before": {annotation: "20", askedBefore: 19 * time.Second, grace: 2 * time.Second, wantBySelf: true},
		"only SIGKILL ends it":                {annotation: NeverStops, grace: 30 * time.Second},
		"an unreadable annotation is no wish": {annotation: "soon", grace: 30 * time.Second, wantBySelf: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{}
			if tc.annotation != "" {
				pod.Annotations = map[string]string{StopSecondsAnnotation: tc.annotation}
			}
			asked := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			if got := stoppingOf(pod).heeds(asked, asked.Add(tc.askedBefore+tc.grace)); got != tc.wantBySelf {
				t.Errorf("ends by itself: got %t, want %t", got, tc.wantBySelf)
			}
		})
	}
}
