package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnlyTheGoThatTheEditsFitIsTaken(t *testing.T) {
	for version, want := range map[string]bool{goVersion: true, "go1.26.7": false, "go1.27.0": false, "devel go1.27-abcdef": false, "": false} {
		if err := fits(version); (err == nil) != want {
			t.Errorf("%q: %v", version, err)
		} else if err != nil && !strings.Contains(err.Error(), goVersion) {
			t.Errorf("%q: the error does not name %s: %v", version, goVersion, err)
		}
	}
}

// The linker verifies positions, too: a test tells it earlier and in other words.
func TestEveryEditKeepsTheLines(t *testing.T) {
	for _, e := range edits {
		if strings.Count(e.find, "\n") != strings.Count(e.put, "\n") {
			t.Errorf("%s: not as many lines:\n%s\n%s", e.file, e.find, e.put)
		}
		if e.find == e.put {
			t.Errorf("%s: changes nothing:\n%s", e.file, e.find)
		}
	}
}

func TestTheEditsFitTheInstalledGo(t *testing.T) {
	version, root, err := toolchain()
	if err != nil {
		t.Fatal(err)
	}
	if fits(version) != nil {
		t.Skipf("%s is installed, and the edits are for %s", version, goVersion)
	}
	files, err := patched(func(file string) ([]byte, error) { return os.ReadFile(filepath.Join(root, "src", file)) })
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		if !strings.Contains(files[e.file], e.put) {
			t.Errorf("%s has lost, by a later edit:\n%s", e.file, e.put)
		}
	}
	if !strings.HasSuffix(files[addedTo], added) {
		t.Errorf("%s does not end with what is added", addedTo)
	}
}

func TestATextThatIsNotThereOnceIsRefused(t *testing.T) {
	for name, text := range map[string]string{"not at all": "", "twice": edits[0].find + edits[0].find} {
		t.Run(name, func(t *testing.T) {
			_, err := patched(func(string) ([]byte, error) { return []byte(text), nil })
			if err == nil || !strings.Contains(err.Error(), edits[0].file) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheLinkerGetsThePatchedArchives(t *testing.T) {
	original := "packagefile runtime=/a/1-d\npackagefile runtime/debug=/a/2-d\nmodinfo \"x\"\n"
	want := "packagefile runtime=/b/9-d\npackagefile runtime/debug=/a/2-d\nmodinfo \"x\"\n"
	if got := string(swapped([]byte(original), []byte("packagefile runtime=/b/9-d\n"))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A small program, built and run: what Go leaves to chance is the same each time. That it
// is linked shows that nothing else need be compiled again.
func TestAPatchedProgramRepeatsItself(t *testing.T) {
	version, _, err := toolchain()
	if err != nil {
		t.Fatal(err)
	}
	if fits(version) != nil {
		t.Skipf("%s is installed, and the edits are for %s", version, goVersion)
	}
	folder := t.TempDir()
	tool := filepath.Join(folder, "overlay")
	if out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program := filepath.Join(folder, "program")
	source := filepath.Join("testdata", "chance.go.txt")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program+".go", text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, filepath.Join(folder, "patched"), "build", "-o", program, program+".go").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	first := ""
	for range 5 {
		out, err := exec.Command(program).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if first == "" {
			first = string(out)
		}
		if string(out) != first {
			t.Fatalf("it said\n%s\nand then\n%s", first, out)
		}
	}
}
