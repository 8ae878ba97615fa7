package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCompare(t *testing.T) {
	for name, tc := range map[string]struct {
		// change makes the second report out of the first.
		change    func(*Report)
		tolerance time.Duration
		// want has scheduler, about, a and b of each.
		want []string
	}{
		"the same": {change: func(*Report) {}},
		"the wall time is no difference": {
			change: func(r *Report) { r.Runs[0].Wall = at("9s") },
		},
		"the transcript is no difference": {
			change: func(r *Report) { r.Runs[0].Events = nil },
		},
		"another state": {
			change: func(r *Report) { r.Runs[1].Ordinals[0].State = "Held" },
			want:   []string{"holdfast | ordinal default/web-0: state at the end | Running | Held"},
		},
		"a time that is further apart than is allowed": {
			change:    func(r *Report) { r.Runs[1].Ordinals[0].Down = at("4.5s") },
			tolerance: 2 * time.Second,
			want:      []string{"holdfast | ordinal default/web-0: time without a process | 2.4s | 4.5s"},
		},
		"a time that is as far apart as is allowed": {
			change:    func(r *Report) { r.Runs[1].Ordinals[0].Down = at("4.4s") },
			tolerance: 2 * time.Second,
		},
		"a start that never was": {
			change: func(r *Report) { r.Runs[0].Ordinals[1].LastStart = nil },
			want:   []string{"default | ordinal other/web-10: last start | 2.6s | never"},
		},
		"an ordinal that is not there": {
			change: func(r *Report) { r.Runs[0].Ordinals = r.Runs[0].Ordinals[:1] },
			want:   []string{"default | ordinal other/web-10 | Running | "},
		},
		"a violation that is not there": {
			change: func(r *Report) { r.Runs[0].Violations = r.Runs[0].Violations[:1] },
			want:   []string{"default | violation of S2 by default/data-web-0 | from 9m51.9s to the end on a-0 and a-1 | "},
		},
		"a violation that ends": {
			change: func(r *Report) { r.Runs[0].Violations[1].To = until("20m") },
			want:   []string{"default | violation of S2 by default/data-web-0 | from 9m51.9s to the end on a-0 and a-1 | from 9m51.9s to 20m0s on a-0 and a-1"},
		},
		"a hold that another evidence ends": {
			change: func(r *Report) { r.Runs[1].Holds[0].Evidence = "Attested" },
			want: []string{"holdfast | hold of default/web-0 | by the guard from 4m30s to 30m44.1s, released by KubeletConfirmed | " +
				"by the guard from 4m30s to 30m44.1s, released by Attested"},
		},
		"a second hold": {
			change: func(r *Report) {
				r.Runs[1].Holds = append(r.Runs[1].Holds, Hold{Ordinal: "default/web-0", By: "scheduler", From: at("31m")})
			},
			want: []string{"holdfast | hold of default/web-0 |  | by the scheduler from 31m0s to the end"},
		},
		"a check that fails": {
			change: func(r *Report) { r.Runs[1].Checks[0] = unless(r.Runs[1].Checks[0].Name, "it did") },
			want:   []string{"holdfast | check: S1: no identity ever ran twice | ok | FAILED, found: it did"},
		},
		"a run that is not there": {
			change: func(r *Report) { r.Runs = r.Runs[:1] },
			want:   []string{"holdfast | run | played | "},
		},
		"another scenario": {
			change: func(r *Report) { r.Scenario = "noisy-node" },
			want:   []string{" | scenario | played | ", " | scenario |  | played"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := silentNode(), silentNode()
			tc.change(&b)
			var got []string
			for _, x := range Compare([]*Report{&a}, []*Report{&b}, tc.tolerance).Differences {
				got = append(got, strings.Join([]string{x.Scheduler, x.About, x.A, x.B}, " | "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want,+got):\n%s", diff)
			}
		})
	}
}

func TestOneScenarioTwiceIsComparedInOrder(t *testing.T) {
	a, b, c := silentNode(), silentNode(), silentNode()
	b.Runs = b.Runs[:1]
	if d := Compare([]*Report{&a, &b}, []*Report{&c, &b}, 0); len(d.Differences) > 0 {
		t.Errorf("got %+v", d.Differences)
	}
	if d := Compare([]*Report{&a, &b}, []*Report{&b, &a}, 0); len(d.Differences) != 2 {
		t.Errorf("got %+v, want the run that is missing from each", d.Differences)
	}
}

func TestDiffText(t *testing.T) {
	a, b := silentNode(), silentNode()
	b.Runs[1].Ordinals[0].State = "Held"
	b.Runs[1].Holds = nil
	var out bytes.Buffer
	if err := Compare([]*Report{&a}, []*Report{&b}, 0).WriteText(&out, Format{}, "a.json", "b.json"); err != nil {
		t.Fatal(err)
	}
	const want = `silent-node under Holdfast
  ordinal default/web-0: state at the end
    - Running
    + Held
  hold of default/web-0
    - by the guard from 4m30s to 30m44.1s, released by KubeletConfirmed

2 differences; - is a.json, + is b.json
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want,+got):\n%s", diff)
	}
}

func TestReadAll(t *testing.T) {
	var two bytes.Buffer
	for _, r := range []Report{silentNode(), falseAttestation()} {
		if err := WriteJSON(&two, &r); err != nil {
			t.Fatal(err)
		}
	}
	all, err := ReadAll(strings.NewReader(two.String()))
	if err != nil || len(all) != 2 || all[1].Scenario != "false-attestation" {
		t.Errorf("got %d reports, %v", len(all), err)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":                  {"", "document 1: there is none"},
		"another kind":             {`{"apiVersion":"v1","kind":"Pod"}`, `document 1: apiVersion "v1", kind "Pod": want`},
		"a field that is unknown":  {`{"scenarios":[]}`, `document 1: json: unknown field "scenarios"`},
		"a second that is cut off": {two.String() + "{", "document 3: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadAll(strings.NewReader(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q in it", err, tc.want)
			}
		})
	}
}
