package scenario

import (
	"slices"
	"testing"
)

func TestValidatePromises(t *testing.T) {
	three := []string{"web-0", "web-1", "web-2"}
	for name, tc := range map[string]struct {
		of   Expectation
		want []string
	}{
		"all that can be asked": {of: Expectation{
			Workloads: []Workload{{Kind: "StatefulSet", Name: "web", PodNames: three, Pods: new(3), Unavailable: new(1)}, {Kind: "Deployment", Name: "web"}},
			Creations: []Order{{Pods: three, Each: AfterReady, ReadyFor: minutes(1), From: minutes(2)}},
			Deletions: []Order{{Pods: three, Each: AfterGone}},
			DNS:       []Resolution{{Name: "_http._tcp.web", Pods: three}, {Name: "Web-0.web.shop.svc.cluster.local.", At: minutes(10), Nothing: true}},
			Claims:    []Claim{{Name: "shop/data-web-0", State: ClaimBound, Volumes: new(1)}},
			Ordinals:  []Ordinal{{Name: "web-0", Restarts: new(0), Stops: &Span{Max: *minutes(1)}}},
		}},
		"workloads": {
			of: Expectation{Workloads: []Workload{
				{Kind: "Pod", Name: "web"}, {Kind: "Job", Name: "a/b/c", PodNames: []string{"x", "x", "Y"}, Names: new(-1)}, {Kind: "Job", Name: "a/b/c"},
			}},
			want: []string{
				`workloads[0].kind: Unsupported value: "Pod": supported values: "CronJob", "DaemonSet"`, `workloads[1].name: Invalid value: "b/c"`,
				`workloads[1].podNames[1]: Duplicate value: "x"`, `workloads[1].podNames[2]: Invalid value: "Y"`, `workloads[1].names: Invalid value: -1`,
				`workloads[2].name: Invalid value: "b/c"`, `workloads[2].name: Duplicate value`,
			},
		},
		"orders": {
			of: Expectation{
				Creations: []Order{{Pods: three[:1]}, {Pods: three, Each: AfterGone}, {Pods: three, ReadyFor: minutes(1)}},
				Deletions: []Order{{Pods: []string{"web-0", "default/web-0"}, Each: "Soon"}, {Pods: three, From: minutes(11)}},
			},
			want: []string{
				`creations[0].pods: Invalid value: 1: want at least 2`, `creations[1].each: Unsupported value: "AfterGone": supported values: "AfterReady"`,
				`creations[2].readyFor: Forbidden: goes with each: AfterReady`,
				`deletions[0].pods[1]: Duplicate value: "default/web-0"`, `deletions[0].each: Unsupported value: "Soon"`,
				`deletions[1].from: Invalid value: "11m0s": after the end of the run, at 10m0s`,
			},
		},
		"names in DNS": {
			of: Expectation{DNS: []Resolution{{Name: "web-0.web"}, {Name: "web", Pods: three, Nothing: true}, {Name: "web_0", Nothing: true}, {Name: "web", At: minutes(-1), Nothing: true}}},
			want: []string{
				`dns[0]: Invalid value: "neither": want exactly one of pods and nothing: true`, `dns[1]: Invalid value: "both"`,
				`dns[2].name: Invalid value: "web_0"`, `dns[3].at: Invalid value: "-1m0s": must not be negative`,
			},
		},
		"claims, and what is asked of ordinals": {
			of: Expectation{
				Claims:   []Claim{{Name: "data", State: "Gone"}, {Name: "default/data", Volumes: new(-1)}},
				Ordinals: []Ordinal{{Name: "web-0", Restarts: new(-1), Stops: &Span{Min: *minutes(2), Max: *minutes(1)}}},
			},
			want: []string{
				`ordinals[0].restarts: Invalid value: -1`, `ordinals[0].stops.min: Invalid value: "2m0s": must not be more than max`,
				`claims[0].state: Unsupported value: "Gone"`, `claims[1].name: Duplicate value: "default/data"`, `claims[1].volumes: Invalid value: -1`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			s.Expect = map[Scheduler]Expectation{Default: tc.of}
			expectProblems(t, s, tc.want...)
		})
	}
}

