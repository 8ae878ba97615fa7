package campaign_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// TestAReportFitsByListingLess: what is left out is counted, and nothing else changes.
func TestAReportFitsByListingLess(t *testing.T) {
	var hung []campaign.Outcome
	for n := range 1000 {
		hung = append(hung, campaign.Outcome{Seed: 1, Run: n, Scheduler: scenario.Holdfast, Ended: campaign.Hung, Error: strings.Repeat("x", 100)})
	}
	whole := campaign.NewReport(campaign.Part{Seed: 1, Runs: 1000, Shard: 1, Shards: 1}, hung)
	const limit = 40_000
	data, err := whole.Within(limit)
	if err != nil || len(data) > limit {
		t.Fatalf("%d bytes, want at most %d; error %v", len(data), limit, err)
	}
	cut, err := campaign.ReadReport(data)
	if err != nil {
		t.Fatal(err)
	}
	side := cut.Sides[0]
	if side.Hung != 1000 || len(side.Found) == 0 || len(side.Found)+side.NotListed != 1000 {
		t.Errorf("%d hung, %d listed, %d not listed", side.Hung, len(side.Found), side.NotListed)
	}
	if len(whole.Sides[0].Found) != 1000 {
		t.Error("the report itself has lost runs")
	}
	other := campaign.NewReport(campaign.Part{Seed: 2, Runs: 1, Shard: 1, Shards: 1}, nil)
	merged, err := campaign.Merge([]*campaign.Report{cut, other})
	if err != nil || merged.Sides[0].NotListed != side.NotListed {
		t.Fatalf("merged: %d not listed, error %v", merged.Sides[0].NotListed, err)
	}
	var text strings.Builder
	if err := campaign.WriteText(&text, merged); err != nil || !strings.Contains(text.String(), fmt.Sprintf("and %d runs more to look at", side.NotListed)) {
		t.Errorf("error %v in\n%s", err, text.String())
	}
	if _, err := whole.Within(100); err == nil {
		t.Error("all counts in 100 bytes")
	}
}

func TestOnlyAReportIsReadAsOne(t *testing.T) {
	for want, data := range map[string]string{
		`want a CampaignReport of sim.holdfast.dev/v1alpha1, got kind "Job" of "batch/v1"`: `{"kind":"Job","apiVersion":"batch/v1"}`,
		"unexpected end of JSON input": "",
	} {
		if _, err := campaign.ReadReport([]byte(data)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", data, err, want)
		}
	}
}
