package scenario

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// valid is a scenario with which nothing is wrong: two nodes, a-0 and a-1.
func valid() *Scenario {
	s := &Scenario{
		APIVersion: APIVersion, Kind: Kind, Name: "valid",
		Cluster: Cluster{NodeGroups: []NodeGroup{{Name: "a", Zone: "z", Count: 2}}},
		Until:   *minutes(10),
	}
	SetDefaults(s)
	return s
}

func minutes(m int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(m) * time.Minute}
}

func moment(m int) *Moment { return &Moment{At: *minutes(m)} }

// cut is a step that finds a node, heal one that needs none.
func cut(name string, at *metav1.Duration) Step {
	return Step{Name: name, At: at, Partition: &NodeTarget{Node: "a-0"}}
}

func heal(at *metav1.Duration) Step { return Step{At: at, Heal: &NodeTarget{}} }

func healAfter(name string, delay int) Step {
	return Step{After: &After{Step: name, Delay: *minutes(delay)}, Heal: &NodeTarget{}}
}

func only(step Step, schedulers ...Scheduler) Step {
	step.Schedulers = schedulers
	return step
}

// expectProblems compares whole messages by what they begin with: the field, and
// what is wrong with it.
func expectProblems(t *testing.T, s *Scenario, want ...string) {
	t.Helper()
	var got []string
	for _, err := range Validate(s) {
		got = append(got, err.Error())
	}
	if len(got) != len(want) || !slices.EqualFunc(got, want, strings.Contains) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestValidateSteps(t *testing.T) {
	at := minutes(1)
	for name, tc := range map[string]struct {
		steps []Step
		want  []string
	}{
		"a step at a time, one after it, and one on the node that it found": {
			steps: []Step{cut("cut", at), healAfter("cut", 2), {At: minutes(4), Heal: &NodeTarget{NodeOfStep: "cut"}}},
		},
		"neither at nor after": {
			steps: []Step{heal(nil)},
			want:  []string{`timeline[0]: Invalid value: "neither": want exactly one of at and after`},
		},
		"both at and after": {
			steps: []Step{cut("cut", at), {At: at, After: &After{Step: "cut"}, Heal: &NodeTarget{}}},
			want:  []string{`timeline[1]: Invalid value: "both": want exactly one of at and after`},
		},
		"no action": {
			steps: []Step{{At: at}},
			want:  []string{`timeline[0]: Invalid value: "none": want exactly one action of partition, heal,`},
		},
		"two actions": {
			steps: []Step{{At: at, Heal: &NodeTarget{}, ForceDelete: &ForceDelete{Pod: "web-0"}}},
			want:  []string{`timeline[0]: Invalid value: "heal, forceDelete": want exactly one action`},
		},
		"before time zero": {
			steps: []Step{heal(minutes(-1))},
			want:  []string{`timeline[0].at: Invalid value: "-1m0s": must not be negative`},
		},
		"after the end": {
			steps: []Step{heal(minutes(11))},
			want:  []string{`timeline[0].at: Invalid value: "11m0s": after the end of the run, at 10m0s`},
		},
		"after the end by a chain of delays": {
			steps: []Step{cut("cut", minutes(9)), healAfter("cut", 2)},
			want:  []string{`timeline[1].after: Invalid value: "11m0s": after the end of the run`},
		},
		"a negative delay": {
			steps: []Step{cut("cut", at), healAfter("cut", -1)},
			want:  []string{`timeline[1].after.delay: Invalid value: "-1m0s": must not be negative`},
		},
		"after a step that does not exist": {
			steps: []Step{healAfter("cut", 0)},
			want:  []string{`timeline[0].after.step: Invalid value: "cut": no step of that name stands before`},
		},
		"two steps after each other": {
			steps: []Step{
				{Name: "one", After: &After{Step: "two"}, Heal: &NodeTarget{}},
				{Name: "two", After: &After{Step: "one"}, Heal: &NodeTarget{}},
			},
			want: []string{`timeline[0].after.step: Invalid value: "two": no step of that name stands before`},
		},
		"after itself": {
			steps: []Step{{Name: "one", After: &After{Step: "one"}, Heal: &NodeTarget{}}},
			want:  []string{`timeline[0].after.step: Invalid value: "one"`},
		},
		"a name given twice": {
			steps: []Step{cut("cut", at), cut("cut", at)},
			want:  []string{`timeline[1].name: Duplicate value: "cut"`},
		},
		"an unknown scheduler, and one given twice": {
			steps: []Step{only(heal(at), "volcano", Default, Default)},
			want: []string{
				`timeline[0].schedulers[0]: Unsupported value: "volcano"`,
				`timeline[0].schedulers[2]: Duplicate value: "default"`,
			},
		},
		"a step that no run plays": {
			steps: []Step{only(cut("cut", at), Default), only(healAfter("cut", 1), Holdfast)},
			want:  []string{`timeline[1].after: Invalid value: "never": the step that this one is after is limited`},
		},
		"an attestation under a scheduler that keeps no record": {
			steps: []Step{{At: at, Attest: &Attest{Pod: "web-0", Reason: "seen", By: "ops"}}},
			want:  []string{`timeline[0].attest: Forbidden: the default scheduler keeps no record`},
		},
		"an attestation that says nothing": {
			steps: []Step{only(Step{At: at, Attest: &Attest{Pod: "web-0"}}, Holdfast)},
			want:  []string{`timeline[0].attest.reason: Required value`, `timeline[0].attest.by: Required value`},
		},
		"a watch of nothing by nobody": {
			steps: []Step{{At: at, StallWatch: &WatchTarget{}}, {At: at, ResumeWatch: &WatchTarget{Component: "c"}}},
			want: []string{
				`timeline[0].stallWatch.component: Required value`, `timeline[0].stallWatch.resource: Required value`,
				`timeline[1].resumeWatch.resource: Required value`,
			},
		},
		"a record deleted under a scheduler that keeps none": {
			steps: []Step{{At: at, DeleteTenancy: &DeleteTenancy{Pod: "web-0"}}},
			want:  []string{`timeline[0].deleteTenancy: Forbidden: the default scheduler keeps no record to delete: limit the step`},
		},
		"a guard waited for where there is none": {
			steps: []Step{{At: at, RestartScheduler: &RestartScheduler{OnRequest: &Request{Component: "holdfast-guard", Verb: "patch", Resource: "pods"}}}},
			want:  []string{`timeline[0].restartScheduler: Forbidden: the default scheduler has no guard`},
		},
		"a request that nobody of that process sends": {
			steps: []Step{{At: at, RestartScheduler: &RestartScheduler{OnRequest: &Request{Component: "kubelet", Verb: "write"}}}},
			want: []string{
				`timeline[0].restartScheduler.onRequest.component: Unsupported value: "kubelet"`,
				`timeline[0].restartScheduler.onRequest.verb: Unsupported value: "write"`,
				`timeline[0].restartScheduler.onRequest.resource: Required value`,
			},
		},
		"a lost request that nobody sends, of a kind that cannot get lost": {
			steps: []Step{
				{At: at, LoseAnswer: &LostRequest{Verb: "watch", ErrorAfter: minutes(-1)}},
				{At: at, LoseRequest: &LostRequest{Component: "holdfast-guard", Verb: "get", Resource: "pods", LandsAfter: minutes(1)}},
			},
			want: []string{
				`timeline[0].loseAnswer.component: Required value`, `timeline[0].loseAnswer.verb: Unsupported value: "watch"`,
				`timeline[0].loseAnswer.resource: Required value`, `timeline[0].loseAnswer.errorAfter: Invalid value: "-1m0s"`,
				`timeline[1].loseRequest.landsAfter: Forbidden: a request that is lost never lands`,
				`timeline[1].loseRequest: Forbidden: the default scheduler has no guard`,
			},
		},
		"an apply of nothing, a set of too few and one of too many, and a second scheduler for no time": {
			steps: []Step{
				{At: at, Apply: &Object{}},
				{At: at, Scale: &Scale{StatefulSet: "web", Replicas: -1}},
				{At: at, Scale: &Scale{Replicas: ReplicasMax + 1}},
				{At: at, StartScheduler: &StartScheduler{RunsFor: minutes(0)}},
			},
			want: []string{
				`timeline[0].apply: Invalid value: "neither": want exactly one of file and manifest`,
				`timeline[1].scale.replicas: Invalid value: -1: not in valid range [0, 10000]`,
				`timeline[2].scale.statefulSet: Required value`, `timeline[2].scale.replicas: Invalid value: 10001`,
				`timeline[3].startScheduler.runsFor: Invalid value: "0s": must be greater than zero`,
			},
		},
		"deletes of objects of every kind": {
			steps: []Step{
				{At: at, DeleteObject: &DeleteObject{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "shop/db", Cascade: "Orphan"}},
				{At: at, DeleteObject: &DeleteObject{APIVersion: "v1", Kind: "Namespace", Name: "shop"}},
			},
		},
		"deletes of what cannot be": {
			steps: []Step{
				{At: at, DeleteObject: &DeleteObject{}},
				{At: at, DeleteObject: &DeleteObject{APIVersion: "v1", Kind: "Widget", Name: "w"}},
				{At: at, DeleteObject: &DeleteObject{APIVersion: "v1", Kind: "Namespace", Name: "shop/shop"}},
				{At: at, DeleteObject: &DeleteObject{APIVersion: "v1", Kind: "Pod", Name: "Web", Cascade: "Gently"}},
			},
			want: []string{
				`timeline[0].deleteObject.apiVersion: Required value`, `timeline[0].deleteObject.kind: Required value`,
				`timeline[1].deleteObject.kind: Invalid value: "Widget": kind Widget of v1 is not known`,
				`timeline[2].deleteObject.name: Invalid value: "shop/shop": objects of kind Namespace have no namespace`,
				`timeline[3].deleteObject.name: Invalid value: "Web"`, `timeline[3].deleteObject.cascade: Unsupported value: "Gently"`,
			},
		},
		"a termination without a cloud": {
			steps: []Step{{At: at, Terminate: &NodeTarget{Node: "a-0"}}},
			want:  []string{`timeline[0].terminate: Forbidden: there is no cloud`},
		},
		"faults without a node": {
			steps: []Step{
				{At: at, Crash: &NodeTarget{}}, {At: at, PowerOn: &NodeTarget{}}, {At: at, Reboot: &Reboot{}}, {At: at, RestartKubelet: &RestartKubelet{}},
				{At: at, DeleteNode: &NodeTarget{}}, {At: at, Taint: &Taint{Key: "k", Effect: corev1.TaintEffectNoExecute}},
			},
			want: []string{
				`timeline[0].crash: Required value`, `timeline[1].powerOn: Required value`, `timeline[2].reboot: Required value`,
				`timeline[3].restartKubelet: Required value`, `timeline[4].deleteNode: Required value`, `timeline[5].taint: Required value`,
			},
		},
		"a taint that is none, and times that are negative": {
			steps: []Step{
				{At: at, Taint: &Taint{NodeTarget: NodeTarget{Node: "a-0"}, Key: "no key", Value: "no value!", Effect: "NoMatter"}},
				{At: at, Reboot: &Reboot{NodeTarget: NodeTarget{Node: "a-0"}, DownFor: minutes(-1)}},
				{At: at, RestartScheduler: &RestartScheduler{DownFor: minutes(-1)}},
			},
			want: []string{
				`timeline[0].taint.key: Invalid value: "no key"`, `timeline[0].taint.value: Invalid value: "no value!"`,
				`timeline[0].taint.effect: Unsupported value: "NoMatter"`,
				`timeline[1].reboot.downFor: Invalid value: "-1m0s": must not be negative`,
				`timeline[2].restartScheduler.downFor: Invalid value: "-1m0s": must not be negative`,
			},
		},
		"a pod to delete whose name cannot be one": {
			steps: []Step{{At: at, Delete: &PodTarget{Pod: "Web_0"}}, {At: at, StripFinalizers: &PodTarget{}}},
			want:  []string{`timeline[0].delete.pod: Invalid value: "Web_0"`, `timeline[1].stripFinalizers.pod: Required value`},
		},
		"a pod whose name cannot be one": {
			steps: []Step{{At: at, ForceDelete: &ForceDelete{Pod: "shop/Web_0"}}},
			want:  []string{`timeline[0].forceDelete.pod: Invalid value: "Web_0": a lowercase RFC 1123 subdomain`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			s.Timeline = tc.steps
			expectProblems(t, s, tc.want...)
		})
	}
}

func TestValidateNodeTargets(t *testing.T) {
	at := minutes(2)
	partition := func(target NodeTarget) Step { return Step{At: at, Partition: &target} }
	for name, tc := range map[string]struct {
		steps []Step
		want  []string
	}{
		"a partition of nothing": {
			steps: []Step{partition(NodeTarget{})},
			want:  []string{`timeline[0].partition: Required value: one of node, nodeOf and nodeOfStep`},
		},
		"two ways to find a node": {
			steps: []Step{partition(NodeTarget{Node: "a-0", NodeOf: "web-0"})},
			want:  []string{`timeline[0].partition: Invalid value: "2 of them": want at most one`},
		},
		"a node that is not in the cluster": {
			steps: []Step{partition(NodeTarget{Node: "a-2"})},
			want:  []string{`timeline[0].partition.node: Not found: "a-2"`},
		},
		"the node of a pod whose name cannot be one": {
			steps: []Step{partition(NodeTarget{NodeOf: "a/b/c"})},
			want:  []string{`timeline[0].partition.nodeOf: Invalid value: "b/c"`},
		},
		"the node of a step that does not exist": {
			steps: []Step{partition(NodeTarget{NodeOfStep: "cut"})},
			want:  []string{`timeline[0].partition.nodeOfStep: Not found: "cut"`},
		},
		"the node of a step that finds none": {
			steps: []Step{{Name: "heal", At: minutes(1), Heal: &NodeTarget{}}, partition(NodeTarget{NodeOfStep: "heal"})},
			want:  []string{`timeline[1].partition.nodeOfStep: Invalid value: "heal": that step finds no node`},
		},
		"the node of a step that is played later": {
			steps: []Step{cut("cut", minutes(3)), partition(NodeTarget{NodeOfStep: "cut"})},
			want:  []string{`timeline[1].partition.nodeOfStep: Invalid value: "cut": that step is not played before`},
		},
		"the node of a step that stands later in the file and is played earlier": {
			steps: []Step{partition(NodeTarget{NodeOfStep: "cut"}), cut("cut", minutes(1))},
		},
		"the node of a step at the same instant, later in the file": {
			steps: []Step{partition(NodeTarget{NodeOfStep: "cut"}), cut("cut", at)},
			want:  []string{`timeline[0].partition.nodeOfStep: Invalid value: "cut": that step is not played before`},
		},
		"the node of a step that some of the runs skip": {
			steps: []Step{only(cut("cut", minutes(1)), Holdfast), partition(NodeTarget{NodeOfStep: "cut"})},
			want:  []string{`timeline[1].partition.nodeOfStep: Invalid value: "cut": that step is not played under the default`},
		},
		"the node of a step that is skipped together with this one": {
			steps: []Step{only(cut("cut", minutes(1)), Holdfast), only(partition(NodeTarget{NodeOfStep: "cut"}), Holdfast)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			s.Timeline = tc.steps
			expectProblems(t, s, tc.want...)
		})
	}
}

func TestValidateStorageSteps(t *testing.T) {
	storage := func(s Storage) Step { return Step{Name: "storage", At: minutes(2), Storage: &s} }
	for name, tc := range map[string]struct {
		steps []Step
		want  []string
	}{
		"of all nodes, of one, and of one that was found": {
			steps: []Step{
				cut("cut", minutes(1)),
				{At: minutes(2), Storage: &Storage{Class: "zonal", Attach: Fail, Detach: Hang}},
				{At: minutes(2), Storage: &Storage{Class: "zonal", NodeTarget: NodeTarget{Node: "a-1"}, Detach: Work}},
				{At: minutes(2), Storage: &Storage{Class: "zonal", NodeTarget: NodeTarget{NodeOfStep: "cut"}, Detach: Work}},
			},
		},
		"nothing is said": {
			steps: []Step{storage(Storage{Class: "zonal"})},
			want:  []string{`timeline[0].storage: Required value: one of attach and detach, or both`},
		},
		"answers that there are not": {
			steps: []Step{storage(Storage{Class: "zonal", Attach: "Refuse", Detach: "fail"})},
			want: []string{
				`timeline[0].storage.attach: Unsupported value: "Refuse": supported values: "Work", "Fail", "Hang"`,
				`timeline[0].storage.detach: Unsupported value: "fail"`,
			},
		},
		"no class, one that does not exist, and one that is not attached": {
			steps: []Step{
				{At: minutes(2), Storage: &Storage{Detach: Fail}},
				{At: minutes(2), Storage: &Storage{Class: "none", Detach: Fail}},
				{At: minutes(2), Storage: &Storage{Class: "shared", Detach: Fail}},
			},
			want: []string{
				`timeline[0].storage.class: Required value`,
				`timeline[1].storage.class: Not found: "none"`,
				`timeline[2].storage.class: Invalid value: "shared": volumes of this class are not attached`,
			},
		},
		"a node that is not in the cluster, and two ways to find one": {
			steps: []Step{
				{At: minutes(2), Storage: &Storage{Class: "zonal", NodeTarget: NodeTarget{Node: "a-2"}, Detach: Fail}},
				{At: minutes(2), Storage: &Storage{Class: "zonal", NodeTarget: NodeTarget{Node: "a-0", NodeOf: "web-0"}, Detach: Fail}},
			},
			want: []string{
				`timeline[0].storage.node: Not found: "a-2"`,
				`timeline[1].storage: Invalid value: "2 of them": want at most one`,
			},
		},
		"the node of a step about all of them": {
			steps: []Step{storage(Storage{Class: "zonal", Detach: Fail}), {At: minutes(3), Heal: &NodeTarget{NodeOfStep: "storage"}}},
			want:  []string{`timeline[1].heal.nodeOfStep: Invalid value: "storage": that step finds no node`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			s.Cluster.StorageClasses = []StorageClass{{Name: "zonal"}, {Name: "shared", Topology: TopologyAnywhere}}
			SetDefaults(s)
			s.Timeline = tc.steps
			expectProblems(t, s, tc.want...)
		})
	}
}

func TestValidateCluster(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*Cluster)
		want []string
	}{
		"no machines": {
			edit: func(c *Cluster) { c.NodeGroups = nil },
			want: []string{"cluster.nodeGroups: Required value: a cluster needs machines"},
		},
		"a group of none": {
			edit: func(c *Cluster) { c.NodeGroups[0].Count = 0 },
			want: []string{"cluster.nodeGroups[0].count: Invalid value: 0: not in valid range [1, 1000]"},
		},
		"a group of too many": {
			edit: func(c *Cluster) { c.NodeGroups[0].Count = 1001 },
			want: []string{"cluster.nodeGroups[0].count: Invalid value: 1001: not in valid range [1, 1000]"},
		},
		"too many in all groups together": {
			edit: func(c *Cluster) {
				for i := range 5 {
					c.NodeGroups = append(c.NodeGroups, NodeGroup{Name: fmt.Sprintf("b%d", i), Zone: "z", Count: 1000})
				}
			},
			want: []string{"cluster.nodeGroups: Too many: 5002: must have at most 5000 items"},
		},
		"two groups of one name": {
			edit: func(c *Cluster) { c.NodeGroups = append(c.NodeGroups, NodeGroup{Name: "a", Zone: "y", Count: 1}) },
			want: []string{`cluster.nodeGroups[1].name: Duplicate value: "a"`},
		},
		"a name and a zone that cannot be": {
			edit: func(c *Cluster) { c.NodeGroups[0].Name, c.NodeGroups[0].Zone = "A", "" },
			want: []string{`cluster.nodeGroups[0].name: Invalid value: "A"`, "cluster.nodeGroups[0].zone: Required value"},
		},
		"a capacity of nothing": {
			edit: func(c *Cluster) { c.NodeGroups[0].Capacity[corev1.ResourcePods] = resource.MustParse("0") },
			want: []string{`cluster.nodeGroups[0].capacity[pods]: Invalid value: "0": must be greater than zero`},
		},
		"half a pod, and a name that no label can have": {
			edit: func(c *Cluster) {
				c.NodeGroups[0].Capacity[corev1.ResourcePods] = resource.MustParse("1500m")
				c.NodeGroups[0].Name = strings.Repeat("a", 62)
			},
			want: []string{
				"cluster.nodeGroups[0].name: Invalid value: ",
				`cluster.nodeGroups[0].capacity[pods]: Invalid value: "1500m": must be a whole number`,
			},
		},
		"labels that cannot be, and one that the engine sets": {
			edit: func(c *Cluster) {
				c.NodeGroups[0].Labels = map[string]string{"disk": "very fast", "kubernetes.io/hostname": "x", "-": "y"}
			},
			want: []string{
				`cluster.nodeGroups[0].labels[-]: Invalid value: "-": name part`,
				`cluster.nodeGroups[0].labels[disk]: Invalid value: "very fast"`,
				`cluster.nodeGroups[0].labels[kubernetes.io/hostname]: Forbidden: the engine sets it`,
			},
		},
		"storage classes": {
			edit: func(c *Cluster) {
				c.StorageClasses = []StorageClass{
					{Name: "zonal", Topology: TopologyZone},
					{Name: "zonal", Topology: "Region", AttachSeconds: new(int32(-1)), DetachSeconds: new(int32(-2))},
				}
			},
			want: []string{
				`cluster.storageClasses[1].name: Duplicate value: "zonal"`,
				`cluster.storageClasses[1].topology: Unsupported value: "Region": supported values: "Zone", "Node", "Anywhere"`,
				`cluster.storageClasses[1].attachSeconds: Invalid value: -1: must not be negative`,
				`cluster.storageClasses[1].detachSeconds: Invalid value: -2: must not be negative`,
			},
		},
		"classes whose volumes are not attached, and what they cannot have": {
			edit: func(c *Cluster) {
				c.StorageClasses = []StorageClass{
					{Name: "shared", Topology: TopologyAnywhere, DetachFences: new(true)},
					{Name: "local", Topology: TopologyNode, AttachRequired: new(false), AttachSeconds: new(int32(1))},
					{Name: "open", Topology: TopologyZone, AttachRequired: new(false), DetachSeconds: new(int32(1))},
				}
			},
			want: []string{
				`cluster.storageClasses[0].detachFences: Forbidden: volumes of this class are not attached`,
				`cluster.storageClasses[1].attachSeconds: Forbidden: volumes of this class are not attached`,
				`cluster.storageClasses[2].detachSeconds: Forbidden: volumes of this class are not attached`,
			},
		},
		"attaching what cannot be attached": {
			edit: func(c *Cluster) {
				c.StorageClasses = []StorageClass{
					{Name: "shared", Topology: TopologyAnywhere, AttachRequired: new(true)},
					{Name: "local", Topology: TopologyNode, AttachRequired: new(true)},
				}
			},
			want: []string{
				`cluster.storageClasses[0].attachRequired: Invalid value: true: volumes of topology Anywhere are never attached`,
				`cluster.storageClasses[1].attachRequired: Invalid value: true: volumes of topology Node are never attached`,
			},
		},
		"attach limits": {
			edit: func(c *Cluster) {
				c.NodeGroups[0].AttachLimit = new(1)
				c.NodeGroups = append(c.NodeGroups,
					NodeGroup{Name: "b", Zone: "z", Count: 1, AttachLimit: new(0)}, NodeGroup{Name: "c", Zone: "z", Count: 1, AttachLimit: new(1001)})
			},
			want: []string{
				`cluster.nodeGroups[1].attachLimit: Invalid value: 0: not in valid range [1, 1000]`,
				`cluster.nodeGroups[2].attachLimit: Invalid value: 1001: not in valid range [1, 1000]`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			tc.edit(&s.Cluster)
			expectProblems(t, s, tc.want...)
		})
	}
}

