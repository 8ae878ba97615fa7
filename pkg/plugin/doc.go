// Package plugin puts Holdfast's decisions into the scheduling framework: one
// small file per hook, each of which translates, calls a decision package or the
// tenancy store, and translates back.
//
// A replacement of an ordinal is refused three times, by the same judgement
// (tenancy.Judge): before it is queued, from a cache; while it is scheduled, from
// the same cache; and before it is bound, from a live read and by compare-and-swap.
// The first keeps a held pod from costing scheduling attempts, the last alone is
// what safety rests on (docs/design.md, "The tenancy protocol").
package plugin
