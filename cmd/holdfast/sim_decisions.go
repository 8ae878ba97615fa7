package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/decisions"
	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// decisionsFile collects what plugins said, over all runs of one call.
type decisionsFile struct {
	// path is where it is written to; empty: nobody asked for it.
	path     string
	attempts []decisions.Attempt
	dropped  int
}

func (d *decisionsFile) addFlag(c *cobra.Command) {
	c.Flags().StringVar(&d.path, "record-decisions", "", "file for what every plugin said of every node in every attempt: a line of JSON for each attempt")
}

// collector is what a run tells of its attempts; nil if nobody asked.
func (d *decisionsFile) collector() func([]decisions.Attempt, int) {
	if d.path == "" {
		return nil
	}
	return func(attempts []decisions.Attempt, dropped int) {
		d.attempts = append(d.attempts, attempts...)
		d.dropped += dropped
	}
}

// write writes the file, if it was asked for.
func (d *decisionsFile) write() error {
	if d.path == "" {
		return nil
	}
	var b bytes.Buffer
	if err := decisions.Write(&b, d.attempts); err != nil {
		return err
	}
	if err := os.WriteFile(d.path, b.Bytes(), 0o644); err != nil {
		return err
	}
	if d.dropped > 0 {
		return fmt.Errorf("--record-decisions %s: %d attempts more than are recorded", d.path, d.dropped)
	}
	return nil
}

// annotate puts the attempts of each pod on the pod.
func (d *decisionsFile) annotate(c *snapshot.Cluster) {
	of := map[types.UID][]decisions.Attempt{}
	for _, a := range d.attempts {
		of[a.UID] = append(of[a.UID], a)
	}
	for _, o := range c.Objects {
		o.SetAnnotations(decisions.Annotate(o.GetAnnotations(), of[o.GetUID()]))
	}
}
