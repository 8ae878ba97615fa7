package check

import (
	"slices"
	"time"

	storagev1 "k8s.io/api/storage/v1"
)

// What S5 and S9 ask of a bind, a scheduler knows from its watches alone: which drivers and
// how many slots a node has, and what others have placed there. Upstream's would place a pod
// there all the same, Holdfast or not, where a watch is held up, where a second process places
// pods beside it, or where the change came while the bind was on its way. Who can use a volume
// by its affinity does not change, and is asked of every bind.

// inFlight is how long a bind may be on its way from the look at the nodes to the write: the
// volumes' PreBind and a predecessor's bind are waited for.
const inFlight = time.Minute

// blindness is a span in which who places pods may not know what is so.
type blindness struct {
	why string
	Span
}

// Blind takes in that from now on, for a reason that tells it from others, those who place
// pods may not know what room there is; or that they do again.
func (l *Log) Blind(at time.Time, why string, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.blind, func(b blindness) bool { return b.why == why && b.To.IsZero() })
	switch {
	case is && i < 0:
		l.blind = append(l.blind, blindness{why, Span{From: at}})
	case !is && i >= 0:
		l.blind[i].To = at
	}
}

// blindAt says whether a bind that lands at a time may have been decided without knowing
// what room there was.
func (l *Log) blindAt(at time.Time) bool {
	return slices.ContainsFunc(l.blind, func(b blindness) bool { return b.has(at, inFlight) })
}

// earlierCSINode is what a node's CSINode said until a time.
type earlierCSINode struct {
	*storagev1.CSINode
	until time.Time
}

func (l *Log) readCSINode(c commit, name string) error {
	if before := l.csiNodes[name]; before != nil {
		if l.csiBefore == nil {
			l.csiBefore = map[string][]earlierCSINode{}
		}
		still := slices.DeleteFunc(l.csiBefore[name], func(e earlierCSINode) bool { return e.until.Add(inFlight).Before(c.at) })
		l.csiBefore[name] = append(still, earlierCSINode{before, c.at})
	}
	return keep(l.csiNodes, name, c.value)
}

// knownOf is what could be known of a node's drivers when the bind of a pod was decided that
// lands at a time, what is so first. It is never empty; nil: there was no CSINode.
func (l *Log) knownOf(node string, pod *podState, at time.Time) []*storagev1.CSINode {
	known := []*storagev1.CSINode{l.csiNodes[node]}
	for _, e := range l.csiBefore[node] {
		if at.Before(e.until.Add(inFlight)) && pod.CreationTimestamp.Time.Before(e.until) {
			known = append(known, e.CSINode)
		}
	}
	return known
}
