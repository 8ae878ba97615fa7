package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// exportFormats write a cluster, by the names that --format has for them.
var exportFormats = map[string]func(io.Writer, *snapshot.Cluster) error{
	"kube-scheduler-simulator": snapshot.WriteExport,
	"list":                     snapshot.WriteList,
}

// recordFormat has all changes of the run in place of its end.
const recordFormat = "record"

// exportOptions are the flags of sim export.
type exportOptions struct {
	scheduler string
	at        time.Duration
	output    string
	format    string
	decisions decisionsFile
}

func newExportCommand() *cobra.Command {
	o := &exportOptions{}
	c := &cobra.Command{
		Use:   "export FILE",
		Short: "Play a scenario and write the cluster that it ends with",
		Long: `Play a scenario under one scheduler, and write the objects of the cluster as they are
at its end, or at another moment. What the scenario expects is not checked.

The format kube-scheduler-simulator can be imported there. It has no room for
StatefulSets, CSINodes, VolumeAttachments and PodDisruptionBudgets. The format list is
what kubectl get -o json prints, and has all that a scenario's cluster.from takes. The
format record is what kube-scheduler-simulator records and can replay: a line of JSON
for each change of an object of its kinds, from the beginning on.`,
		Example: `  # The cluster ten virtual minutes into the story, for kube-scheduler-simulator
  holdfast sim export --at 10m -o cluster.json sim/scenarios/silent-node.yaml

  # With what the plugins said, as its web page shows it
  holdfast sim export --record-decisions decisions.ndjson -o cluster.json sim/scenarios/silent-node.yaml

  # As a list, to begin another scenario with
  holdfast sim export --at 10m --format list -o cluster.json sim/scenarios/silent-node.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.OutOrStdout(), args[0]) },
	}
	f := c.Flags()
	f.StringVar(&o.scheduler, "scheduler", "holdfast", "whom to play the scenario under: holdfast or default")
	f.DurationVar(&o.at, "at", 0, "take the cluster at this virtual time instead of the scenario's end")
	f.StringVarP(&o.output, "output", "o", "", "file to write; empty is standard output")
	f.StringVar(&o.format, "format", "kube-scheduler-simulator", "kube-scheduler-simulator, list or record")
	o.decisions.addFlag(c)
	complete(c, "scheduler", "holdfast", "default")
	complete(c, "format", "kube-scheduler-simulator", "list", recordFormat)
	return c
}

func (o *exportOptions) run(out io.Writer, path string) error {
	write := exportFormats[o.format]
	switch {
	case write == nil && o.format != recordFormat:
		return &exitError{exitInput, fmt.Errorf("--format %q: must be kube-scheduler-simulator, list or record", o.format)}
	case !slices.Contains(scenario.Schedulers(), scenario.Scheduler(o.scheduler)):
		return &exitError{exitInput, fmt.Errorf("--scheduler %q: must be holdfast or default", o.scheduler)}
	case o.at < 0:
		return &exitError{exitInput, fmt.Errorf("--at %s: must not be negative", o.at)}
	}
	scenarios, err := load([]string{path})
	if err != nil {
		return &exitError{exitInput, err}
	}
	if len(scenarios) != 1 {
		return &exitError{exitInput, fmt.Errorf("%s: want one scenario, got %d", path, len(scenarios))}
	}
	s := scenarios[0]
	engine.DiscardLogs()
	var cluster *snapshot.Cluster
	var changes []snapshot.Change
	_, err = play.Run(s.Scenario, play.Options{
		Scheduler: scenario.Scheduler(o.scheduler), Until: o.at, Taken: func(c *snapshot.Cluster) { cluster = c },
		Recorded: o.recorder(&changes), Decided: o.decisions.collector(),
	})
	if refused := (*play.ObjectError)(nil); errors.As(err, &refused) {
		return &exitError{exitInput, fmt.Errorf("%s: objects: %w", s.file, refused)}
	}
	if err != nil {
		return notPlayed(fmt.Errorf("%s: %w", s.file, err))
	}
	if err := o.decisions.write(); err != nil {
		return &exitError{exitFailure, err}
	}
	var b bytes.Buffer
	if o.format == recordFormat {
		err = snapshot.WriteRecord(&b, changes)
	} else {
		o.decisions.annotate(cluster)
		err = write(&b, cluster)
	}
	if err != nil {
		return &exitError{exitFailure, err}
	}
	if o.output == "" {
		_, err = out.Write(b.Bytes())
	} else {
		err = os.WriteFile(o.output, b.Bytes(), 0o644)
	}
	if err != nil {
		return &exitError{exitFailure, err}
	}
	return nil
}

// recorder is what a run tells of its changes; nil if nobody asked.
func (o *exportOptions) recorder(changes *[]snapshot.Change) func([]snapshot.Change) {
	if o.format != recordFormat {
		return nil
	}
	return func(all []snapshot.Change) { *changes = all }
}
