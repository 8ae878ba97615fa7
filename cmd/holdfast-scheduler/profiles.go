package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/holdfast-dev/holdfast/pkg/plugin"
	"github.com/holdfast-dev/holdfast/pkg/plugin/limits"
)

// shippedConfiguration is where a reader finds what is right.
const shippedConfiguration = "manifests/scheduler/configuration.yaml"

// protectingProfiles returns the names of the profiles with the plugin, sorted. It
// refuses a configuration in which the plugin is nowhere, or somewhere without what
// its promise rests on: every one of its hooks, and its place among the others. It
// takes what each profile came to once all defaults and multiPoint were expanded.
func protectingProfiles(profiles map[string]*schedulerconfig.Plugins, extenders []schedulerconfig.Extender) ([]string, error) {
	var with []string
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		hooks := hooksOf(profiles[name])
		if !slices.ContainsFunc(hooks, hook.has) {
			continue
		}
		with = append(with, name)
		for _, h := range hooks {
			if problem := h.problem(); problem != "" {
				wrong = append(wrong, fmt.Errorf("profile %s, %s: %s; compare %s", name, h.name, problem, shippedConfiguration))
			}
		}
		if problem := attachLimits(namesOf(profiles[name].Filter)); problem != "" {
			wrong = append(wrong, fmt.Errorf("profile %s, filter: %s; compare %s", name, problem, shippedConfiguration))
		}
	}
	if len(with) == 0 {
		return nil, fmt.Errorf("no profile has the plugin %s, so nothing would be protected: pass --config with a profile like the one in %s", plugin.Name, shippedConfiguration)
	}
	for _, e := range extenders {
		if e.BindVerb != "" {
			wrong = append(wrong, fmt.Errorf("extender %s has a bindVerb: it would bind without %s; remove the bindVerb", e.URLPrefix, plugin.Name))
		}
	}
	return with, errors.Join(wrong...)
}

// hook is one extension point of a profile, with its plugins in the order in which
// they are called.
type hook struct {
	name    string
	plugins []string
	// place says what is wrong with the plugin's place among them; "" if nothing is.
	place func(plugins []string) string
}

// hooksOf has the extension points that the promise rests on. The others the plugin
// does not implement, or only wakes by.
func hooksOf(p *schedulerconfig.Plugins) []hook {
	return []hook{
		{"preEnqueue", namesOf(p.PreEnqueue), anywhere},
		{"preFilter", namesOf(p.PreFilter), anywhere},
		{"filter", namesOf(p.Filter), anywhere},
		{"reserve", namesOf(p.Reserve), anywhere},
		{"preBind", namesOf(p.PreBind), last},
		{"bind", namesOf(p.Bind), firstOfTwo},
		{"postBind", namesOf(p.PostBind), anywhere},
	}
}

func namesOf(set schedulerconfig.PluginSet) []string {
	var names []string
	for _, p := range set.Enabled {
		names = append(names, p.Name)
	}
	return names
}

func (h hook) has() bool { return slices.Contains(h.plugins, plugin.Name) }

func (h hook) problem() string {
	if !h.has() {
		return plugin.Name + " is enabled elsewhere in the profile, but not here"
	}
	return h.place(h.plugins)
}

// attachLimits says what is wrong with how a profile counts attachments. One of the
// two plugins must: with both, upstream's refuses what ours lets through, and with
// none, pods are sent to nodes that can attach nothing more. Upstream's alone is let
// through: it costs a node that is full its old pods, but no safety.
func attachLimits(filters []string) string {
	ours, stock := slices.Contains(filters, limits.Name), slices.Contains(filters, limits.StockName)
	switch {
	case ours && stock:
		return fmt.Sprintf("%s takes the place of %s: disable the latter under multiPoint", limits.Name, limits.StockName)
	case !ours && !stock:
		return fmt.Sprintf("nothing counts the volumes attached to a node: enable %s", limits.Name)
	}
	return ""
}

func anywhere([]string) string { return "" }

// last: an ordinal that waits for its turn keeps its node, so whatever else is to be done
// for it is to be done meanwhile, and not to begin, or to fail, when the turn has come.
func last(plugins []string) string {
	if after := plugins[len(plugins)-1]; after != plugin.Name {
		return fmt.Sprintf("%s must be the last plugin, and %s comes after it", plugin.Name, after)
	}
	return ""
}

// firstOfTwo: whichever plugin comes first binds the pod, and only Holdfast's Bind
// ties it to what was judged. The pods that it skips need another one.
func firstOfTwo(plugins []string) string {
	switch {
	case plugins[0] != plugin.Name:
		return fmt.Sprintf("%s must be the first plugin, and %s comes before it", plugin.Name, plugins[0])
	case len(plugins) == 1:
		return plugin.Name + " binds the pods of StatefulSets only: put DefaultBinder after it for the others"
	}
	return ""
}
