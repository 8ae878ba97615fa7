package plugin

import (
	"fmt"
	"reflect"
	"slices"

	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/config/scheme"
)

// GuardArgs returns what the named profiles ask of the guard, of which a process has
// one. An error names the profile, and the field in which it differs from another one.
// Of what it returns, only the guard's own fields are the same in all of them.
func GuardArgs(profiles []schedulerconfig.KubeSchedulerProfile, names []string) (*config.HoldfastArgs, error) {
	var first *config.HoldfastArgs
	var firstName string
	for _, p := range profiles {
		if !slices.Contains(names, p.SchedulerName) {
			continue
		}
		args, err := argsOf(p)
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", p.SchedulerName, err)
		}
		if first == nil {
			first, firstName = args, p.SchedulerName
			continue
		}
		for _, f := range guardFields {
			if a, b := f.of(first), f.of(args); !reflect.DeepEqual(a, b) {
				return nil, fmt.Errorf("profile %s: %s is %v, and %v in profile %s: the profiles have one guard between them, so it must be the same in all of them",
					p.SchedulerName, f.name, b, a, firstName)
			}
		}
	}
	if first == nil {
		return scheme.Default(), nil
	}
	return first, nil
}

// guardFields are the fields of HoldfastArgs that the guard goes by.
var guardFields = []struct {
	name string
	of   func(*config.HoldfastArgs) any
}{
	{"protect", func(a *config.HoldfastArgs) any { return a.Protect }},
	{"controllers", func(a *config.HoldfastArgs) any { return append([]config.ControllerKind{}, a.Controllers...) }},
	{"nodeRemoval", func(a *config.HoldfastArgs) any { return a.NodeRemoval }},
	{"observeKubelets", func(a *config.HoldfastArgs) any { return a.ObserveKubelets }},
}

// argsOf are the args of one profile; the defaults where it has none.
func argsOf(p schedulerconfig.KubeSchedulerProfile) (*config.HoldfastArgs, error) {
	for _, c := range p.PluginConfig {
		if c.Name == Name {
			return scheme.Of(c.Args)
		}
	}
	return scheme.Default(), nil
}
