package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// playsFor has the test's own program be holdfast: it is what plays where scenarios
// are played in processes of their own.
const playsFor = "HOLDFAST_TEST_PLAYS"

func TestMain(m *testing.M) {
	if os.Getenv(playsFor) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// folder has scenarios by the names of their files.
func folder(t *testing.T, scenarios map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scenarios {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const unmet = idle + "expect:\n  holdfast:\n    ordinals: [{name: web-0, state: Running}]\n"

// wallTime is all that differs between two runs.
var wallTime = regexp.MustCompile(` in +[0-9.ms]+`)

func TestAFolder(t *testing.T) {
	t.Setenv(playsFor, "1")
	dir := folder(t, map[string]string{"a.yaml": idle, "b.yaml": unmet, "c.yaml": idle})
	for name, tc := range map[string]struct {
		args []string
		// want begins what is printed, without wall times; wantToo is in the rest.
		want, wantToo string
	}{
		"has a line for each scenario, and all about what failed": {
			args: []string{"--jobs", "2"},
			want: "ok      a                   2m  no ordinal ran twice under the default scheduler or under Holdfast\n" +
				"FAILED  b                   2m  1 of 7 checks: default/web-0 is Running at the end\n" +
				"ok      c                   2m  no ordinal ran twice under the default scheduler or under Holdfast\n" +
				"3 scenarios: 2 as expected, 1 FAILED; 6m of virtual time\n",
			wantToo: "==== Under Holdfast, 1m of virtual time",
		},
		"has a line for each run and no more, if it is to be quiet": {
			args: []string{"-q", "--scheduler", "holdfast", "--jobs", "1"},
			want: "ok      a             holdfast        1m  no ordinal ran twice\n" +
				"FAILED  b             holdfast        1m  1 of 4 checks: default/web-0 is Running at the end\n" +
				"ok      c             holdfast        1m  no ordinal ran twice\n" +
				"3 scenarios: 2 as expected, 1 FAILED; 3m of virtual time\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			if code := run(append([]string{"sim", "run", dir}, tc.args...), &out, &errOut); code != exitUnmet || errOut.Len() > 0 {
				t.Errorf("exit code %d: %s", code, errOut.String())
			}
			got := wallTime.ReplaceAllString(out.String(), "")
			rest, ok := strings.CutPrefix(got, tc.want)
			if !ok || !strings.Contains(rest, tc.wantToo) || tc.wantToo == "" && rest != "" {
				t.Errorf("printed\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// breakable expects that there is no web-0, and has a break that makes one, which is to
// fail a check.
func breakable(fails string) string {
	return idle + `expect:
  default:
    ordinals: [{name: web-0, state: Absent}]
breaks:
  - steps:
      - at: 30s
        apply:
          manifest:
            apiVersion: apps/v1
            kind: StatefulSet
            metadata: {name: web}
            spec:
              replicas: 1
              selector: {matchLabels: {app: web}}
              template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: registry.example/web}]}}
    fails: ["` + fails + `"]
`
}

func TestBreaksAreToldOfWhereTheyAreAskedFor(t *testing.T) {
	t.Setenv(playsFor, "1")
	const absent = "default/web-0 is Absent at the end"
	for name, tc := range map[string]struct {
		fails string
		args  []string
		code  int
		// want is in what is printed, and unwanted is not.
		want, unwanted string
	}{
		"not asked for":                         {fails: absent, unwanted: "fails: "},
		"what must fail does":                   {fails: absent, args: []string{"--with-breaks"}, want: "Broken on purpose, under the default scheduler ====\n\n  at 30s: apply StatefulSet web\n\n1 check ok:\n  ok      fails: " + absent},
		"what must fail does not":               {fails: "S1: no identity ever ran twice", args: []string{"--with-breaks"}, code: exitUnmet, want: "FAILED  fails: S1: no identity ever ran twice\n          found: it does not"},
		"there is no such check":                {fails: "web-0 is away", args: []string{"--with-breaks"}, code: exitUnmet, want: "found: there is no such check"},
		"a line for each, if it is to be quiet": {fails: absent, args: []string{"--with-breaks", "-q"}, want: "broken on purpose"},
		"not under another scheduler":           {fails: absent, args: []string{"--with-breaks", "--scheduler", "holdfast"}, unwanted: "fails: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"a.yaml": breakable(tc.fails)})
			var out, errOut bytes.Buffer
			if code := run(append([]string{"sim", "run", dir}, tc.args...), &out, &errOut); code != tc.code {
				t.Errorf("exit code %d, want %d: %s", code, tc.code, errOut.String())
			}
			if !strings.Contains(out.String(), tc.want) || tc.unwanted != "" && strings.Contains(out.String(), tc.unwanted) {
				t.Errorf("printed\n%s\nwant %q in it, and not %q", out.String(), tc.want, tc.unwanted)
			}
		})
	}
	// In processes of their own too.
	dir := folder(t, map[string]string{"a.yaml": breakable(absent), "b.yaml": breakable("web-0 is away")})
	var out, errOut bytes.Buffer
	if code := run([]string{"sim", "run", "--with-breaks", "--jobs", "2", dir}, &out, &errOut); code != exitUnmet {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
	if text := out.String(); !strings.Contains(text, "ok      a ") || !strings.Contains(text, "FAILED  b ") {
		t.Errorf("printed\n%s", text)
	}
}

func TestProcessesOfTheirOwnSayWhatOneProcessDoes(t *testing.T) {
	t.Setenv(playsFor, "1")
	dir := folder(t, map[string]string{"a.yaml": idle, "b.yaml": unmet})
	page := filepath.Join(t.TempDir(), "page.html")
	files := map[string]string{}
	for _, jobs := range []string{"1", "2"} {
		var out, errOut bytes.Buffer
		if code := run([]string{"sim", "run", "--until", "30s", "-o", "json", "--html", page, "--jobs", jobs, dir}, &out, &errOut); code != exitUnmet {
			t.Fatalf("exit code %d: %s", code, errOut.String())
		}
		files[jobs] = filepath.Join(t.TempDir(), "run.json")
		if err := os.WriteFile(files[jobs], out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if html, err := os.ReadFile(page); err != nil || bytes.Count(html, []byte("<section")) != 2 {
			t.Errorf("the page: %d bytes, %v", len(html), err)
		}
	}
	var out, errOut bytes.Buffer
	if code := run([]string{"sim", "diff", files["1"], files["2"]}, &out, &errOut); code != 0 {
		t.Errorf("exit code %d: %s%s", code, out.String(), errOut.String())
	}
}

func TestAProcessThatRefusesSaysSoOnce(t *testing.T) {
	t.Setenv(playsFor, "1")
	refused := idle + "objects:\n  - manifest: {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 0}]}}\n"
	dir := folder(t, map[string]string{"a.yaml": refused, "b.yaml": idle})
	var out, errOut bytes.Buffer
	if code := run([]string{"sim", "run", "--scheduler", "default", "--jobs", "2", dir}, &out, &errOut); code != exitInput {
		t.Errorf("exit code %d, want %d", code, exitInput)
	}
	if n := strings.Count(errOut.String(), "a.yaml: objects: Service web: "); n != 1 {
		t.Errorf("error %q", errOut.String())
	}
}

func TestFlagsOfARunThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no jobs":                     {[]string{"--jobs", "-1"}, "--jobs -1: must not be negative"},
		"a line without room":         {[]string{"--width", "10"}, "--width 10: must be 40 or more"},
		"breaks in a part of a run":   {[]string{"--with-breaks", "--until", "30s"}, "--with-breaks and --until: at most one of them"},
		"quiet and verbose":           {[]string{"-q", "-v"}, "--quiet and --verbose: at most one of them"},
		"quiet json":                  {[]string{"-q", "-o", "json"}, "are for the output text"},
		"a page in no folder":         {[]string{"--html", "no/such/page.html"}, "--html: "},
		"a page that is a folder":     {[]string{"--html", "."}, "--html: . is a folder"},
		"an end before the beginning": {[]string{"--until", "-1s"}, "--until -1s: must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"a.yaml": idle})
			var out, errOut bytes.Buffer
			if code := run(append([]string{"sim", "run", dir}, tc.args...), &out, &errOut); code != exitInput {
				t.Errorf("exit code %d, want %d", code, exitInput)
			}
			if !strings.Contains(errOut.String(), tc.want) {
				t.Errorf("error %q, want %q in it", errOut.String(), tc.want)
			}
		})
	}
}

func TestDiffExitCodes(t *testing.T) {
	const head = `{"apiVersion":"sim.holdfast.dev/v1alpha1","kind":"RunReport","scenario":"a","passed":true,"runs":[{"scheduler":"default","until":"`
	const tail = `","events":[],"ordinals":[],"checks":[]}]}`
	dir := folder(t, map[string]string{"a": head + "1m" + tail, "b": head + "1m1s" + tail, "bad": "{"})
	for name, tc := range map[string]struct {
		args    []string
		want    int
		wantOut string
	}{
		"no difference":               {[]string{"a", "a"}, 0, "no difference"},
		"a difference":                {[]string{"a", "b"}, exitUnmet, "end of the run"},
		"one that is within bounds":   {[]string{"a", "b", "--tolerance", "1s"}, 0, "no difference"},
		"for a program":               {[]string{"a", "b", "-o", "json"}, exitUnmet, `"kind": "RunDiff"`},
		"a file that is none":         {[]string{"a", "bad"}, exitInput, ""},
		"a file that is not there":    {[]string{"a", "c"}, exitInput, ""},
		"an output that there is not": {[]string{"a", "b", "-o", "xml"}, exitInput, ""},
		"a tolerance below zero":      {[]string{"a", "b", "--tolerance", "-1s"}, exitInput, ""},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"sim", "diff", filepath.Join(dir, tc.args[0]), filepath.Join(dir, tc.args[1])}
			var out, errOut bytes.Buffer
			if code := run(append(args, tc.args[2:]...), &out, &errOut); code != tc.want {
				t.Errorf("exit code %d, want %d: %s", code, tc.want, errOut.String())
			}
			if !strings.Contains(out.String(), tc.wantOut) || tc.want == exitInput && errOut.Len() == 0 {
				t.Errorf("printed %q, error %q", out.String(), errOut.String())
			}
		})
	}
}

func TestStacksOfAnotherProcessAreToldApartFromItsMessage(t *testing.T) {
	plain := saidBy("a.yaml: the API server did not start")
	if dumped := (*dumpedError)(nil); errors.As(plain, &dumped) {
		t.Errorf("stacks in %q", plain)
	}
	still := saidBy("a.yaml: it stands still\n  it waits for goroutine 7\n\ngoroutine 7 [sync.Mutex.Lock]:\nf()\n\ngoroutine 8 [sleep]:\ng()")
	dumped := (*dumpedError)(nil)
	if !errors.As(still, &dumped) {
		t.Fatalf("no stacks in %q", still)
	}
	if want := "a.yaml: it stands still\n  it waits for goroutine 7"; dumped.Error() != want {
		t.Errorf("said %q, want %q", dumped, want)
	}
	if want := "goroutine 7 [sync.Mutex.Lock]:\nf()\n\ngoroutine 8 [sleep]:\ng()\n"; dumped.dump != want {
		t.Errorf("stacks %q, want %q", dumped.dump, want)
	}
}
