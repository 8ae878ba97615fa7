package scenario

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestUpcoming(t *testing.T) {
	timeline := []Step{
		0: healAfterNamed("late", "cut", 5),
		1: cut("cut", minutes(3)),
		2: healAfterNamed("healed", "cut", 2),
		3: heal(minutes(5)),
		4: only(cut("theirs", minutes(1)), Default),
		5: healAfterNamed("then", "theirs", 1),
		6: healAfterNamed("and-then", "then", 1),
	}
	// References go back only, so the first step is never due.
	for name, tc := range map[string]struct {
		by     Scheduler
		played map[int]time.Duration
		want   string
	}{
		"at the beginning only absolute times are known":          {by: Default, want: "4@1m 1@3m 3@5m"},
		"steps of other schedulers, and those after, are skipped": {by: Holdfast, want: "1@3m 3@5m"},
		"a step that was played places those after it, in file order within an instant": {
			by: Holdfast, played: map[int]time.Duration{1: 3 * time.Minute}, want: "2@5m 3@5m",
		},
		"delays count from when the step was really played": {
			by: Holdfast, played: map[int]time.Duration{1: 4 * time.Minute}, want: "3@5m 2@6m",
		},
		"chains unroll one by one": {
			by: Default, played: map[int]time.Duration{4: time.Minute, 1: 3 * time.Minute}, want: "5@2m 2@5m 3@5m",
		},
		"nothing is left": {
			by: Holdfast, played: map[int]time.Duration{1: 0, 2: 0, 3: 0}, want: "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := timesOf(Upcoming(timeline, tc.by, tc.played)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func healAfterNamed(name, after string, delay int) Step {
	step := healAfter(after, delay)
	step.Name = name
	return step
}

func timesOf(steps []Timed) string {
	text := ""
	for i, s := range steps {
		if i > 0 {
			text += " "
		}
		text += fmt.Sprintf("%d@%dm", s.Index, int(s.At.Minutes()))
	}
	return text
}

func TestPlanPlaysEachStepOnceAndInOrder(t *testing.T) {
	s := valid()
	s.Timeline = []Step{heal(minutes(5)), cut("cut", minutes(1)), healAfterNamed("two", "cut", 4), healAfterNamed("three", "two", 0)}
	for _, late := range []time.Duration{0, 2 * time.Minute} {
		var order []int
		plan := s.Plan(Default)
		for {
			next, ok := plan.Next()
			if !ok {
				break
			}
			order = append(order, next.Index)
			plan.Played(next, next.At+late)
		}
		if want := []int{1, 0, 2, 3}; !slices.Equal(order, want) {
			t.Errorf("%s late: got %v, want %v", late, order, want)
		}
	}
}

func TestPlanTakesAStepAsPlayedWhenItWasDue(t *testing.T) {
	s := valid()
	s.Timeline = []Step{cut("cut", minutes(1)), healAfter("cut", 4)}
	plan := s.Plan(Holdfast)
	first, _ := plan.Next()
	second, _ := plan.Next()
	if _, more := plan.Next(); more || first.At != time.Minute || second.At != 5*time.Minute {
		t.Errorf("got %s, %s and more: %t", first.At, second.At, more)
	}
}

func TestDescribe(t *testing.T) {
	for want, step := range map[string]Step{
		"cut off the node of web-0":                       {Partition: &NodeTarget{NodeOf: "web-0"}},
		"cut off node a-0":                                {Partition: &NodeTarget{Node: "a-0"}},
		"heal the network":                                {Heal: &NodeTarget{}},
		"heal the network of node a-0":                    {Heal: &NodeTarget{Node: "a-0"}},
		"heal the network of the node that cut-web found": {Heal: &NodeTarget{NodeOfStep: "cut-web"}},
		"force-delete web-0":                              {ForceDelete: &ForceDelete{Pod: "web-0"}},
		"force-delete web-0, finalizers stripped":         {ForceDelete: &ForceDelete{Pod: "web-0", StripFinalizers: true}},
		"ops attests that web-0 is over: rack unplugged":  {Attest: &Attest{Pod: "web-0", By: "ops", Reason: "rack unplugged"}},
		"stall kube-scheduler's watch of tenancies":       {StallWatch: &WatchTarget{Component: "kube-scheduler", Resource: "tenancies"}},
		"resume kube-scheduler's watch of tenancies":      {ResumeWatch: &WatchTarget{Component: "kube-scheduler", Resource: "tenancies"}},
		"storage zonal: detach fails":                     {Storage: &Storage{Class: "zonal", Detach: Fail}},
		"storage zonal: attach works, detach hangs for the node of db-0": {
			Storage: &Storage{Class: "zonal", NodeTarget: NodeTarget{NodeOf: "db-0"}, Attach: Work, Detach: Hang},
		},

		"restart the kubelet of the node of web-0, away for 10s":                       {RestartKubelet: &RestartKubelet{NodeTarget: NodeTarget{NodeOf: "web-0"}}},
		"take the power from node a-0":                                                 {Crash: &NodeTarget{Node: "a-0"}},
		"give power to the node that crash found":                                      {PowerOn: &NodeTarget{NodeOfStep: "crash"}},
		"reboot node a-0, off for 1m0s":                                                {Reboot: &Reboot{NodeTarget: NodeTarget{Node: "a-0"}, DownFor: minutes(1)}},
		"give node a-0 back to the cloud":                                              {Terminate: &NodeTarget{Node: "a-0"}},
		"delete the Node object of node a-0":                                           {DeleteNode: &NodeTarget{Node: "a-0"}},
		"taint node a-0 with node.kubernetes.io/out-of-service=nodeshutdown:NoExecute": {Taint: &Taint{NodeTarget: NodeTarget{Node: "a-0"}}},
		"take the taint k:NoSchedule from node a-0":                                    {Taint: &Taint{NodeTarget: NodeTarget{Node: "a-0"}, Key: "k", Effect: "NoSchedule", Remove: true}},
		"delete web-0":                                    {Delete: &PodTarget{Pod: "web-0"}},
		"strip the finalizers of web-0":                   {StripFinalizers: &PodTarget{Pod: "web-0"}},
		"delete the record of web-0":                      {DeleteTenancy: &DeleteTenancy{Pod: "web-0"}},
		"delete the record of web-0, finalizers stripped": {DeleteTenancy: &DeleteTenancy{Pod: "web-0", StripFinalizers: true}},
		"restart the scheduler, away for 5s":              {RestartScheduler: &RestartScheduler{}},
		"restart the scheduler when holdfast-guard sends its next patch of pods, away for 5s": {
			RestartScheduler: &RestartScheduler{OnRequest: &Request{Component: "holdfast-guard", Verb: "patch", Resource: "pods"}},
		},

		"start a second scheduler beside the first":             {StartScheduler: &StartScheduler{}},
		"start a second scheduler beside the first, for 2m0s":   {StartScheduler: &StartScheduler{RunsFor: minutes(2)}},
		"apply Pod shop/debug":                                  {Apply: &Object{Manifest: &runtime.RawExtension{Raw: []byte(`{"kind":"Pod","metadata":{"name":"debug","namespace":"shop"}}`)}}},
		"apply ../objects/web.yaml":                             {Apply: &Object{File: "../objects/web.yaml"}},
		"scale shop/web to 0":                                   {Scale: &Scale{StatefulSet: "shop/web"}},
		"delete Namespace shop":                                 {DeleteObject: &DeleteObject{APIVersion: "v1", Kind: "Namespace", Name: "shop"}},
		"delete StatefulSet web, what it owns orphaned":         {DeleteObject: &DeleteObject{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web", Cascade: "Orphan"}},
		"ops attests that web-0 is over and writes nothing: ok": {Attest: &Attest{Pod: "web-0", By: "ops", Reason: "ok", CoversAttachments: true}},
		"lose the answer when kube-scheduler sends its next create of pods/binding, an error after 45s": {
			LoseAnswer: &LostRequest{Component: "kube-scheduler", Verb: "create", Resource: "pods/binding"},
		},
		"lose the answer when pod-garbage-collector sends its next delete of pods, an error after 45s, and it lands after 1m0s": {
			LoseAnswer: &LostRequest{Component: "pod-garbage-collector", Verb: "delete", Resource: "pods", LandsAfter: minutes(1)},
		},
		"lose the request when statefulset-controller sends its next create of pods, an error after 1m0s": {
			LoseRequest: &LostRequest{Component: "statefulset-controller", Verb: "create", Resource: "pods", ErrorAfter: minutes(1)},
		},

		"storage zonal: detach lies":                  {Storage: &Storage{Class: "zonal", Detach: Lie}},
		"freeze node a-0":                             {Freeze: &Freeze{NodeTarget: NodeTarget{Node: "a-0"}}},
		"hang the kubelet of node a-0":                {Freeze: &Freeze{NodeTarget: NodeTarget{Node: "a-0"}, KubeletOnly: true}},
		"thaw node a-0":                               {Thaw: &NodeTarget{Node: "a-0"}},
		"replace the machine of node a-0":             {Replace: &NodeTarget{Node: "a-0"}},
		"lose what is sent by node a-0":               {PartitionOneWay: &OneWay{NodeTarget: NodeTarget{Node: "a-0"}, Lost: FromNode}},
		"lose what is sent to node a-0":               {PartitionOneWay: &OneWay{NodeTarget: NodeTarget{Node: "a-0"}, Lost: ToNode}},
		"kill the containers of web-0":                {KillContainers: &KillContainers{Pod: "web-0"}},
		"refuse everything with Unavailable for 1m0s": {Refuse: &Refuse{With: Unavailable, For: *minutes(1)}},
		"refuse patch of pods by holdfast-guard with Conflict for 1m0s": {
			Refuse: &Refuse{Component: "holdfast-guard", Verb: "patch", Resource: "pods", With: Conflict, For: *minutes(1)},
		},
		"kill the containers of web-0, again after 1m0s each time":  {KillContainers: &KillContainers{Pod: "web-0", AgainAfter: minutes(1)}},
		"end kube-scheduler's watch of pods":                        {DropWatch: &DropWatch{Component: "kube-scheduler", Resource: "pods"}},
		"end kube-scheduler's watch of pods, its history compacted": {DropWatch: &DropWatch{Component: "kube-scheduler", Resource: "pods", Expired: true}},
		"restart the CSI drivers of node a-0, away for 30s":         {RestartDriver: &RestartDriver{NodeTarget: NodeTarget{Node: "a-0"}}},
		"cordon node a-0":                {Cordon: &Cordon{NodeTarget: NodeTarget{Node: "a-0"}}},
		"uncordon node a-0":              {Cordon: &Cordon{NodeTarget: NodeTarget{Node: "a-0"}, Undo: true}},
		"drain node a-0":                 {Drain: &NodeTarget{Node: "a-0"}},
		"fence node a-0":                 {Fence: &Fence{NodeTarget: NodeTarget{Node: "a-0"}}},
		"fence node a-0, which hits b-0": {Fence: &Fence{NodeTarget: NodeTarget{Node: "a-0"}, Hits: "b-0"}},
		"fence node a-0, which fails and is reported done": {Fence: &Fence{NodeTarget: NodeTarget{Node: "a-0"}, Fails: true}},
		"end the fence of node a-0":                        {Unfence: &NodeTarget{Node: "a-0"}},

		"cut node a-0 off from its storage":                                 {CutStorage: &NodeTarget{Node: "a-0"}},
		"heal the storage of node a-0":                                      {HealStorage: &NodeTarget{Node: "a-0"}},
		"no signal ends the containers of web-0":                            {StickContainers: &PodTarget{Pod: "web-0"}},
		"signals end the containers of web-0 again":                         {FreeContainers: &PodTarget{Pod: "web-0"}},
		"hang the container runtime of node a-0":                            {HangRuntime: &NodeTarget{Node: "a-0"}},
		"the container runtime of node a-0 goes on":                         {ResumeRuntime: &NodeTarget{Node: "a-0"}},
		"the runtime will say that web-0 has stopped, and it will not have": {LieAboutStop: &PodTarget{Pod: "web-0"}},
		"the storage attaches 1 volumes to node a-0":                        {SetAttachLimit: &SetAttachLimit{NodeTarget: NodeTarget{Node: "a-0"}, Limit: 1}},
		"the storage attaches 2 volumes to node a-0, and nobody is told":    {SetAttachLimit: &SetAttachLimit{NodeTarget: NodeTarget{Node: "a-0"}, Limit: 2, Untold: true}},
		"the watches of node a-0 deliver 1m0s late":                         {LagWatches: &LagWatches{NodeTarget: NodeTarget{Node: "a-0"}, By: *minutes(1)}},
		"the watches of node a-0 deliver in time again":                     {LagWatches: &LagWatches{NodeTarget: NodeTarget{Node: "a-0"}}},
		"restart the kubelet of node a-0, away for 10s, which then rejects web-0, db-0, which sees what runs 1m0s later": {RestartKubelet: &RestartKubelet{NodeTarget: NodeTarget{Node: "a-0"}, Rejects: []string{"web-0", "db-0"}, LooksAfter: *minutes(1)}},
		"set the clock of node a-0 right":                                {SetClock: &SetClock{NodeTarget: NodeTarget{Node: "a-0"}}},
		"set the clock of node a-0 1m0s ahead":                           {SetClock: &SetClock{NodeTarget: NodeTarget{Node: "a-0"}, Ahead: *minutes(1)}},
		"set the clock of node a-0 1m0s back, and it loses 30s a minute": {SetClock: &SetClock{NodeTarget: NodeTarget{Node: "a-0"}, Ahead: *minutes(-1), GainsPerMinute: metav1.Duration{Duration: -30 * time.Second}}},
		"set the clock of node a-0 right, and it gains 30s a minute":     {SetClock: &SetClock{NodeTarget: NodeTarget{Node: "a-0"}, GainsPerMinute: metav1.Duration{Duration: 30 * time.Second}}},
	} {
		t.Run(want, func(t *testing.T) {
			setStepDefaults(&step)
			if got := step.Describe(); got != want {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Three lists of the actions exist: the type, the names and the descriptions.
func TestEveryActionIsKnownEverywhere(t *testing.T) {
	full := Step{
		Partition: &NodeTarget{Node: "a-0"}, Heal: &NodeTarget{}, ForceDelete: &ForceDelete{}, Attest: &Attest{},
		StallWatch: &WatchTarget{}, ResumeWatch: &WatchTarget{}, Storage: &Storage{},
		RestartKubelet: &RestartKubelet{}, Crash: &NodeTarget{}, PowerOn: &NodeTarget{}, Reboot: &Reboot{}, Terminate: &NodeTarget{},
		DeleteNode: &NodeTarget{}, Taint: &Taint{}, Delete: &PodTarget{}, StripFinalizers: &PodTarget{},
		DeleteTenancy: &DeleteTenancy{}, RestartScheduler: &RestartScheduler{}, StartScheduler: &StartScheduler{},
		Apply: &Object{}, Scale: &Scale{}, DeleteObject: &DeleteObject{}, LoseAnswer: &LostRequest{}, LoseRequest: &LostRequest{},
		Freeze: &Freeze{}, Thaw: &NodeTarget{}, Replace: &NodeTarget{}, PartitionOneWay: &OneWay{}, KillContainers: &KillContainers{},
		Refuse: &Refuse{}, DropWatch: &DropWatch{}, RestartDriver: &RestartDriver{},
		Cordon: &Cordon{}, Drain: &NodeTarget{}, Fence: &Fence{}, Unfence: &NodeTarget{},
		CutStorage: &NodeTarget{}, HealStorage: &NodeTarget{}, StickContainers: &PodTarget{}, FreeContainers: &PodTarget{},
		HangRuntime: &NodeTarget{}, ResumeRuntime: &NodeTarget{}, LieAboutStop: &PodTarget{},
		SetAttachLimit: &SetAttachLimit{}, LagWatches: &LagWatches{}, SetClock: &SetClock{},
	}
	if got := full.actions(); !slices.Equal(got, actionNames) {
		t.Errorf("got %v, want %v", got, actionNames)
	}
	notActions := []string{"name", "at", "after", "schedulers"}
	var fields []string
	for _, f := range jsonFieldsOf[Step]() {
		if !slices.Contains(notActions, f) {
			fields = append(fields, f)
		}
	}
	if !slices.Equal(fields, actionNames) {
		t.Errorf("the type has %v, the list %v", fields, actionNames)
	}
	if (&Step{}).Describe() != "do nothing" {
		t.Error("a step without an action does something")
	}
}

func TestPlayedBy(t *testing.T) {
	for name, tc := range map[string]struct{ limited, want []Scheduler }{
		"both, if none is named":              {want: []Scheduler{Default, Holdfast}},
		"the one that is named":               {limited: []Scheduler{Holdfast}, want: []Scheduler{Holdfast}},
		"the default first, however they are": {limited: []Scheduler{Holdfast, Default}, want: []Scheduler{Default, Holdfast}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&Scenario{Schedulers: tc.limited}).PlayedBy(); !slices.Equal(got, tc.want) {
				t.Errorf("got %v", got)
			}
		})
	}
}
