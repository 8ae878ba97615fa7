// Package guard is the controller that keeps the object of a pod until its
// incarnation is proven over, and lets it go then.
//
// It watches all pods by itself, unfiltered: the scheduler's own informer hides
// terminal pods and drops the managedFields that say who wrote a phase, and a
// label selector would turn an edit of a label into a deletion
// (docs/kubernetes-facts.md §0.1). Caches only tell it where to look. Whatever it
// decides, it decides on a live read of the record and of the pod; and the one
// place that decides is fence.Judge.
//
// One reconciliation, per identity:
//
//	final objects of DELETED events ─┐
//	live pod ────────────────────────┼─> whose incarnation? ─> fence.Judge ─┬─> release: close, delete, finalizer off
//	live record ─────────────────────┘                                      └─> keep: observe, doubt, hold
//
// Every step may be repeated after a crash at any point: each looks at what is
// there, none at what the guard remembers.
package guard