func TestValidateBreaks(t *testing.T) {
	steps := []Step{heal(minutes(1))}
	fails := []string{"a check"}
	for name, tc := range map[string]struct {
		limit  []Scheduler
		breaks []Break
		want   []string
	}{
		"a step at a time, and one after a step of the timeline": {
			breaks: []Break{{Under: Default, Fails: fails, Steps: []Step{heal(minutes(3)), healAfter("cut", 1), {At: minutes(4), Heal: &NodeTarget{NodeOfStep: "cut"}}}}},
		},
		"one that needs a record, where there is one": {
			breaks: []Break{{Under: Holdfast, Fails: fails, Steps: []Step{{At: minutes(3), DeleteTenancy: &DeleteTenancy{Pod: "web-0"}}}}},
		},
		"one that needs a record, where there is none": {
			breaks: []Break{{Under: Default, Fails: fails, Steps: []Step{{At: minutes(3), DeleteTenancy: &DeleteTenancy{Pod: "web-0"}}}}},
			want:   []string{`breaks[0].steps[0].deleteTenancy: Forbidden: the default scheduler keeps no record`},
		},
		"no step and no check": {
			breaks: []Break{{Under: Default}},
			want:   []string{`breaks[0].steps: Required value: without a step nothing breaks`, `breaks[0].fails: Required value: the checks that must fail`},
		},
		"a scheduler that there is none of, and one that does not play it": {
			limit:  []Scheduler{Holdfast},
			breaks: []Break{{Under: "volcano", Steps: steps, Fails: fails}, {Under: Default, Steps: steps, Fails: fails}},
			want:   []string{`breaks[0].under: Unsupported value: "volcano"`, `breaks[1].under: Invalid value: "default": the scenario is limited to other schedulers`},
		},
		"what is wrong with a step is told where it stands": {
			breaks: []Break{{Under: Default, Steps: steps, Fails: fails}, {Under: Default, Fails: []string{""}, Steps: []Step{heal(minutes(3)), {Name: "cut", At: minutes(11), Crash: &NodeTarget{Node: "a-9"}}}}},
			want: []string{
				`breaks[1].fails[0]: Required value`, `breaks[1].steps[1].name: Duplicate value: "cut"`, `breaks[1].steps[1].at: Invalid value: "11m0s": after the end of the run`,
				`breaks[1].steps[1].crash.node: Not found: "a-9"`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid()
			s.Schedulers, s.Breaks = tc.limit, tc.breaks
			s.Timeline = []Step{cut("cut", minutes(2))}
			expectProblems(t, s, tc.want...)
		})
	}
}

func TestABrokenScenarioHasTheStepsAtItsEnd(t *testing.T) {
	s := valid()
	s.Timeline = []Step{cut("cut", minutes(2))}
	s.Breaks = []Break{{Steps: []Step{heal(minutes(1))}, Fails: []string{"a check"}}}
	SetDefaults(s)
	broken := s.Broken(0)
	if len(broken.Timeline) != 2 || broken.Timeline[0].Name != "cut" || broken.Timeline[1].Heal == nil || len(s.Timeline) != 1 {
		t.Errorf("timelines %v and %v", s.Timeline, broken.Timeline)
	}
	if got := broken.PlayedBy(); !slices.Equal(got, []Scheduler{Default}) || len(broken.Breaks) != 0 {
		t.Errorf("played by %v, with breaks %v", got, broken.Breaks)
	}
}

func TestKindsAreThoseOfObjectsAndSteps(t *testing.T) {
	s, err := Load("testdata/good/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Kinds()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"StatefulSet", "Pod", "PersistentVolumeClaim"} { // Of objects, of a step, of a file.
		if !slices.Contains(got, kind) {
			t.Errorf("no %s in %v", kind, got)
		}
	}
}
