package report

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSummary(t *testing.T) {
	good, bad := silentNode(), silentNode()
	good.Passed, good.Runs[0].Checks, good.Runs[0].Wall, good.Runs[1].Wall = true, nil, at("3.21s"), at("4s")
	bad.Scenario = "noisy-node"
	idle := Report{Scenario: "idle", Passed: true}
	var out bytes.Buffer
	s := NewSummary(&out, Format{Width: 100}, []string{good.Scenario, bad.Scenario, idle.Scenario})
	for _, r := range []*Report{&good, &bad, &idle} {
		if err := s.Scenario(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Runs(&good); err != nil {
		t.Fatal(err)
	}
	if err := s.End(75 * time.Second); err != nil {
		t.Fatal(err)
	}
	const want = `ok      silent-node      1h20m in   7.2s  web-0 ran twice for 26m12s under the default scheduler, n…
FAILED  noisy-node       1h20m in     0s  1 of 4 checks: S2 holds for default/data-web-0
ok      idle                0s in     0s  not played: the scenario is limited to another scheduler
ok      silent-node   default        40m in   3.2s  web-0 ran twice for 26m12s
ok      silent-node   holdfast       40m in     4s  no ordinal ran twice
4 scenarios: 3 as expected, 1 FAILED; 4h of virtual time in 1m15s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want,+got):\n%s", diff)
	}
}
