package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/report"
)

func newFuzzMergeCommand() *cobra.Command {
	o := &fuzzOptions{}
	c := &cobra.Command{
		Use:   "merge FILE...",
		Short: "Add up the reports of a campaign's shards",
		Long: `Add up reports that sim fuzz -o json wrote, of shards or of different seeds. All
shards of a campaign make the same counts as the whole. Reports with runs in common are
refused.

The exit codes are those of sim fuzz.`,
		Example: `  holdfast sim fuzz merge 1.json 2.json`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			return o.merge(c.OutOrStdout(), files)
		},
	}
	c.Flags().StringVarP(&o.output, "output", "o", "text", "text, or json: a CampaignReport")
	complete(c, "output", "text", "json")
	return c
}

func (o *fuzzOptions) merge(out io.Writer, files []string) error {
	if o.output != "text" && o.output != "json" {
		return &exitError{exitInput, fmt.Errorf("--output %q: must be text or json", o.output)}
	}
	var reports []*campaign.Report
	for _, file := range files {
		r, err := readCampaign(file)
		if err != nil {
			return &exitError{exitInput, err}
		}
		reports = append(reports, r)
	}
	merged, err := campaign.Merge(reports)
	if err != nil {
		return &exitError{exitInput, err}
	}
	return o.write(out, merged)
}

func readCampaign(file string) (*campaign.Report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &campaign.Report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if r.APIVersion != report.APIVersion || r.Kind != campaign.Kind {
		return nil, fmt.Errorf("%s: want a %s of %s, got kind %q of %q", file, campaign.Kind, report.APIVersion, r.Kind, r.APIVersion)
	}
	return r, nil
}
