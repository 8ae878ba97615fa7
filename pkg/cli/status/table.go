// Package status renders how ordinals stand: as a table, as one ordinal in full, or
// for a program to read.
package status

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/explain"
)

// none stands where there is nothing to say.
const none = "-"

// lineWidth is where sentences are broken.
const lineWidth = 100

// Style is what a table is made for.
type Style struct {
	// Program is the name by which the command was called.
	Program string
	// Namespaces: there is a column for them.
	Namespaces bool
	// Wide: everything in columns, a line per ordinal.
	Wide bool
	// Now is what ages are counted to.
	Now time.Time
}

// Table writes a line per ordinal, below it a paragraph per hold unless it is wide,
// and last how many there are.
func Table(out io.Writer, ordinals []cluster.Ordinal, s Style) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	header := []string{"POD", "PHASE", "NODE", "EPOCH", "HELD BY", "SINCE"}
	if s.Namespaces {
		header = append([]string{"NAMESPACE"}, header...)
	}
	if s.Wide {
		header = append(header, "SET", "POD UID", "EVIDENCE", "WHY")
	}
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for _, o := range ordinals {
		fmt.Fprintln(w, strings.Join(s.row(o), "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !s.Wide {
		s.paragraphs(out, ordinals)
	}
	_, err := fmt.Fprintf(out, "\n%s\n", Summary(ordinals))
	return err
}

func (s Style) row(o cluster.Ordinal) []string {
	hold := explain.HoldOf(o.Facts)
	row := []string{o.ID.Name(), phaseOf(o.Record), nodesOf(o), epochOf(o.Record), heldBy(hold), sinceOf(hold, s.Now)}
	if s.Namespaces {
		row = append([]string{o.ID.Namespace}, row...)
	}
	if s.Wide {
		row = append(row, o.ID.Set, podUIDOf(o), evidenceOf(o.Record), whyOf(hold))
	}
	return row
}

func (s Style) paragraphs(out io.Writer, ordinals []cluster.Ordinal) {
	for _, o := range ordinals {
		hold := explain.HoldOf(o.Facts)
		if hold == nil {
			continue
		}
		name := o.ID.Name()
		if s.Namespaces {
			name = o.ID.String()
		}
		fmt.Fprintf(out, "\n%s is held by the %s%s:\n", name, heldBy(hold), forAge(hold, s.Now))
		fmt.Fprintln(out, Wrap(hold.Message, "  "))
		fmt.Fprintf(out, "  In full: %s status %s -n %s\n", s.Program, o.ID.Name(), o.ID.Namespace)
	}
}

// Summary counts.
func Summary(ordinals []cluster.Ordinal) string {
	noun := "ordinals"
	if len(ordinals) == 1 {
		noun = "ordinal"
	}
	return fmt.Sprintf("%d %s, %d held", len(ordinals), noun, Held(ordinals))
}

// Held is how many of them are held.
func Held(ordinals []cluster.Ordinal) int {
	n := 0
	for _, o := range ordinals {
		if explain.HoldOf(o.Facts) != nil {
			n++
		}
	}
	return n
}

func phaseOf(record *v1alpha1.Tenancy) string {
	switch {
	case record == nil:
		return none
	case record.Status.Phase == "":
		return string(v1alpha1.Vacant)
	}
	return string(record.Status.Phase)
}

// nodesOf are the nodes on which the latest incarnation runs or may run.
func nodesOf(o cluster.Ordinal) string {
	var names []string
	if o.Record != nil && o.Record.Status.Incarnation != nil {
		for _, n := range o.Record.Status.Incarnation.Nodes {
			if len(names) == 0 || names[len(names)-1] != n.Name {
				names = append(names, n.Name)
			}
		}
	} else if o.Pod != nil && o.Pod.Spec.NodeName != "" {
		names = append(names, o.Pod.Spec.NodeName)
	}
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ",")
}

func epochOf(record *v1alpha1.Tenancy) string {
	if record == nil || record.Status.Epoch == 0 {
		return none
	}
	return fmt.Sprint(record.Status.Epoch)
}

func podUIDOf(o cluster.Ordinal) string {
	switch {
	case o.Record != nil && o.Record.Status.Incarnation != nil:
		return string(o.Record.Status.Incarnation.PodUID)
	case o.Pod != nil:
		return string(o.Pod.UID)
	}
	return none
}

func evidenceOf(record *v1alpha1.Tenancy) string {
	if record == nil || record.Status.Evidence == nil {
		return none
	}
	return string(record.Status.Evidence.Kind)
}

// heldBy names the line of defence.
func heldBy(hold *explain.Hold) string {
	switch {
	case hold == nil:
		return none
	case hold.By == v1alpha1.HeldByGuard:
		return "guard"
	}
	return "scheduler"
}

func sinceOf(hold *explain.Hold, now time.Time) string {
	if hold == nil || hold.Since.IsZero() {
		return none
	}
	return age(hold.Since, now)
}

func forAge(hold *explain.Hold, now time.Time) string {
	if hold.Since.IsZero() {
		return ""
	}
	return " for " + age(hold.Since, now)
}

func whyOf(hold *explain.Hold) string {
	if hold == nil {
		return none
	}
	return hold.Message
}

func age(since metav1.Time, now time.Time) string {
	return duration.HumanDuration(now.Sub(since.Time))
}

// Wrap breaks a text into lines that begin with the indent.
func Wrap(text, indent string) string {
	var lines []string
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line) > len(indent) && len(line)+1+len(word) > lineWidth {
			lines = append(lines, line)
			line = indent
		}
		if len(line) > len(indent) {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}