// everyInvariant expects a violation of each invariant of docs/invariants.md.
func everyInvariant() Expectation {
	var e Expectation
	for _, id := range strings.Fields("S1 S2 S3 S4 S5 S6 S7 S8 S9 S10 L1 L2 L3 L4 L5 L6") {
		e.Violations = append(e.Violations, Violation{Invariant: id, By: "web"})
		e.PreconditionsMet = append(e.PreconditionsMet, id)
	}
	return e
}

func TestValidateExpectations(t *testing.T) {
	for name, tc := range map[string]struct {
		expect map[Scheduler]Expectation
		want   []string
	}{
		"an unknown scheduler": {
			expect: map[Scheduler]Expectation{"volcano": {}},
			want:   []string{`expect[volcano]: Unsupported value: "volcano": supported values: "default", "holdfast"`},
		},
		"an invariant that does not exist, and one named twice": {
			expect: map[Scheduler]Expectation{Default: {
				Violations: []Violation{{Invariant: "L7", By: "web-0"}}, PreconditionsMet: []string{"L4", "S0", "L4"},
			}},
			want: []string{
				`expect[default].violations[0].invariant: Unsupported value: "L7": supported values: "S1", "S2", "S3"`,
				`expect[default].preconditionsMet[1]: Unsupported value: "S0": supported values: "S1", "S2", "S3"`,
				`expect[default].preconditionsMet[2]: Duplicate value: "L4"`,
			},
		},
		"a violation of every invariant, and that each had something to hold": {
			expect: map[Scheduler]Expectation{Holdfast: everyInvariant()},
		},
		"what was written that must not be is nobody's false word": {
			expect: map[Scheduler]Expectation{Holdfast: {Violations: []Violation{{Invariant: "L1", By: "web-0", Outside: "Fenced"}}}},
			want:   []string{`expect[holdfast].violations[0].outside: Forbidden: L1 is never outside the trust boundary`},
		},
		"violations outside the trust boundary, and a false proof": {
			expect: map[Scheduler]Expectation{Holdfast: {Violations: []Violation{
				{Invariant: "S1", By: "web-0", Outside: "Fenced"}, {Invariant: "S1", By: "web-1", Outside: "NodeRemoved"},
				{Invariant: "S2", By: "data-web-0", Outside: "Attested"}, {Invariant: "S3", By: "web-0"},
			}}},
		},
		"outside by a proof, by nothing that exists, and outside where nothing is": {
			expect: map[Scheduler]Expectation{Holdfast: {Violations: []Violation{
				{Invariant: "S1", By: "web-0", Outside: "Rebooted"}, {Invariant: "S1", By: "web-0", Outside: "Rumour"},
				{Invariant: "S3", By: "web-0", Outside: "Attested"},
			}}},
			want: []string{
				`expect[holdfast].violations[0].outside: Unsupported value: "Rebooted": supported values: "Fenced", "NodeRemoved", "Attested", "KubeletConfirmed", "Observed"`,
				`expect[holdfast].violations[1].outside: Unsupported value: "Rumour": supported values: "Fenced", "NodeRemoved", "Attested", "KubeletConfirmed", "Observed"`,
				`expect[holdfast].violations[2].outside: Forbidden: S3 is never outside the trust boundary`,
			},
		},
		"a violation that ends before it begins": {
			expect: map[Scheduler]Expectation{Default: {Violations: []Violation{{Invariant: "S1", By: "web-0", From: moment(2), To: moment(1)}}}},
			want:   []string{`expect[default].violations[0].to.at: Invalid value: "1m0s": must not be before from`},
		},
		"a moment after the end, and one with a negative tolerance": {
			expect: map[Scheduler]Expectation{Default: {Violations: []Violation{
				{Invariant: "S1", By: "web-0", From: &Moment{At: *minutes(1), Within: *minutes(-1)}, To: moment(11)},
			}}},
			want: []string{
				`expect[default].violations[0].from.within: Invalid value: "-1m0s": must not be negative`,
				`expect[default].violations[0].to.at: Invalid value: "11m0s": after the end of the run`,
			},
		},
		"a state and a holder that do not exist": {
			expect: map[Scheduler]Expectation{Holdfast: {
				Ordinals: []Ordinal{{Name: "web-0", State: "Fine"}},
				Holds:    []Hold{{Ordinal: "web-0", By: "operator"}},
			}},
			want: []string{
				`expect[holdfast].ordinals[0].state: Unsupported value: "Fine": supported values: "Running", "Held", "Pending", "Absent"`,
				`expect[holdfast].holds[0].by: Unsupported value: "operator": supported values: "guard", "scheduler"`,
			},
		},
		"one ordinal twice, by its two names": {
			expect: map[Scheduler]Expectation{Holdfast: {Ordinals: []Ordinal{{Name: "web-0"}, {Name: "default/web-0"}}}},
			want:   []string{`expect[holdfast].ordinals[1].name: Duplicate value: "default/web-0"`},
		},
		"evidence of every kind": {
			expect: map[Scheduler]Expectation{Holdfast: {Holds: []Hold{
				{Ordinal: "web-0", By: ByGuard, Evidence: "NeverBound"}, {Ordinal: "web-1", By: ByGuard, Evidence: "KubeletConfirmed"},
				{Ordinal: "web-2", By: ByGuard, Evidence: "Rebooted"}, {Ordinal: "web-3", By: ByGuard, Evidence: "Fenced"},
				{Ordinal: "web-4", By: ByGuard, Evidence: "NodeRemoved"}, {Ordinal: "web-5", By: ByGuard, Evidence: "Observed"},
				{Ordinal: "web-6", By: ByGuard, Evidence: "Attested"},
			}}},
		},
		"evidence of no kind, and an end without any": {
			expect: map[Scheduler]Expectation{Holdfast: {Holds: []Hold{
				{Ordinal: "web-0", By: ByGuard, Evidence: "Rumour", To: moment(2)},
				{Ordinal: "web-1", By: ByGuard, To: moment(2)},
			}}},
			want: []string{
				`expect[holdfast].holds[0].evidence: Unsupported value: "Rumour": supported values: "NeverBound", "KubeletConfirmed", "Rebooted", "Fenced", "NodeRemoved", "Observed", "Attested"`,
				`expect[holdfast].holds[1].evidence: Required value: a hold that ends is released by evidence`,
			},
		},
		"spans and counts": {
			expect: map[Scheduler]Expectation{Holdfast: {
				Ordinals: []Ordinal{{
					Name: "web-0", Incarnations: new(-1),
					Down: &Span{Min: *minutes(2), Max: *minutes(1)}, Twice: &Span{Min: *minutes(-1)},
				}},
				SchedulingAttemptsWhileHeldMax: new(-1),
			}},
			want: []string{
				`expect[holdfast].ordinals[0].incarnations: Invalid value: -1: must not be negative`,
				`expect[holdfast].ordinals[0].down.min: Invalid value: "2m0s": must not be more than max`,
				`expect[holdfast].ordinals[0].twice.min: Invalid value: "-1m0s": must not be negative`,
				`expect[holdfast].schedulingAttemptsWhileHeldMax: Invalid value: -1: must not be negative`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			s.Expect = tc.expect
			expectProblems(t, s, tc.want...)
		})
	}
}

