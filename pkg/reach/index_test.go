package reach

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	volumehelpers "k8s.io/component-helpers/storage/volume"
)

// world is what an index was told, without an index: the dumb implementation.
type world struct {
	nodes    map[string]*v1.Node
	csiNodes map[string]*storagev1.CSINode
	drivers  map[string]*storagev1.CSIDriver
	volumes  map[string]*v1.PersistentVolume
	version  int
}

func newWorld() *world {
	return &world{
		nodes: map[string]*v1.Node{}, csiNodes: map[string]*storagev1.CSINode{},
		drivers: map[string]*storagev1.CSIDriver{}, volumes: map[string]*v1.PersistentVolume{},
	}
}

func (w *world) meta(name string) metav1.ObjectMeta {
	w.version++
	return metav1.ObjectMeta{Name: name, ResourceVersion: strconv.Itoa(w.version)}
}

// reaches loops over everything.
func (w *world) reaches(uses []Use) sets.Set[string] {
	within := sets.New[string]()
	for name, node := range w.nodes {
		fits := true
		for _, use := range uses {
			pv := w.volumes[use.Volume]
			fits = fits && pv != nil && volumehelpers.CheckNodeAffinity(pv, node.Labels) == nil && (pv.Spec.CSI == nil || w.driverAllows(pv.Spec.CSI.Driver, name))
		}
		if fits {
			within.Insert(name)
		}
	}
	return within
}

func (w *world) driverAllows(driver, node string) bool {
	known := w.drivers[driver] != nil
	for name, c := range w.csiNodes {
		for _, d := range c.Spec.Drivers {
			if d.Name == driver {
				known = true
				if name == node {
					return true
				}
			}
		}
	}
	return !known
}

var (
	keys    = []string{v1.LabelHostname, v1.LabelTopologyZone, "rack", "size"}
	drivers = []string{"one.example", "two.example"}
)

// randomLabels never give a node its own name: a hostname is another node's name, or nobody's.
func randomLabels(chance *rand.Rand) map[string]string {
	labels := map[string]string{}
	for _, key := range keys {
		if chance.Intn(4) > 0 {
			labels[key] = randomValue(chance, key)
		}
	}
	return labels
}

func randomValue(chance *rand.Rand, key string) string {
	switch key {
	case v1.LabelHostname:
		return fmt.Sprintf("node-%d", chance.Intn(12))
	case "size":
		return strconv.Itoa(chance.Intn(5))
	default:
		return string(rune('a' + chance.Intn(3)))
	}
}

var operators = []v1.NodeSelectorOperator{
	v1.NodeSelectorOpIn, v1.NodeSelectorOpIn, v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn, v1.NodeSelectorOpExists,
	v1.NodeSelectorOpDoesNotExist, v1.NodeSelectorOpGt, v1.NodeSelectorOpLt, "Nonsense",
}

// randomAffinity also has what the API server would not let through, since upstream
// has an answer to that too.
func randomAffinity(chance *rand.Rand) *v1.VolumeNodeAffinity {
	switch chance.Intn(8) {
	case 0:
		return nil
	case 1:
		return &v1.VolumeNodeAffinity{}
	}
	selector := &v1.NodeSelector{}
	for range chance.Intn(3) {
		var term v1.NodeSelectorTerm
		for range chance.Intn(3) {
			key := keys[chance.Intn(len(keys))]
			r := v1.NodeSelectorRequirement{Key: key, Operator: operators[chance.Intn(len(operators))]}
			for range chance.Intn(3) {
				r.Values = append(r.Values, randomValue(chance, key))
			}
			if chance.Intn(20) == 0 {
				r.Key = ""
			}
			term.MatchExpressions = append(term.MatchExpressions, r)
		}
		if chance.Intn(6) == 0 {
			term.MatchFields = []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: []string{"node-1"}}}
		}
		selector.NodeSelectorTerms = append(selector.NodeSelectorTerms, term)
	}
	return &v1.VolumeNodeAffinity{Required: selector}
}

func (w *world) randomVolume(chance *rand.Rand, name string) *v1.PersistentVolume {
	pv := &v1.PersistentVolume{ObjectMeta: w.meta(name), Spec: v1.PersistentVolumeSpec{NodeAffinity: randomAffinity(chance)}}
	if chance.Intn(2) == 0 {
		pv.Spec.CSI = &v1.CSIPersistentVolumeSource{Driver: drivers[chance.Intn(len(drivers))]}
	}
	return pv
}

