package report

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// around is a moment that is expected.
func around(when, within string) *scenario.Moment {
	return &scenario.Moment{At: at(when), Within: at(within)}
}

func between(shortest, longest string) *scenario.Span {
	return &scenario.Span{Min: at(shortest), Max: at(longest)}
}

func violation(invariant, by, from string, to string) Violation {
	v := Violation{Invariant: invariant, By: by, Nodes: []string{"a-0", "b-0"}, From: at(from)}
	if to != "" {
		v.To = until(to)
	}
	return v
}

func ok(name string) Check          { return Check{Name: name, OK: true} }
func failed(name, got string) Check { return Check{Name: name, Got: got} }

const (
	noS1 = "S1: no identity ever ran twice"
	noS2 = "S2: no single-writer volume had two writers"
	noS3 = "S3: no identity was released on a false proof"
	// onlyS1 and onlyS2 stand where some violations were expected.
	onlyS1 = "S1: no other identity ever ran twice"
	onlyS2 = "S2: no other single-writer volume had two writers"
)

func TestJudgeViolations(t *testing.T) {
	s1 := func(from, to *scenario.Moment) scenario.Violation {
		return scenario.Violation{Invariant: "S1", By: "web-0", From: from, To: to}
	}
	for name, tc := range map[string]struct {
		expected []scenario.Violation
		found    []Violation
		want     []Check
	}{
		"none expected, none found": {
			want: []Check{ok(noS1), ok(noS2)},
		},
		"none expected, one of each found": {
			found: []Violation{violation("S1", "default/web-0", "4m31s", "30m2s"), violation("S2", "default/data-web-0", "9m", "")},
			want: []Check{
				failed("S1 holds for default/web-0", "it was broken from 4m31s to 30m2s on a-0 and b-0"),
				failed("S2 holds for default/data-web-0", "it was broken from 9m to the end on a-0 and b-0"),
			},
		},
		"one that goes on and off is one failed check": {
			found: []Violation{violation("S1", "default/web-0", "1m", "2m"), violation("S1", "default/web-0", "3m", "4m")},
			want: []Check{
				failed("S1 holds for default/web-0", "it was broken from 1m to 2m on a-0 and b-0; from 3m to 4m on a-0 and b-0"),
				ok(noS2),
			},
		},
		"found as expected, the namespace left out": {
			expected: []scenario.Violation{s1(around("4m30s", "5s"), around("30m", "45s"))},
			found:    []Violation{violation("S1", "default/web-0", "4m35s", "29m15s")},
			want:     []Check{ok("S1 is broken for default/web-0 from 4m30s +-5s to 30m +-45s"), ok(onlyS1), ok(noS2)},
		},
		"found as expected, at no matter what time": {
			expected: []scenario.Violation{s1(nil, nil), {Invariant: "S2", By: "shop/data-db-0"}},
			found:    []Violation{violation("S1", "default/web-0", "1m", ""), violation("S2", "shop/data-db-0", "2m", "3m")},
			want:     []Check{ok("S1 is broken for default/web-0"), ok("S2 is broken for shop/data-db-0"), ok(onlyS1), ok(onlyS2)},
		},
		"expected and not found": {
			expected: []scenario.Violation{s1(nil, nil)},
			want:     []Check{failed("S1 is broken for default/web-0", "it was never broken"), ok(noS1), ok(noS2)},
		},
		"begins too late": {
			expected: []scenario.Violation{s1(around("4m30s", "5s"), nil)},
			found:    []Violation{violation("S1", "default/web-0", "4m36s", "30m")},
			want: []Check{
				failed("S1 is broken for default/web-0 from 4m30s +-5s", "it was broken from 4m36s to 30m on a-0 and b-0"),
				ok(noS2),
			},
		},
		"does not end": {
			expected: []scenario.Violation{s1(nil, around("30m", "5s"))},
			found:    []Violation{violation("S1", "default/web-0", "4m36s", "")},
			want: []Check{
				failed("S1 is broken for default/web-0 to 30m +-5s", "it was broken from 4m36s to the end on a-0 and b-0"),
				ok(noS2),
			},
		},
		"the other invariant is broken": {
			expected: []scenario.Violation{s1(nil, nil)},
			found:    []Violation{violation("S2", "default/web-0", "4m36s", "5m")},
			want: []Check{
				failed("S1 is broken for default/web-0", "it was never broken"),
				ok(noS1),
				failed("S2 holds for default/web-0", "it was broken from 4m36s to 5m on a-0 and b-0"),
			},
		},
		"another identity as well": {
			expected: []scenario.Violation{s1(nil, nil)},
			found:    []Violation{violation("S1", "default/web-0", "4m", "5m"), violation("S1", "other/web-0", "4m", "5m")},
			want: []Check{
				ok("S1 is broken for default/web-0"),
				failed("S1 holds for other/web-0", "it was broken from 4m to 5m on a-0 and b-0"),
				ok(noS2),
			},
		},
		"once more than expected": {
			expected: []scenario.Violation{s1(around("4m", "1s"), nil)},
			found:    []Violation{violation("S1", "default/web-0", "4m", "5m"), violation("S1", "default/web-0", "7m", "8m")},
			want: []Check{
				ok("S1 is broken for default/web-0 from 4m +-1s"),
				failed("S1 holds for default/web-0 but for what is expected", "it was broken from 7m to 8m on a-0 and b-0"),
				ok(noS2),
			},
		},
		"each once: a vague expectation leaves what a strict one needs": {
			expected: []scenario.Violation{s1(nil, nil), s1(around("4m", "1s"), nil)},
			found:    []Violation{violation("S1", "default/web-0", "4m", "5m"), violation("S1", "default/web-0", "7m", "8m")},
			want:     []Check{ok("S1 is broken for default/web-0"), ok("S1 is broken for default/web-0 from 4m +-1s"), ok(onlyS1), ok(noS2)},
		},
		"each once: one span does not meet two expectations": {
			expected: []scenario.Violation{s1(nil, nil), s1(nil, nil)},
			found:    []Violation{violation("S1", "default/web-0", "4m", "5m")},
			want: []Check{
				ok("S1 is broken for default/web-0"),
				failed("S1 is broken for default/web-0", "it was broken from 4m to 5m on a-0 and b-0"),
				ok(onlyS1), ok(noS2),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(scenario.Expectation{Violations: tc.expected}, &Run{Violations: tc.found})
			if diff := cmp.Diff(append(tc.want, ok(noS3)), got); diff != "" {
				t.Errorf("checks (-want,+got):\n%s", diff)
			}
		})
	}
}