func TestValidateTheRest(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*Scenario)
		want []string
	}{
		"nothing is wrong": {edit: func(*Scenario) {}},
		"another version": {
			edit: func(s *Scenario) { s.APIVersion = "sim.holdfast.dev/v2" },
			want: []string{`apiVersion: Unsupported value: "sim.holdfast.dev/v2"`},
		},
		"a run of no length has one problem": {
			edit: func(s *Scenario) { s.Until.Duration = 0; s.Timeline = []Step{heal(minutes(1))} },
			want: []string{`until: Invalid value: "0s": must be greater than zero`},
		},
		"an object that is neither and one that is both": {
			edit: func(s *Scenario) { s.Objects = []Object{{}, {File: "f", Manifest: &runtime.RawExtension{}}} },
			want: []string{`objects[0]: Invalid value: "neither"`, `objects[1]: Invalid value: "both"`},
		},
		"timers that are off": {
			edit: func(s *Scenario) {
				s.Timers = Timers{
					NodeMonitorGracePeriod: minutes(0), ForceDetach: minutes(-1), PodGCQuarantine: minutes(0),
					TolerationSeconds: new(int64(-1)),
				}
			},
			want: []string{
				"timers.nodeMonitorGracePeriod: Invalid value", "timers.forceDetach: Invalid value",
				"timers.podGCQuarantine: Invalid value", "timers.tolerationSeconds: Invalid value: -1: must not be negative",
			},
		},
		"more steps than there may be": {
			edit: func(s *Scenario) {
				for range StepsMax + 1 {
					s.Timeline = append(s.Timeline, heal(minutes(1)))
				}
			},
			want: []string{"timeline: Too many: 1001: must have at most 1000 items"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			tc.edit(s)
			expectProblems(t, s, tc.want...)
		})
	}
}

