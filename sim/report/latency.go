package report

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Latency sums up lengths of virtual time.
type Latency struct {
	Count int             `json:"count"`
	P50   metav1.Duration `json:"p50"`
	P99   metav1.Duration `json:"p99"`
	Max   metav1.Duration `json:"max"`
}

// LatencyOf sums up lengths that are sorted; nil if there are none. A percentile is the
// smallest length that so many of a hundred do not exceed.
func LatencyOf(sorted []time.Duration) *Latency {
	n := len(sorted)
	if n == 0 {
		return nil
	}
	at := func(percent int) metav1.Duration { return metav1.Duration{Duration: sorted[(n*percent+99)/100-1]} }
	return &Latency{Count: n, P50: at(50), P99: at(99), Max: at(100)}
}
