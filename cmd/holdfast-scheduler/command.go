package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/tools/cache"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/component-base/featuregate"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/term"
	"k8s.io/component-base/version/verflag"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"github.com/holdfast-dev/holdfast/pkg/metrics"
)

// programName is also the first part of the user agent, under which the API server
// books what the program writes.
const programName = "holdfast-scheduler"

const description = `holdfast-scheduler is kube-scheduler with one more plugin, Holdfast, which never lets
an ordinal of a StatefulSet run twice: a replacement is bound only on evidence that its
predecessor is over. Beside the scheduler runs the guard, which keeps the object of
an old pod until then. The two lead by leases of their own.

It takes the flags and the configuration of kube-scheduler. At least one profile must
have the plugin.`

const examples = `  # In a cluster: the account of its pod, the shipped configuration
  holdfast-scheduler --config=/etc/holdfast/configuration.yaml

  # From outside, one process alone; the configuration names the kubeconfig, under clientConnection
  holdfast-scheduler --config=configuration.yaml --leader-elect=false --guard-leader-elect=false

  # What the configuration comes to, with all defaults
  holdfast-scheduler --config=configuration.yaml --write-config-to=complete.yaml`

// newCommand is kube-scheduler's command with the flags of the guard.
func newCommand() *cobra.Command {
	o := options.NewOptions()
	g := newGuardOptions()
	g.addFlags(o.Flags.FlagSet("guard"))
	verflag.AddFlags(o.Flags.FlagSet("global"))
	globalflag.AddGlobalFlags(o.Flags.FlagSet("global"), programName, logs.SkipLoggingConfigurationFlags())

	c := &cobra.Command{
		Use:     programName,
		Long:    description,
		Example: examples,
		Args:    cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			// Feature gates before anything reads them.
			return o.ComponentGlobalsRegistry.Set()
		},
		RunE: func(c *cobra.Command, _ []string) error {
			verflag.PrintAndExitIfRequested()
			gates := o.ComponentGlobalsRegistry.FeatureGateFor(basecompatibility.DefaultKubeComponent)
			if err := logsapi.ValidateAndApply(o.Logs, gates); err != nil {
				return err
			}
			cliflag.PrintFlags(c.Flags())
			gates.(featuregate.MutableFeatureGate).AddMetrics()
			o.ComponentGlobalsRegistry.AddMetrics()
			return run(genericapiserver.SetupSignalContext(), o, g)
		},
	}
	for _, set := range o.Flags.FlagSets {
		c.Flags().AddFlagSet(set)
	}
	setHelp(c, *o.Flags)
	return c
}

// setHelp shows the flags by section, as kube-scheduler does, and the examples too.
func setHelp(c *cobra.Command, flags cliflag.NamedFlagSets) {
	columns, _, _ := term.TerminalSize(c.OutOrStdout())
	c.SetUsageFunc(func(c *cobra.Command) error {
		fmt.Fprintf(c.OutOrStderr(), "Usage:\n  %s\n", c.UseLine())
		cliflag.PrintSections(c.OutOrStderr(), flags, columns)
		return nil
	})
	c.SetHelpFunc(func(c *cobra.Command, _ []string) {
		fmt.Fprintf(c.OutOrStdout(), "%s\n\nUsage:\n  %s\n\nExamples:\n%s\n", c.Long, c.UseLine(), c.Example)
		cliflag.PrintSections(c.OutOrStdout(), flags, columns)
	})
}

// run runs scheduler and guard until ctx ends or one of them fails.
func run(ctx context.Context, o *options.Options, g *guardOptions) error {
	if err := g.validate(); err != nil {
		return err
	}
	name, err := cache.NewInformerName(programName)
	if err != nil {
		return err
	}
	o.InformerName = name

	// The scheduler ends after the guard: once it has given up its lease it ends the
	// whole process (app.Run), in the middle of whatever the guard is doing.
	scheduling, stopScheduling := context.WithCancel(context.WithoutCancel(ctx))
	defer stopScheduling()
	s, err := newScheduler(scheduling, o)
	if err != nil {
		return err
	}
	x, err := g.newGuard(s.config.KubeConfig, s.profiles, s.args)
	if err != nil {
		return err
	}
	metrics.Register(x.Census)
	guarding, stopGuarding := context.WithCancel(ctx)
	defer stopGuarding()
	go func() {
		select {
		case <-x.Adopted():
			close(s.adopted)
		case <-guarding.Done():
		}
	}()
	endServing, err := serve(ctx, s, g, x)
	if err != nil {
		return err
	}
	guarded := make(chan struct{})
	go func() {
		defer close(guarded)
		if err := g.run(guarding, s.config.KubeConfig, x); err != nil {
			klog.FromContext(ctx).Error(err, "The guard ended, and with it the process")
			klog.FlushAndExit(klog.ExitFlushTimeout, 1)
		}
		endServing()
		stopScheduling()
	}()
	// Without leader election it returns, always with an error; with it, it ends the
	// process, with code 0 where it was asked to.
	err = app.Run(scheduling, s.config, s.scheduler)
	asked := ctx.Err() != nil
	stopGuarding()
	<-guarded
	if asked {
		return nil
	}
	return err
}
