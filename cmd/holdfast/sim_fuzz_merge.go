package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/campaign/indexed"
)

// mergeOptions are the flags of sim fuzz merge.
type mergeOptions struct {
	flags       *genericclioptions.ConfigFlags
	job, output string
}

func newFuzzMergeCommand() *cobra.Command {
	o := &mergeOptions{flags: genericclioptions.NewConfigFlags(true)}
	c := &cobra.Command{
		Use:   "merge FILE... | --job NAME",
		Short: "Add up the reports of a campaign's shards",
		Long: `Add up reports that sim fuzz -o json wrote, of shards or of different seeds, or
those that the pods of an Indexed Job have left in its cluster. All shards of a campaign
make the same counts as the whole. Reports with runs in common are refused.

The exit codes are those of sim fuzz; it is 1 too while a shard of the Job is missing.`,
		Example: `  holdfast sim fuzz merge 1.json 2.json
  holdfast sim fuzz merge --job campaign -n holdfast-campaign`,
		RunE: func(c *cobra.Command, files []string) error {
			return o.merge(c, files)
		},
	}
	c.Flags().StringVar(&o.job, "job", "", "the Indexed Job whose pods were the shards")
	c.Flags().StringVarP(&o.output, "output", "o", "text", "text, or json: a CampaignReport")
	complete(c, "output", "text", "json")
	addClusterFlags(c, o.flags)
	return c
}

func (o *mergeOptions) merge(c *cobra.Command, files []string) error {
	switch {
	case o.output != "text" && o.output != "json":
		return &exitError{exitInput, fmt.Errorf("--output %q: must be text or json", o.output)}
	case (o.job == "") == (len(files) == 0):
		return &exitError{exitInput, errors.New("name either the files of the reports, or --job")}
	case o.job != "":
		return o.mergeJob(c)
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
	return writeVerdict(c.OutOrStdout(), merged, o.output)
}

// mergeJob adds up what is there, and says what is not.
func (o *mergeOptions) mergeJob(c *cobra.Command) error {
	config, err := o.flags.ToRESTConfig()
	if err != nil {
		return &exitError{exitInput, err}
	}
	namespace, _, err := o.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return &exitError{exitInput, err}
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return &exitError{exitInput, err}
	}
	merged, missing, err := indexed.Collect(c.Context(), client, namespace, o.job)
	if err != nil {
		return &exitError{exitFailure, err}
	}
	var verdict error
	if merged != nil {
		verdict = writeVerdict(c.OutOrStdout(), merged, o.output)
	}
	if len(missing) > 0 {
		return &exitError{exitUnmet, fmt.Errorf("no report yet of index %s: kubectl get pods -n %s -l %s=%s",
			numbers(missing), namespace, batchv1.JobNameLabel, o.job)}
	}
	return verdict
}

func numbers(of []int) string {
	var words []string
	for _, n := range of {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ", ")
}

func readCampaign(file string) (*campaign.Report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r, err := campaign.ReadReport(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}
