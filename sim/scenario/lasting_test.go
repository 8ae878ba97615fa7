package scenario

import (
	"slices"
	"testing"
)

// Names are all that the table has: one that is misspelt would never be ended.
func TestWhatLastsAndWhatEndsItAreFaults(t *testing.T) {
	known := func(action string) bool {
		for _, f := range families {
			if slices.Contains(f.actions, action) {
				return true
			}
		}
		return false
	}
	for begun, end := range endedBy {
		if !known(begun) || !known(end) {
			t.Errorf("%s, ended by %s: not both are in families", begun, end)
		}
		if !Ends(end) || Ends(begun) || EndedBy(begun) != end {
			t.Errorf("%s, ended by %s: want the second alone to end something", begun, end)
		}
	}
	if Ends("reboot") || EndedBy("reboot") != "" {
		t.Error("a reboot ends by itself, and ends nothing")
	}
}
