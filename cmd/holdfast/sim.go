package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

func newSimCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "sim",
		Short: "Play what-if scenarios on a real control plane in virtual time",
		Long: `Play what-if scenarios: the real API server, controllers and scheduler run inside
this process, in virtual time, on modelled machines, networks and disks.`,
	}
	c.AddCommand(newRunCommand(), newDiffCommand(), newExportCommand(), newValidateCommand(), newSchemaCommand(), newFaultsCommand(), newFuzzCommand(), newShrinkCommand(), newExploreCommand())
	return c
}

// named is a scenario with the file that it came from.
type named struct {
	*scenario.Scenario
	file string
}

// load reads all scenarios before any is played: a bad file must not waste the
// time of the good ones before it.
func load(paths []string) ([]*named, error) {
	files, err := scenario.Find(paths...)
	if err != nil {
		return nil, err
	}
	var all []*named
	for _, file := range files {
		s, err := scenario.Load(file)
		if err != nil {
			return nil, err
		}
		if _, err := s.Decode(); err != nil {
			return nil, err
		}
		all = append(all, &named{s, filepath.ToSlash(file)})
	}
	return all, nil
}

func newValidateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE|FOLDER...",
		Short: "Check scenario files without playing them",
		Long: `Check scenario files: unknown fields, values, references between steps, and the
Kubernetes manifests in them. Every problem is named with file, line and field.
Exit code 2 if there is any.`,
		Example: `  holdfast sim validate sim/scenarios`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			scenarios, err := load(args)
			if err != nil {
				return &exitError{exitInput, err}
			}
			for _, s := range scenarios {
				fmt.Fprintf(c.OutOrStdout(), "%s: ok\n", s.file)
			}
			return nil
		},
	}
}

func newSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON schema of scenario files, for editors",
		Example: `  holdfast sim schema > scenario.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			schema, err := scenario.Schema()
			if err != nil {
				return &exitError{exitFailure, err}
			}
			_, err = c.OutOrStdout().Write(schema)
			return err
		},
	}
}
