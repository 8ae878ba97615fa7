// Package scenario is the format of a scenario file: one story of a cluster, the
// objects in it, what happens to it and when, and what must come of it under each
// scheduler (docs/design.md, section 4).
//
// Load reads a file strictly: an unknown field, a field given twice, a value of
// the wrong form and a reference to nothing are all errors, each with file, line
// and field, and all of a file are reported at once. What Load returns is
// complete (defaults are filled in) and consistent, so that whoever plays it has
// nothing left to check but the cluster itself.
//
// The package knows the format and nothing of the engine that plays it.
package scenario
