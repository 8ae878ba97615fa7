package play_test

import (
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// What a run may leave behind in the process: goroutines that upstream never ends,
// and what they hold on to.
const (
	goroutinesLeftMax = 20
	heapLeftMaxMiB    = 60
)

// TestScenariosInSequenceLeaveLittleBehind ends each run in the middle of its story,
// with a node cut off and pods held.
func TestScenariosInSequenceLeaveLittleBehind(t *testing.T) {
	const runs = 10
	s := load(t, filepath.Join(scenarios, "silent-node.yaml"))
	schedulers := scenario.Schedulers()
	playOne := func(i int) {
		run(t, s, play.Options{Scheduler: schedulers[i%len(schedulers)], Until: 5 * time.Minute})
	}
	for i := range schedulers {
		playOne(i) // What is made once per process is not counted.
	}
	goroutines, heapMiB := inUse()
	for i := range runs {
		playOne(i)
	}
	goroutinesAfter, heapMiBAfter := inUse()
	t.Logf("left behind by each run: %.1f goroutines, %.1f MiB",
		float64(goroutinesAfter-goroutines)/runs, float64(heapMiBAfter-heapMiB)/runs)
	if left := goroutinesAfter - goroutines; left > runs*goroutinesLeftMax {
		t.Errorf("%d runs left %d goroutines behind", runs, left)
	}
	if left := heapMiBAfter - heapMiB; left > runs*heapLeftMaxMiB {
		t.Errorf("%d runs left %d MiB behind", runs, left)
	}
}

// inUse counts what is there after a garbage collection.
func inUse() (goroutines int, heapMiB int64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), int64(m.HeapAlloc >> 20)
}
