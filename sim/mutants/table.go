package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// writeMutants writes what came of the mutants as Markdown.
func writeMutants(out io.Writer, catches []*Catch) error {
	var b strings.Builder
	b.WriteString("| mutant | breaks | caught by | what failed | steps | made smaller |\n|---|---|---|---|---:|---:|\n")
	for _, c := range catches {
		by, steps, small := c.By, fmt.Sprint(c.Steps), fmt.Sprint(c.Small)
		switch {
		case c.ByTests:
			by, steps, small = "the tests of "+packageOf(c.Mutant)+"; no story: "+c.Mutant.Survives, "", ""
		case c.By == "":
			by, steps, small = "**survives**", "", ""
		case c.Small == 0 && c.Steps > 0:
			small = ""
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c.Mutant.Name, cell(c.Mutant.Breaks), cell(by), cell(c.noticed()), steps, small)
	}
	caught, byTests, small := tally(catches)
	fmt.Fprintf(&b, "\n%d of %d mutants caught by scenarios, %d by the tests of their packages alone.", caught, len(catches), byTests)
	if len(small) > 0 {
		fmt.Fprintf(&b, " Median of what was made smaller: %d steps, the largest %d.", small[len(small)/2], small[len(small)-1])
	}
	b.WriteString("\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// tally is how many were caught by scenarios, how many by tests alone, and to how many
// steps the scenarios came down, sorted.
func tally(catches []*Catch) (caught, byTests int, small []int) {
	for _, c := range catches {
		if c.ByTests {
			byTests++
		}
		if c.By == "" {
			continue
		}
		caught++
		if c.Small > 0 {
			small = append(small, c.Small)
		}
	}
	slices.Sort(small)
	return caught, byTests, small
}

// String tells of the catch in a line.
func (c *Catch) String() string {
	switch {
	case c.ByTests:
		return fmt.Sprintf("caught by the tests of %s: %s", packageOf(c.Mutant), c.noticed())
	case c.By == "":
		return fmt.Sprintf("survives; it could change something in %d stories", c.Reached)
	}
	by := fmt.Sprintf("caught by %s: %s (%d steps, made smaller %d)", c.By, c.noticed(), c.Steps, c.Small)
	if !c.Named && len(c.Mutant.Stories) > 0 {
		by += ", and not by what is named for it"
	}
	return by
}

// noticed is what failed: invariants before checks, and of these the first.
func (c *Catch) noticed() string {
	switch {
	case len(c.Broken) > 0:
		return strings.Join(c.Broken, ", ")
	case len(c.Failed) == 0:
		return ""
	case len(c.Failed) == 1:
		return c.Failed[0]
	}
	return fmt.Sprintf("%s, and %d more", c.Failed[0], len(c.Failed)-1)
}

// cell is a text that stands in a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

// writeHazards writes what came of the hazards as Markdown. found has nil where one is not
// in the model.
func writeHazards(out io.Writer, hazards []Hazard, found []bool, failed [][]string) error {
	var b strings.Builder
	b.WriteString("| hazard | what | rule off | story | found |\n|---|---|---|---|---|\n")
	n, inside := 0, 0
	for i, h := range hazards {
		what := "out of the model: " + h.Outside
		if h.Outside == "" {
			inside++
			what = "**not found**"
			if len(failed[i]) > 0 {
				what += ", but " + failed[i][0]
			}
			if found[i] {
				n++
				what = h.Finds
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", h.ID, cell(h.What), h.Without, h.Story, cell(what))
	}
	fmt.Fprintf(&b, "\n%d of %d hazards in the model found again; %d are out of it.\n", n, inside, len(hazards)-inside)
	_, err := io.WriteString(out, b.String())
	return err
}
