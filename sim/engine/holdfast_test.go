package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
)

func TestConfigured(t *testing.T) {
	const two = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: sets
  plugins: {multiPoint: {enabled: [{name: Holdfast}]}}
  pluginConfig: [{name: Holdfast, args: {bindOrder: OrdinalReady}}]
- schedulerName: more-sets
  plugins: {preBind: {enabled: [{name: Holdfast}]}}
`
	for name, tc := range map[string]struct {
		options    Options
		protecting []string
		order      config.BindOrder
	}{
		"the one that is installed":            {protecting: []string{"holdfast"}, order: config.BindOrdinal},
		"the one that is installed, with args": {options: Options{Args: []byte(`{"bindOrder":"None"}`)}, protecting: []string{"holdfast"}, order: config.BindUnordered},
		"another one, of which the first profile with the plugin counts": {
			options: Options{Configuration: []byte(two)}, protecting: []string{"sets", "more-sets"}, order: config.BindOrdinalReady,
		},
		"another one, with args in place of its own": {
			options: Options{Configuration: []byte(two), Args: []byte(`{"bindOrder":"None"}`)}, protecting: []string{"sets", "more-sets"}, order: config.BindUnordered,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := configured(tc.options)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.protecting, tc.protecting) || p.args.BindOrder != tc.order {
				t.Errorf("profiles %v in order %s, want %v in order %s", p.protecting, p.args.BindOrder, tc.protecting, tc.order)
			}
		})
	}
	for name, tc := range map[string]struct {
		options Options
		want    string
	}{
		"no profile with the plugin": {Options{Configuration: []byte("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n")}, "no profile has the plugin Holdfast"},
		"args that do not exist":     {Options{Args: []byte(`{"bindorder":"None"}`)}, `unknown field "bindorder"`},
		"no configuration":           {Options{Configuration: []byte("profiles: []")}, "scheduler configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := configured(tc.options); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
