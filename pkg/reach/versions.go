package reach

import "k8s.io/apimachinery/pkg/util/resourceversion"

// goneMax is how many deleted objects of a kind are remembered. What is forgotten could
// be brought back by an old state that comes very late; the informers that feed the
// index are never thousands of deletions apart.
const goneMax = 4096

// versions orders the states of one kind of object by resourceVersion: several
// informer handlers may tell of one object, each in order, but not at one pace.
type versions struct {
	present map[string]string
	gone    map[string]string
	// order has the names in gone as they went; next is where the oldest stands once it is full.
	order []string
	next  int
}

func newVersions() *versions {
	return &versions{present: map[string]string{}, gone: map[string]string{}}
}

// set takes a state of the object and tells whether it is news.
func (v *versions) set(name, version string) bool {
	known, ok := v.present[name]
	if !ok {
		known, ok = v.gone[name]
	}
	if ok && compare(version, known) <= 0 {
		return false
	}
	v.present[name] = version
	return true
}

// remove takes the last state of an object that is gone and tells whether that is news.
// A last state that was missed has the version of the one before it.
func (v *versions) remove(name, version string) bool {
	known, ok := v.present[name]
	if ok && compare(version, known) < 0 {
		return false
	}
	delete(v.present, name)
	v.remember(name, version)
	return ok
}

func (v *versions) remember(name, version string) {
	if known, ok := v.gone[name]; ok {
		if compare(version, known) > 0 {
			v.gone[name] = version
		}
		return
	}
	v.gone[name] = version
	if len(v.order) < goneMax {
		v.order = append(v.order, name)
		return
	}
	delete(v.gone, v.order[v.next])
	v.order[v.next] = name
	v.next = (v.next + 1) % goneMax
}

// compare is like strings.Compare. A version that cannot be compared, which no API
// server gives, counts as newer: then the order of the calls decides.
func compare(version, known string) int {
	c, err := resourceversion.CompareResourceVersion(version, known)
	if err != nil {
		return 1
	}
	return c
}
