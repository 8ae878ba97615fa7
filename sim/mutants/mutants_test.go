package main

import (
	"go/parser"
	"go/token"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTheListsFitTheTree keeps the lists from rotting: every text that is to be replaced
// is there once, what is edited parses, and every story that is named is there.
func TestTheListsFitTheTree(t *testing.T) {
	mutants := listed(t)
	if len(mutants) < 40 {
		t.Errorf("%d mutants, want 40 or more", len(mutants))
	}
	hazards, err := readHazards(hazardsFile, mutants)
	if err != nil {
		t.Fatal(err)
	}
	if len(hazards) != 25 {
		t.Errorf("%d hazards, want 25", len(hazards))
	}
	if _, err := newOverlay("../..", mutants); err != nil {
		t.Error(err)
	}
	all, err := stories("../..")
	if err != nil {
		t.Fatal(err)
	}
	h := &hunt{stories: all}
	for _, m := range mutants {
		if _, err := h.inOrder(m); err != nil {
			t.Error(err)
		}
	}
	for _, hazard := range hazards {
		if hazard.Outside == "" {
			if _, err := h.inOrder(Mutant{Name: hazard.ID, Stories: []string{hazard.Story}}); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestWhatIsEditedCompiles builds the edited packages, without what links them.
func TestWhatIsEditedCompiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the plugin")
	}
	top, err := topOf()
	if err != nil {
		t.Fatal(err)
	}
	o, err := newOverlay(top, listed(t))
	if err != nil {
		t.Fatal(err)
	}
	file, err := o.write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "go", append([]string{"build", "-overlay", file}, o.packages()...)...)
	c.Dir = top
	if said, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// A mutant that no story notices is one for the tests of its package, which must pass
// with none on.
func TestTheTestsOfAPackageNotice(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles tests")
	}
	top, err := topOf()
	if err != nil {
		t.Fatal(err)
	}
	mutants := slices.DeleteFunc(listed(t), func(m Mutant) bool { return packageOf(m) != "pkg/order" })
	overlay, err := writtenOverlay(top, t.TempDir(), mutants)
	if err != nil {
		t.Fatal(err)
	}
	p := &packages{top: top, overlay: overlay, work: t.TempDir(), limit: time.Minute, built: map[string]func() (string, error){}}
	i := slices.IndexFunc(mutants, func(m Mutant) bool { return m.Survives != "" })
	if i < 0 {
		t.Fatal("pkg/order has no mutant that survives all stories")
	}
	failed, err := p.notice(t.Context(), mutants[i])
	if err != nil || len(failed) == 0 {
		t.Errorf("%s: %q fail, error %v", mutants[i].Name, failed, err)
	}
	if failed, err := p.notice(t.Context(), Mutant{Name: "no-such-edit", File: mutants[i].File}); err != nil || len(failed) > 0 {
		t.Errorf("without an edit %q fail, error %v", failed, err)
	}
}

func listed(t *testing.T) []Mutant {
	t.Helper()
	mutants, err := readMutants(mutantsFile)
	if err != nil {
		t.Fatal(err)
	}
	return mutants
}

func TestEditsAreBehindTheirSwitches(t *testing.T) {
	const text = "package p\n\nfunc f(a, b int) bool { return a < b && a > 0 }\n"
	edited, wrong := edit(text, []Mutant{
		{Name: "second", File: "p.go", Find: "a > 0", Replace: "(a > 0 || MUTANT)"},
		{Name: "first", File: "p.go", Find: "a < b", Replace: "(a < b || MUTANT)"},
	})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	const want = "package p\n\nfunc f(a, b int) bool { return (a < b || mutant(\"first\")) && (a > 0 || mutant(\"second\")) }\n"
	if edited != want {
		t.Errorf("got\n%s\nwant\n%s", edited, want)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "p.go", edited, 0); err != nil {
		t.Error(err)
	}
}

func TestAListThatDoesNotFitIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		mutants []Mutant
		want    string
	}{
		"a text that is not there":    {[]Mutant{{Name: "m", File: "p.go", Find: "c", Replace: "MUTANT"}}, "mutant m: find: stands 0 times in p.go"},
		"a text that is there twice":  {[]Mutant{{Name: "m", File: "p.go", Find: "a", Replace: "MUTANT"}}, "mutant m: find: stands 2 times in p.go"},
		"two that want the same text": {[]Mutant{{Name: "m", File: "p.go", Find: "a b", Replace: "MUTANT"}, {Name: "n", File: "p.go", Find: "b a", Replace: "MUTANT"}}, "mutants m and n: find: the texts overlap"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, wrong := edit("a b a", tc.mutants); !strings.Contains(strings.Join(wrong, "\n"), tc.want) {
				t.Errorf("got %q, want %q", wrong, tc.want)
			}
		})
	}
}

func TestAListThatSaysTooLittleIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ list, want string }{
		"a field that nobody knows": {"mutants: [{name: m, file: p.go, find: a, replace: MUTANT, breaks: x, why: y}]", "unknown field"},
		"no switch":                 {"mutants: [{name: m, file: p.go, find: a, replace: b, breaks: x}]", "mutant m: replace: has no MUTANT"},
		"two of a name":             {"mutants: [{name: m, file: p.go, find: a, replace: MUTANT, breaks: x}, {name: m, file: p.go, find: b, replace: MUTANT, breaks: x}]", "mutant m: there are two of this name"},
		"nothing that breaks":       {"mutants: [{name: m, file: p.go, find: a, replace: MUTANT}]", "mutant m: file, find and breaks"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readMutants([]byte(tc.list)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	for name, tc := range map[string]struct{ list, want string }{
		"one is missing":              {"hazards: [{id: H2, what: x, outside: y}]", `id "H2": want H1`},
		"neither found nor outside":   {"hazards: [{id: H1, what: x}]", "want without, story and finds, or outside alone"},
		"a rule that is no mutant":    {"hazards: [{id: H1, what: x, without: other, story: s, finds: S1}]", `there is no mutant "other"`},
		"both found and out of model": {"hazards: [{id: H1, what: x, without: m, story: s, finds: S1, outside: y}]", "outside alone"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readHazards([]byte(tc.list), []Mutant{{Name: "m"}}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
