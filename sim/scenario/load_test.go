package scenario

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the expected files")

// golden compares with a committed file, or writes it with -rewrite.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs. Run go test ./sim/scenario -rewrite and inspect the diff; commit only what you can explain.\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestGoodFilesLoad(t *testing.T) {
	for _, path := range append([]string{"testdata/good/everything.yaml", "testdata/good/configuration.yaml"}, files(t, "../scenarios/*.yaml")...) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Decode(); err != nil {
				t.Error(err)
			}
			if len(s.Timeline) == 0 || len(s.Objects) == 0 {
				t.Error("a story without objects or steps")
			}
		})
	}
}

// The expected files hold what a user sees. They are the specification of the
// messages: path, line, field, what is wrong.
func TestBadFilesSayFileLineAndField(t *testing.T) {
	for _, path := range files(t, "testdata/bad/*.yaml") {
		if strings.HasPrefix(filepath.Base(path), "objects-") {
			continue // Manifests that objects.yaml names.
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := Load(path)
			var fileError *FileError
			if !errors.As(err, &fileError) {
				t.Fatalf("got %v, want a FileError", err)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", []byte(err.Error()+"\n"))
		})
	}
}

func TestParseRefusesWhatIsNoScenario(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"an empty file":       {"", "f.yaml:1: want one document, the scenario, got 0"},
		"nothing but comment": {"# nothing\n", "f.yaml:1: want one document, the scenario, got 0"},
		"a list":              {"- a\n", "f.yaml:1: want a mapping, got a list"},
		"a sentence":          {"once upon a time\n", `f.yaml:1: want a mapping, got "once upon a time"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(tc.content))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestAliasesCannotMakeASmallFileVast(t *testing.T) {
	// Each list is ten times the one before: the last stands for a thousand million.
	var b strings.Builder
	b.WriteString("apiVersion: sim.holdfast.dev/v1alpha1\nkind: Scenario\nx0: &x0 x\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "x%d: &x%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 10))
	}
	b.WriteString("cluster: {nodeGroups: []}\nuntil: 1m\nobjects: [{manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {x: *x9}}}]\n")
	_, err := Parse("f.yaml", []byte(b.String()))
	if err == nil || !strings.Contains(err.Error(), "with all aliases written out") {
		t.Errorf("got %v", err)
	}
}

func TestLoadOfAMissingFileIsNoFileError(t *testing.T) {
	_, err := Load("testdata/nowhere.yaml")
	var fileError *FileError
	if !errors.Is(err, os.ErrNotExist) || errors.As(err, &fileError) {
		t.Errorf("got %v, want that the file does not exist", err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	b := write("b.yaml", "kind: Scenario\n")
	a := write("deep/er/a.yaml", "apiVersion: x\nkind: \"Scenario\" # a story\n")
	broken := write("broken.yaml", "kind: Scenario\ncluster: {\n")
	manifest := write("manifest.yaml", "kind: StatefulSet\n")
	write("notes.md", "kind: Scenario\n")
	write("empty/readme.yaml", "")

	for name, tc := range map[string]struct {
		paths, want []string
		err         string
	}{
		"a folder stands for the scenarios in it and below, broken ones too": {paths: []string{dir}, want: []string{b, broken, a}},
		"a file is taken at its word":                                        {paths: []string{manifest}, want: []string{manifest}},
		"a file and its folder give it once, sorted":                         {paths: []string{b, dir}, want: []string{b, broken, a}},
		"a folder without a scenario is an error":                            {paths: []string{filepath.Join(dir, "empty")}, err: "no *.yaml with kind: Scenario"},
		"a missing path is an error":                                         {paths: []string{filepath.Join(dir, "gone")}, err: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Find(tc.paths...)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("got %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	s, err := Load("testdata/good/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	capacity := s.Cluster.NodeGroups[0].Capacity
	if got := capacity.Cpu().String() + " " + capacity.Memory().String() + " " + capacity.Pods().String(); got != "4 16Gi 110" {
		t.Errorf("capacity %s, want what is given and the default of the rest", got)
	}
	given, absent := s.Cluster.StorageClasses[0], s.Cluster.StorageClasses[1]
	if *given.AttachSeconds != 5 || *given.DetachSeconds != 0 || *given.DetachFences {
		t.Error("a default replaced what was given")
	}
	if *absent.AttachSeconds != 2 || *absent.DetachSeconds != 2 || !*absent.DetachFences || absent.Topology != TopologyZone {
		t.Error("defaults of a storage class are missing")
	}
	if !*given.AttachRequired || !*absent.AttachRequired {
		t.Error("disks of a zone are not attached")
	}
	for _, class := range s.Cluster.StorageClasses[2:] {
		if *class.AttachRequired || class.AttachSeconds != nil || class.DetachSeconds != nil || class.DetachFences != nil {
			t.Errorf("class %s is not attached, and has defaults for it: %+v", class.Name, class)
		}
	}

	s, err = Load("../scenarios/silent-node.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "silent-node" {
		t.Errorf("name %q, want the file's", s.Name)
	}
}

// FuzzDecode: whatever the bytes are, the answer is a scenario or a list of problems,
// each with a line of the file. A scenario that is written out is accepted again, as
// it was.
func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml", "../scenarios/*.yaml", "../scenarios/*/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("testdata/good/fuzz.yaml", data)
		if err == nil {
			readAgain(t, s)
			return
		}
		var fileError *FileError
		if !errors.As(err, &fileError) || len(fileError.Problems) == 0 {
			t.Fatalf("got %v, want a FileError", err)
		}
		for _, p := range fileError.Problems {
			if p.Line < 1 || p.Message == "" {
				t.Errorf("problem %+v", p)
			}
		}
	})
}

// readAgain writes a scenario out and reads that.
func readAgain(t *testing.T, s *Scenario) {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatalf("%+v cannot be written out: %v", s, err)
	}
	again, err := Parse("testdata/good/fuzz.yaml", data)
	if err != nil {
		t.Fatalf("accepted, and not when written out as\n%s\n%v", data, err)
	}
	twice, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != string(twice) {
		t.Errorf("written out\n%s\nand written out again\n%s", data, twice)
	}
}
