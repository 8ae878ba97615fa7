// Overlay runs go build or go test so that what is built is deterministic (package
// replay): it patches the runtime of the installed toolchain. The project holds the
// changes only, and FOLDER gets the changed copies.
//
//	go run ./sim/replay/overlay bin/overlay build -o bin/holdfast-deterministic ./cmd/holdfast
//
// Only what is changed is compiled with go build -overlay, and the linker then takes it in
// the place of the original: the edits leave alone what other packages were compiled
// against, which the linker verifies. To compile everything again would take many minutes.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	err := fmt.Errorf("usage: overlay FOLDER build|test ARGUMENTS")
	switch {
	case len(os.Args) > 3 && os.Args[1] == asTool:
		err = link(os.Args[2], os.Args[3:])
	case len(os.Args) > 2:
		err = build(os.Args[1], os.Args[2], os.Args[3:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "overlay:", err)
		os.Exit(1)
	}
}

// build runs go verb args with the patched packages.
func build(folder, verb string, args []string) error {
	version, root, err := toolchain()
	if err != nil {
		return err
	}
	if err := fits(version); err != nil {
		return err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return err
	}
	replace, err := write(folder, root)
	if err != nil {
		return err
	}
	archives, err := compile(folder, root, replace)
	if err != nil {
		return err
	}
	list := filepath.Join(folder, "importcfg")
	if err := os.WriteFile(list, archives, 0o644); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command("go", append([]string{verb, "-tags", "deterministic", "-toolexec", fmt.Sprintf("%q %s %q", self, asTool, list)}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// fits refuses a Go that nobody has looked at.
func fits(version string) error {
	if version != goVersion {
		return fmt.Errorf("the toolchain is %s, and the edits fit %s: look at the sources of chance in the new runtime, and mend sim/replay/overlay/edits.go", version, goVersion)
	}
	return nil
}

// toolchain is the version and the root of the Go that builds.
func toolchain() (version, root string, err error) {
	out, err := exec.Command("go", "env", "GOVERSION", "GOROOT").Output()
	if err != nil {
		return "", "", fmt.Errorf("go env: %w", err)
	}
	words := strings.Fields(string(out))
	if len(words) != 2 {
		return "", "", fmt.Errorf("go env: %q", out)
	}
	return words[0], words[1], nil
}

// write puts the patched files into the folder, and says which stands for which of root.
func write(folder, root string) (replace map[string]string, err error) {
	source := filepath.Join(root, "src")
	files, err := patched(func(file string) ([]byte, error) { return os.ReadFile(filepath.Join(source, file)) })
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	replace = map[string]string{}
	for file, text := range files {
		to := filepath.Join(folder, strings.ReplaceAll(file, "/", "_")+".txt")
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return nil, err
		}
		replace[filepath.Join(source, file)] = to
	}
	return replace, nil
}

// patched has the files after the edits. Each must find its text exactly once.
func patched(read func(file string) ([]byte, error)) (map[string]string, error) {
	files := map[string]string{}
	for _, e := range edits {
		text, ok := files[e.file]
		if !ok {
			data, err := read(e.file)
			if err != nil {
				return nil, err
			}
			text = string(data)
		}
		if n := strings.Count(text, e.find); n != 1 {
			return nil, fmt.Errorf("%s has %d times, not once:\n%s", e.file, n, e.find)
		}
		files[e.file] = strings.Replace(text, e.find, e.put, 1)
	}
	files[addedTo] += added
	return files, nil
}

// compile compiles the packages of the files with an overlay. It says for each where the
// archive is, in the words of the linker.
func compile(folder, root string, replace map[string]string) ([]byte, error) {
	list, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "  ")
	if err != nil {
		return nil, err
	}
	overlay := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o644); err != nil {
		return nil, err
	}
	args := []string{"list", "-overlay", overlay, "-export", "-f", "packagefile {{.ImportPath}}={{.Export}}"}
	names, packages := map[string][]string{}, []string{}
	for file, to := range replace {
		pkg, err := filepath.Rel(filepath.Join(root, "src"), filepath.Dir(file))
		if err != nil {
			return nil, err
		}
		// The name that the original has in the archive: the linker sees to it that all
		// know the package by the same positions.
		names[pkg] = append(names[pkg], to+"=>$GOROOT"+strings.TrimPrefix(file, root))
	}
	for pkg, names := range names {
		slices.Sort(names)
		args = append(args, "-gcflags="+pkg+"=-trimpath="+strings.Join(names, ";"))
		packages = append(packages, pkg)
	}
	slices.Sort(packages)
	cmd := exec.Command("go", append(args, packages...)...)
	cmd.Stderr = os.Stderr
	archives, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("compile the patched packages: %w", err)
	}
	return archives, nil
}

// asTool is the first argument with which go build calls this program in the place of its tools.
const asTool = "-as-tool"

// link runs a tool of go build; the linker with the archives of the list.
func link(list string, tool []string) error {
	if filepath.Base(tool[0]) != "link" {
		return syscall.Exec(tool[0], tool, os.Environ())
	}
	archives, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	if len(tool) == 2 && tool[1] == "-V=full" {
		// With another identity, go build neither takes a program from its cache that was
		// linked without the edits, nor the other way round.
		out, err := exec.Command(tool[0], tool[1]).Output()
		if err == nil {
			fmt.Printf("%s replay=%x\n", bytes.TrimSpace(out), sha256.Sum256(archives))
		}
		return err
	}
	for i, arg := range tool {
		if arg != "-importcfg" || i+1 == len(tool) {
			continue
		}
		original, err := os.ReadFile(tool[i+1])
		if err != nil {
			return err
		}
		tool[i+1] += ".replay"
		if err := os.WriteFile(tool[i+1], swapped(original, archives), 0o644); err != nil {
			return err
		}
	}
	return syscall.Exec(tool[0], tool, os.Environ())
}

// swapped is the linker's list with the archives in the place of the originals.
func swapped(original, archives []byte) []byte {
	instead := map[string]string{}
	for line := range strings.Lines(string(archives)) {
		name, _, _ := strings.Cut(line, "=")
		instead[name] = line
	}
	var list strings.Builder
	for line := range strings.Lines(string(original)) {
		name, _, _ := strings.Cut(line, "=")
		if other, ok := instead[name]; ok {
			line = other
		}
		list.WriteString(line)
	}
	return []byte(list.String())
}
