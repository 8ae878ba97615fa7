package main

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// variable names the mutant that is on, in the environment of the built program.
const variable = "HOLDFAST_MUTANT"

// switchFile is added to every package that is edited. It is in the overlay alone: the
// packages themselves have no switch, and the decisions among them read no environment.
const switchFile = "mutant_switch.go"

// reachedVariable names a file to which the built program adds the name of every mutant
// whose switch it came to ask: where that is not asked, the mutant changes nothing.
const reachedVariable = "HOLDFAST_MUTANTS_REACHED"

const switchSource = `package %s

import (
	"os"
	"sync"
)

var (
	mutantOn      = os.Getenv(%q)
	mutantsFile   = os.Getenv(%q)
	mutantReached sync.Map
)

func mutant(name string) bool {
	if mutantsFile != "" {
		if _, again := mutantReached.LoadOrStore(name, true); !again {
			f, err := os.OpenFile(mutantsFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				panic(err)
			}
			if _, err := f.WriteString(name + "\n"); err != nil {
				panic(err)
			}
			f.Close()
		}
	}
	return mutantOn == name
}
`

// overlay makes one set of files that has every mutant, each behind its switch, so that
// one build will do for all of them.
type overlay struct {
	// top is the repository's folder.
	top string
	// files are what the build takes instead of those in the tree, by their paths from the
	// top.
	files map[string][]byte
}

// newOverlay edits the files of the tree. A list that does not fit the tree is an error
// which names every mutant that does not.
func newOverlay(top string, mutants []Mutant) (*overlay, error) {
	byFile := map[string][]Mutant{}
	var files []string
	for _, m := range mutants {
		if byFile[m.File] == nil {
			files = append(files, m.File)
		}
		byFile[m.File] = append(byFile[m.File], m)
	}
	o := &overlay{top: top, files: map[string][]byte{}}
	var wrong []string
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(top, file))
		if err != nil {
			return nil, fmt.Errorf("mutant %s: %w", byFile[file][0].Name, err)
		}
		edited, problems := edit(string(data), byFile[file])
		if len(problems) > 0 {
			wrong = append(wrong, problems...)
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, edited, parser.SkipObjectResolution)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s does not parse once it is edited: %v", file, err))
			continue
		}
		o.files[file] = []byte(edited)
		o.files[path.Join(path.Dir(file), switchFile)] = fmt.Appendf(nil, switchSource, parsed.Name.Name, variable, reachedVariable)
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("the list of mutants does not fit the tree:\n%s", strings.Join(wrong, "\n"))
	}
	return o, nil
}

// place is where in a file a mutant's text stands.
type place struct {
	from, to int
	mutant   Mutant
}

// edit puts all mutants of a file in. It returns what is wrong with the list, each with
// the mutant's name.
func edit(text string, mutants []Mutant) (edited string, wrong []string) {
	var places []place
	for _, m := range mutants {
		if n := strings.Count(text, m.Find); n != 1 {
			wrong = append(wrong, fmt.Sprintf("mutant %s: find: stands %d times in %s, want once", m.Name, n, m.File))
			continue
		}
		from := strings.Index(text, m.Find)
		places = append(places, place{from, from + len(m.Find), m})
	}
	slices.SortFunc(places, func(a, b place) int { return a.from - b.from })
	var b strings.Builder
	end := 0
	for i, p := range places {
		if p.from < end {
			wrong = append(wrong, fmt.Sprintf("mutants %s and %s: find: the texts overlap in %s", places[i-1].mutant.Name, p.mutant.Name, p.mutant.File))
			continue
		}
		b.WriteString(text[end:p.from])
		b.WriteString(strings.ReplaceAll(p.mutant.Replace, on, fmt.Sprintf("mutant(%q)", p.mutant.Name)))
		end = p.to
	}
	b.WriteString(text[end:])
	return b.String(), wrong
}

// packages are those that are edited, as the go command names them from the top.
func (o *overlay) packages() []string {
	var names []string
	for file := range o.files {
		names = append(names, "./"+path.Dir(file))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// write writes the files into a folder, and returns the one for the go command's -overlay.
func (o *overlay) write(folder string) (string, error) {
	replace := map[string]string{}
	for file, data := range o.files {
		at := filepath.Join(folder, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(at, data, 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(o.top, filepath.FromSlash(file))] = at
	}
	data, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "  ")
	if err != nil {
		return "", err
	}
	at := filepath.Join(folder, "overlay.json")
	return at, os.WriteFile(at, data, 0o644)
}
