package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// toleranceMark begins the first line of a golden file.
const toleranceMark = "# times +-"

// chanceMark begins a line on top of a golden file in which the node of a pod is
// chance: its nodes are equally good, and the scheduler throws dice between equals.
// Why that is so follows the mark.
const chanceMark = "# nodes by chance:"

// CompareGolden compares a golden file with what a run gave, line by line: the same
// text, at times that differ by the tolerance at most. The tolerance is what want's
// first line states, such as "# times +-45s", or the one given if it states none.
// Where want says on top that nodes are chance, any node is as good as another.
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
	if strings.Contains("\n"+goldenTop(want), "\n"+chanceMark) {
		forgetNodes(a)
		forgetNodes(b)
	}
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
	top := goldenTop(old)
	if top == "" {
		top = toleranceMark + format(tolerance) + "\n"
	}
	return top + got
}

// goldenTop returns the comments on top of a golden file.
func goldenTop(file string) string {
	end := 0
	for line := range strings.Lines(file) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		end += len(line)
	}
	return file[:end]
}

// role matches the role of a node in a line; see roles.
var role = regexp.MustCompile(`\b(old|new[0-9]*)\b`)

func forgetNodes(lines []goldenLine) {
	for i := range lines {
		lines[i].text = role.ReplaceAllString(lines[i].text, "any node")
	}
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
