package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// The names by which the program may be called. As kubectl-holdfast it is a plugin of
// kubectl; as kubectl_complete-holdfast kubectl asks it what could be typed next.
const (
	ownName        = "holdfast"
	kubectlPlugin  = "kubectl-holdfast"
	kubectlShells  = "kubectl_complete-holdfast"
	completionArgs = cobra.ShellCompRequestCmd
)

// calledAs returns what to call the program in its texts, and its arguments.
func calledAs(argv []string) (program string, args []string) {
	if len(argv) == 0 {
		return ownName, nil
	}
	switch strings.TrimSuffix(filepath.Base(argv[0]), ".exe") {
	case kubectlPlugin:
		return "kubectl " + ownName, argv[1:]
	case kubectlShells:
		return "kubectl " + ownName, append([]string{completionArgs}, argv[1:]...)
	}
	return ownName, argv[1:]
}

// addClusterFlags adds kubectl's flags for which cluster, which namespace and as whom.
func addClusterFlags(c *cobra.Command, flags *genericclioptions.ConfigFlags) {
	flags.AddFlags(c.Flags())
}

// failed marks an error of the cluster with its exit code; nil and marked ones stay.
func failed(err error) error {
	var marked *exitError
	if err == nil || errors.As(err, &marked) {
		return err
	}
	return &exitError{exitFailure, err}
}

// query is what the arguments of status ask for.
type query struct {
	namespace string
	selector  labels.Selector
	ordinals  []identity.Identity
	sets      []string
}

// newQuery reads arguments such as db-0, pod/db-0, tenancy/db-0, db and statefulset/db.
func newQuery(namespace string, all bool, selector labels.Selector, args []string) (*query, error) {
	q := &query{namespace: namespace, selector: selector}
	if all {
		q.namespace = ""
	}
	if len(args) > 0 && (all || !selector.Empty()) {
		return nil, fmt.Errorf("arguments name what to show, or --all-namespaces and --selector do, but not both")
	}
	for _, arg := range args {
		kind, name, found := strings.Cut(arg, "/")
		if !found {
			kind, name = "", arg
		}
		id, isOrdinal := identity.Named(namespace, name)
		switch kind {
		case "pod", "pods", "po", "tenancy", "tenancies", "tn":
			if !isOrdinal {
				return nil, fmt.Errorf("%s: no ordinal of a StatefulSet has this name", arg)
			}
			q.ordinals = append(q.ordinals, id)
		case "statefulset", "statefulsets", "sts", "statefulset.apps", "statefulsets.apps":
			q.sets = append(q.sets, name)
		case "":
			if isOrdinal {
				q.ordinals = append(q.ordinals, id)
			} else {
				q.sets = append(q.sets, name)
			}
		default:
			return nil, fmt.Errorf("%s: must be the name of a pod, or statefulset/NAME", arg)
		}
	}
	return q, nil
}

// single returns the one ordinal that is asked for by its name.
func (q *query) single() (identity.Identity, bool) {
	if len(q.ordinals) == 1 && len(q.sets) == 0 {
		return q.ordinals[0], true
	}
	return identity.Identity{}, false
}

// read reads what is asked for.
func (q *query) read(ctx context.Context, c *cluster.Cluster) ([]cluster.Ordinal, error) {
	if id, one := q.single(); one {
		d, err := c.Detail(ctx, id)
		if err != nil {
			return nil, err
		}
		if d.Record == nil && d.Pod == nil {
			return nil, fmt.Errorf("%s: there is neither a record nor a pod of this name", id)
		}
		return []cluster.Ordinal{d.Ordinal}, nil
	}
	all, err := c.Ordinals(ctx, q.namespace, q.selector)
	if err != nil || len(q.ordinals) == 0 && len(q.sets) == 0 {
		return all, err
	}
	var missing []string
	for _, id := range q.ordinals {
		if !slices.ContainsFunc(all, func(o cluster.Ordinal) bool { return o.ID == id }) {
			missing = append(missing, id.Name())
		}
	}
	for _, set := range q.sets {
		if !slices.ContainsFunc(all, func(o cluster.Ordinal) bool { return o.ID.Set == set }) {
			missing = append(missing, "statefulset/"+set)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("no ordinal has a record in namespace %s of: %s", q.namespace, strings.Join(missing, ", "))
	}
	return slices.DeleteFunc(all, func(o cluster.Ordinal) bool {
		return !slices.Contains(q.ordinals, o.ID) && !slices.Contains(q.sets, o.ID.Set)
	}), nil
}

// follow shows what is asked for, and again whenever it would look different.
func (o *statusOptions) follow(ctx context.Context, out, errOut io.Writer, c *cluster.Cluster, q *query) error {
	tick := time.NewTicker(o.interval)
	defer tick.Stop()
	var before []byte
	for {
		var now bytes.Buffer
		if _, err := o.show(ctx, &now, &now, c, q); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if !bytes.Equal(now.Bytes(), before) {
			before = now.Bytes()
			if _, err := fmt.Fprintf(out, "%s\n\n", bytes.TrimRight(before, "\n")); err != nil {
				return failed(err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// recordNamesMax bounds what is offered to a shell, and completionLimit how long it waits.
const (
	recordNamesMax  = 500
	completionLimit = 3 * time.Second
)

// recordNames lists names for a shell; none if the cluster does not tell in time.
func recordNames(ctx context.Context, flags *genericclioptions.ConfigFlags) []string {
	c, err := cluster.Connect(flags)
	if err != nil {
		return nil
	}
	return c.RecordNames(ctx, completionLimit, recordNamesMax)
}
