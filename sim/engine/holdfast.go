package engine

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/client-go/kubernetes"

	"github.com/holdfast-dev/holdfast/manifests/crd"
	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/guard"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

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

// addHoldfast starts the guard and gives the scheduler its profile.
func addHoldfast(p *process, s *scheduler, o Options) error {
	records, err := versioned.NewForConfig(p.JSONConfig(schedulerAgent))
	if err != nil {
		return err
	}
	configuration, err := decodeConfiguration(schedulermanifest.Configuration)
	if err != nil {
		return err
	}
	args, err := plugin.GuardArgs(configuration.Profiles, []string{schedulermanifest.ProfileName})
	if err != nil {
		return fmt.Errorf("scheduler configuration: %w", err)
	}
	g, err := newGuard(p, o, args)
	if err != nil {
		return err
	}
	shared := plugin.NewShared(store.New(records), s.dynamic, g.Adopted())
	s.configure(configuration, plugin.Registry(shared, o.Without...))
	go func() {
		if err := g.Run(p.ctx); err != nil && p.ctx.Err() == nil {
			crashed.record(p.ctx, fmt.Errorf("guard: %w", err))
		}
	}()
	return nil
}

func newGuard(p *process, o Options, args *config.HoldfastArgs) (*guard.Guard, error) {
	kube, err := kubernetes.NewForConfig(p.RESTConfig(guardAgent))
	if err != nil {
		return nil, err
	}
	records, err := versioned.NewForConfig(p.JSONConfig(guardAgent))
	if err != nil {
		return nil, err
	}
	return guard.New(kube, records, guard.Options{
		SchedulerNames:   []string{schedulermanifest.ProfileName},
		Args:             args,
		Rules:            fence.Rules().Without(o.WithoutRules...),
		WithoutFinalizer: slices.Contains(o.Without, GuardFinalizer),
	}), nil
}
