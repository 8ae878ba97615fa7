// Package replay makes a run repeatable to the byte: the same scenario and the same seed
// give the same writes at the same virtual instants, in the same order.
//
// The Go runtime has chance of its own: it shuffles the cases of a select, the timers that
// are due at one instant and the order of maps, it cuts long turns of goroutines short by
// the wall clock, and it starts collections when it likes. None of that can be seeded from
// outside. So the deterministic build (make deterministic) patches the runtime of the
// installed toolchain with the edits of sim/replay/overlay, and has the tag
// "deterministic". Any other build plays the same stories, and promises nothing of the order
// of what happens at one instant.
//
// All chance of a bubble is one stream. A scenario that was changed, be it by a step that
// comes late, draws other numbers from its beginning: a run is replayed by its file and its
// seed, and shrunk by its file.
package replay
