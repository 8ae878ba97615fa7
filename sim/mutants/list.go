package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed mutants.yaml
var mutantsFile []byte

//go:embed hazards.yaml
var hazardsFile []byte

// Mutant is one small edit of the product that takes something away from what it
// promises.
type Mutant struct {
	// Name is unique, and what switches the edit on in the built program.
	Name string `json:"name"`
	// File is edited, by its path from the top of the repository.
	File string `json:"file"`
	// Find is the text that is replaced; it stands once in the file.
	Find string `json:"find"`
	// Replace is what it becomes. MUTANT in it is true where the mutant is on: with none
	// on, the file does what it did before.
	Replace string `json:"replace"`
	// Breaks says what is lost, and names the invariant or the hazard.
	Breaks string `json:"breaks"`
	// Stories are scenarios, by their paths in sim/scenarios without .yaml, that are
	// played first; one of them should notice. None: it is a campaign that should.
	Stories []string `json:"stories,omitempty"`
	// Survives says why no story and no campaign notices. Then a test of the package has to.
	Survives string `json:"survives,omitempty"`
}

// on is what stands for the switch in Replace.
const on = "MUTANT"

// Hazard is a way to two running copies or two writers: a row of the table in
// docs/kubernetes-facts.md, section 10.
type Hazard struct {
	// ID is H1 to H25, and What it is in a few words.
	ID   string `json:"id"`
	What string `json:"what"`
	// Without names the rule that is switched off, as the mutant of this name does.
	Without string `json:"without,omitempty"`
	// Story finds the hazard then.
	Story string `json:"story,omitempty"`
	// Finds is the invariant that breaks, or the beginning of the name of the check that
	// fails, where another line of defence keeps the invariants.
	Finds string `json:"finds,omitempty"`
	// Outside says why the hazard is not in the model.
	Outside string `json:"outside,omitempty"`
}

// readMutants reads a list of mutants, and refuses one that says less than it has to.
func readMutants(data []byte) ([]Mutant, error) {
	var list struct {
		Mutants []Mutant `json:"mutants"`
	}
	if err := yaml.UnmarshalStrict(data, &list); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for i := range list.Mutants {
		m := &list.Mutants[i]
		switch {
		case m.Name == "" || strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
			return nil, fmt.Errorf("mutants[%d]: name %q: must be small letters, digits and hyphens", i, m.Name)
		case names[m.Name]:
			return nil, fmt.Errorf("mutant %s: there are two of this name", m.Name)
		case m.File == "" || m.Find == "" || m.Breaks == "":
			return nil, fmt.Errorf("mutant %s: file, find and breaks: all of them are needed", m.Name)
		case !strings.Contains(m.Replace, on):
			return nil, fmt.Errorf("mutant %s: replace: has no %s, so nothing could switch it", m.Name, on)
		}
		names[m.Name] = true
	}
	return list.Mutants, nil
}

// readHazards reads the list of hazards. What they switch off is among the mutants.
func readHazards(data []byte, mutants []Mutant) ([]Hazard, error) {
	var list struct {
		Hazards []Hazard `json:"hazards"`
	}
	if err := yaml.UnmarshalStrict(data, &list); err != nil {
		return nil, err
	}
	for i, h := range list.Hazards {
		inside := h.Without != "" && h.Story != "" && h.Finds != ""
		nothing := h.Without == "" && h.Story == "" && h.Finds == ""
		switch {
		case h.ID != fmt.Sprintf("H%d", i+1):
			return nil, fmt.Errorf("hazards[%d]: id %q: want H%d, for every one is named", i, h.ID, i+1)
		case h.What == "":
			return nil, fmt.Errorf("hazard %s: what: is needed", h.ID)
		case !(inside && h.Outside == "") && !(nothing && h.Outside != ""):
			return nil, fmt.Errorf("hazard %s: want without, story and finds, or outside alone", h.ID)
		case inside && !slices.ContainsFunc(mutants, func(m Mutant) bool { return m.Name == h.Without }):
			return nil, fmt.Errorf("hazard %s: without: there is no mutant %q", h.ID, h.Without)
		}
	}
	return list.Hazards, nil
}