// outside is a violation of S1 by default/web-0 that follows from a false assertion.
func outside(kind, from, to string) Violation {
	v := violation("S1", "default/web-0", from, to)
	v.Outside = kind
	return v
}

func TestJudgeViolationsOutsideTheTrustBoundary(t *testing.T) {
	attested := scenario.Violation{Invariant: "S1", By: "web-0", Outside: "Attested"}
	inside := scenario.Violation{Invariant: "S1", By: "web-0"}
	ofVolume := violation("S2", "default/data-web-0", "10m2s", "30m2s")
	ofVolume.Outside = "Attested"
	const (
		noS1Inside = noS1 + " inside the trust boundary"
		wasFalse   = ", outside the trust boundary: the assertion Attested about web-0 was false"
	)
	for name, tc := range map[string]struct {
		expected []scenario.Violation
		found    []Violation
		want     []Check
	}{
		"expected, and counted apart": {
			expected: []scenario.Violation{attested},
			found:    []Violation{outside("Attested", "10m2s", "30m2s")},
			want: []Check{
				ok("S1 is broken for default/web-0 outside the trust boundary by Attested"), ok(noS1Inside), ok(noS2),
			},
		},
		"not expected: the assertion is named as the cause": {
			found: []Violation{outside("Attested", "10m2s", "30m2s"), ofVolume},
			want: []Check{
				ok(noS1Inside),
				failed("S1 holds for default/web-0 outside the trust boundary too", "it was broken from 10m2s to 30m2s on a-0 and b-0"+wasFalse),
				ok(noS2 + " inside the trust boundary"),
				failed("S2 holds for default/data-web-0 outside the trust boundary too",
					"it was broken from 10m2s to 30m2s on a-0 and b-0, outside the trust boundary: the assertion Attested about a pod that writes it was false"),
			},
		},
		"expected inside, found outside": {
			expected: []scenario.Violation{inside},
			found:    []Violation{outside("Attested", "10m2s", "30m2s")},
			want: []Check{
				failed("S1 is broken for default/web-0", "it was broken from 10m2s to 30m2s on a-0 and b-0"+wasFalse), ok(noS1Inside), ok(noS2),
			},
		},
		"expected outside, found inside": {
			expected: []scenario.Violation{attested},
			found:    []Violation{violation("S1", "default/web-0", "10m2s", "30m2s")},
			want: []Check{
				failed("S1 is broken for default/web-0 outside the trust boundary by Attested", "it was broken from 10m2s to 30m2s on a-0 and b-0"),
				ok(noS2),
			},
		},
		"by another assertion than expected": {
			expected: []scenario.Violation{{Invariant: "S1", By: "web-0", Outside: "Fenced"}},
			found:    []Violation{outside("Attested", "10m2s", "30m2s")},
			want: []Check{
				failed("S1 is broken for default/web-0 outside the trust boundary by Fenced", "it was broken from 10m2s to 30m2s on a-0 and b-0"+wasFalse),
				ok(noS1Inside), ok(noS2),
			},
		},
		"expected outside, and inside as well": {
			expected: []scenario.Violation{attested},
			found:    []Violation{outside("Attested", "10m2s", "30m2s"), violation("S1", "default/web-0", "12m", "13m")},
			want: []Check{
				ok("S1 is broken for default/web-0 outside the trust boundary by Attested"),
				failed("S1 holds for default/web-0", "it was broken from 12m to 13m on a-0 and b-0"),
				ok(noS2),
			},
		},
		"both expected, each on its side": {
			expected: []scenario.Violation{attested, inside},
			found:    []Violation{outside("Attested", "10m2s", "30m2s"), violation("S1", "default/web-0", "12m", "13m")},
			want: []Check{
				ok("S1 is broken for default/web-0 outside the trust boundary by Attested"), ok("S1 is broken for default/web-0"),
				ok(onlyS1), ok(noS2),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(scenario.Expectation{Violations: tc.expected}, &Run{Violations: tc.found})
			if diff := cmp.Diff(append(tc.want, ok(noS3)), got); diff != "" {
				t.Errorf("checks (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestJudgeFalseProofs(t *testing.T) {
	lie := violation("S3", "default/web-0", "5m", "30m")
	lie.Evidence, lie.Nodes = "KubeletConfirmed", []string{"a-0"}
	for name, tc := range map[string]struct {
		expected []scenario.Violation
		want     []Check
	}{
		"not expected": {
			want: []Check{
				ok(noS1), ok(noS2), failed("S3 holds for default/web-0", "it was broken from 5m to 30m on a-0: the proof KubeletConfirmed was false"),
			},
		},
		"expected": {
			expected: []scenario.Violation{{Invariant: "S3", By: "web-0"}},
			want: []Check{
				ok("S3 is broken for default/web-0"), ok(noS1), ok(noS2), ok("S3: no other identity was released on a false proof"),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(scenario.Expectation{Violations: tc.expected}, &Run{Violations: []Violation{lie}})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("checks (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestJudgeOrdinals(t *testing.T) {
	two := 2
	run := &Run{Ordinals: []Ordinal{
		{Name: "default/web-0", State: "Running", Incarnations: 2, LastStart: until("4m31.4s"), Twice: at("26m12s")},
		{Name: "shop/db-0", State: "Held", Incarnations: 1, LastStart: until("2s"), Down: at("10m")},
		{Name: "default/new-0", State: "Pending"},
	}}
	for name, tc := range map[string]struct {
		expected scenario.Ordinal
		want     []Check
	}{
		"nothing is asked": {expected: scenario.Ordinal{Name: "web-0"}},
		"everything is asked and met": {
			expected: scenario.Ordinal{
				Name: "web-0", State: scenario.Running, Incarnations: &two, LastStart: around("4m30s", "5s"),
				Down: between("0s", "0s"), Twice: between("26m", "27m"),
			},
			want: []Check{
				ok("default/web-0 is Running at the end"), ok("default/web-0 had 2 incarnations"),
				ok("default/web-0 last started at 4m30s +-5s"), ok("default/web-0 was without a process for 0s"),
				ok("default/web-0 ran twice for 26m to 27m"),
			},
		},
		"everything is asked and nothing met": {
			expected: scenario.Ordinal{
				Name: "shop/db-0", State: scenario.Running, Incarnations: &two, LastStart: around("4m30s", "5s"),
				Down: between("0s", "9m59s"), Twice: between("1s", "27m"),
			},
			want: []Check{
				failed("shop/db-0 is Running at the end", "it is Held"), failed("shop/db-0 had 2 incarnations", "1 incarnation"),
				failed("shop/db-0 last started at 4m30s +-5s", "it last started at 2s"),
				failed("shop/db-0 was without a process for 0s to 9m59s", "it was for 10m"),
				failed("shop/db-0 ran twice for 1s to 27m", "it ran twice for 0s"),
			},
		},
		"never twice, and yet it did": {
			expected: scenario.Ordinal{Name: "web-0", Twice: between("0s", "0s")},
			want:     []Check{failed("default/web-0 never ran twice", "it ran twice for 26m12s")},
		},
		"never started": {
			expected: scenario.Ordinal{Name: "new-0", LastStart: around("0s", "1h")},
			want:     []Check{failed("default/new-0 last started at 0s +-1h", "it never started")},
		},
		"an ordinal that never was is absent": {
			expected: scenario.Ordinal{Name: "web-7", State: scenario.Absent},
			want:     []Check{ok("default/web-7 is Absent at the end")},
		},
		"an ordinal that never was does not run": {
			expected: scenario.Ordinal{Name: "web-7", State: scenario.Running},
			want:     []Check{failed("default/web-7 is Running at the end", "it is Absent")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(scenario.Expectation{Ordinals: []scenario.Ordinal{tc.expected}}, run)
			if diff := cmp.Diff(append([]Check{ok(noS1), ok(noS2), ok(noS3)}, tc.want...), got); diff != "" {
				t.Errorf("checks (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestJudgeHolds(t *testing.T) {
	byGuard := Hold{Ordinal: "default/web-0", By: "guard", From: at("4m30s"), To: until("30m44s"), Evidence: "KubeletConfirmed"}
	byScheduler := Hold{Ordinal: "default/web-0", By: "scheduler", From: at("4m31s")}

	for name, tc := range map[string]struct {
		expected scenario.Hold
		found    []Hold
		want     Check
	}{
		"held and released as expected": {
			expected: scenario.Hold{Ordinal: "web-0", By: scenario.ByGuard, Evidence: "KubeletConfirmed", From: around("4m30s", "1s"), To: around("31m", "30s")},
			found:    []Hold{byGuard},
			want:     ok("default/web-0 is held by the guard from 4m30s +-1s, released by KubeletConfirmed at 31m +-30s"),
		},
		"held and not released, as expected": {
			expected: scenario.Hold{Ordinal: "web-0", By: scenario.ByScheduler},
			found:    []Hold{byScheduler},
			want:     ok("default/web-0 is held by the scheduler, not released"),
		},
		"never held": {
			expected: scenario.Hold{Ordinal: "web-0", By: scenario.ByGuard},
			want:     failed("default/web-0 is held by the guard, not released", "never held"),
		},
		"held by somebody else": {
			expected: scenario.Hold{Ordinal: "web-0", By: scenario.ByGuard, Evidence: "Attested"},
			found:    []Hold{byScheduler},
			want:     failed("default/web-0 is held by the guard, released by Attested", "held by the scheduler from 4m31s to the end"),
		},
		"released by another evidence": {
			expected: scenario.Hold{Ordinal: "web-0", By: scenario.ByGuard, Evidence: "Attested"},
			found:    []Hold{byGuard},
			want: failed("default/web-0 is held by the guard, released by Attested",
				"held by the guard from 4m30s to 30m44s, released by KubeletConfirmed"),
		},
		"released, and should not have been": {
			expected: scenario.Hold{Ordinal: "web-0", By: scenario.ByGuard},
			found:    []Hold{byGuard},
			want: failed("default/web-0 is held by the guard, not released",
				"held by the guard from 4m30s to 30m44s, released by KubeletConfirmed"),
		},
		"ended without evidence, and should not have ended": {
			expected: scenario.Hold{Ordinal: "web-0", By: scenario.ByScheduler},
			found:    []Hold{{Ordinal: "default/web-0", By: "scheduler", From: at("4m31s"), To: until("9m")}},
			want: failed("default/web-0 is held by the scheduler, not released",
				"held by the scheduler from 4m31s to 9m"),
		},
		"released too late": {
			expected: scenario.Hold{Ordinal: "web-0", By: scenario.ByGuard, Evidence: "KubeletConfirmed", To: around("30m", "43s")},
			found:    []Hold{byGuard},
			want: failed("default/web-0 is held by the guard, released by KubeletConfirmed at 30m +-43s",
				"held by the guard from 4m30s to 30m44s, released by KubeletConfirmed"),
		},
		"another ordinal was held": {
			expected: scenario.Hold{Ordinal: "web-1", By: scenario.ByGuard, Evidence: "KubeletConfirmed"},
			found:    []Hold{byGuard},
			want:     failed("default/web-1 is held by the guard, released by KubeletConfirmed", "never held"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(scenario.Expectation{Holds: []scenario.Hold{tc.expected}}, &Run{Holds: tc.found})
			if diff := cmp.Diff([]Check{ok(noS1), ok(noS2), ok(noS3), tc.want}, got); diff != "" {
				t.Errorf("checks (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestJudgeNoOtherHolds(t *testing.T) {
	const name = "no other hold of a pod that a step deleted"
	guard := Hold{Ordinal: "default/web-0", By: "guard", From: at("4m30s"), To: until("30m"), Evidence: "KubeletConfirmed"}
	forceDelete := []Event{step("4m30s", "force-delete web-0"), pod("4m30.2s", DeletionAsked, 1, "a-0")}

	for sentence, tc := range map[string]struct {
		expected []scenario.Hold
		events   []Event
		found    []Hold
		want     Check
	}{
		"nothing is held": {events: forceDelete, want: ok(name)},
		"the hold is listed": {
			expected: []scenario.Hold{{Ordinal: "web-0", By: scenario.ByGuard, Evidence: "KubeletConfirmed"}},
			events:   forceDelete, found: []Hold{guard}, want: ok(name),
		},
		"the hold is not listed": {
			events: forceDelete, found: []Hold{guard},
			want: failed(name, "default/web-0 was held by the guard from 4m30s to 30m, released by KubeletConfirmed"),
		},
		"a second hold is not listed": {
			expected: []scenario.Hold{{Ordinal: "web-0", By: scenario.ByGuard, Evidence: "KubeletConfirmed"}},
			events:   forceDelete, found: []Hold{guard, {Ordinal: "default/web-0", By: "scheduler", From: at("30m")}},
			want: failed(name, "default/web-0 was held by the scheduler from 30m to the end"),
		},
		"the object is gone at once": {
			events: []Event{step("4m30s", "force-delete web-0"), pod("4m30s", Removed, 1, "a-0")}, found: []Hold{guard},
			want: failed(name, "default/web-0 was held by the guard from 4m30s to 30m, released by KubeletConfirmed"),
		},
		"evicted long after the last step": {
			events: []Event{step("3m", "cut off the node of web-0"), pod("8m51s", DeletionAsked, 1, "a-0")}, found: []Hold{guard},
			want: ok(name),
		},
		"evicted, and gone at once when a step heals the network": {
			events: []Event{pod("8m51s", DeletionAsked, 1, "a-0"), step("30m", "heal the network"), pod("30m0.5s", Removed, 1, "a-0")},
			found:  []Hold{guard},
			want:   ok(name),
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			e := scenario.Expectation{Holds: tc.expected, NoOtherHolds: true}
			got := Judge(e, &Run{Events: tc.events, Holds: tc.found})
			if diff := cmp.Diff(tc.want, got[len(got)-1]); diff != "" {
				t.Errorf("check (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestJudgeAttempts(t *testing.T) {
	run := &Run{Ordinals: []Ordinal{{Name: "default/web-0", AttemptsWhileHeld: 3}, {Name: "default/web-1"}}}
	for name, tc := range map[string]struct {
		most int
		want Check
	}{
		"no more than allowed": {3, ok("L3: no ordinal is tried more than 3 times while it is held")},
		"more than allowed":    {1, failed("L3: no ordinal is tried more than 1 time while it is held", "default/web-0 3 times")},
		"none allowed":         {0, failed("L3: no ordinal is tried while it is held", "default/web-0 3 times")},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(scenario.Expectation{SchedulingAttemptsWhileHeldMax: &tc.most}, run)
			if diff := cmp.Diff([]Check{ok(noS1), ok(noS2), ok(noS3), tc.want}, got); diff != "" {
				t.Errorf("checks (-want,+got):\n%s", diff)
			}
		})
	}
}

// TestPair compares pair with trying everything, for all relations of up to three
// expectations and three findings.
func TestPair(t *testing.T) {
	for n := range 4 {
		for m := range 4 {
			for relation := range 1 << (n * m) {
				fits := func(i, j int) bool { return relation>>(i*m+j)&1 == 1 }
				if err := comparePair(n, m, fits); err != nil {
					t.Fatalf("%d expectations, %d findings, relation %b: %v", n, m, relation, err)
				}
			}
		}
	}
}

func comparePair(n, m int, fits func(i, j int) bool) error {
	var most func(i int, taken uint) int
	most = func(i int, taken uint) int {
		if i == n {
			return 0
		}
		best := most(i+1, taken)
		for j := range m {
			if taken>>j&1 == 0 && fits(i, j) {
				best = max(best, 1+most(i+1, taken|1<<j))
			}
		}
		return best
	}
	paired, taken := 0, map[int]bool{}
	for i, j := range pair(n, m, fits) {
		if j < 0 {
			continue
		}
		if !fits(i, j) || taken[j] {
			return fmt.Errorf("expectation %d has finding %d", i, j)
		}
		taken[j] = true
		paired++
	}
	if want := most(0, 0); paired != want {
		return fmt.Errorf("%d pairs, want %d", paired, want)
	}
	return nil
}

func TestRunPassed(t *testing.T) {
	for name, tc := range map[string]struct {
		checks []Check
		want   bool
	}{
		"nothing was checked":  {want: true},
		"every check is ok":    {[]Check{ok("a"), ok("b")}, true},
		"one check is not met": {[]Check{ok("a"), failed("b", "c")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&Run{Checks: tc.checks}).Passed(); got != tc.want {
				t.Errorf("passed: %t", got)
			}
		})
	}
}

func TestJudgeBindOrder(t *testing.T) {
	bound := func(ordinal string) Event { return of("default/"+ordinal, pod("1m", Bound, 1, "a")) }
	for name, tc := range map[string]struct {
		events []Event
		want   string
	}{
		"in order, with others between":                   {events: []Event{bound("web-0"), bound("db-0"), bound("web-1")}},
		"a later bind of the same ordinal does not count": {events: []Event{bound("web-0"), bound("web-1"), bound("web-0")}},
		"another way round":                               {events: []Event{bound("web-1"), bound("web-0")}, want: "web-1, web-0"},
		"one of them never":                               {events: []Event{bound("web-1")}, want: "web-1; never bound: web-0"},
		"none of them":                                    {events: []Event{bound("db-0")}, want: "none was bound"},
	} {
		t.Run(name, func(t *testing.T) {
			checks := Judge(scenario.Expectation{BindOrder: []string{"web-0", "default/web-1"}}, &Run{Events: tc.events})
			c := checks[len(checks)-1]
			if c.Name != "first bound in this order: web-0, web-1" || c.OK != (tc.want == "") || c.Got != tc.want {
				t.Errorf("check %+v, want %q", c, tc.want)
			}
		})
	}
}

func TestJudgeEvents(t *testing.T) {
	seen := []Announcement{
		{At: at("1m"), Reason: "Held", Kind: "Pod", Name: "default/web-0", Note: "No proof yet."},
		{At: at("3m"), Reason: "Held", Kind: "Pod", Name: "default/web-0", Note: "An attestation would release it."},
	}
	for name, tc := range map[string]struct {
		event scenario.Event
		want  string
	}{
		"seen":                            {event: scenario.Event{Reason: "Held", Kind: "Pod", Name: "web-0"}},
		"seen in time":                    {event: scenario.Event{Reason: "Held", Kind: "Pod", Name: "web-0", First: around("50s", "10s")}},
		"the second of them in time":      {event: scenario.Event{Reason: "Held", Kind: "Pod", Name: "web-0", First: around("3m", "10s"), Note: "attestation"}},
		"said by any of them":             {event: scenario.Event{Reason: "Held", Kind: "Pod", Name: "web-0", Note: "attestation"}},
		"seen at another time":            {event: scenario.Event{Reason: "Held", Kind: "Pod", Name: "web-0", First: around("5m", "10s")}, want: "it was seen at 1m: No proof yet.; at 3m: An attestation would release it."},
		"said by none of them":            {event: scenario.Event{Reason: "Held", Kind: "Pod", Name: "web-0", Note: "fence"}, want: "it was seen at 1m: No proof yet.; at 3m: An attestation would release it."},
		"about an object of another kind": {event: scenario.Event{Reason: "Held", Kind: "StatefulSet", Name: "web-0"}, want: "it was never seen"},
		"about another object":            {event: scenario.Event{Reason: "Held", Kind: "Pod", Name: "shop/web-0"}, want: "it was never seen"},
		"of another reason":               {event: scenario.Event{Reason: "Released", Kind: "Pod", Name: "web-0"}, want: "it was never seen"},
	} {
		t.Run(name, func(t *testing.T) {
			checks := Judge(scenario.Expectation{Events: []scenario.Event{tc.event}}, &Run{Announced: seen})
			if c := checks[len(checks)-1]; c.OK != (tc.want == "") || c.Got != tc.want {
				t.Errorf("check %+v, want %q", c, tc.want)
			}
		})
	}
}
