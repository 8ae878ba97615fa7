package engine

import (
	"context"
	"fmt"

	"k8s.io/client-go/kubernetes"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/holdfast-dev/holdfast/manifests/crd"
	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
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

// addHoldfast installs the custom resource, starts the guard and gives the
// scheduler its profile.
func addHoldfast(ctx context.Context, api *APIServer, s *scheduler, without []Defence) error {
	definition, err := crd.Tenancies()
	if err != nil {
		return err
	}
	// Before the scheduler starts: it waits for the informers of what its plugins
	// register, and there is none of a resource that is not served.
	if err := api.InstallCRD(ctx, definition); err != nil {
		return err
	}
	records, err := versioned.NewForConfig(api.JSONConfig(schedulerAgent))
	if err != nil {
		return err
	}
	shared := plugin.NewShared(store.New(records), s.dynamic)
	registry := frameworkruntime.Registry{plugin.Name: plugin.Factory(shared, without...)}
	if err := s.configure(schedulermanifest.Configuration, registry); err != nil {
		return err
	}
	return startGuard(ctx, api)
}

func startGuard(ctx context.Context, api *APIServer) error {
	kube, err := kubernetes.NewForConfig(api.RESTConfig(guardAgent))
	if err != nil {
		return err
	}
	records, err := versioned.NewForConfig(api.JSONConfig(guardAgent))
	if err != nil {
		return err
	}
	g := guard.New(kube, records, guard.Options{SchedulerNames: []string{schedulermanifest.ProfileName}})
	go func() {
		if err := g.Run(ctx); err != nil && ctx.Err() == nil {
			crashed.record(ctx, fmt.Errorf("guard: %w", err))
		}
	}()
	return nil
}