// step changes one thing in the world and the index.
func (w *world) step(chance *rand.Rand, x *Index) {
	name := fmt.Sprintf("node-%d", chance.Intn(12))
	switch chance.Intn(11) {
	case 0, 1, 2:
		w.nodes[name] = &v1.Node{ObjectMeta: w.meta(name)}
		w.nodes[name].Labels = randomLabels(chance)
		x.SetNode(w.nodes[name])
	case 3:
		if old := w.nodes[name]; old != nil {
			delete(w.nodes, name)
			x.DeleteNode(old)
		}
	case 4, 5:
		c := &storagev1.CSINode{ObjectMeta: w.meta(name)}
		for _, driver := range drivers {
			if chance.Intn(2) == 0 {
				c.Spec.Drivers = append(c.Spec.Drivers, storagev1.CSINodeDriver{Name: driver})
			}
		}
		w.csiNodes[name] = c
		x.SetCSINode(c)
	case 6:
		if old := w.csiNodes[name]; old != nil {
			delete(w.csiNodes, name)
			x.DeleteCSINode(old)
		}
	case 7:
		driver := drivers[chance.Intn(len(drivers))]
		if old := w.drivers[driver]; old != nil {
			delete(w.drivers, driver)
			x.DeleteDriver(old)
		} else {
			w.drivers[driver] = &storagev1.CSIDriver{ObjectMeta: w.meta(driver)}
			x.SetDriver(w.drivers[driver])
		}
	case 8:
		pv := fmt.Sprintf("pv-%d", chance.Intn(12))
		if old := w.volumes[pv]; old != nil {
			delete(w.volumes, pv)
			x.DeleteVolume(old)
		}
	default:
		pv := w.randomVolume(chance, fmt.Sprintf("pv-%d", chance.Intn(12)))
		w.volumes[pv.Name] = pv
		x.SetVolume(pv)
	}
}

// compare asks index and loop the same.
func (w *world) compare(t *testing.T, x *Index, uses ...Use) {
	t.Helper()
	v, want := x.Judge(uses, Departure{}), w.reaches(uses)
	for name := range w.nodes {
		if v.Allows(name) != want.Has(name) {
			t.Fatalf("node %s with labels %v, volumes %v: within reach %v, want %v", name, w.nodes[name].Labels, describe(w, uses), v.Allows(name), want.Has(name))
		}
		if !v.Allows(name) && v.Why(name).Message == "" {
			t.Fatalf("node %s is out of reach of %v without a reason", name, uses)
		}
	}
	if v.Limited() && !v.Nodes().Equal(want) {
		t.Fatalf("nodes %v of %v, want %v", v.Nodes(), uses, want)
	}
	mustExplain(t, &v, slices.Collect(maps.Keys(w.nodes)))
	for _, use := range uses {
		near, ok := x.Near(use.Volume)
		for name := range w.reaches([]Use{use}) {
			has := func(l Label) bool { return w.nodes[name].Labels[l.Key] == l.Value }
			if ok && !slices.ContainsFunc(near, has) {
				t.Fatalf("node %s with labels %v is within reach of %v, and has none of %v", name, w.nodes[name].Labels, describe(w, uses), near)
			}
		}
	}
}

// mustExplain: the sum is that over every node, one by one.
func mustExplain(t *testing.T, v *Verdict, nodes []string) {
	t.Helper()
	counts := map[string]int{}
	for _, node := range nodes {
		if !v.Allows(node) {
			counts[v.Why(node).Message]++
		}
	}
	var parts []string
	for message, count := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", count, message))
	}
	slices.Sort(parts)
	among := sets.New(nodes...)
	if got, want := v.Explain(len(nodes), among.Has), strings.Join(parts, ", "); got != want {
		t.Fatalf("explained as %q, want %q", got, want)
	}
}

func describe(w *world, uses []Use) []string {
	var out []string
	for _, use := range uses {
		if pv := w.volumes[use.Volume]; pv != nil {
			out = append(out, fmt.Sprintf("%s: %v %v", use.Volume, pv.Spec.NodeAffinity, pv.Spec.CSI))
		}
	}
	return out
}

