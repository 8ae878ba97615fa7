package rank

import (
	"math/rand"
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
)

const window = 10 * time.Minute

var defaults = config.ScoreWeights{Attached: 60, AttachErrors: 20, AttachSlots: 5, ZoneSpread: 15}

// quiet is a node on which nothing failed.
const quiet = -1

func TestScore(t *testing.T) {
	for name, tc := range map[string]struct {
		facts   Facts
		weights config.ScoreWeights
		want    int64
	}{
		"nothing is weighed":                      {facts: Facts{Volumes: 1, Attached: 1, SinceAttachError: quiet}, want: 0},
		"everything is at its best":               {Facts{Volumes: 2, Attached: 2, SinceAttachError: quiet, SlotsLeft: 8, SlotsMax: 8, OrdinalsInZoneMax: 3}, defaults, 100},
		"everything is at its worst":              {Facts{Volumes: 2, SlotsMax: 8, OrdinalsInZone: 3, OrdinalsInZoneMax: 3}, defaults, 0},
		"one of two volumes is attached":          {Facts{Volumes: 2, Attached: 1}, config.ScoreWeights{Attached: 60}, 50},
		"the pod has no volumes to be attached":   {Facts{}, config.ScoreWeights{Attached: 60}, 0},
		"attaching failed just now":               {Facts{}, config.ScoreWeights{AttachErrors: 20}, 0},
		"attaching failed half a window ago":      {Facts{SinceAttachError: window / 2}, config.ScoreWeights{AttachErrors: 20}, 50},
		"attaching failed a window ago":           {Facts{SinceAttachError: window}, config.ScoreWeights{AttachErrors: 20}, 100},
		"any number of volumes can be attached":   {Facts{}, config.ScoreWeights{AttachSlots: 5}, 100},
		"no slot is left":                         {Facts{SlotsMax: 8}, config.ScoreWeights{AttachSlots: 5}, 0},
		"more is attached than the limit says":    {Facts{SlotsLeft: -2, SlotsMax: 8}, config.ScoreWeights{AttachSlots: 5}, 0},
		"the first ordinal of its set":            {Facts{}, config.ScoreWeights{ZoneSpread: 15}, 100},
		"the zone has a third of the fullest one": {Facts{OrdinalsInZone: 1, OrdinalsInZoneMax: 3}, config.ScoreWeights{ZoneSpread: 15}, 67},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Score(tc.facts, tc.weights, window); got != tc.want {
				t.Errorf("%d, want %d", got, tc.want)
			}
			if wanted := Wanted(tc.weights); wanted != (tc.weights != config.ScoreWeights{}) {
				t.Errorf("wanted: %t", wanted)
			}
		})
	}
}

func random(chance *rand.Rand) (Facts, config.ScoreWeights) {
	weight := func() int32 { return int32(chance.Intn(3) * chance.Intn(51)) }
	return Facts{
		Volumes: chance.Intn(4), Attached: chance.Intn(4), SinceAttachError: time.Duration(chance.Intn(16)-1) * time.Minute,
		SlotsLeft: chance.Intn(10) - 1, SlotsMax: chance.Intn(10), OrdinalsInZone: chance.Intn(4), OrdinalsInZoneMax: chance.Intn(4),
	}, config.ScoreWeights{Attached: weight(), AttachErrors: weight(), AttachSlots: weight(), ZoneSpread: weight()}
}

// TestEachPartIsMonotone: what is better in one part, and the same in the others, is
// never ranked lower; and a part of weight 0 changes nothing.
func TestEachPartIsMonotone(t *testing.T) {
	parts := map[string]struct {
		better func(*Facts)
		off    func(*config.ScoreWeights)
	}{
		"attached": {func(f *Facts) { f.Attached++ }, func(w *config.ScoreWeights) { w.Attached = 0 }},
		"attach errors": {func(f *Facts) {
			if f.SinceAttachError >= 0 {
				f.SinceAttachError += time.Minute
			}
		}, func(w *config.ScoreWeights) { w.AttachErrors = 0 }},
		"attach slots": {func(f *Facts) { f.SlotsLeft++ }, func(w *config.ScoreWeights) { w.AttachSlots = 0 }},
		"zone spread":  {func(f *Facts) { f.OrdinalsInZone-- }, func(w *config.ScoreWeights) { w.ZoneSpread = 0 }},
	}
	for seed := range int64(5000) {
		facts, weights := random(rand.New(rand.NewSource(seed)))
		score := Score(facts, weights, window)
		if score < 0 || score > ScoreMax {
			t.Fatalf("seed %d: %d", seed, score)
		}
		for name, part := range parts {
			better := facts
			part.better(&better)
			if got := Score(better, weights, window); got < score {
				t.Errorf("seed %d, %s: %+v has %d, the better %+v %d", seed, name, facts, score, better, got)
			}
			without := weights
			part.off(&without)
			if a, b := Score(facts, without, window), Score(better, without, window); a != b {
				t.Errorf("seed %d, %s of weight 0: %d and %d", seed, name, a, b)
			}
		}
	}
}
