package plugin_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
)

// profileOf is a profile with these args; without any if they are empty.
func profileOf(name, args string) schedulerconfig.KubeSchedulerProfile {
	p := schedulerconfig.KubeSchedulerProfile{SchedulerName: name}
	if args != "" {
		p.PluginConfig = []schedulerconfig.PluginConfig{{Name: plugin.Name, Args: &runtime.Unknown{Raw: []byte(args)}}}
	}
	return p
}

func TestProfilesOfOneProcessAgreeOnTheGuard(t *testing.T) {
	both := []string{"one", "two"}
	for name, tc := range map[string]struct {
		one, two string
		names    []string
		want     config.NodeRemoval
		// wantError are parts of the error.
		wantError []string
	}{
		"neither says anything":                      {names: both, want: config.RemovalManaged},
		"one says what is the default":               {one: `{"nodeRemoval":"Managed"}`, names: both, want: config.RemovalManaged},
		"both say the same":                          {one: `{"nodeRemoval":"Never"}`, two: `{"nodeRemoval":"Never"}`, names: both, want: config.RemovalNever},
		"a profile without the plugin is not asked":  {one: `{"nodeRemoval":"Never"}`, two: `{"nodeRemoval":"WhenDown"}`, names: []string{"one"}, want: config.RemovalNever},
		"they may differ in what is not the guard's": {one: `{"bindOrder":"None"}`, two: `{"score":{"attached":1}}`, names: both, want: config.RemovalManaged},
		"they differ in nodeRemoval":                 {one: `{"nodeRemoval":"Never"}`, names: both, wantError: []string{"profile two: nodeRemoval is Managed", "Never in profile one"}},
		"they differ in protect":                     {two: `{"protect":"None"}`, names: both, wantError: []string{"profile two: protect is None"}},
		"they differ in observeKubelets":             {two: `{"observeKubelets":true}`, names: both, wantError: []string{"profile two: observeKubelets is true"}},
		"they differ in controllers":                 {two: `{"controllers":[{"group":"apps.kruise.io","kind":"StatefulSet"}]}`, names: both, wantError: []string{"profile two: controllers is"}},
		"one cannot be read":                         {two: `{"protect":"Some"}`, names: both, wantError: []string{"profile two: ", "protect"}},
	} {
		t.Run(name, func(t *testing.T) {
			args, err := plugin.GuardArgs([]schedulerconfig.KubeSchedulerProfile{profileOf("one", tc.one), profileOf("two", tc.two)}, tc.names)
			if len(tc.wantError) == 0 {
				if err != nil || args.NodeRemoval != tc.want {
					t.Fatalf("got %+v, %v; want nodeRemoval %s", args, err, tc.want)
				}
				return
			}
			for _, part := range tc.wantError {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got the error %v, want one that says %q", err, part)
				}
			}
		})
	}
}
