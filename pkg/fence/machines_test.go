package fence

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// candidate is node-a, or another one, as the record may have it.
func candidate(name string, edits ...func(*v1alpha1.CandidateNode)) v1alpha1.CandidateNode {
	c := v1alpha1.CandidateNode{Name: name, UID: types.UID("uid-of-" + name), BootIDs: []string{name + "-boot-1"}}
	for _, edit := range edits {
		edit(&c)
	}
	return c
}

func bootedLater(boots ...string) func(*v1alpha1.CandidateNode) {
	return func(c *v1alpha1.CandidateNode) { c.LaterBootIDs = boots }
}

func gone(ground v1alpha1.RemovalGround) func(*v1alpha1.CandidateNode) {
	return func(c *v1alpha1.CandidateNode) {
		c.Removal = &v1alpha1.NodeRemoval{Ready: v1.ConditionUnknown, Ground: ground}
	}
}

// silentNode is a Node object that is not Ready.
func silentNode(name string, uid types.UID, boot string, taints ...string) *v1.Node {
	n := nodeState{uid: uid, ready: v1.ConditionUnknown, since: 1, taints: taints}.node()
	n.Name = name
	n.Status.NodeInfo.BootID, n.Status.NodeInfo.KubeletVersion = boot, "v1.37.1"
	return n
}

// fencedSight is a node on which a taint was seen to be set.
func fencedSight(name string) NodeSight {
	uid := types.UID("uid-of-" + name)
	before, after := silentNode(name, uid, name+"-boot-1"), silentNode(name, uid, name+"-boot-1", v1.TaintNodeOutOfService)
	return NodeSight{Name: name, Node: after, Taints: TaintWatch{}.Next(before).Next(after)}
}

