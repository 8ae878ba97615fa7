package scenario

import (
	"path/filepath"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
	schedulerv1 "k8s.io/kube-scheduler/config/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/config/scheme"
	configv1 "github.com/holdfast-dev/holdfast/pkg/apis/config/v1"
	"github.com/holdfast-dev/holdfast/pkg/apis/config/validation"
	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// pluginName is that of the plugin in profiles. The plugin's own package links the
// whole scheduler.
const pluginName = "Holdfast"

var argsPath = field.NewPath("args")

// Configuration is the KubeSchedulerConfiguration that the Holdfast side runs, in
// YAML; nil: the one that is installed.
func (s *Scenario) Configuration() ([]byte, error) {
	if s.SchedulerConfiguration == "" {
		return nil, nil
	}
	return snapshot.ReadFile(s.configurationFile(), FileBytesMax)
}

func (s *Scenario) configurationFile() string {
	return filepath.Join(filepath.Dir(s.file), s.SchedulerConfiguration)
}

// decodeConfiguration finds what is wrong with the args and with the configuration of
// the scheduler. line says where a field of the scenario file stands.
func (s *Scenario) decodeConfiguration(line func(path string) int) []Problem {
	if s.Args != nil && s.argsNode != nil {
		d := newDecoder(s.file, false)
		d.holdfastArgs(s.argsNode, argsPath)
		return d.problems
	}
	if s.SchedulerConfiguration == "" {
		return nil
	}
	path := "schedulerConfiguration"
	wrong := func(message string) []Problem {
		return []Problem{{File: s.file, Line: line(path), Field: path, Message: message}}
	}
	data, err := snapshot.ReadFile(s.configurationFile(), FileBytesMax)
	if err != nil {
		return wrong(err.Error())
	}
	documents, problem := parseYAML(s.configurationFile(), data)
	switch {
	case problem != nil:
		return []Problem{*problem}
	case len(documents) != 1:
		return wrong("file " + s.configurationFile() + ": want one document, a KubeSchedulerConfiguration")
	}
	d := newDecoder(s.configurationFile(), false)
	d.schedulerConfiguration(documents[0])
	return d.problems
}

// schedulerConfiguration reads a KubeSchedulerConfiguration. What its values mean is
// the scheduler's to check; that one of its profiles has the plugin is asked here.
func (d *decoder) schedulerConfiguration(n *yaml.Node) {
	var c schedulerv1.KubeSchedulerConfiguration
	d.value(n, nil, reflect.ValueOf(&c).Elem())
	if len(d.problems) > 0 {
		return
	}
	if c.APIVersion != schedulerv1.SchemeGroupVersion.String() || c.Kind != "KubeSchedulerConfiguration" {
		d.problem(n.Line, nil, "want a KubeSchedulerConfiguration of %s", schedulerv1.SchemeGroupVersion)
		return
	}
	profiles := field.NewPath("profiles")
	if !slices.ContainsFunc(c.Profiles, hasPlugin) {
		d.problem(d.line(pathString(profiles)), profiles, "want a profile with the plugin %s", pluginName)
	}
	for i := range c.Profiles {
		for j, plugin := range c.Profiles[i].PluginConfig {
			p := profiles.Index(i).Child("pluginConfig").Index(j).Child("args")
			if args := d.raw[pathString(p)]; plugin.Name == pluginName && args != nil {
				d.holdfastArgs(args, p)
			}
		}
	}
}

// hasPlugin says whether a profile enables the plugin at any of its hooks.
func hasPlugin(profile schedulerv1.KubeSchedulerProfile) bool {
	if profile.Plugins == nil {
		return false
	}
	hooks := reflect.ValueOf(*profile.Plugins)
	for i := range hooks.NumField() {
		set, ok := hooks.Field(i).Interface().(schedulerv1.PluginSet)
		if ok && slices.ContainsFunc(set.Enabled, func(p schedulerv1.Plugin) bool { return p.Name == pluginName }) {
			return true
		}
	}
	return false
}

// holdfastArgs reads HoldfastArgs, and checks their values where all could be read.
func (d *decoder) holdfastArgs(n *yaml.Node, p *field.Path) {
	var args configv1.HoldfastArgs
	before := len(d.problems)
	d.value(n, p, reflect.ValueOf(&args).Elem())
	if len(d.problems) > before {
		return
	}
	if version := p.Child("apiVersion"); args.APIVersion != "" && args.APIVersion != configv1.SchemeGroupVersion.String() {
		d.problem(d.line(pathString(version)), version, "want %s", configv1.SchemeGroupVersion)
	}
	if kind := p.Child("kind"); args.Kind != "" && args.Kind != "HoldfastArgs" {
		d.problem(d.line(pathString(kind)), kind, "want HoldfastArgs")
	}
	scheme.Scheme.Default(&args)
	var internal config.HoldfastArgs
	if err := scheme.Scheme.Convert(&args, &internal, nil); err != nil {
		d.problem(n.Line, p, "%v", err)
		return
	}
	for _, err := range validation.ValidateHoldfastArgs(p, &internal) {
		d.problems = append(d.problems, Problem{File: d.file, Line: d.line(err.Field), Field: err.Field, Message: err.ErrorBody()})
	}
}
