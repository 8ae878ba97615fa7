package campaign

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/holdfast-dev/holdfast/sim/report"
)

// ReadReport reads a report that was written as JSON, and takes nothing else.
func ReadReport(data []byte) (*Report, error) {
	r := &Report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, err
	}
	if r.APIVersion != report.APIVersion || r.Kind != Kind {
		return nil, fmt.Errorf("want a %s of %s, got kind %q of %q", Kind, report.APIVersion, r.Kind, r.APIVersion)
	}
	return r, nil
}

// Within is the report as JSON of at most so many bytes. What does not fit are the last
// of the runs to look at: they are counted then, and not listed. All other counts stay. It
// is an error if not even those fit.
func (r *Report) Within(bytes int) ([]byte, error) {
	cut := *r
	cut.Sides = slices.Clone(r.Sides)
	for {
		data, err := json.Marshal(&cut)
		if err != nil || len(data) <= bytes {
			return data, err
		}
		longest := 0
		for i := range cut.Sides {
			if len(cut.Sides[i].Found) > len(cut.Sides[longest].Found) {
				longest = i
			}
		}
		if len(cut.Sides) == 0 || len(cut.Sides[longest].Found) == 0 {
			return nil, fmt.Errorf("the report has %d bytes without a single run to look at, more than %d", len(data), bytes)
		}
		s := &cut.Sides[longest]
		keep := len(s.Found) / 2
		s.NotListed += len(s.Found) - keep
		s.Found = s.Found[:keep]
	}
}
