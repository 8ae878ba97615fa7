// Package html draws a report as one page that needs nothing else: no network, no
// file beside it. The picture is SVG and is whole without a script; the script zooms,
// walks and tells details.
package html

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-dev/holdfast/sim/report"
)

var (
	//go:embed page.html
	pageSource string
	//go:embed page.css
	style string
	//go:embed page.js
	script string

	page = template.Must(template.New("page").Parse(pageSource))
)

// Write writes one page with a section for each report.
func Write(w io.Writer, reports []*report.Report) error {
	// The browser runs this script and this style, and no other, whatever a scenario
	// has in its names.
	v := view{
		Style: template.CSS(style), Script: template.JS(script),
		Policy: fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", hash(style), hash(script)),
		Title:  "What happened",
	}
	for i, r := range reports {
		v.Sections = append(v.Sections, newSection(i, report.Draw(r)))
	}
	v.list()
	if len(reports) == 1 {
		v.Title = reports[0].Scenario
	}
	if err := page.Execute(w, v); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// view is what the template is given.
type view struct {
	Style    template.CSS
	Script   template.JS
	Policy   string
	Title    string
	Sections []section
	// Folders have the sections in their order, and Failed how many of them failed.
	Folders []folder
	Failed  int
}

// folder is what scenarios have in common in the list of all.
type folder struct {
	// Name is empty where they have no file.
	Name     string
	Sections []*section
}

type section struct {
	*report.Picture
	ID string
	// Before and After are its neighbours; nil: it has none.
	Before, After *section
	Ticks         []tick
	Nodes         []node
	Runs          []run
	// Outside: there is something outside the trust boundary to explain.
	Outside bool
}

type node struct{ Name, Class string }

type tick struct {
	X, Text, Class string
}

type run struct {
	report.PictureRun
	ID string
	// Under is what headings call it.
	Under string
	// Class is the scheduler, or that it was broken on purpose.
	Class  string
	Failed int
	Faults []lane
	Lanes  []lane
	Bands  []band
	// Short: how much of the scale the run does not reach, in percent; empty: none.
	ShortX, ShortW string
}

// lane is drawn into an SVG of this height.
type lane struct {
	report.Lane
	ID     string
	Height int
	Bars   []bar
	Washes []band
	Marks  []mark
}

// bar is a span that can be pointed at.
type bar struct {
	Class, X, W  string
	Y, H         int
	Label, Title string
	// Long and Brief are what Label is chosen of, by the room that there is.
	Long, Brief string
	// Tight: there is room for neither.
	Tight    bool
	From, To float64
	Strip    bool
	StripY   int
}

// band is a background.
type band struct {
	Class, X, W string
}

// mark is a glyph at an instant, which the bar beside it tells of.
type mark struct {
	Class, X string
	Y        int
}

// The measures of a lane, in pixels.
const (
	padding     = 5
	objectLine  = 5
	processBar  = 17
	trackHeight = objectLine + 2 + processBar + 4
	rowHeight   = 21
	rowBar      = 18
	faultHeight = 22
	strip       = 4
	// widthLeast is how wide a bar is at least, in percent of the scale.
	widthLeast = 0.25
	// roomPixels is how wide the picture is taken to be where no script measures it,
	// and letterPixels a letter.
	roomPixels   = 800
	letterPixels = 7
)

// list fills in what leads from one section to another.
func (v *view) list() {
	for i := range v.Sections {
		s := &v.Sections[i]
		if i > 0 {
			s.Before, v.Sections[i-1].After = &v.Sections[i-1], s
		}
		if !s.Passed {
			v.Failed++
		}
		name := ""
		if slash := strings.LastIndex(s.File, "/"); slash >= 0 {
			name = s.File[:slash]
		}
		at := slices.IndexFunc(v.Folders, func(f folder) bool { return f.Name == name })
		if at < 0 {
			at = len(v.Folders)
			v.Folders = append(v.Folders, folder{Name: name})
		}
		v.Folders[at].Sections = append(v.Folders[at].Sections, s)
	}
}

// colours are how many there are before they come again, with another edge.
const colours = 7

func newSection(i int, p *report.Picture) section {
	s := section{Picture: p, ID: "s" + strconv.Itoa(i)}
	classes := map[string]string{}
	for i, name := range p.Nodes {
		class := "c" + strconv.Itoa(i%colours)
		if i >= colours {
			class += " again"
		}
		classes[name] = class
		s.Nodes = append(s.Nodes, node{name, class})
	}
	x := scale(p.Until)
	for _, t := range p.Ticks {
		class := "t" + strconv.Itoa(t.Level)
		switch {
		case t.At == 0:
			class += " first"
		case float64(t.At)/float64(p.Until) > 0.93:
			class += " last"
		}
		s.Ticks = append(s.Ticks, tick{x.percent(t.At), t.Text, class})
	}
	for j, r := range p.Runs {
		drawn := newRun(fmt.Sprintf("%sr%d", s.ID, j), r, x, classes)
		s.Runs = append(s.Runs, drawn)
		s.Outside = s.Outside || slices.ContainsFunc(r.Lanes, func(l report.Lane) bool {
			return slices.ContainsFunc(l.Spans, func(s report.Span) bool { return s.Kind == report.BrokenOutside })
		})
	}
	return s
}

// scale places times, as percents of the whole.
type scale time.Duration

func (s scale) of(d time.Duration) float64 { return 100 * float64(d) / float64(max(s, 1)) }

func (s scale) percent(d time.Duration) string { return percent(s.of(d)) }

func percent(f float64) string { return strconv.FormatFloat(f, 'f', 4, 64) + "%" }

// extent is where a span is, at least so wide that it can be seen, and inside the scale.
func (s scale) extent(from, to time.Duration) (x, width float64) {
	x, width = s.of(from), max(s.of(to-from), widthLeast)
	return max(0, min(x, 100-width)), width
}

func newRun(id string, r report.PictureRun, x scale, classes map[string]string) run {
	drawn := run{PictureRun: r, ID: id, Under: "under " + r.Title, Class: r.Scheduler}
	if len(r.Breaks) > 0 {
		drawn.Under, drawn.Class = "broken on purpose, under "+r.Title, "on-purpose"
	}
	for _, c := range r.Checks {
		if !c.OK {
			drawn.Failed++
		}
	}
	for i, l := range r.Faults {
		drawn.Faults = append(drawn.Faults, faultLane(fmt.Sprintf("%sf%d", id, i), l, x))
		for _, s := range l.Spans {
			class := "band"
			if s.From == s.To {
				class = "band instant"
			}
			drawn.Bands = append(drawn.Bands, band{class, x.percent(s.From), x.percent(s.To - s.From)})
		}
	}
	for i, l := range r.Lanes {
		drawn.Lanes = append(drawn.Lanes, ordinalLane(fmt.Sprintf("%sl%d", id, i), l, x, classes))
	}
	if r.Until < time.Duration(x) {
		drawn.ShortX, drawn.ShortW = x.percent(r.Until), x.percent(time.Duration(x)-r.Until)
	}
	return drawn
}

func faultLane(id string, l report.Lane, x scale) lane {
	drawn := lane{Lane: l, ID: id, Height: faultHeight}
	for _, s := range l.Spans {
		class := "effect"
		if s.From == s.To {
			class = "effect instant"
		}
		drawn.Bars = append(drawn.Bars, newBar(s, x, class, 3, faultHeight-6))
	}
	return drawn
}

// ordinalLane has the tracks of the incarnations first, then what is broken, then the
// holds.
func ordinalLane(id string, l report.Lane, x scale, classes map[string]string) lane {
	drawn := lane{Lane: l, ID: id}
	tracks := 0
	for _, s := range l.Spans {
		if onTrack(s.Kind) {
			tracks = max(tracks, s.Track+1)
		}
	}
	below := padding + tracks*trackHeight
	spans := slices.Clone(l.Spans)
	slices.SortStableFunc(spans, func(a, b report.Span) int { return rank(a.Kind) - rank(b.Kind) })
	rows := &rows{}
	for _, s := range spans {
		top := padding + s.Track*trackHeight
		switch s.Kind {
		case report.Waiting, report.Placed, report.Deleting:
			drawn.Bars = append(drawn.Bars, newBar(s, x, "object "+string(s.Kind), top, objectLine))
			drawn.Marks = append(drawn.Marks, mark{string(s.Kind), x.percent(s.From), top + objectLine/2})
		case report.Running, report.Unseen:
			b := newBar(s, x, "process "+string(s.Kind)+" "+classes[s.Node], top+objectLine+2, processBar)
			b.Strip = s.Kind == report.Unseen
			drawn.Bars = append(drawn.Bars, b)
		default:
			row := rows.place(s)
			drawn.Bars = append(drawn.Bars, newBar(s, x, string(s.Kind), below+row*rowHeight, rowBar))
			if s.Kind == report.Broken || s.Kind == report.BrokenOutside {
				at, width := x.extent(s.From, s.To)
				drawn.Washes = append(drawn.Washes, band{"wash", percent(at), percent(width)})
			}
		}
	}
	slices.SortStableFunc(drawn.Bars, func(a, b bar) int {
		if a.Y != b.Y {
			return a.Y - b.Y
		}
		return int(1000 * (a.From - b.From))
	})
	drawn.Height = below + len(rows.until)*rowHeight + padding
	return drawn
}

func onTrack(k report.SpanKind) bool {
	return k != report.Broken && k != report.BrokenOutside && k != report.Holding
}

func rank(k report.SpanKind) int {
	return slices.Index([]report.SpanKind{
		report.Waiting, report.Placed, report.Deleting, report.Running, report.Unseen, report.Broken, report.BrokenOutside, report.Holding,
	}, k)
}

// rows places spans one below the other where they are at the same time, each kind in
// rows of its own.
type rows struct {
	until []time.Duration
	kinds []report.SpanKind
}

func (r *rows) place(s report.Span) int {
	for i := range r.until {
		if r.kinds[i] == s.Kind && r.until[i] <= s.From {
			r.until[i] = s.To
			return i
		}
	}
	r.until, r.kinds = append(r.until, s.To), append(r.kinds, s.Kind)
	return len(r.until) - 1
}

func newBar(s report.Span, x scale, class string, y, height int) bar {
	at, width := x.extent(s.From, s.To)
	if height == objectLine {
		at, width = x.of(s.From), x.of(s.To-s.From) // A line is as long as it is: the next begins where it ends.
	}
	b := bar{
		Class: class, X: percent(at), W: percent(width), Y: y, H: height,
		Title: strings.Join(s.Says, "\n"), From: s.From.Seconds(), To: s.To.Seconds(), StripY: y + height - strip,
	}
	if height == objectLine {
		return b
	}
	b.Long, b.Brief = s.Label, s.Brief
	room := int(width / 100 * roomPixels)
	fits := func(label string) bool { return label != "" && utf8.RuneCountInString(label)*letterPixels+8 <= room }
	switch {
	case fits(s.Label):
		b.Label = s.Label
	default:
		b.Label, b.Tight = cmp.Or(s.Brief, s.Label), !fits(s.Brief)
	}
	return b
}
