package reach

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// place is what volumes with the same node affinity and the same driver have in
// common: the nodes from which they can be used. Thousands of volumes of a zone are
// one place.
type place struct {
	key      placeKey
	affinity *v1.NodeSelector // nil: every node
	selector *nodeaffinity.LazyErrorNodeSelector
	driver   string // empty: none that must be registered
	// anchors has one entry per term: a node that matches a term has the anchor's label.
	anchors  []anchor
	anchored bool
	// volumes is how many there are; a place without any is forgotten.
	volumes int
	// nodes is nil if it must be computed anew. It is never changed, only replaced.
	nodes *nodes
}

type placeKey struct{ affinity, driver string }

// nodes of a place. What is handed out stays as it is.
type nodes struct {
	// fit are the nodes from which the place's volumes can be used.
	fit sets.Set[string]
	// near are those that match the affinity, with and without the driver.
	near sets.Set[string]
}

// Label is a label of a node.
type Label struct{ Key, Value string }

// anchor is a condition on one label that every node of a term fulfils. Without a key
// there is none: the term names labels only to exclude them.
type anchor struct {
	key    string
	values []string // empty: any value
}

func (a anchor) equal(b anchor) bool { return a.key == b.key && slices.Equal(a.values, b.values) }

func newPlace(key placeKey, affinity *v1.NodeSelector) *place {
	p := &place{key: key, affinity: affinity, driver: key.driver}
	if affinity != nil {
		p.selector = nodeaffinity.NewLazyErrorNodeSelector(affinity)
	}
	return p
}

// keyOf tells places apart by the affinity as it is written. Two ways to write the same
// are two places, which costs memory and nothing else.
func keyOf(affinity *v1.NodeSelector, driver string) placeKey {
	if affinity == nil {
		return placeKey{driver: driver}
	}
	written, _ := json.Marshal(affinity) // Strings and lists of strings: it cannot fail.
	return placeKey{affinity: string(written), driver: driver}
}

// matches is upstream's judgement of a volume's affinity, which looks at labels alone:
// VolumeBinding and the kubelet both ask CheckNodeAffinity
// (k8s.io/component-helpers/storage/volume), and that gives the node no name, so
// matchFields decides nothing. Terms that cannot be parsed match nothing.
func (x *Index) matches(p *place, labels map[string]string) bool {
	if p.selector == nil {
		return true
	}
	x.scratch.Labels = labels
	ok, _ := p.selector.Match(&x.scratch)
	return ok
}

// nodesOf returns the nodes of the place, nil if it is no limit.
func (x *Index) nodesOf(p *place) *nodes {
	asks := p.driver != "" && x.drivers[p.driver].asked()
	if p.selector == nil && !asks {
		return nil
	}
	if p.nodes == nil {
		p.nodes = x.compute(p, asks)
	}
	return p.nodes
}

func (x *Index) compute(p *place, asks bool) *nodes {
	x.anchor(p) // Which label the fewest nodes have may have changed.
	near := sets.New[string]()
	for name := range x.candidates(p) {
		if !near.Has(name) && x.matches(p, x.nodes[name].labels) {
			near.Insert(name)
		}
	}
	if !asks {
		return &nodes{fit: near, near: near}
	}
	fit := sets.New[string]()
	for name := range near {
		if x.drivers[p.driver].nodes.Has(name) {
			fit.Insert(name)
		}
	}
	return &nodes{fit: fit, near: near}
}

// candidates yields every node that can be in the place, some of them twice, and where
// each term has an anchor not many others.
func (x *Index) candidates(p *place) iter.Seq[string] {
	return func(yield func(string) bool) {
		if x.loose.Has(p) {
			for name := range x.nodes {
				if !yield(name) {
					return
				}
			}
			return
		}
		for _, a := range p.anchors {
			for _, names := range x.postings(a) {
				for name := range names {
					if !yield(name) {
						return
					}
				}
			}
		}
	}
}

// postings are the nodes with the anchor's label, by value.
func (x *Index) postings(a anchor) map[string]sets.Set[string] {
	if len(a.values) == 0 {
		return x.values[a.key]
	}
	found := make(map[string]sets.Set[string], len(a.values))
	for _, value := range a.values {
		found[value] = x.values[a.key][value]
	}
	return found
}