func TestIndexAgreesWithALoopOverAllNodes(t *testing.T) {
	for seed := range int64(100) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			chance := rand.New(rand.NewSource(seed))
			w, x := newWorld(), NewIndex()
			for range 300 {
				w.step(chance, x)
				first := Use{Claim: "a", Volume: fmt.Sprintf("pv-%d", chance.Intn(12))}
				w.compare(t, x, first)
				w.compare(t, x, first, Use{Claim: "b", Volume: fmt.Sprintf("pv-%d", chance.Intn(12))})
			}
			for i := range 12 {
				w.compare(t, x, Use{Volume: fmt.Sprintf("pv-%d", i)})
			}
			x.mustBeTidy(t)
		})
	}
}

// mustBeTidy: when everything is deleted, nothing is left but what remembers versions.
func (x *Index) mustBeTidy(t *testing.T) {
	t.Helper()
	for name := range x.nodes {
		x.DeleteNode(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1000000"}})
	}
	for name := range x.csiNodes {
		x.DeleteCSINode(&storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1000000"}})
	}
	for name := range x.volumes {
		x.DeleteVolume(&v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1000000"}})
	}
	for _, name := range drivers {
		x.DeleteDriver(&storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1000000"}})
	}
	if x.Len() != (Size{}) || len(x.values)+len(x.byLabel)+len(x.byKey)+len(x.loose)+len(x.slots)+len(x.attachedAt) != 0 {
		t.Errorf("left over: %+v, %v %v %v %v", x.Len(), x.values, x.byLabel, x.byKey, x.loose)
	}
}

// TestAStateThatComesLateChangesNothing tells every state to the index a second time,
// at a random later moment, as another informer handler would.
func TestAStateThatComesLateChangesNothing(t *testing.T) {
	for seed := range int64(100) {
		chance := rand.New(rand.NewSource(seed))
		w, x := newWorld(), NewIndex()
		var nodes []*v1.Node
		var gone []*v1.Node
		for range 200 {
			name := fmt.Sprintf("node-%d", chance.Intn(6))
			if old := w.nodes[name]; old != nil && chance.Intn(3) == 0 {
				final := old.DeepCopy()
				final.ResourceVersion = w.meta(name).ResourceVersion
				delete(w.nodes, name)
				x.DeleteNode(final)
				gone = append(gone, final)
			} else {
				w.nodes[name] = &v1.Node{ObjectMeta: w.meta(name)}
				w.nodes[name].Labels = randomLabels(chance)
				x.SetNode(w.nodes[name])
				nodes = append(nodes, w.nodes[name])
			}
			if chance.Intn(2) == 0 {
				x.SetNode(nodes[chance.Intn(len(nodes))])
			}
			if len(gone) > 0 && chance.Intn(4) == 0 {
				x.DeleteNode(gone[chance.Intn(len(gone))])
			}
			if len(x.nodes) != len(w.nodes) {
				t.Fatalf("seed %d: %d nodes, want %d", seed, len(x.nodes), len(w.nodes))
			}
			for name, node := range w.nodes {
				if fmt.Sprint(x.nodes[name].labels) != fmt.Sprint(node.Labels) {
					t.Fatalf("seed %d: node %s has labels %v, want %v", seed, name, x.nodes[name].labels, node.Labels)
				}
			}
		}
	}
}

// zonal is a cluster of nodes in zones of 100 with a zonal and a local volume each.
func zonal(nodes int) *Index {
	x := NewIndex()
	x.SetDriver(&storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: "zonal.example", ResourceVersion: "1"}})
	for i := range nodes {
		name := fmt.Sprintf("node-%d", i)
		zone := strconv.Itoa(i / 100)
		x.SetNode(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1", Labels: map[string]string{
			v1.LabelHostname: "host-" + strconv.Itoa(i), v1.LabelTopologyZone: zone, "os": "linux", "arch": "arm64"}}})
		x.SetCSINode(&storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1"},
			Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: "zonal.example"}}}})
		x.SetVolume(volumeIn("zonal-"+strconv.Itoa(i), v1.LabelTopologyZone, zone))
		x.SetVolume(volumeIn("local-"+strconv.Itoa(i), v1.LabelHostname, "host-"+strconv.Itoa(i)))
	}
	return x
}

