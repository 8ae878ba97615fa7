package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// suitePackage has the suite, and suiteName is what it is called in this package.
const (
	suitePackage = "k8s.io/apiserver/pkg/storage/testing"
	suiteName    = "storagetesting"
)

// TestTheSuiteIsWhole fails on a test or benchmark of upstream's suite that nothing
// here runs, as the next version of Kubernetes may bring one. There are no exceptions.
func TestTheSuiteIsWhole(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", suitePackage).CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	exported := map[string]bool{}
	for _, file := range parse(t, filepath.Join(strings.TrimSpace(string(out)), "*.go")) {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Run") {
				exported[f.Name.Name] = true
			}
		}
	}
	if !exported["RunTestCreate"] || !exported["RunWatchSemantics"] {
		t.Fatalf("%s has %d functions, and not those that it is known by", suitePackage, len(exported))
	}

	called := map[string]bool{}
	for _, file := range parse(t, "*_test.go") {
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == suiteName {
					called[s.Sel.Name] = true
				}
			}
			return true
		})
	}
	for _, name := range slices.Sorted(maps.Keys(exported)) {
		if !called[name] {
			t.Errorf("%s.%s is not run over the stores", suitePackage, name)
		}
	}
}

// parse returns the files of a pattern; there must be some.
func parse(t *testing.T, pattern string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no files, error %v", pattern, err)
	}
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}
