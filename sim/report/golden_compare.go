package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// toleranceMark begins the first line of a golden file.
const toleranceMark = "# times +-"

// CompareGolden compares a golden file with what a run gave, line by line: the same
// text, at times that differ by the tolerance at most. The tolerance is what want's
// first line states, such as "# times +-45s", or the one given if it states none.
// Lines that begin with # are comments. It returns the empty string if the two are
// the same, else the lines of both, - of want alone and + of got alone.
func CompareGolden(want, got string, tolerance time.Duration) (diff string) {
	if first, _, _ := strings.Cut(want, "\n"); strings.HasPrefix(first, toleranceMark) {
		stated, err := time.ParseDuration(strings.TrimSpace(strings.TrimPrefix(first, toleranceMark)))
		if err != nil {
			return fmt.Sprintf("first line: %v\n", err)
		}
		tolerance = stated
	}
	a, b := goldenLines(want), goldenLines(got)
	same := func(a, b goldenLine) bool {
		return a.text == b.text && a.timed == b.timed && (a.at-b.at).Abs() <= tolerance
	}
	if slices.EqualFunc(a, b, same) {
		return ""
	}
	return diffLines(a, b, same)
}

// RewriteGolden returns the file that takes the place of old: the comments on top
// of old, or a first line with the tolerance if there are none, and then got.
func RewriteGolden(old, got string, tolerance time.Duration) string {
	var top strings.Builder
	for line := range strings.Lines(old) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		top.WriteString(line)
	}
	if top.Len() == 0 {
		top.WriteString(toleranceMark + format(tolerance) + "\n")
	}
	return top.String() + got
}

// goldenLine is one line: a heading, or a text with or without a time before it.
type goldenLine struct {
	raw   string
	at    time.Duration
	timed bool
	text  string
}

func goldenLines(s string) []goldenLine {
	var lines []goldenLine
	for raw := range strings.Lines(s) {
		raw = strings.TrimSpace(raw)
		if raw == "" || strings.HasPrefix(raw, "#") {
			continue
		}
		l := goldenLine{raw: raw, text: raw}
		first, rest, _ := strings.Cut(raw, " ")
		if at, err := time.ParseDuration(first); err == nil {
			l.at, l.timed, l.text = at, true, strings.TrimSpace(rest)
		}
		lines = append(lines, l)
	}
	return lines
}

// diffLines shows what two lists of lines do not share, each change under the
// heading of its lane, by their longest common subsequence.
func diffLines(a, b []goldenLine, same func(a, b goldenLine) bool) string {
	// common[i][j] is how many lines a[i:] and b[j:] share in order.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if same(a[i], b[j]) {
				common[i][j] = max(common[i][j], common[i+1][j+1]+1)
			}
		}
	}
	var out strings.Builder
	heading := ""
	show := func(sign string, l goldenLine) {
		if heading != "" {
			out.WriteString("  " + heading + "\n")
			heading = ""
		}
		out.WriteString(sign + " " + l.raw + "\n")
	}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && same(a[i], b[j]) && common[i][j] == common[i+1][j+1]+1:
			if strings.HasPrefix(a[i].raw, laneMark) {
				heading = a[i].raw
			}
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			show("-", a[i])
			i++
		default:
			show("+", b[j])
			j++
		}
	}
	return out.String()
}
