package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// spansOf are the spans of a lane in short: kind, track, node, from and to.
func spansOf(l Lane) []string {
	var all []string
	for _, s := range l.Spans {
		all = append(all, fmt.Sprintf("%s %d %s %s %s", s.Kind, s.Track, s.Node, format(s.From), format(s.To)))
	}
	return all
}

func TestLanesSetApartWhatIsThereAtOnce(t *testing.T) {
	r := silentNode()
	r.Runs[0].Faults = []Fault{{Kind: "partition", What: "cut off", Node: "a-0", From: at("3m"), To: until("30m")}}
	p := Draw(&r)
	for name, tc := range map[string]struct {
		lane Lane
		want []string
	}{
		"an ordinal that runs twice has two tracks": {p.Runs[0].Lanes[0], []string{
			"placed 0 a-0 0s 4m30s", "running 0 a-0 1.2s 3m", "unseen 0 a-0 3m 30m", "running 0 a-0 30m 30m43s",
			"waiting 1  4m30s 4m30s", "placed 1 a-1 4m30s 40m", "running 1 a-1 4m31s 40m",
			"broken 0  4m31s 30m43s",
		}},
		"one that is held has one": {p.Runs[1].Lanes[0], []string{
			"placed 0 a-0 0s 4m30s", "deleting 0 a-0 4m30s 30m44s", "running 0 a-0 1.2s 3m", "unseen 0 a-0 3m 30m43s",
			"waiting 0  30m44s 30m44s", "placed 0 a-1 30m44s 40m", "running 0 a-1 30m46s 40m",
			"holding 0  4m30s 30m44s",
		}},
		"a claim with two writers has a lane": {p.Runs[0].Lanes[2], []string{"broken 0  9m52s 40m"}},
		"so has a fault":                      {p.Runs[0].Faults[0], []string{"effect 0 a-0 3m 30m"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, spansOf(tc.lane)); diff != "" {
				t.Errorf("(-want,+got):\n%s", diff)
			}
		})
	}
}

func TestAHoldSaysWhyAndWhatReleasedIt(t *testing.T) {
	r := silentNode()
	lane := Draw(&r).Runs[1].Lanes[0]
	says := strings.Join(lane.Spans[len(lane.Spans)-1].Says, "\n")
	for _, want := range []string{"held by the guard", "from 4m30s to 30m44s, for 26m14s", "why: deletion asked for", "released by KubeletConfirmed: the kubelet of a-0 reports the sandbox gone"} {
		if !strings.Contains(says, want) {
			t.Errorf("%q is not in\n%s", want, says)
		}
	}
}

func TestFaultsBeyondWhatCanBeReadAreCounted(t *testing.T) {
	r := silentNode()
	r.Runs[0].Faults = make([]Fault, faultLanesMax+3)
	if run := Draw(&r).Runs[0]; len(run.Faults) != faultLanesMax || run.More != 3 {
		t.Errorf("%d lanes and %d more", len(run.Faults), run.More)
	}
}

func TestTicksCanBeReadAtEveryLength(t *testing.T) {
	for _, until := range []time.Duration{time.Second, 90 * time.Second, 40 * time.Minute, 25 * time.Hour, 400 * 24 * time.Hour} {
		n := map[int]int{}
		for _, tick := range ticks(until) {
			n[tick.Level]++
			if tick.At > until {
				t.Errorf("%s: a mark at %s", until, tick.At)
			}
		}
		if n[0] < 2 && until < 14*24*time.Hour || n[0] > ticksMax+1 {
			t.Errorf("%s: %d marks that are always there", until, n[0])
		}
	}
}

func TestLanesAreAsWideAsIsAskedFor(t *testing.T) {
	for _, width := range []int{40, 80, 132} {
		var out strings.Builder
		r := silentNode()
		if err := WriteText(&out, &r, Format{Width: width}); err != nil {
			t.Fatal(err)
		}
		lanes, _, _ := strings.Cut(out.String()[strings.Index(out.String(), "===="):], "incarnation")
		for line := range strings.Lines(lanes) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > width && !strings.HasPrefix(line, "====") {
				t.Errorf("at %d a line has %d: %s", width, n, line)
			}
		}
	}
}
