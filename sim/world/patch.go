package world

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// patchBetween is the strategic merge patch that leads from one object to the
// other; "{}" if nothing does.
func patchBetween[T any](before, after T) ([]byte, error) {
	from, err := json.Marshal(before)
	if err != nil {
		return nil, err
	}
	to, err := json.Marshal(after)
	if err != nil {
		return nil, err
	}
	return strategicpatch.CreateTwoWayMergePatch(from, to, before)
}
