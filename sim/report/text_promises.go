package report

import (
	"fmt"
	"slices"
	"strings"
)

// promises prints what a run showed beyond its ordinals: what they are called in DNS, and
// the pods that have no stable name.
func (p *printer) promises(r *Run) {
	p.table(namesTable(r))
	p.table(otherPodsTable(r))
	for _, what := range r.Unseen {
		p.line("  not written down: " + what)
	}
}

// table prints rows under a heading; nothing if there is no row.
func (p *printer) table(rows [][]string) {
	if len(rows) < 2 {
		return
	}
	p.line("")
	for i, line := range columns(rows) {
		if i == 0 {
			line = p.bold(line)
		}
		p.line("  " + line)
	}
}

// namesTable has a row for each record of each ordinal: its own name, and its share in
// the name of a port.
func namesTable(r *Run) [][]string {
	rows := [][]string{{"ordinal", "name in DNS", "record", "resolved to"}}
	for _, o := range r.Ordinals {
		for i := range r.DNS {
			n := &r.DNS[i]
			if n.Pod != o.Name {
				continue
			}
			rows = append(rows, []string{short(o.Name), n.Name, n.Type, answerWords(n.Answers)})
			for j := range r.DNS {
				if port := &r.DNS[j]; port.Type == "SRV" && n.Type == "A" {
					if share := shareOf(port, n.Name); len(share) > 0 {
						rows = append(rows, []string{short(o.Name), port.Name, port.Type, answerWords(share)})
					}
				}
			}
		}
	}
	return rows
}

// shareOf are the answers of a port's name as far as they lead to one target; none if
// none ever did.
func shareOf(port *Name, target string) []Answer {
	var share []Answer
	for _, a := range port.Answers {
		own := Answer{From: a.From}
		for _, value := range a.Values {
			if number, to, ok := strings.Cut(value, " "); ok && to == target {
				own.Values = append(own.Values, "port "+number)
			}
		}
		if last := len(share) - 1; last < 0 && own.Values == nil || last >= 0 && slices.Equal(share[last].Values, own.Values) {
			continue
		}
		share = append(share, own)
	}
	return share
}

// answersToldMax is how many answers of a name are told.
const answersToldMax = 6

func answerWords(answers []Answer) string {
	var words []string
	for _, a := range answers[max(0, len(answers)-answersToldMax):] {
		words = append(words, orNothing(a.Values)+" from "+format(a.From.Duration))
	}
	if len(answers) > answersToldMax {
		words = append([]string{"..."}, words...)
	}
	return strings.Join(words, ", ")
}

// otherPodsTable has a row for each pod that is no ordinal's and that something made.
func otherPodsTable(r *Run) [][]string {
	rows := [][]string{{"other pod", "made by", "node", "address", "created", "ready", "gone"}}
	for _, pod := range r.podsOf(func(p *Pod) bool { return p.Kind != "" && p.Kind != "StatefulSet" }) {
		rows = append(rows, []string{
			short(pod.Name), pod.Kind + " " + short(pod.Maker), pod.Node, lastAddress(pod),
			format(pod.Created.At.Duration), instantWords(pod.Ready), instantWords(pod.Gone),
		})
	}
	return rows
}

func instantWords(i *Instant) string {
	if i == nil {
		return "-"
	}
	return format(i.At.Duration)
}

// broken prints a run with steps that would break a promise.
func (p *printer) broken(b *BrokenRun) {
	p.heading(fmt.Sprintf("==== Broken on purpose, under %s ====", schedulerWords(b.Scheduler)))
	p.line("")
	for _, step := range b.Steps {
		p.line("  " + step)
	}
	p.checks(b.Checks)
}