func TestANodeIsTakenOverByAnotherMachineOnly(t *testing.T) {
	named := func(uid types.UID, machine string) v1alpha1.CandidateNode {
		return v1alpha1.CandidateNode{Name: "node-a", UID: uid, Machine: machine}
	}
	for name, tc := range map[string]struct {
		candidates []v1alpha1.CandidateNode
		machine    string // of the node, whose UID is "now"
		want       bool
	}{
		"the same":                           {[]v1alpha1.CandidateNode{named("now", "m1")}, "m1", false},
		"the same, and no machine has an ID": {[]v1alpha1.CandidateNode{named("now", "")}, "", false},
		"its ID was not known at first":      {[]v1alpha1.CandidateNode{named("now", "")}, "m1", false},
		"the machine registered anew":        {[]v1alpha1.CandidateNode{named("before", "m1")}, "m1", false},
		"another machine":                    {[]v1alpha1.CandidateNode{named("before", "m1")}, "m2", true},
		"another machine in one Node":        {[]v1alpha1.CandidateNode{named("now", "m1")}, "m2", true},
		"another Node, and nobody has an ID": {[]v1alpha1.CandidateNode{named("before", "")}, "", true},
		"both of them":                       {[]v1alpha1.CandidateNode{named("before", "m1"), named("now", "m2")}, "m2", true},
		"of the one before nothing is known": {[]v1alpha1.CandidateNode{named("", "")}, "m1", false},
		"another name":                       {[]v1alpha1.CandidateNode{{Name: "node-b", UID: "b", Machine: "m3"}}, "m1", false},
	} {
		t.Run(name, func(t *testing.T) {
			node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-a", UID: "now"}}
			node.Status.NodeInfo.SystemUUID = tc.machine
			if got := TakenOver(&v1alpha1.Incarnation{Nodes: tc.candidates}, node); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
	if TakenOver(nil, &v1.Node{}) || TakenOver(&v1alpha1.Incarnation{}, nil) {
		t.Error("nobody has taken over from nobody")
	}
}

func TestWhatIsKnownOfTheMachines(t *testing.T) {
	type nodes = []v1alpha1.CandidateNode
	silent := NodeSight{Name: "node-a", Node: silentNode("node-a", "uid-of-node-a", "node-a-boot-1")}
	absent := NodeSight{Name: "node-a"}
	tests := map[string]struct {
		candidates nodes
		read       []NodeSight
		// bootElsewhere is a boot that a node of another name shows.
		bootElsewhere string
		want          Machines
	}{
		"no candidate":                                {want: MachinesUnknown},
		"a silent node":                               {candidates: nodes{candidate("node-a")}, read: []NodeSight{silent}, want: MachinesUnknown},
		"a node that nobody read":                     {candidates: nodes{candidate("node-a")}, want: MachinesUnknown},
		"one later boot may have started it (H9)":     {candidates: nodes{candidate("node-a", bootedLater("b2"))}, read: []NodeSight{silent}, want: MachinesUnknown},
		"two later boots":                             {candidates: nodes{candidate("node-a", bootedLater("b2", "b3"))}, read: []NodeSight{silent}, want: MachinesRebooted},
		"two later boots, and the node is gone since": {candidates: nodes{candidate("node-a", bootedLater("b2", "b3"))}, read: []NodeSight{absent}, want: MachinesRebooted},
		"two boots, and none from before":             {candidates: nodes{candidate("node-a", bootedLater("b2", "b3"), func(c *v1alpha1.CandidateNode) { c.BootIDs = nil })}, read: []NodeSight{silent}, want: MachinesUnknown},
		"two later boots of a kernel that is shared":  {candidates: nodes{candidate("node-a", bootedLater("b2", "b3"))}, read: []NodeSight{silent}, bootElsewhere: "b3", want: MachinesUnknown},
		"fenced": {candidates: nodes{candidate("node-a")}, read: []NodeSight{fencedSight("node-a")}, want: MachinesFenced},
		"fenced under a UID that is not on the record": {candidates: nodes{candidate("node-a", func(c *v1alpha1.CandidateNode) { c.UID = "uid-of-an-earlier-node-a" })}, read: []NodeSight{fencedSight("node-a")}, want: MachinesUnknown},
		"fenced, and the record knows no UID":          {candidates: nodes{candidate("node-a", func(c *v1alpha1.CandidateNode) { c.UID = "" })}, read: []NodeSight{fencedSight("node-a")}, want: MachinesUnknown},
		"the node is gone and nobody saw it go (H3)":   {candidates: nodes{candidate("node-a")}, read: []NodeSight{absent}, want: MachinesUnknown},
		"the node went and nothing says why (H3)":      {candidates: nodes{candidate("node-a", gone(""))}, read: []NodeSight{absent}, want: MachinesUnknown},
		"the cloud says that the instance is gone":     {candidates: nodes{candidate("node-a", gone(v1alpha1.InstanceGone))}, read: []NodeSight{absent}, want: MachinesRemoved},
		"the same, and a new machine took the name": {
			candidates: nodes{candidate("node-a", gone(v1alpha1.InstanceGone))},
			read:       []NodeSight{{Name: "node-a", Node: silentNode("node-a", "uid-of-a-new-node-a", "new-boot")}}, want: MachinesRemoved,
		},
		"the same, and the machine came back under its name": {
			candidates: nodes{candidate("node-a", gone(v1alpha1.InstanceGone))},
			read:       []NodeSight{{Name: "node-a", Node: silentNode("node-a", "uid-of-a-new-node-a", "node-a-boot-1")}}, want: MachinesUnknown,
		},
		"the same, and a new machine with an old kubelet took the name (H7)": {
			candidates: nodes{candidate("node-a", gone(v1alpha1.InstanceGone))},
			read: []NodeSight{{Name: "node-a", Node: func() *v1.Node {
				n := silentNode("node-a", "uid-of-a-new-node-a", "new-boot")
				n.Status.NodeInfo.KubeletVersion = "v1.34.1"
				return n
			}()}}, want: MachinesUnknown,
		},
		"the same, and a node of its name shows no boot": {
			candidates: nodes{candidate("node-a", gone(v1alpha1.InstanceGone))},
			read:       []NodeSight{{Name: "node-a", Node: silentNode("node-a", "uid-of-a-new-node-a", "")}}, want: MachinesUnknown,
		},
		"the same, and the machine came back under another name": {
			candidates: nodes{candidate("node-a", gone(v1alpha1.InstanceGone))}, read: []NodeSight{absent},
			bootElsewhere: "node-a-boot-1", want: MachinesUnknown,
		},
		"the cloud says so and nobody looked for its name": {candidates: nodes{candidate("node-a", gone(v1alpha1.InstanceGone))}, want: MachinesUnknown},
		"of two candidates one is fenced (H16)": {
			candidates: nodes{candidate("node-a"), candidate("node-b")},
			read:       []NodeSight{fencedSight("node-a"), {Name: "node-b", Node: silentNode("node-b", "uid-of-node-b", "x")}}, want: MachinesUnknown,
		},
		"of two candidates both are fenced": {
			candidates: nodes{candidate("node-a"), candidate("node-b")},
			read:       []NodeSight{fencedSight("node-a"), fencedSight("node-b")}, want: MachinesFenced,
		},
		"one rebooted, one fenced: as good as the weaker": {
			candidates: nodes{candidate("node-a", bootedLater("b2", "b3")), candidate("node-b")},
			read:       []NodeSight{silent, fencedSight("node-b")}, want: MachinesFenced,
		},
		"an earlier node of the name removed, the later one fenced": {
			candidates: nodes{candidate("node-a", gone(v1alpha1.InstanceGone), func(c *v1alpha1.CandidateNode) {
				c.UID, c.BootIDs = "uid-of-an-earlier-node-a", []string{"earlier-boot"}
			}), candidate("node-a")},
			read: []NodeSight{fencedSight("node-a")}, want: MachinesRemoved,
		},
		"an earlier node of the name unaccounted for, the later one fenced": {
			candidates: nodes{candidate("node-a", func(c *v1alpha1.CandidateNode) {
				c.UID, c.BootIDs = "uid-of-an-earlier-node-a", []string{"earlier-boot"}
			}), candidate("node-a")},
			read: []NodeSight{fencedSight("node-a")}, want: MachinesUnknown,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := machinesOf(tc.candidates, Nodes{Read: tc.read, Booted: func(boot, except string) bool {
				return except == "node-a" && boot == tc.bootElsewhere
			}})
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestNobodyLookedForBootsElsewhere(t *testing.T) {
	for _, c := range []v1alpha1.CandidateNode{candidate("node-a", bootedLater("b2", "b3")), candidate("node-a", gone(v1alpha1.InstanceGone))} {
		if got := machinesOf([]v1alpha1.CandidateNode{c}, Nodes{Read: []NodeSight{{Name: "node-a"}}}); got != MachinesUnknown {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

// TestTheRemovalOfANodeCountsAsConfigured goes through every word of nodeRemoval, every
// last readiness of a Node and every ground on which it went.
func TestTheRemovalOfANodeCountsAsConfigured(t *testing.T) {
	grounds := []v1alpha1.RemovalGround{"", v1alpha1.InstanceGone, v1alpha1.InstanceShutDown, v1alpha1.InstanceTerminated}
	words := []config.NodeRemoval{"", config.RemovalManaged, config.RemovalWhenDown, config.RemovalNever, "Sometimes"}
	for _, word := range words {
		for _, ready := range []v1.ConditionStatus{v1.ConditionTrue, v1.ConditionFalse, v1.ConditionUnknown, ""} {
			for _, ground := range grounds {
				want := MachinesUnknown
				switch {
				case word == config.RemovalNever:
				case ground != "":
					want = MachinesRemoved
				case word == config.RemovalWhenDown && (ready == v1.ConditionFalse || ready == v1.ConditionUnknown):
					want = MachinesDown
				}
				c := candidate("node-a", gone(ground))
				c.Removal.Ready = ready
				nodes := Nodes{Read: []NodeSight{{Name: "node-a"}}, Booted: notShared, Removal: word}
				if got := machineOf(c, nodes); got != want {
					t.Errorf("nodeRemoval %q, last Ready %q, ground %q: got %s, want %s", word, ready, ground, got, want)
				}
				nodes.Read[0].Node = silentNode("node-a", "uid-of-a-new-node-a", "node-a-boot-1")
				if got := machineOf(c, nodes); got != MachinesUnknown {
					t.Errorf("nodeRemoval %q, last Ready %q, ground %q, and the machine came back: got %s", word, ready, ground, got)
				}
				if got := machineOf(candidate("node-a"), nodes); got != MachinesUnknown {
					t.Errorf("nodeRemoval %q, nobody saw the node go: got %s", word, got)
				}
			}
		}
	}
}

func TestOnlyTheNodeThatThePodIsBoundToCounts(t *testing.T) {
	inc := &v1alpha1.Incarnation{PodUID: uid, Nodes: []v1alpha1.CandidateNode{candidate("node-a"), candidate("node-b")}}
	subject := Subject{
		UID: uid, Pod: pod(deletedPod), Sight: SightLive, Incarnation: inc,
		Nodes: Nodes{Read: []NodeSight{fencedSight("node-a")}, Booted: notShared},
	}
	if got := FactsOf(subject).Machines; got != MachinesFenced {
		t.Errorf("bound to the fenced node: %s", got)
	}
	// With the object gone nobody knows on which of the two it was (H16).
	subject.Pod, subject.Sight = nil, SightGone
	if got := FactsOf(subject).Machines; got != MachinesUnknown {
		t.Errorf("bound to nobody knows which: %s", got)
	}
}

func TestWhatTheEndOfANodeShows(t *testing.T) {
	const shutdown = "node.cloudprovider.kubernetes.io/shutdown"
	at := metav1.Unix(7, 0)
	withFinalizer := silentNode("node-a", "a", "b1")
	withFinalizer.Finalizers = []string{"karpenter.sh/termination"}
	down, shut := silentNode("node-a", "a", "b1"), silentNode("node-a", "a", "b1", shutdown)
	watched := TaintWatch{}.Next(down).Next(shut)
	tests := map[string]struct {
		final        *v1.Node
		watch        TaintWatch
		instanceGone bool
		want         v1alpha1.RemovalGround
	}{
		"a silent node that somebody deleted":         {final: silentNode("node-a", "a", "b1")},
		"an out-of-service taint is no removal":       {final: silentNode("node-a", "a", "b1", v1.TaintNodeOutOfService)},
		"the cloud had shut it down":                  {final: shut, watch: watched, want: v1alpha1.InstanceShutDown},
		"a shutdown taint that nobody saw set":        {final: shut},
		"the taint is of a boot that has ended":       {final: silentNode("node-a", "a", "b2", shutdown), watch: watched},
		"the taint was left on a Ready node":          {final: nodeState{uid: "a", ready: v1.ConditionTrue, taints: []string{shutdown}}.node()},
		"the cloud's event says that it is gone":      {final: silentNode("node-a", "a", "b1"), instanceGone: true, want: v1alpha1.InstanceGone},
		"the autoscaler's finalizer was there to end": {final: withFinalizer, want: v1alpha1.InstanceTerminated},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := RemovalOf(tc.final, tc.watch, tc.instanceGone, at)
			if got.Ground != tc.want || !got.Time.Equal(&at) || got.Ready == "" {
				t.Errorf("got %+v, want ground %q", got, tc.want)
			}
		})
	}
}

func TestBootsOfOldKubeletsAreStale(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.34.9": true, "v1.35.0": false, "v1.37.1": false, "v1.36.2-gke.100": false, "": true, "newest": true,
	} {
		n := &v1.Node{}
		n.Status.NodeInfo.KubeletVersion = version
		if got := StaleBoot(n); got != want {
			t.Errorf("%q: stale %t, want %t", version, got, want)
		}
	}
}
