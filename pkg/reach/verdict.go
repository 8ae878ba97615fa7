package reach

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
)

// Reason is the typed code of why a node is out of reach.
type Reason string

const (
	// ReasonNoVolume: the claim is bound to a volume that does not exist.
	ReasonNoVolume Reason = "NoVolume"
	// ReasonOutOfReach: the node does not match the volume's node affinity.
	ReasonOutOfReach Reason = "OutOfReach"
	// ReasonNoDriver: the volume's CSI driver is not registered on the node.
	ReasonNoDriver Reason = "NoDriver"
	// ReasonStillAttached: another node may still write the volume.
	ReasonStillAttached Reason = "StillAttached"
)

// Use is a bound claim of a pod.
type Use struct {
	Claim  string
	Volume string
	// SingleWriter: one node may write the volume at a time (tenancy.SingleWriter).
	SingleWriter bool
}

// Verdict says from which nodes all volumes of a pod can be used. The zero Verdict
// sets no limit.
type Verdict struct {
	limits []limit
	// nodes are those within all limits.
	nodes sets.Set[string]
}

// limit is what one volume asks of nodes.
type limit struct {
	use   Use
	nodes *nodes
	// place is where the volume is; left is what is attached to nodes that may still
	// write it. A limit has one of them, or neither if the volume does not exist.
	place *place
	left  []left
}

// Refusal is why a node is out of reach: a typed code, and a reason in the form that
// the framework sums up over nodes.
type Refusal struct {
	Reason  Reason
	Message string
}

// Judge says from where the volumes can be used after the departure, given what the
// index knows now. The cost is that of the volume with the fewest nodes.
func (x *Index) Judge(uses []Use, departure Departure) Verdict {
	var v Verdict
	for _, use := range uses {
		known := x.volumes[use.Volume]
		if known == nil {
			v.limits = append(v.limits, limit{use: use, nodes: &nodes{}})
			continue
		}
		if known.place != nil {
			if n := x.nodesOf(known.place); n != nil {
				v.limits = append(v.limits, limit{use: use, place: known.place, nodes: n})
			}
		}
		if l, kept := x.leftovers(use, departure); kept {
			v.limits = append(v.limits, l)
		}
	}
	v.nodes = within(v.limits)
	return v
}

// Matches tells whether a node with the labels has all that the volumes' affinity asks.
func (x *Index) Matches(uses []Use, labels map[string]string) bool {
	for _, use := range uses {
		v := x.volumes[use.Volume]
		if v == nil || v.place != nil && !x.matches(v.place, labels) {
			return false
		}
	}
	return true
}

// AsksFor tells whether one of the volumes is the driver's.
func (x *Index) AsksFor(uses []Use, driver string) bool {
	return slices.ContainsFunc(uses, func(use Use) bool {
		v := x.volumes[use.Volume]
		return v != nil && v.place != nil && v.place.driver == driver
	})
}

// within returns the nodes that are within all limits; what one limit has alone is
// shared and not copied.
func within(limits []limit) sets.Set[string] {
	switch len(limits) {
	case 0:
		return nil
	case 1:
		return limits[0].nodes.fit
	}
	fewest := slices.MinFunc(limits, func(a, b limit) int { return len(a.nodes.fit) - len(b.nodes.fit) })
	common := sets.New[string]()
	for name := range fewest.nodes.fit {
		if !slices.ContainsFunc(limits, func(l limit) bool { return !l.nodes.fit.Has(name) }) {
			common.Insert(name)
		}
	}
	return common
}

// Limited tells whether any node is, or could be, out of reach.
func (v *Verdict) Limited() bool { return len(v.limits) > 0 }

// Nodes returns the nodes within reach. It is shared: do not change it. Of a verdict
// without limits it is nil, which then means every node.
func (v *Verdict) Nodes() sets.Set[string] { return v.nodes }

// Nowhere tells whether no node is within reach.
func (v *Verdict) Nowhere() bool { return v.Limited() && len(v.nodes) == 0 }

// Allows tells whether the node is within reach.
func (v *Verdict) Allows(node string) bool { return !v.Limited() || v.nodes.Has(node) }

// Why says what keeps a node that is not within reach, by the first volume that does.
func (v *Verdict) Why(node string) Refusal {
	for i := range v.limits {
		if l := &v.limits[i]; !l.nodes.fit.Has(node) {
			return l.refusal(node)
		}
	}
	return Refusal{}
}

func (l *limit) refusal(node string) Refusal {
	switch {
	case len(l.left) > 0:
		return Refusal{ReasonStillAttached, elsewhere(l.left, node).message(l.use)}
	case l.place == nil:
		return Refusal{ReasonNoVolume, fmt.Sprintf("node(s) cannot reach volume %s of claim %s, which does not exist", l.use.Volume, l.use.Claim)}
	case l.nodes.near.Has(node):
		return Refusal{ReasonNoDriver, "node(s) lack CSI driver " + l.place.driver}
	}
	message := fmt.Sprintf("node(s) cannot reach volume %s of claim %s", l.use.Volume, l.use.Claim)
	if where := l.place.whereabouts(); where != "" {
		message += " (" + where + ")"
	}
	return Refusal{ReasonOutOfReach, message}
}

// Explain sums up why nodes are out of reach, in the form of the framework's own message:
// "8 node(s) cannot reach …, 3 node(s) lack …". There are count of them, and has tells
// whether a node is among them. It looks at the nodes near the first volume alone, for
// what it says of all others is the same.
func (v *Verdict) Explain(count int, has func(node string) bool) string {
	counts := map[string]int{}
	var left []string // Those within all limits so far, from the first limit on.
	for i := range v.limits {
		l := &v.limits[i]
		if i > 0 {
			left = slices.DeleteFunc(left, func(node string) bool {
				refused := !l.nodes.fit.Has(node)
				if refused {
					counts[l.refusal(node).Message]++
				}
				return refused
			})
			continue
		}
		others := count
		for node := range l.nodes.fit {
			if has(node) {
				left = append(left, node)
				others--
			}
		}
		for node := range l.apart() {
			if has(node) && !l.nodes.fit.Has(node) {
				counts[l.refusal(node).Message]++
				others--
			}
		}
		if others > 0 {
			counts[l.refusal("").Message] += others
		}
	}
	parts := make([]string, 0, len(counts))
	for message, count := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", count, message))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// apart are the nodes whose refusal can be another than that of a node that has nothing
// to do with the volume.
func (l *limit) apart() sets.Set[string] {
	if len(l.left) > 0 {
		return sets.New(l.left[0].node)
	}
	if len(l.nodes.near) == len(l.nodes.fit) {
		return nil // All that are near fit.
	}
	return l.nodes.near
}

// Widens tells whether a node is within reach that was not within that of the other.
func (v *Verdict) Widens(other *Verdict) bool {
	switch {
	case !other.Limited():
		return false
	case !v.Limited():
		return true
	}
	for name := range v.nodes {
		if !other.nodes.Has(name) {
			return true
		}
	}
	return false
}
