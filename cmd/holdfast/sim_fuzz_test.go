package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

func TestThePlanOfARunIsAScenarioFile(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run([]string{"sim", "fuzz", "--seed", "3", "--run", "4", "--print"}, &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	s, err := scenario.Parse("plan.yaml", out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "seed-3-run-4" {
		t.Errorf("name %q", s.Name)
	}
	out.Reset()
	if code := run([]string{"sim", "fuzz", "--runs", "6", "--shard", "2/3", "--print"}, &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	if got := out.String(); strings.Count(got, "\n---\n") != 1 || !strings.Contains(got, "name: seed-1-run-1\n") || !strings.Contains(got, "name: seed-1-run-4\n") {
		t.Errorf("not the runs 1 and 4:\n%s", got)
	}
}

func TestFuzzRefusesBadFlags(t *testing.T) {
	for want, flags := range map[string][]string{
		`--shard "3/2": must be i/n, with i from 1 to n`:                       {"--shard", "3/2"},
		`--shard "1/2/3": must be i/n, with i from 1 to n`:                     {"--shard", "1/2/3"},
		`--runs 0: must be 1 or more`:                                          {"--runs", "0"},
		`--run and --shard: at most one of them`:                               {"--run", "1", "--shard", "1/2"},
		`--schedulers "holdfast,nomad": must be holdfast, default, or both`:    {"--schedulers", "holdfast,nomad"},
		`--schedulers "holdfast,holdfast": must be holdfast, default, or both`: {"--schedulers", "holdfast,holdfast"},
		`--sample 0: must be 1 or more`:                                        {"--sample", "0"},
		`--resume: there is no journal without --out`:                          {"--resume"},
		`--limit 0s: must be greater than zero`:                                {"--limit", "0s"},
		`--output "yaml": must be text or json`:                                {"-o", "yaml"},
	} {
		var out, errOut bytes.Buffer
		if code := run(append([]string{"sim", "fuzz"}, flags...), &out, &errOut); code != exitInput || !strings.Contains(errOut.String(), want) {
			t.Errorf("%v: exit code %d, want 2; said %q, want %q", flags, code, errOut.String(), want)
		}
	}
}

// One run is really played, by another process, and leaves its line in the journal.
func TestARunOfACampaignIsPlayed(t *testing.T) {
	t.Setenv(playsFor, "1")
	folder := t.TempDir()
	var out, errOut bytes.Buffer
	code := run([]string{"sim", "fuzz", "--seed", "2", "--run", "41", "--schedulers", "holdfast", "--out", folder, "-o", "json"}, &out, &errOut)
	if code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, errOut.String(), out.String())
	}
	var r campaign.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Kind != campaign.Kind || len(r.Sides) != 1 || r.Sides[0].Runs != 1 || r.Sides[0].Met["S4"] == 0 || r.Sides[0].Wall.Duration == 0 {
		t.Errorf("report:\n%s", out.String())
	}
	journal, err := os.ReadFile(filepath.Join(folder, campaign.JournalName))
	if err != nil || bytes.Count(journal, []byte("\n")) != 1 {
		t.Errorf("journal %q, error %v", journal, err)
	}
}

func TestReportsOfShardsAreAddedUp(t *testing.T) {
	var files []string
	for shard := 1; shard <= 2; shard++ {
		r := campaign.NewReport(campaign.Part{Seed: 1, Runs: 2, Shard: shard, Shards: 2}, []campaign.Outcome{
			{Seed: 1, Run: shard - 1, Scheduler: scenario.Holdfast, Ended: campaign.Played, Met: map[string]int{"S1": shard}},
		})
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "shard.json")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	var out, errOut bytes.Buffer
	if code := run(append([]string{"sim", "fuzz", "merge"}, files...), &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	for _, want := range []string{"2 runs of seed 1\n", "2 runs played", "S1 3\n", "passed\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not said:\n%s", want, out.String())
		}
	}
	if code := run([]string{"sim", "fuzz", "merge", files[0], files[0]}, &out, &errOut); code != exitInput {
		t.Errorf("one shard twice: exit code %d", code)
	}
	other := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(other, []byte(`{"kind":"RunReport"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"sim", "fuzz", "merge", other}, &out, &errOut); code != exitInput {
		t.Errorf("a report of a run: exit code %d", code)
	}
}

func TestAScenarioIsMadeSmaller(t *testing.T) {
	t.Setenv(playsFor, "1")
	folder := t.TempDir()
	file := filepath.Join(folder, "stuck.yaml")
	whole := strings.Replace(unmet, "count: 1", "count: 2", 1) + "timeline:\n  - {at: 10s, crash: {node: a-1}}\n"
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	if code := run([]string{"sim", "shrink", file}, &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	s, err := scenario.Parse("small.yaml", out.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if len(s.Timeline) > 0 || s.Cluster.NodeGroups[0].Count != 1 {
		t.Errorf("it could be smaller:\n%s", out.String())
	}
	if left, err := filepath.Glob(filepath.Join(folder, ".candidate*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, error %v", left, err)
	}
	if err := os.WriteFile(file, []byte(idle), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"sim", "shrink", file}, &out, &errOut); code != exitUnmet {
		t.Errorf("nothing is broken: exit code %d", code)
	}
}
