package docs_test

import (
	"go/ast"
	"strings"
	"testing"
)

// flagsDefined are the long names that a function of cmd/holdfast, or a method of that
// name, gives to flags.
func flagsDefined(t *testing.T, functions ...string) []string {
	t.Helper()
	var names []string
	for _, f := range source(t, "cmd/holdfast") {
		for _, d := range f.Decls {
			function, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			for _, name := range functions {
				if function.Name.Name == name {
					names = append(names, flagsIn(function)...)
				}
			}
		}
	}
	return names
}

func flagsIn(n ast.Node) []string {
	var names []string
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 3 {
			return true
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if ok && (strings.HasSuffix(f.Sel.Name, "Var") || strings.HasSuffix(f.Sel.Name, "VarP")) {
			if name, ok := text(call.Args[1]); ok {
				names = append(names, "--"+name)
			}
		}
		return true
	})
	return names
}

func TestFlagsAreThoseOfTheSimulator(t *testing.T) {
	for heading, functions := range map[string][]string{
		"Flags of holdfast sim run":     {"newRunCommand", "addFlag"},
		"Flags of holdfast sim diff":    {"newDiffCommand"},
		"Flags of holdfast sim fuzz":    {"newFuzzCommand"},
		"Flags of holdfast sim shrink":  {"newShrinkCommand"},
		"Flags of holdfast sim explore": {"newExploreCommand"},
	} {
		var documented []string
		for _, cell := range first(rows(t, heading)) {
			documented = append(documented, cell[strings.Index(cell, "--"):])
		}
		compare(t, "flag", documented, flagsDefined(t, functions...))
	}
}