func volumeIn(name, key, value string) *v1.PersistentVolume {
	return &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1"}, Spec: v1.PersistentVolumeSpec{
		PersistentVolumeSource: v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{Driver: "zonal.example"}},
		NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
			MatchExpressions: []v1.NodeSelectorRequirement{{Key: key, Operator: v1.NodeSelectorOpIn, Values: []string{value}}}}}}}}}
}

// TestAChangeForgetsOnlyWhatItConcerns: the nodes of other places are kept.
func TestAChangeForgetsOnlyWhatItConcerns(t *testing.T) {
	x := zonal(300)
	for name := range x.volumes {
		x.Judge([]Use{{Volume: name}}, Departure{})
	}
	forgotten := func() (n int) {
		for _, p := range x.places {
			if p.nodes == nil {
				n++
				x.nodesOf(p)
			}
		}
		return n
	}
	if got := len(x.places); got != 303 {
		t.Fatalf("%d places, want one per zone and one per host", got)
	}
	labels := func(zone, host, arch string) map[string]string {
		return map[string]string{v1.LabelHostname: host, v1.LabelTopologyZone: zone, "os": "linux", "arch": arch}
	}
	steps := []struct {
		name   string
		change func()
		want   int
	}{
		{"a heartbeat", func() { x.SetNode(nodeWith("7", "2", labels("0", "host-7", "arm64"))) }, 0},
		{"a label that no volume names", func() { x.SetNode(nodeWith("7", "3", labels("0", "host-7", "amd64"))) }, 0},
		{"a node that changes zones", func() { x.SetNode(nodeWith("7", "4", labels("1", "host-7", "amd64"))) }, 2},
		{"a new node", func() { x.SetNode(nodeWith("new", "5", labels("1", "host-new", "amd64"))) }, 1},
		{"a node that is gone", func() { x.DeleteNode(nodeWith("7", "6", nil)) }, 2},
		{"a driver that leaves a node", func() {
			x.SetCSINode(&storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: "node-8", ResourceVersion: "7"}})
		}, 2},
	}
	for _, s := range steps {
		s.change()
		if got := forgotten(); got != s.want {
			t.Errorf("%s: the nodes of %d places are forgotten, want %d", s.name, got, s.want)
		}
	}
}

func nodeWith(name, version string, labels map[string]string) *v1.Node {
	return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-" + name, ResourceVersion: version, Labels: labels}}
}

func TestALookUpAllocatesNothing(t *testing.T) {
	x := zonal(100)
	v := x.Judge([]Use{{Volume: "zonal-7"}}, Departure{})
	if n := testing.AllocsPerRun(10, func() { v.Allows("node-7") }); n > 0 {
		t.Errorf("%.0f allocations", n)
	}
}

func BenchmarkFilter(b *testing.B) {
	x := zonal(5000)
	v := x.Judge([]Use{{Volume: "zonal-7"}}, Departure{})
	b.ReportAllocs()
	for b.Loop() {
		if !v.Allows("node-7") || v.Allows("node-700") {
			b.Fatal("wrong")
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	for _, nodes := range []int{100, 1000, 10000} {
		x := zonal(nodes)
		for _, kind := range []string{"local", "zonal"} {
			b.Run(fmt.Sprintf("%s/nodes=%d", kind, nodes), func(b *testing.B) {
				uses := []Use{{Claim: "data", Volume: kind + "-7"}}
				b.ReportAllocs()
				for b.Loop() {
					x.Judge(uses, Departure{})
				}
			})
			b.Run(fmt.Sprintf("%s-forgotten/nodes=%d", kind, nodes), func(b *testing.B) {
				uses := []Use{{Claim: "data", Volume: kind + "-7"}}
				b.ReportAllocs()
				for b.Loop() {
					x.volumes[kind+"-7"].place.nodes = nil
					x.Judge(uses, Departure{})
				}
			})
		}
	}
}

func BenchmarkNodeUpdate(b *testing.B) {
	for _, nodes := range []int{100, 10000} {
		x := zonal(nodes)
		b.Run(fmt.Sprintf("label/nodes=%d", nodes), func(b *testing.B) {
			b.ReportAllocs()
			version := 10
			for b.Loop() {
				version++
				zone := strconv.Itoa(version % 2)
				x.SetNode(nodeWith("7", strconv.Itoa(version), map[string]string{v1.LabelHostname: "host-7", v1.LabelTopologyZone: zone}))
				x.Judge([]Use{{Volume: "zonal-7"}}, Departure{})
			}
		})
	}
}