func TestValidateWhoPlaysIt(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Scenario)
		want   []string
	}{
		"limited to one, whose steps need it": {change: func(s *Scenario) {
			s.Schedulers = []Scheduler{Holdfast}
			s.Timeline = []Step{{At: minutes(1), DeleteTenancy: &DeleteTenancy{Pod: "web-0"}}}
		}},
		"limited to one that does not exist": {
			change: func(s *Scenario) { s.Schedulers = []Scheduler{"volcano"} },
			want:   []string{`schedulers[0]: Unsupported value: "volcano"`},
		},
		"with steps and expectations of the other": {
			change: func(s *Scenario) {
				s.Schedulers = []Scheduler{Holdfast}
				s.Timeline = []Step{only(heal(minutes(1)), Default)}
				s.Expect = map[Scheduler]Expectation{Default: {}}
			},
			want: []string{
				`timeline[0].at: Invalid value: "never": the scenario is limited to other schedulers`,
				`expect[default]: Forbidden: the scenario is limited to other schedulers`,
			},
		},
		"with two ways to say what the plugin's arguments are": {
			change: func(s *Scenario) {
				s.SchedulerConfiguration, s.Args = "scheduler.yaml", &runtime.RawExtension{Raw: []byte("{}")}
			},
			want: []string{`args: Forbidden: there is a schedulerConfiguration`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			tc.change(s)
			expectProblems(t, s, tc.want...)
		})
	}
}

func TestValidateOrderAndEvents(t *testing.T) {
	s := valid()
	s.Expect = map[Scheduler]Expectation{
		Default:  {BindOrder: []string{"web-0", "default/web-0", "Web"}},
		Holdfast: {BindOrder: []string{"web-0"}, Events: []Event{{}, {Reason: "Held", Kind: "Pod", Name: "a/b/c", First: moment(11)}}},
	}
	expectProblems(t, s,
		`expect[default].bindOrder[1]: Duplicate value: "default/web-0"`, `expect[default].bindOrder[2]: Invalid value: "Web"`,
		`expect[holdfast].bindOrder: Invalid value: "web-0": one ordinal has no order`,
		`expect[holdfast].events[0].reason: Required value`, `expect[holdfast].events[0].kind: Required value`, `expect[holdfast].events[0].name: Required value`,
		`expect[holdfast].events[1].name: Invalid value: "b/c"`, `expect[holdfast].events[1].first.at: Invalid value: "11m0s": after the end of the run`,
	)
}
