package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Instant is a moment, and its place among all that the API showed of pods: in virtual
// time one moment can have many causes and consequences.
type Instant struct {
	At metav1.Duration `json:"at"`
	// Order grows with every change.
	Order int `json:"order"`
}

// Pod is what the API showed of one pod, whoever made it.
type Pod struct {
	// Name is namespace/name.
	Name string `json:"name"`
	// Kind and Maker, namespace/name, are of the object that made it: of a Deployment, and
	// not of its ReplicaSet. Empty: nobody's.
	Kind  string `json:"kind,omitempty"`
	Maker string `json:"maker,omitempty"`
	// Incarnation counts the pods of the name, from 1.
	Incarnation int    `json:"incarnation"`
	Node        string `json:"node,omitempty"`
	// Revision of the template, where the maker counts them.
	Revision string `json:"revision,omitempty"`
	// Restarts of its containers.
	Restarts int `json:"restarts,omitempty"`
	// Addresses, and since when it had each.
	Addresses []Address `json:"addresses,omitempty"`
	// Volumes by claim, in the order of the pod's specification.
	Volumes []Volume `json:"volumes,omitempty"`
	Created Instant  `json:"created"`
	// Ready is the first time; absent: never.
	Ready *Instant `json:"ready,omitempty"`
	// Deleted is when its deletion was asked for; absent: never.
	Deleted *Instant `json:"deleted,omitempty"`
	// Gone is when the object was; absent: it is there.
	Gone *Instant `json:"gone,omitempty"`
}

// Address is an address of a pod.
type Address struct {
	From  metav1.Duration `json:"from"`
	Value string          `json:"value"`
}

// Volume is what a pod's claim was bound to.
type Volume struct {
	// Claim is namespace/name.
	Claim string `json:"claim"`
	Name  string `json:"name"`
}

// Claim is what became of a PersistentVolumeClaim.
type Claim struct {
	// Name is namespace/name.
	Name string `json:"name"`
	// State at the end: Bound, Pending, Lost or Absent.
	State string `json:"state"`
	// Volumes that it was bound to, in order: the next one, after it was made anew.
	Volumes []string `json:"volumes,omitempty"`
}

// Name is a name in DNS, and what it resolved to over time.
type Name struct {
	Name string `json:"name"`
	// Type of the records: A, AAAA, SRV or CNAME.
	Type string `json:"type"`
	// Pod is namespace/name of the one pod that the name is for; empty: it is a service's.
	Pod string `json:"pod,omitempty"`
	// Answers in order of time.
	Answers []Answer `json:"answers"`
}

// Answer is what a name resolved to from a moment on, until the next answer.
type Answer struct {
	From metav1.Duration `json:"from"`
	// Values of the records, sorted; none: the name was unknown.
	Values []string `json:"values"`
}

// at is what the name resolved to at a moment.
func (n *Name) at(when time.Duration) []string {
	var values []string
	for _, a := range n.Answers {
		if a.From.Duration <= when {
			values = a.Values
		}
	}
	return values
}

// addresses are what a name resolved to at a moment, sorted and each once; of the name of
// a port, those of its targets.
func (r *Run) addresses(name string, when time.Duration) []string {
	var found []string
	for i := range r.DNS {
		n := &r.DNS[i]
		if n.Name != name {
			continue
		}
		switch n.Type {
		case "A", "AAAA":
			found = append(found, n.at(when)...)
		case "SRV":
			for _, value := range n.at(when) {
				if _, target, ok := strings.Cut(value, " "); ok && target != name {
					found = append(found, r.addresses(target, when)...)
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// address is what a pod of this name had at a moment; empty: none.
func (r *Run) address(pod string, when time.Duration) string {
	found := ""
	for i := range r.Pods {
		p := &r.Pods[i]
		if p.Name != pod || p.Created.At.Duration > when || p.Gone != nil && p.Gone.At.Duration <= when {
			continue
		}
		for _, a := range p.Addresses {
			if a.From.Duration <= when {
				found = a.Value
			}
		}
	}
	return found
}

// podsOf are the pods that are asked for, in the order in which they were created.
func (r *Run) podsOf(keep func(*Pod) bool) []*Pod {
	var pods []*Pod
	for i := range r.Pods {
		if p := &r.Pods[i]; keep(p) {
			pods = append(pods, p)
		}
	}
	slices.SortStableFunc(pods, func(a, b *Pod) int { return cmp.Compare(a.Created.Order, b.Created.Order) })
	return pods
}

// named are the pods of one name.
func (r *Run) named(name string) []*Pod {
	return r.podsOf(func(p *Pod) bool { return p.Name == name })
}

// BrokenRun is what came of the steps that would break a promise.
type BrokenRun struct {
	Scheduler string `json:"scheduler"`
	// Until is when the run ended.
	Until metav1.Duration `json:"until"`
	// Steps in words.
	Steps []string `json:"steps"`
	// Checks are those that must fail, and whether they did.
	Checks []Check `json:"checks"`
	// Run is all that was seen of it; absent: an older program wrote the report. What its
	// own checks say was not meant for it.
	Run *Run `json:"run,omitempty"`
	// Wall is how long the run took, in wall time.
	Wall metav1.Duration `json:"wall,omitzero"`
}

// Passed is true if every check failed that must.
func (b *BrokenRun) Passed() bool { return len(failedOf(b.Checks)) == 0 }

// Break holds a run with the breaking steps against the checks that must fail in it.
// Found are all checks of that run.
func Break(fails []string, found []Check) []Check {
	var checks []Check
	for _, name := range fails {
		i := slices.IndexFunc(found, func(c Check) bool { return c.Name == name })
		switch says := "fails: " + name; {
		case i < 0:
			checks = append(checks, unless(says, "there is no such check"))
		case found[i].OK:
			checks = append(checks, unless(says, "it does not"))
		default:
			checks = append(checks, Check{Name: says, OK: true})
		}
	}
	return checks
}
