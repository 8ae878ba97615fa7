package engine

import (
	"os"
	"runtime/debug"
)

// garbagePercent is how much garbage may lie about, in percent of what is alive, before
// it is collected. A control plane that runs as fast as it can makes garbage all the
// time, and little of it is alive: at Go's own 100 the collector is a quarter of the
// work. A cluster of ten nodes takes some 700 MB with it instead of 370.
const garbagePercent = 400

// collectSeldom lets more garbage lie about until the function that it returns is
// called. Who sets GOGC decides for himself.
func collectSeldom() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(garbagePercent)
	return func() { debug.SetGCPercent(before) }
}
