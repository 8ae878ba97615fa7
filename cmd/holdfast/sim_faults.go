package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// faultList is the JSON form of the list.
type faultList struct {
	APIVersion string                 `json:"apiVersion"`
	Kind       string                 `json:"kind"`
	Families   []scenario.FaultFamily `json:"families"`
}

func newFaultsCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "faults",
		Short: "List the faults that a scenario's steps can play, with their fields",
		Long: `List everything that can happen in a scenario, by family: each is the action of a
step. What is said of them is what the scenario format itself says.`,
		Example: `  holdfast sim faults
  holdfast sim faults -o json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return &exitError{exitInput, fmt.Errorf("-o %s: want json", output)}
			}
			families, err := scenario.Faults()
			if err != nil {
				return &exitError{exitFailure, err}
			}
			if output == "json" {
				encoder := json.NewEncoder(c.OutOrStdout())
				encoder.SetEscapeHTML(false)
				encoder.SetIndent("", "  ")
				return encoder.Encode(faultList{scenario.APIVersion, "FaultList", families})
			}
			printFaults(c.OutOrStdout(), families)
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "json, for programs")
	return c
}

func printFaults(w io.Writer, families []scenario.FaultFamily) {
	for i, family := range families {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, strings.ToUpper(family.Name))
		for _, fault := range family.Faults {
			fmt.Fprintf(w, "  %s\n      %s\n", fault.Name, fault.Description)
			for _, f := range fault.Fields {
				needed := ""
				if f.Required {
					needed = " (required)"
				}
				fmt.Fprintf(w, "    %s%s: %s\n", f.Name, needed, f.Description)
			}
		}
	}
}
