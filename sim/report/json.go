package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WriteJSON writes the report for machines, indented, with its apiVersion and kind
// set. A list that is always there is [] if it is empty, never null.
func WriteJSON(w io.Writer, report *Report) error {
	r := *report
	r.TypeMeta = metav1.TypeMeta{APIVersion: APIVersion, Kind: Kind}
	r.Runs = notNil(slices.Clone(r.Runs))
	for i := range r.Runs {
		r.Runs[i] = withLists(r.Runs[i])
	}
	r.Broken = slices.Clone(r.Broken)
	for i := range r.Broken {
		if b := &r.Broken[i]; b.Run != nil {
			b.Run = new(withLists(*b.Run))
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false) // Details are sentences, and no browser reads them.
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("report of %s: %w", r.Scenario, err)
	}
	return nil
}

func withLists(run Run) Run {
	run.Events, run.Ordinals, run.Checks = notNil(run.Events), notNil(run.Ordinals), notNil(run.Checks)
	return run
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
