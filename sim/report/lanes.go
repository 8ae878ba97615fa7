package report

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The signs of a lane in text.
const (
	signBroken  = '#'
	signOutside = '%'
	signHeld    = '='
	signObject  = '.'
	signFault   = '-'
	signInstant = '|'
)

const (
	// labelMax is how wide the names of lanes may be.
	labelMax = 28
	// columnsLeast is how many columns a lane has at least.
	columnsLeast = 20
	// letters are given to nodes; those beyond have a star.
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	star    = '*'
)

// colours of nodes on a terminal, which come again; red is for what is broken.
var colours = []string{"34", "33", "32", "36", "35", "37"}

// lanes writes the run as one line for each ordinal over time: which node it runs on,
// where two are at once, and where it is held.
func (p *printer) lanes(picture *Picture, run *PictureRun) {
	if len(run.Lanes) == 0 || picture.Until <= 0 {
		return
	}
	labels := 0
	for _, l := range slices.Concat(run.Faults, run.Lanes) {
		labels = max(labels, utf8.RuneCountInString(l.Name))
	}
	labels = min(labels, labelMax)
	width := p.width
	if width == 0 {
		width = widthDefault
	}
	c := &canvas{
		printer: p, picture: picture, labels: labels, columns: max(width-labels-4, columnsLeast),
		used: map[rune]bool{},
	}
	c.axis()
	for _, l := range run.Faults {
		c.fault(l)
	}
	for _, l := range run.Lanes {
		c.lane(l)
	}
	p.line("")
	for _, line := range wrap(c.legend(), max(width-2, columnsLeast)) {
		p.line("  " + line)
	}
	p.line("")
}

// canvas draws lanes of one scale.
type canvas struct {
	*printer
	picture         *Picture
	labels, columns int
	// used are the signs that the legend must explain.
	used map[rune]bool
}

func (c *canvas) row(label, cells string) {
	c.line("  " + pad(cut(label, c.labels), c.labels) + "  " + cells)
}

// column is where a time is drawn.
func (c *canvas) column(at time.Duration) int {
	return min(int(int64(at)*int64(c.columns)/int64(max(c.picture.Until, 1))), c.columns-1)
}

// axis writes the times, each above its column, and those that have no room not at all.
func (c *canvas) axis() {
	cells := slices.Repeat([]rune{' '}, c.columns)
	free := 0
	for _, t := range c.picture.Ticks {
		text := []rune(t.Text)
		at := min(c.column(t.At), c.columns-len(text))
		if t.Level > 0 || at < free {
			continue
		}
		copy(cells[at:], text)
		free = at + len(text) + 1
	}
	c.row("", string(cells))
}

func (c *canvas) fault(l Lane) {
	cells := slices.Repeat([]rune{' '}, c.columns)
	for _, s := range l.Spans {
		sign := signFault
		if s.From == s.To {
			sign = signInstant
		}
		c.fill(cells, s, sign)
	}
	c.row(l.Name, string(cells))
}

// lane draws what is most to be seen last: of a column that has several things in it,
// that one is shown.
func (c *canvas) lane(l Lane) {
	cells := slices.Repeat([]rune{' '}, c.columns)
	held := slices.Clone(cells)
	for _, kinds := range [][]SpanKind{{Waiting, Placed, Deleting}, {Running, Unseen}, {BrokenOutside}, {Broken}} {
		for _, s := range l.Spans {
			if slices.Contains(kinds, s.Kind) {
				c.fill(cells, s, c.sign(s))
			}
		}
	}
	holds := false
	for _, s := range l.Spans {
		if s.Kind == Holding {
			holds = true
			c.fill(held, s, signHeld)
		}
	}
	c.row(l.Name, c.paint(cells))
	if holds {
		c.row("  held", c.paint(held))
	}
}

func (c *canvas) fill(cells []rune, s Span, sign rune) {
	last := c.column(s.To)
	if s.To > s.From && last > c.column(s.From) && s.To < c.picture.Until {
		last-- // The column of the end belongs to what comes then.
	}
	for i := c.column(s.From); i <= last; i++ {
		cells[i] = sign
	}
}

func (c *canvas) sign(s Span) rune {
	switch s.Kind {
	case Broken:
		return signBroken
	case BrokenOutside:
		return signOutside
	case Running:
		return c.letter(s.Node)
	case Unseen:
		return unicode.ToLower(c.letter(s.Node))
	}
	return signObject
}

func (c *canvas) letter(node string) rune {
	if i := slices.Index(c.picture.Nodes, node); i >= 0 && i < len(letters) {
		return rune(letters[i])
	}
	return star
}

// paint colours cells, for a terminal, and notes their signs for the legend.
func (c *canvas) paint(cells []rune) string {
	for _, sign := range cells {
		c.used[sign] = true
	}
	if !c.styled {
		return string(cells)
	}
	var out strings.Builder
	for start := 0; start < len(cells); {
		end := start
		for end < len(cells) && cells[end] == cells[start] {
			end++
		}
		out.WriteString(c.painted(cells[start], string(cells[start:end])))
		start = end
	}
	return out.String()
}

func (c *canvas) painted(sign rune, text string) string {
	if i := strings.IndexRune(letters, unicode.ToUpper(sign)); i >= 0 {
		return c.style(colours[i%len(colours)], text)
	}
	if sign == signBroken || sign == signOutside {
		return c.style("1;31", text)
	}
	return text
}

// legend explains the signs that were used.
func (c *canvas) legend() string {
	var said []string
	unseen := false
	for _, node := range c.picture.Nodes {
		letter := c.letter(node)
		if letter == star {
			continue
		}
		lower := c.used[unicode.ToLower(letter)]
		unseen = unseen || lower
		if lower || c.used[letter] {
			said = append(said, string(letter)+" runs on "+node)
		}
	}
	for _, s := range []struct {
		used bool
		says string
	}{
		{c.used[star], "* on another node"},
		{unseen, "small letters: out of sight"},
		{c.used[signObject], ". a pod without a process"},
		{c.used[signBroken], "# an invariant is broken"},
		{c.used[signOutside], "% broken outside the trust boundary"},
		{c.used[signHeld], "= held"},
	} {
		if s.used {
			said = append(said, s.says)
		}
	}
	return strings.Join(said, "; ")
}
