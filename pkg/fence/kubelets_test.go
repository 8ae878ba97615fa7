package fence

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// answer is one of node-a's kubelet, so many seconds after the first.
func answer(seconds int, absent bool, edits ...func(*v1.Node)) KubeletSight {
	n := silentNode("node-a", "uid-of-node-a", "node-a-boot-1")
	for _, edit := range edits {
		edit(n)
	}
	return KubeletSight{Node: n, Absent: absent, Answered: time.Unix(1_700_000_000+int64(seconds), 0)}
}

func TestTwoAnswersOfOneKubeletAreNeeded(t *testing.T) {
	bootedTo := func(id string) func(*v1.Node) { return func(n *v1.Node) { n.Status.NodeInfo.BootID = id } }
	another := func(n *v1.Node) { n.UID = "uid-of-a-new-node-a" }
	otherMachine := func(n *v1.Node) { n.Status.NodeInfo.SystemUUID = "another" }
	old := func(n *v1.Node) { n.Status.NodeInfo.KubeletVersion = "v1.34.1" }
	elsewhere := func(n *v1.Node) { n.Name, n.UID = "node-b", "uid-of-node-b" }
	one := []v1alpha1.CandidateNode{candidate("node-a")}
	two := append(one[:1:1], candidate("node-b"))
	for name, tc := range map[string]struct {
		candidates []v1alpha1.CandidateNode
		unseen     bool
		sights     []KubeletSight
		want       bool
	}{
		"nobody was asked":                         {candidates: one},
		"one answer":                               {candidates: one, sights: []KubeletSight{answer(0, true)}},
		"two answers":                              {candidates: one, sights: []KubeletSight{answer(0, true), answer(3, true)}, want: true},
		"two answers too close to each other":      {candidates: one, sights: []KubeletSight{answer(0, true), answer(2, true)}},
		"three, of which two are far enough apart": {candidates: one, sights: []KubeletSight{answer(0, true), answer(2, true), answer(4, true)}, want: true},
		"the first still had it":                   {candidates: one, sights: []KubeletSight{answer(0, false), answer(4, true)}},
		"it came back in between":                  {candidates: one, sights: []KubeletSight{answer(0, true), answer(2, false), answer(4, true)}},
		"it came back after two":                   {candidates: one, sights: []KubeletSight{answer(0, true), answer(4, true), answer(8, false)}},
		"a boot in between":                        {candidates: one, sights: []KubeletSight{answer(0, true), answer(4, true, bootedTo("b2"))}},
		"two answers after a boot":                 {candidates: one, sights: []KubeletSight{answer(0, true), answer(4, true, bootedTo("b2")), answer(8, true, bootedTo("b2"))}, want: true},
		"a node that tells no boot":                {candidates: one, sights: []KubeletSight{answer(0, true, bootedTo("")), answer(4, true, bootedTo(""))}},
		"another Node of the name":                 {candidates: one, sights: []KubeletSight{answer(0, true, another), answer(4, true, another)}},
		"another machine under the Node":           {candidates: one, sights: []KubeletSight{answer(0, true, otherMachine), answer(4, true, otherMachine)}},
		"a kubelet that may list what is old (H7)": {candidates: one, sights: []KubeletSight{answer(0, true, old), answer(4, true, old)}},
		"no kubelet ever reported it (H20)":        {candidates: one, unseen: true, sights: []KubeletSight{answer(0, true), answer(4, true)}},
		"one of two candidates (H16)":              {candidates: two, sights: []KubeletSight{answer(0, true), answer(4, true)}},
		"both candidates": {candidates: two, want: true, sights: []KubeletSight{
			answer(0, true), answer(0, true, elsewhere), answer(4, true), answer(5, true, elsewhere),
		}},
		"nobody knows where it may run":    {sights: []KubeletSight{answer(0, true), answer(4, true)}},
		"a node that is on record by name": {candidates: []v1alpha1.CandidateNode{{Name: "node-a"}}, sights: []KubeletSight{answer(0, true), answer(4, true)}},
	} {
		t.Run(name, func(t *testing.T) {
			inc := &v1alpha1.Incarnation{PodUID: uid, Nodes: tc.candidates, ContainerSeen: true, Reported: !tc.unseen}
			f := FactsOf(Subject{UID: uid, Sight: SightGone, Incarnation: inc, Kubelets: tc.sights})
			if f.Observed != tc.want {
				t.Errorf("got %t, want %t", f.Observed, tc.want)
			}
			if v := Judge(f); v.Release != tc.want || tc.want && v.Kind != v1alpha1.Observed {
				t.Errorf("verdict %+v, want a release: %t", v, tc.want)
			}
		})
	}
}

func TestAbsenceIsFromEveryList(t *testing.T) {
	list := func(uids ...types.UID) v1.PodList {
		var l v1.PodList
		for _, u := range uids {
			l.Items = append(l.Items, v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: u}})
		}
		return l
	}
	if !AbsentFrom("x", list("a"), list()) || AbsentFrom("x", list("a"), list("x")) || AbsentFrom("x", list("x"), list()) {
		t.Error("it is absent where no list has its UID")
	}
}

func TestAListIsAnAnswerOnlyOfAKubeletThatHasHeardOfItsPods(t *testing.T) {
	pod := func(node, source string) v1.Pod {
		return v1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{configSource: source}}, Spec: v1.PodSpec{NodeName: node}}
	}
	for name, tc := range map[string]struct {
		pods []v1.Pod
		want string
	}{
		"a pod of the API's":                       {[]v1.Pod{pod("a", "file"), pod("a", "api")}, ""},
		"no pods at all":                           {nil, "it has no pod of the API's, so it may not have heard of them yet"},
		"static pods alone, right after its start": {[]v1.Pod{pod("a", "file")}, "it has no pod of the API's, so it may not have heard of them yet"},
		"a machine that has taken the address":     {[]v1.Pod{pod("a", "api"), pod("b", "api")}, `it has a pod of node "b"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Answers("a", v1.PodList{Items: tc.pods}); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