// anchor registers the place under the label of each term that the fewest nodes have.
func (x *Index) anchor(p *place) {
	anchors := x.anchorsOf(p)
	if p.anchored && slices.EqualFunc(anchors, p.anchors, anchor.equal) {
		return
	}
	x.unanchor(p)
	p.anchors, p.anchored = anchors, true
	for _, a := range anchors {
		switch {
		case a.key == "":
			x.loose.Insert(p)
		case len(a.values) == 0:
			insert(x.byKey, a.key, p)
		default:
			for _, value := range a.values {
				insert(x.byLabel, Label{a.key, value}, p)
			}
		}
	}
}

// Near returns labels one of which every node within reach of the volume has. It is
// false if there are none such: the volume is not known, or its affinity does not name
// values.
func (x *Index) Near(volume string) ([]Label, bool) {
	v := x.volumes[volume]
	if v == nil || v.place == nil {
		return nil, false
	}
	var labels []Label
	for _, a := range x.anchorsOf(v.place) {
		if len(a.values) == 0 {
			return nil, false
		}
		for _, value := range a.values {
			labels = append(labels, Label{a.key, value})
		}
	}
	return labels, true
}

func (x *Index) unanchor(p *place) {
	x.loose.Delete(p)
	for _, a := range p.anchors {
		remove(x.byKey, a.key, p)
		for _, value := range a.values {
			remove(x.byLabel, Label{a.key, value}, p)
		}
	}
	p.anchors, p.anchored = nil, false
}

func (x *Index) anchorsOf(p *place) []anchor {
	if p.affinity == nil {
		return []anchor{{}}
	}
	anchors := make([]anchor, 0, len(p.affinity.NodeSelectorTerms))
	for i := range p.affinity.NodeSelectorTerms {
		term := &p.affinity.NodeSelectorTerms[i]
		if len(term.MatchExpressions) == 0 && len(term.MatchFields) == 0 {
			continue // Matches nothing.
		}
		anchors = append(anchors, x.anchorOf(term))
	}
	return anchors
}

// anchorOf picks among the conditions of the term that ask for a label.
func (x *Index) anchorOf(term *v1.NodeSelectorTerm) anchor {
	best, fewest := anchor{}, -1
	for _, r := range term.MatchExpressions {
		a := anchor{key: r.Key}
		switch r.Operator {
		case v1.NodeSelectorOpIn:
			if len(r.Values) == 0 {
				continue // Cannot be parsed: the term matches nothing.
			}
			a.values = r.Values
		case v1.NodeSelectorOpExists, v1.NodeSelectorOpGt, v1.NodeSelectorOpLt:
		default:
			continue
		}
		count := 0
		for _, names := range x.postings(a) {
			count += len(names)
		}
		if a.key != "" && (fewest < 0 || count < fewest) {
			best, fewest = a, count
		}
	}
	return best
}

// around yields every place in which a node with the labels can be.
func (x *Index) around(labels map[string]string, visit func(*place)) {
	for p := range x.loose {
		visit(p)
	}
	for key, value := range labels {
		for p := range x.byLabel[Label{key, value}] {
			visit(p)
		}
		for p := range x.byKey[key] {
			visit(p)
		}
	}
}

// relabel forgets the nodes of exactly the places that a node joins or leaves as its
// labels change. Nil stands for a node that is not there.
func (x *Index) relabel(old, next *node) {
	visit := func(p *place) {
		if p.nodes != nil && x.holds(p, old) != x.holds(p, next) {
			p.nodes = nil
		}
	}
	for _, n := range []*node{old, next} {
		if n != nil {
			x.around(n.labels, visit)
		}
	}
}

func (x *Index) holds(p *place, n *node) bool {
	return n != nil && x.matches(p, n.labels)
}

// whereabouts says for a human where the place is: "zone b", "hostname n-1". Empty if
// the affinity does not name values.
func (p *place) whereabouts() string {
	if p.affinity == nil {
		return ""
	}
	var order []string
	values := map[string][]string{}
	for _, term := range p.affinity.NodeSelectorTerms {
		for _, r := range term.MatchExpressions {
			if r.Operator != v1.NodeSelectorOpIn {
				continue
			}
			name := r.Key[strings.LastIndexByte(r.Key, '/')+1:]
			if values[name] == nil {
				order = append(order, name)
			}
			for _, value := range r.Values {
				if !slices.Contains(values[name], value) {
					values[name] = append(values[name], value)
				}
			}
		}
	}
	parts := make([]string, 0, len(order))
	for _, name := range order {
		parts = append(parts, name+" "+first(values[name]))
	}
	return strings.Join(parts, ", ")
}

// valuesMax is how many values of a label a message names.
const valuesMax = 3

func first(values []string) string {
	if len(values) <= valuesMax {
		return strings.Join(values, " or ")
	}
	return strings.Join(values[:valuesMax], " or ") + " or others"
}
