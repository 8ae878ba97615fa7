package main

import _ "embed"

// goVersion is the one whose runtime the edits fit. Another one has other lines, and
// other sources of chance.
const goVersion = "go1.26.8"

// edit replaces a text that occurs once in a file of GOROOT/src by one of as many lines:
// what other packages know of the runtime, lines included, stays as it is, and they need
// not be compiled again.
type edit struct {
	file string
	find string
	put  string
}

// added goes to the end of a file, and is called by the edits.
//
//go:embed replay.go.txt
var added string

const addedTo = "runtime/proc.go"

// edits take chance and the wall clock out of the runtime.
var edits = []edit{
	// What the added functions remember.
	{"runtime/runtime2.go",
		"type forcegcstate struct {\n",
		"type forcegcstate struct { begun, letting bool; inside, outside, caches uint64; queue gQueue\n"},
	// The seed from which all generators begin.
	{"runtime/rand.go",
		"	if len(startupRand) >= 16 &&\n",
		"	if seed[0] = 1; true {} else if len(startupRand) >= 16 &&\n"},
	// Hashes and orders of maps, and what programs draw.
	{"runtime/rand.go",
		"	mp := getg().m\n	c := &mp.chacha8\n",
		"	if true { return replayRand() }; mp := getg().m\n	c := &mp.chacha8\n"},
	// A thread that begins draws nothing: when one does depends on the machine.
	{"runtime/rand.go",
		"	mp.cheaprand = rand()\n",
		"	mp.cheaprand = 1\n"},
	// The order in which the cases of a select are looked at.
	{"runtime/select.go",
		"		j := cheaprandn(uint32(norder + 1))\n",
		"		j := cheaprandn(uint32(norder + 1)); j = replayRandn(uint32(norder + 1))\n"},
	// The order of a bubble's timers that are due at one instant.
	{"runtime/time.go",
		"			t.rand = cheaprand()\n",
		"			t.rand = cheaprand(); t.rand = uint32(replayRand())\n"},
	// When the caches of type assertions and type switches grow: they are on the heap.
	{"runtime/iface.go",
		"	if cheaprand()&1023 != 0 {\n		// Only bother updating the cache ~1 in 1000 times.\n		return tab\n",
		"	if replayCheaprand()&1023 != 0 {\n		// Only bother updating the cache ~1 in 1000 times.\n		return tab\n"},
	{"runtime/iface.go",
		"	if cheaprand()&uint32(oldC.Mask) != 0 {\n		// As cache gets larger, choose to update it less often\n		// so we can amortize the cost of building a new cache.\n",
		"	if replayCheaprand()&uint32(oldC.Mask) != 0 {\n		// As cache gets larger, choose to update it less often\n		// so we can amortize the cost of building a new cache.\n"},
	{"runtime/iface.go",
		"	if cheaprand()&1023 != 0 {\n		// Only bother updating the cache ~1 in 1000 times.\n		// This ensures",
		"	if replayCheaprand()&1023 != 0 {\n		// Only bother updating the cache ~1 in 1000 times.\n		// This ensures"},
	{"runtime/iface.go",
		"	if cheaprand()&uint32(oldC.Mask) != 0 {\n		// As cache gets larger, choose to update it less often\n		// so we can amortize the cost of building a new cache\n",
		"	if replayCheaprand()&uint32(oldC.Mask) != 0 {\n		// As cache gets larger, choose to update it less often\n		// so we can amortize the cost of building a new cache\n"},
	// Of two processors nobody knows which is faster.
	{"runtime/proc.go",
		"		procs = defaultGOMAXPROCS(numCPUStartup)\n",
		"		procs, sched.customGOMAXPROCS = 1, true\n"},
	// A collection takes turns: there is none that was not asked for.
	{"runtime/mgcpacer.go",
		"	p := gogetenv(\"GOGC\")\n	if p == \"off\" {\n",
		"	p := gogetenv(\"GOGC\")\n	if true || p == \"off\" {\n"},
	// A turn ends when a goroutine waits, and not after 10 ms of the wall clock.
	{"runtime/proc.go",
		"const forcePreemptNS = 10 * 1000 * 1000 // 10ms\n",
		"const forcePreemptNS = 1000 * 1000 * 1000 * 1000\n"},
	// It does not end with a request to the kernel that takes long, either, nor does one that
	// comes before the bubble: that would take another thread.
	{"runtime/proc.go",
		"		if pp == nil || atomic.Load(&pp.status) != _Prunning {\n			// pp can be nil if procresize has grown\n",
		"		if pp == nil || true || atomic.Load(&pp.status) != _Prunning {\n			// pp can be nil if procresize has grown\n"},
	// The program's main goroutine is not bound to the first thread while packages are
	// initialized. Where it is, it waits there while another thread runs the others, and
	// whether that one is back in time, or a third is made, is a race. Each is an object more
	// on the heap; and where objects are, maps by addresses are in another order.
	{"runtime/proc.go",
		"	lockOSThread()\n\n	if mp != &m0 {\n",
		"	_ = lockOSThread\n\n	if mp != &m0 {\n"},
	{"runtime/proc.go",
		"	needUnlock := true\n",
		"	needUnlock := false\n"},
	{"runtime/proc.go",
		"	needUnlock = false\n	unlockOSThread()\n",
		"	needUnlock = false\n	_ = unlockOSThread\n"},
	// The same of the goroutine that sees to signals.
	{"runtime/signal_unix.go",
		"		LockOSThread()\n		defer UnlockOSThread()\n",
		"		_ = LockOSThread\n		_ = UnlockOSThread\n"},
	// Who is inside the bubble comes before who is outside, and both in their order.
	{"runtime/proc.go",
		"func runqput(pp *p, gp *g, next bool) {\n	if !haveSysmon && next {\n",
		"func runqput(pp *p, gp *g, next bool) { if forcegc.begun { replayPut(pp, gp, next); return }\n	if !haveSysmon && next {\n"},
	{"runtime/proc.go",
		"		return next.ptr(), true\n	}\n\n	for {\n		h := atomic.LoadAcq(&pp.runqhead) // load-acquire, synchronize with other consumers\n",
		"		return next.ptr(), true\n	}\n	if !forcegc.queue.empty() { return forcegc.queue.pop(), false }\n	for {\n		h := atomic.LoadAcq(&pp.runqhead) // load-acquire, synchronize with other consumers\n"},
	{"runtime/proc.go",
		"		head := atomic.Load(&pp.runqhead)\n		tail := atomic.Load(&pp.runqtail)\n",
		"		if !forcegc.queue.empty() { return false }; head := atomic.Load(&pp.runqhead)\n		tail := atomic.Load(&pp.runqtail)\n"},
	{"runtime/proc.go",
		"\n	sched.runq.pushBack(gp)\n}\n",
		"\n	replayGosched(gp)\n}\n"},
	// Nor does who is outside get every 61st turn.
	{"runtime/proc.go",
		"	if pp.schedtick%61 == 0 && !sched.runq.empty() {\n",
		"	if !forcegc.begun && pp.schedtick%61 == 0 && !sched.runq.empty() {\n"},
	// A mutex that was waited for longer than 1 ms of the wall clock is handed over in
	// another way.
	{"internal/sync/mutex.go",
		"	starvationThresholdNs = 1e6\n",
		"	starvationThresholdNs = 1e18\n"},
}
