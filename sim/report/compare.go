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
		inside, outside := doublesOf(r)
		doubles := slices.Concat(inside, outside)
		if len(doubles) == 0 {
			innocent = append(innocent, "under "+schedulerWords(r.Scheduler))
			continue
		}
		for _, d := range doubles {
			subjects[d.name] = true
		}
		guilty = append(guilty, bothWords(inside, outside, len(guilty) == 0)+" under "+schedulerWords(r.Scheduler))
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

// doublesOf returns the ordinals that ran twice, inside and outside the trust boundary
// apart, the longest first. An overlap of no length counts: the violations know of it.
func doublesOf(r Run) (inside, outside []double) {
	brokenInside, brokenOutside := map[string]bool{}, map[string]bool{}
	for _, v := range r.Violations {
		switch {
		case v.Invariant != "S1":
		case v.Outside != "":
			brokenOutside[v.By] = true
		default:
			brokenInside[v.By] = true
		}
	}
	for _, o := range r.Ordinals {
		long := o.Twice.Duration - o.TwiceOutside.Duration
		if long > 0 || brokenInside[o.Name] {
			inside = append(inside, double{short(o.Name), long})
		}
		if o.TwiceOutside.Duration > 0 || brokenOutside[o.Name] {
			outside = append(outside, double{short(o.Name), o.TwiceOutside.Duration})
		}
	}
	longestFirst := func(a, b double) int { return cmp.Compare(b.long, a.long) }
	slices.SortStableFunc(inside, longestFirst)
	slices.SortStableFunc(outside, longestFirst)
	return inside, outside
}

// bothWords: web-0 ran twice for 5m, and db-0 for 24m outside the trust boundary.
func bothWords(inside, outside []double, withVerb bool) string {
	var parts []string
	if len(inside) > 0 {
		parts = append(parts, doublesWords(inside, withVerb))
	}
	if len(outside) > 0 {
		parts = append(parts, doublesWords(outside, withVerb && len(inside) == 0)+" outside the trust boundary")
	}
	return strings.Join(parts, ", and ")
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
