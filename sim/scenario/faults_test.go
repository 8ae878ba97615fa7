package scenario

import (
	"slices"
	"testing"
)

// TestEveryActionIsInOneFamily, so that none is missing where faults are listed.
func TestEveryActionIsInOneFamily(t *testing.T) {
	var listed []string
	for _, family := range families {
		listed = append(listed, family.actions...)
	}
	slices.Sort(listed)
	want := slices.Sorted(slices.Values(actionNames))
	if !slices.Equal(listed, want) {
		t.Errorf("the families have %q, want every action once: %q", listed, want)
	}
}

func TestFaultsSayWhatTheyAre(t *testing.T) {
	all, err := Faults()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		for _, fault := range family.Faults {
			if fault.Description == "" || len(fault.Fields) == 0 {
				t.Errorf("%s: described as %q, with %d fields", fault.Name, fault.Description, len(fault.Fields))
			}
			for _, f := range fault.Fields {
				if f.Description == "" {
					t.Errorf("%s.%s is not described", fault.Name, f.Name)
				}
			}
		}
	}
}
