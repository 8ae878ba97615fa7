package engine

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/holdfast-dev/holdfast/manifests/crd"
	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/guard"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

// PluginName is that of Holdfast's plugin in profiles and in what an attempt records.
const PluginName = plugin.Name

// Defence is one line of defence, which a test can switch off.
type Defence = plugin.Defence

// The lines of defence that can be switched off, one at a time.
const (
	GuardFinalizer = plugin.GuardFinalizer
	Gate           = plugin.Gate
	BindCheck      = plugin.BindCheck
)

// guardAgent is the user agent of the guard.
const guardAgent = "holdfast-guard"

// installTenancies makes the custom resource known. Before the scheduler starts: it
// waits for the informers of what its plugins register, and there is none of a
// resource that is not served.
func installTenancies(ctx context.Context, api *APIServer) error {
	definition, err := crd.Tenancies()
	if err != nil {
		return err
	}
	return api.InstallCRD(ctx, definition)
}

// profiles is the configuration of a Holdfast cluster's scheduler.
type profiles struct {
	scheduler *schedulerconfig.KubeSchedulerConfiguration
	// protecting are the names of the profiles with the plugin, in the order of the
	// configuration; at least one.
	protecting []string
	// args are what they ask of the guard.
	args *config.HoldfastArgs
}

// configured reads the configuration that the options name, with their args in it.
func configured(o Options) (*profiles, error) {
	yaml := o.Configuration
	if yaml == nil {
		yaml = schedulermanifest.Configuration
	}
	c, err := decodeConfiguration(yaml)
	if err != nil {
		return nil, err
	}
	p := &profiles{scheduler: c}
	for i := range c.Profiles {
		profile := &c.Profiles[i]
		if !hasHoldfast(profile.Plugins) {
			continue
		}
		if o.Args != nil {
			setArgs(profile, &runtime.Unknown{Raw: o.Args, ContentType: runtime.ContentTypeJSON})
		}
		p.protecting = append(p.protecting, profile.SchedulerName)
	}
	if len(p.protecting) == 0 {
		return nil, fmt.Errorf("scheduler configuration: no profile has the plugin %s", plugin.Name)
	}
	if p.args, err = plugin.GuardArgs(c.Profiles, p.protecting); err != nil {
		return nil, fmt.Errorf("scheduler configuration: %w", err)
	}
	return p, nil
}

func hasHoldfast(plugins *schedulerconfig.Plugins) bool {
	if plugins == nil {
		return false
	}
	for _, set := range []schedulerconfig.PluginSet{plugins.MultiPoint, plugins.PreEnqueue, plugins.PreBind, plugins.Bind} {
		if slices.ContainsFunc(set.Enabled, func(x schedulerconfig.Plugin) bool { return x.Name == plugin.Name }) {
			return true
		}
	}
	return false
}

// setArgs gives the plugin of the profile other args.
func setArgs(profile *schedulerconfig.KubeSchedulerProfile, args runtime.Object) {
	profile.PluginConfig = slices.DeleteFunc(profile.PluginConfig, func(c schedulerconfig.PluginConfig) bool { return c.Name == plugin.Name })
	profile.PluginConfig = append(profile.PluginConfig, schedulerconfig.PluginConfig{Name: plugin.Name, Args: args})
}

// addHoldfast starts the guard and gives the scheduler its profiles.
func addHoldfast(p *process, s *scheduler, c *Cluster) error {
	records, err := versioned.NewForConfig(p.JSONConfig(schedulerAgent))
	if err != nil {
		return err
	}
	g, err := newGuard(p, c)
	if err != nil {
		return err
	}
	shared := plugin.NewShared(store.New(records), s.dynamic, g.Adopted())
	s.configure(c.profiles.scheduler, plugin.Registry(shared, c.options.Without...))
	go func() {
		if err := g.Run(p.ctx); err != nil && p.ctx.Err() == nil {
			crashed.record(p.ctx, fmt.Errorf("guard: %w", err))
		}
	}()
	return nil
}

func newGuard(p *process, c *Cluster) (*guard.Guard, error) {
	kube, err := kubernetes.NewForConfig(p.RESTConfig(guardAgent))
	if err != nil {
		return nil, err
	}
	records, err := versioned.NewForConfig(p.JSONConfig(guardAgent))
	if err != nil {
		return nil, err
	}
	return guard.New(kube, records, guard.Options{
		SchedulerNames:   c.profiles.protecting,
		Args:             c.profiles.args,
		Rules:            fence.Rules().Without(c.options.WithoutRules...),
		WithoutFinalizer: slices.Contains(c.options.Without, GuardFinalizer),
	}), nil
}
