// Package rank says which of the nodes within reach is the better one for a pod: a pure
// function of facts and weights. It decides nothing about safety; a node that is not
// within reach never gets here.
package rank

import (
	"time"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
)

// ScoreMax is the best score, as the scheduling framework has it.
const ScoreMax = 100

// Facts are what is known of one node for one pod.
type Facts struct {
	// Volumes is how many volumes the pod uses that are attached to nodes.
	Volumes int
	// Attached is how many of them are attached to this node still.
	Attached int
	// SinceAttachError is how long ago attaching anything to the node failed last;
	// negative: it did not.
	SinceAttachError time.Duration
	// SlotsLeft is how many more volumes can be attached to the node, of SlotsMax; a
	// SlotsMax of 0: any number.
	SlotsLeft, SlotsMax int
	// OrdinalsInZone is how many other ordinals of the pod's set are in the node's zone,
	// OrdinalsInZoneMax how many there are in the fullest zone of all nodes that are ranked.
	OrdinalsInZone, OrdinalsInZoneMax int
}

// Wanted tells whether any part is weighed at all.
func Wanted(w config.ScoreWeights) bool {
	return w.Attached > 0 || w.AttachErrors > 0 || w.AttachSlots > 0 || w.ZoneSpread > 0
}

// Score ranks the node from 0 to ScoreMax: the mean of its parts by their weights. A
// part of weight 0 is not asked; without any weight every node has 0. Failures to
// attach older than the window do not count.
func Score(f Facts, w config.ScoreWeights, window time.Duration) int64 {
	sum, weights := 0.0, 0.0
	for _, part := range []struct {
		weight int32
		value  float64
	}{
		{w.Attached, share(f.Attached, f.Volumes, 0)},
		{w.AttachErrors, calm(f.SinceAttachError, window)},
		{w.AttachSlots, share(f.SlotsLeft, f.SlotsMax, 1)},
		{w.ZoneSpread, 1 - share(f.OrdinalsInZone, f.OrdinalsInZoneMax, 0)},
	} {
		if part.weight > 0 {
			sum += float64(part.weight) * part.value
			weights += float64(part.weight)
		}
	}
	if weights == 0 {
		return 0
	}
	return int64(sum/weights*ScoreMax + 0.5)
}

// share is part of whole from 0 to 1, and none of a whole that is 0 or less.
func share(part, whole int, none float64) float64 {
	if whole <= 0 {
		return none
	}
	return min(max(float64(part)/float64(whole), 0), 1)
}

// calm is 0 right after a failure and 1 again when it is as old as the window.
func calm(since, window time.Duration) float64 {
	if since < 0 || window <= 0 || since >= window {
		return 1
	}
	return float64(since) / float64(window)
}
