package report

import "slices"

// aroundEvents is how many events before the moment, and from it on, are told.
const aroundEvents = 4

// TellAround gives each violation the events around the moment in which it broke.
func (r *Run) TellAround() {
	for i := range r.Violations {
		v := &r.Violations[i]
		at := slices.IndexFunc(r.Events, func(e Event) bool { return e.At.Duration >= v.From.Duration })
		if at < 0 {
			at = len(r.Events)
		}
		v.Around = slices.Clone(r.Events[max(0, at-aroundEvents):min(len(r.Events), at+aroundEvents)])
	}
}
