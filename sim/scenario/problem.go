package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	// File is its path, as it was given.
	File string
	// Line counts from 1. A field that is missing has the line of what it is
	// missing from.
	Line int
	// Field is the path of the field, such as timeline[2].at; empty if the problem
	// concerns the file as a whole.
	Field string
	// Message says what is wrong.
	Message string
}

// String is one line: path:line: field: message.
func (p Problem) String() string {
	if p.Field == "" {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Field, p.Message)
}

// FileError is everything that is wrong with a scenario file and the files of
// manifests that it names. It has at least one problem.
type FileError struct {
	Problems []Problem
}

// Error has one line per problem.
func (e *FileError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// fileError sorts the problems as a reader meets them, those of the scenario file
// first; nil if there are none.
func fileError(main string, problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	elsewhere := func(p Problem) int {
		if p.File == main {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(elsewhere(a), elsewhere(b)),
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return &FileError{Problems: slices.Compact(problems)}
}
