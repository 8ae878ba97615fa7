//go:build !deterministic

package replay

// Promised is whether this build repeats a run.
const Promised = false

// Kept is false in this build.
func Kept() bool { return false }

// Begin does nothing in this build.
func Begin(uint64) {}

// Collect does nothing in this build: the runtime collects garbage when it likes.
func Collect() {}
