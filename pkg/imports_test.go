// Package pkg_test keeps the rules of docs/design.md on who may import whom.
package pkg_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/holdfast-dev/holdfast/"

// decisions take facts and a time and return a verdict. All that they import,
// directly or not, must be able to do nothing else.
var decisions = []string{"pkg/identity", "pkg/tenancy", "pkg/fence", "pkg/protect", "pkg/reach", "pkg/order", "pkg/rank", "pkg/explain", "sim/dns"}

// forbiddenToDecisions would let a clock, a client, a log or chance in.
var forbiddenToDecisions = []string{
	"k8s.io/client-go", "k8s.io/klog", "k8s.io/utils/clock", "k8s.io/apiserver", "k8s.io/kubernetes", "k8s.io/kube-scheduler",
	"math/rand", "crypto/rand", "net/http", "sync",
}

// importersOfPlugin are the only ones that may.
var importersOfPlugin = []string{"cmd/", "sim/engine", "bench/"}

// forbiddenToCheck: a checker that shares code with what it checks shares its mistakes.
var forbiddenToCheck = append([]string{"pkg/plugin", "pkg/guard", "pkg/tenancy/store"}, decisions...)

// forbiddenNames say nothing about what a package is for.
var forbiddenNames = []string{"util", "utils", "common", "helper", "helpers", "manager"}

func TestDecisionPackagesTakeFactsAndATimeOnly(t *testing.T) {
	for pkg, imports := range imports(t) {
		if !slices.Contains(decisions, pkg) {
			continue
		}
		for _, i := range imports {
			for _, forbidden := range forbiddenToDecisions {
				if i == forbidden || strings.HasPrefix(i, forbidden+"/") {
					t.Errorf("%s imports %s", pkg, i)
				}
			}
			if own, ok := strings.CutPrefix(i, module); ok && !slices.Contains(decisions, own) && !strings.HasPrefix(own, "pkg/apis/") {
				t.Errorf("%s imports %s, which is neither a decision package nor an API type", pkg, own)
			}
		}
	}
}

// clock has the functions of package time that read it or wait for it.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestDecisionPackagesReadNoClock(t *testing.T) {
	for _, pkg := range decisions {
		files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files, error %v", pkg, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", file)
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && (x.Name == "time" || x.Name == "metav1") && slices.Contains(clock, n.Sel.Name) {
						t.Errorf("%s calls %s.%s", file, x.Name, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func TestOnlyProgramsImportThePlugin(t *testing.T) {
	for pkg, imports := range imports(t) {
		allowed := slices.ContainsFunc(importersOfPlugin, func(p string) bool { return strings.HasPrefix(pkg, p) })
		if !allowed && slices.Contains(imports, module+"pkg/plugin") {
			t.Errorf("%s imports pkg/plugin", pkg)
		}
	}
}

func TestCheckersShareNoCodeWithWhatTheyCheck(t *testing.T) {
	all := imports(t)
	seen := map[string]bool{}
	var visit func(pkg string)
	visit = func(pkg string) {
		if seen[pkg] {
			return
		}
		seen[pkg] = true
		for _, i := range all[pkg] {
			own, ok := strings.CutPrefix(i, module)
			if !ok {
				continue
			}
			if slices.Contains(forbiddenToCheck, own) {
				t.Errorf("a checker reaches %s through %s", own, pkg)
			}
			visit(own)
		}
	}
	for _, checker := range []string{"sim/check", "sim/explore/model"} {
		if all[checker] == nil {
			t.Fatalf("there is no package %s", checker)
		}
		visit(checker)
	}
}

func TestPackagesAreNamedAfterWhatTheyAreFor(t *testing.T) {
	for pkg := range imports(t) {
		if slices.Contains(forbiddenNames, path.Base(pkg)) {
			t.Errorf("%s: the name says nothing", pkg)
		}
	}
}

// imports returns what each package of the module imports, without its tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		all[strings.TrimPrefix(fields[0], module)] = fields[1:]
	}
	return all
}
