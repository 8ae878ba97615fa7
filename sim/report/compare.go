package report

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// namedMax is how many ordinals the comparison names; the others are counted.
const namedMax = 3

// comparison says in one line under which scheduler which ordinals ran twice, the
// scheduler under which they did before the one under which none did.
func comparison(runs []Run) string {
	var guilty, innocent []string
	subjects := map[string]bool{}
	for _, r := range runs {
		doubles := doublesOf(r)
		if len(doubles) == 0 {
			innocent = append(innocent, "under "+schedulerWords(r.Scheduler))
			continue
		}
		for _, d := range doubles {
			subjects[d.name] = true
		}
		guilty = append(guilty, doublesWords(doubles, len(guilty) == 0)+" under "+schedulerWords(r.Scheduler))
	}
	if len(guilty) == 0 {
		return "no ordinal ran twice " + strings.Join(innocent, " or ")
	}
	never := "never "
	if len(subjects) > 1 {
		never = "none "
	}
	parts := guilty
	if len(innocent) > 0 {
		parts = append(parts, never+strings.Join(innocent, " or "))
	}
	return strings.Join(parts, ", ")
}

// double is an ordinal that ran twice.
type double struct {
	name string
	long time.Duration
}

// doublesOf returns the ordinals that ran twice, the longest first. An overlap of
// no length counts: the violations know of it.
func doublesOf(r Run) []double {
	broken := map[string]bool{}
	for _, v := range r.Violations {
		broken[v.By] = broken[v.By] || v.Invariant == "S1"
	}
	var doubles []double
	for _, o := range r.Ordinals {
		if o.Twice.Duration > 0 || broken[o.Name] {
			doubles = append(doubles, double{short(o.Name), o.Twice.Duration})
		}
	}
	slices.SortStableFunc(doubles, func(a, b double) int { return cmp.Compare(b.long, a.long) })
	return doubles
}

// doublesWords: web-0 ran twice for 26m12s and db-0 for 24m.
func doublesWords(doubles []double, withVerb bool) string {
	rest := doubles[min(len(doubles), namedMax):]
	var words []string
	for i, d := range doubles[:len(doubles)-len(rest)] {
		verb := ""
		if withVerb && i == 0 {
			verb = " ran twice"
		}
		words = append(words, d.name+verb+" for "+format(d.long))
	}
	if len(rest) > 0 {
		words = append(words, plural(len(rest), "other")+" for up to "+format(rest[0].long))
	}
	return enumerate(words)
}
