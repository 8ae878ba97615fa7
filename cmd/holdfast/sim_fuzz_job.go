package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/campaign/indexed"
)

// jobShard is a shard that is a pod of an Indexed Job, with the way to its API server.
type jobShard struct {
	indexed.Shard
	client kubernetes.Interface
}

// ofJob is the shard that --job-shards asks for, nil without that flag. The API server is
// sought before anything is played: a shard that could not leave its report is no use.
func (o *fuzzOptions) ofJob() (*jobShard, error) {
	switch {
	case o.jobShards == 0:
		return nil, nil
	case o.jobShards < 0:
		return nil, fmt.Errorf("--job-shards %d: must be 1 or more", o.jobShards)
	case o.shard != wholeCampaign || o.run >= 0 || o.print:
		return nil, errors.New("--job-shards: not with --shard, --run or --print")
	}
	s, err := indexed.FromEnvironment(o.jobShards, os.Getenv)
	if err != nil {
		return nil, err
	}
	o.shard = fmt.Sprintf("%d/%d", s.Index+1, s.Of)
	// The account of the pod, unless KUBECONFIG says otherwise.
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	return &jobShard{s, client}, err
}

// leave leaves the report in the cluster, and writes it for who reads the pod's log.
func (s *jobShard) leave(ctx context.Context, out io.Writer, r *campaign.Report, output string) error {
	if err := writeCampaign(out, r, output); err != nil {
		return &exitError{exitFailure, err}
	}
	if err := s.Leave(ctx, s.client, r); err != nil {
		return &exitError{exitFailure, err}
	}
	return nil
}
