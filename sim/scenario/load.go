package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// Load reads and checks a scenario file, and the files of manifests that it
// names. What is wrong with their content is a *FileError.
func Load(path string) (*Scenario, error) {
	data, err := snapshot.ReadFile(path, FileBytesMax)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse is Load of a scenario that was already read from file. The files of
// manifests that it names are read relative to file.
func Parse(file string, data []byte) (*Scenario, error) {
	documents, problem := parseYAML(file, data)
	if problem != nil {
		return nil, fileError(file, []Problem{*problem})
	}
	if len(documents) != 1 {
		line := 1
		if len(documents) > 1 {
			line = documents[1].Line
		}
		return nil, fileError(file, []Problem{{
			File: file, Line: line, Message: fmt.Sprintf("want one document, the scenario, got %d", len(documents)),
		}})
	}

	s := &Scenario{file: file}
	d := newDecoder(file, true)
	d.value(documents[0], nil, reflect.ValueOf(s).Elem())
	for i := range s.Objects {
		s.Objects[i].node = d.raw[pathString(objectPath(i).Child("manifest"))]
	}
	for _, a := range s.applies() {
		a.object.node = d.raw[pathString(a.path.Child("manifest"))]
	}
	s.argsNode = d.raw[pathString(argsPath)]
	SetDefaults(s)

	problems := d.problems
	if problem := s.readSnapshot(d.line); problem != nil {
		problems = append(problems, *problem)
	}
	for _, err := range Validate(s) {
		if !explained(err.Field, d.problems) {
			problems = append(problems, Problem{File: file, Line: d.line(err.Field), Field: err.Field, Message: err.ErrorBody()})
		}
	}
	_, wrong := s.decode(d.line)
	problems = append(problems, wrong...)
	problems = append(problems, s.decodeApplies(d.line)...)
	problems = append(problems, s.decodeConfiguration(d.line)...)
	if err := fileError(file, problems); err != nil {
		return nil, err
	}
	return s, nil
}

// explained is true of a validation error that only follows from something that
// could not be read: the file as a whole, the field itself, one around it, or one
// directly in it.
func explained(path string, unread []Problem) bool {
	return slices.ContainsFunc(unread, func(p Problem) bool {
		return p.Field == "" || p.Field == path || within(path, p.Field) || parentPath(p.Field) == path
	})
}

// within is true if path lies below the other one.
func within(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "["))
}

func objectPath(i int) *field.Path { return field.NewPath("objects").Index(i) }

// parseYAML returns the roots of the documents that are not empty.
func parseYAML(file string, data []byte) ([]*yaml.Node, *Problem) {
	var roots []*yaml.Node
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			return nil, syntaxProblem(file, err)
		}
		if len(document.Content) == 1 && !isNull(document.Content[0]) {
			roots = append(roots, document.Content[0])
		}
	}
}

var syntaxError = regexp.MustCompile(`^(?:yaml: )?(?:line ([0-9]+): )?(?s:(.*))$`)

// syntaxProblem takes the line out of the parser's message.
func syntaxProblem(file string, err error) *Problem {
	m := syntaxError.FindStringSubmatch(err.Error())
	line, atoiErr := strconv.Atoi(m[1])
	if atoiErr != nil {
		line = 1 // The parser names no line where the first one is meant.
	}
	return &Problem{File: file, Line: line, Message: "not YAML: " + m[2]}
}

// declaresScenario is deliberately a look at the text: a scenario that is no
// longer YAML must be found and complained of, not skipped.
var declaresScenario = regexp.MustCompile(`(?m)^["']?kind["']?:[ \t]*["']?` + Kind + `["']?[ \t]*(#.*)?\r?$`)

// Find returns the scenario files that the paths name, sorted and each once. A
// file is taken at its word. Of a folder it is every *.yaml in it and below that
// declares kind: Scenario; a folder without one is an error, so that a mistyped
// path does not look like success.
func Find(paths ...string) ([]string, error) {
	var found []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			found = append(found, filepath.Clean(path))
			continue
		}
		inFolder, err := findInFolder(path)
		if err != nil {
			return nil, err
		}
		if len(inFolder) == 0 {
			return nil, fmt.Errorf("folder %s: no *.yaml with kind: %s in it or below", path, Kind)
		}
		found = append(found, inFolder...)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

func findInFolder(folder string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		data, err := snapshot.ReadFile(path, FileBytesMax)
		if err != nil {
			return err
		}
		if declaresScenario.Match(data) {
			found = append(found, path)
		}
		return nil
	})
	return found, err
}
