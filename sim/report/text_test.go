package report

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestText(t *testing.T) {
	r := silentNode()
	var plain, styled bytes.Buffer
	if err := WriteText(&plain, &r, Format{}); err != nil {
		t.Fatal(err)
	}
	if err := WriteText(&styled, &r, Format{Styled: true}); err != nil {
		t.Fatal(err)
	}
	golden(t, "silent-node.txt", plain.String())

	if strings.Contains(plain.String(), "\x1b") {
		t.Error("plain text has escape sequences")
	}
	if !strings.Contains(styled.String(), "\x1b[31m  FAILED  ") {
		t.Error("a failed check is not red")
	}
	if unstyled := regexp.MustCompile("\x1b\\[[0-9;]+m").ReplaceAllString(styled.String(), ""); unstyled != plain.String() {
		t.Errorf("styled text says something else:\n%s", unstyled)
	}
}

func TestTextSetsApartWhatIsOutsideTheTrustBoundary(t *testing.T) {
	r := falseAttestation()
	var out bytes.Buffer
	if err := WriteText(&out, &r, Format{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "false-attestation.txt", out.String())
}

func TestTextOfAnEmptyReport(t *testing.T) {
	var out bytes.Buffer
	if err := WriteText(&out, &Report{Scenario: "nothing", Runs: []Run{{Scheduler: "default"}}}, Format{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "no ordinal ran twice under the default scheduler") {
		t.Errorf("text: %s", out.String())
	}
}

func TestTextNamesTheReportThatItCannotWrite(t *testing.T) {
	r := silentNode()
	err := WriteText(brokenPipe{}, &r, Format{})
	if err == nil || !strings.Contains(err.Error(), "silent-node") || !errors.Is(err, errBrokenPipe) {
		t.Errorf("error: %v", err)
	}
}

var errBrokenPipe = errors.New("broken pipe")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errBrokenPipe }

func TestFormat(t *testing.T) {
	for in, want := range map[string]string{
		"0s": "0s", "40ms": "0s", "50ms": "0.1s", "1.234s": "1.2s", "30s": "30s",
		"59.94s": "59.9s", "59.96s": "1m", "1m29.6s": "1m30s", "3m": "3m", "4m30s": "4m30s", "26m12.4s": "26m12s",
		"1h": "1h", "1h0m5s": "1h0m5s", "1h10m": "1h10m", "20m": "20m", "59m59.5s": "1h", "-4m": "-4m",
	} {
		d, err := time.ParseDuration(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := format(d); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestComparison(t *testing.T) {
	run := func(scheduler string, twice ...string) Run {
		r := Run{Scheduler: scheduler, Ordinals: []Ordinal{{Name: "default/idle-0"}}}
		for i, d := range twice {
			r.Ordinals = append(r.Ordinals, Ordinal{Name: []string{"default/web-0", "default/db-0", "other/web-0", "other/db-0", "other/x-0"}[i], Twice: at(d)})
		}
		return r
	}
	noLength := run("default", "0s")
	noLength.Violations = []Violation{{Invariant: "S1", By: "default/web-0"}}
	// beyond is the second ordinal of the run, outside the trust boundary for so long.
	beyond := func(r Run, d string) Run {
		r.Ordinals[2].TwiceOutside = at(d)
		return r
	}

	for name, tc := range map[string]struct {
		runs []Run
		want string
	}{
		"inside under one, outside alone under the other": {
			runs: []Run{run("default", "26m12s"), beyond(run("holdfast", "0s", "20m"), "20m")},
			want: "web-0 ran twice for 26m12s under the default scheduler, db-0 for 20m outside the trust boundary under Holdfast",
		},
		"one inside and one outside": {
			runs: []Run{beyond(run("holdfast", "3s", "20m"), "20m")},
			want: "web-0 ran twice for 3s, and db-0 for 20m outside the trust boundary under Holdfast",
		},
		"one ordinal on both sides": {
			runs: []Run{run("default"), beyond(run("holdfast", "0s", "20m"), "15m")},
			want: "db-0 ran twice for 5m, and db-0 for 15m outside the trust boundary under Holdfast, never under the default scheduler",
		},
		"outside for no length": {
			runs: []Run{{Scheduler: "holdfast", Ordinals: []Ordinal{{Name: "default/web-0"}}, Violations: []Violation{outside("Fenced", "1m", "1m")}}},
			want: "web-0 ran twice for 0s outside the trust boundary under Holdfast",
		},
		"one ordinal under one of two": {
			runs: []Run{run("default", "26m12s"), run("holdfast", "0s")},
			want: "web-0 ran twice for 26m12s under the default scheduler, never under Holdfast",
		},
		"two ordinals under one of two, the longest first": {
			runs: []Run{run("default", "20m50s", "26m12s"), run("holdfast")},
			want: "db-0 ran twice for 26m12s and web-0 for 20m50s under the default scheduler, none under Holdfast",
		},
		"more than are named": {
			runs: []Run{run("default", "1m", "2m", "3m", "4m", "5m"), run("holdfast")},
			want: "other/x-0 ran twice for 5m, other/db-0 for 4m, other/web-0 for 3m and 2 others for up to 2m under the default scheduler, none under Holdfast",
		},
		"under both": {
			runs: []Run{run("default", "26m12s"), run("holdfast", "3s")},
			want: "web-0 ran twice for 26m12s under the default scheduler, web-0 for 3s under Holdfast",
		},
		"under the second alone": {
			runs: []Run{run("default"), run("holdfast", "3s")},
			want: "web-0 ran twice for 3s under Holdfast, never under the default scheduler",
		},
		"under none": {
			runs: []Run{run("default"), run("holdfast")},
			want: "no ordinal ran twice under the default scheduler or under Holdfast",
		},
		"under the only one": {
			runs: []Run{run("default", "26m12s")},
			want: "web-0 ran twice for 26m12s under the default scheduler",
		},
		"an overlap of no length is one": {
			runs: []Run{noLength},
			want: "web-0 ran twice for 0s under the default scheduler",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := comparison(tc.runs); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
