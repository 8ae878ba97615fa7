package engine

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// goroutine is one of the runtime's dump.
type goroutine struct {
	// header is the first line: number, state, bubble.
	header string
	// calls are the functions that it is in, the innermost first, without arguments.
	calls []string
	stack string
	// same is how many others stand exactly there.
	same int
}

// keepersMax is how many goroutines are told of, of either sort.
const keepersMax = 20

// allStacks is the runtime's dump of all goroutines.
func allStacks() string {
	for size := 4 << 20; ; size *= 2 {
		b := make([]byte, size)
		if n := runtime.Stack(b, true); n < size {
			return string(b[:n])
		}
	}
}

// ownHeader is the header of the goroutine that calls it.
func ownHeader() string {
	b := make([]byte, 256)
	header, _, _ := strings.Cut(string(b[:runtime.Stack(b, false)]), "\n")
	return header
}

var bubbleName = regexp.MustCompile(`synctest bubble \d+`)

// bubbleOf is the bubble that a header names; empty: none.
func bubbleOf(header string) string { return bubbleName.FindString(header) }

// keepers are the goroutines of a bubble that keep its time from passing: those that do
// not wait durably, as the runtime calls it. Those that wait for a lock have suspects,
// which wait durably within a method of the same receiver.
func keepers(dump, bubble string) (keeping, suspects []*goroutine) {
	var durable []*goroutine
	for stack := range strings.SplitSeq(strings.TrimSpace(dump), "\n\n") {
		g := parse(stack)
		switch {
		case bubbleOf(g.header) != bubble:
		case strings.Contains(g.header, "(durable)"):
			durable = append(durable, g)
		default:
			keeping = addStack(keeping, g)
		}
	}
	for _, g := range durable {
		if slices.ContainsFunc(keeping, func(k *goroutine) bool { return k.awaitsOneOf(g) }) {
			suspects = addStack(suspects, g)
		}
	}
	return keeping, suspects
}

// addStack adds g unless one stands exactly there already, or there are too many.
func addStack(all []*goroutine, g *goroutine) []*goroutine {
	for _, o := range all {
		if slices.Equal(o.calls, g.calls) {
			o.same++
			return all
		}
	}
	if len(all) == keepersMax {
		return all
	}
	return append(all, g)
}

func parse(stack string) *goroutine {
	g := &goroutine{stack: stack}
	for i, line := range strings.Split(stack, "\n") {
		switch {
		case i == 0:
			g.header = strings.TrimSuffix(line, ":")
		case strings.HasPrefix(line, "\t"), strings.HasPrefix(line, "created by "):
		default:
			// Arguments are in the last parentheses: a method has its receiver in others.
			if open := strings.LastIndex(line, "("); open > 0 {
				line = line[:open]
			}
			g.calls = append(g.calls, line)
		}
	}
	return g
}

// ofRuntime are packages in which a goroutine waits on behalf of others.
var ofRuntime = regexp.MustCompile(`^(runtime|internal/sync|internal/poll|sync|syscall|time)\.`)

// caller is the innermost function that is not of the runtime; empty: there is none.
func (g *goroutine) caller() string {
	i := slices.IndexFunc(g.calls, func(call string) bool { return !ofRuntime.MatchString(call) })
	if i < 0 {
		return ""
	}
	return g.calls[i]
}

var receiver = regexp.MustCompile(`^(.*\.\(\*[^)]+\))\.`)

// awaitsOneOf is whether g waits for a lock within a method whose receiver has others that
// the other one is in.
func (g *goroutine) awaitsOneOf(other *goroutine) bool {
	of := receiver.FindString(g.caller())
	return of != "" && strings.Contains(g.header, "[sync.") &&
		slices.ContainsFunc(other.calls, func(call string) bool { return strings.HasPrefix(call, of) })
}

// describe says which it is, what it waits for, and where.
func (g *goroutine) describe() string {
	text := strings.Replace(g.header, ", "+bubbleOf(g.header), "", 1)
	if c := g.caller(); c != "" {
		text += " in " + c
	}
	if g.same > 0 {
		text += fmt.Sprintf(", and %d more there", g.same)
	}
	return text
}
