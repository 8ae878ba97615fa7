package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/guard"
)

// guardLease is the name of the guard's lease.
const guardLease = "holdfast-guard"

// guardOptions are the flags of the guard. The defaults are kube-scheduler's.
type guardOptions struct {
	leaderElect    bool
	leaseNamespace string
	leaseDuration  time.Duration
	renewDeadline  time.Duration
	retryPeriod    time.Duration

	// watchDog tells whether the lease is held longer than it was renewed for.
	watchDog *leaderelection.HealthzAdaptor
}

func newGuardOptions() *guardOptions {
	g := &guardOptions{
		leaderElect:    true,
		leaseNamespace: os.Getenv("POD_NAMESPACE"),
		leaseDuration:  15 * time.Second,
		renewDeadline:  10 * time.Second,
		retryPeriod:    2 * time.Second,
		watchDog:       leaderelection.NewLeaderHealthzAdaptor(20 * time.Second),
	}
	if g.leaseNamespace == "" {
		g.leaseNamespace = "holdfast-system"
	}
	return g
}

func (g *guardOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&g.leaderElect, "guard-leader-elect", g.leaderElect, "Run the guard only while holding the lease "+guardLease+". Disable this only where a single process runs.")
	fs.StringVar(&g.leaseNamespace, "guard-lease-namespace", g.leaseNamespace, "The namespace of the guard's lease, and of its mark that running pods were adopted. The default is the environment variable POD_NAMESPACE, or holdfast-system.")
	fs.DurationVar(&g.leaseDuration, "guard-lease-duration", g.leaseDuration, "How long a standby waits after the last renewal of the guard's lease before it takes it over.")
	fs.DurationVar(&g.renewDeadline, "guard-renew-deadline", g.renewDeadline, "How long the holder tries to renew the guard's lease before the process ends. Must be less than --guard-lease-duration.")
	fs.DurationVar(&g.retryPeriod, "guard-retry-period", g.retryPeriod, "How long to wait between two tries at the guard's lease. Must be less than --guard-renew-deadline divided by 1.2.")
}

// validate names the flag that is wrong and what it may be.
func (g *guardOptions) validate() error {
	if !g.leaderElect {
		return nil
	}
	if problems := validation.IsDNS1123Label(g.leaseNamespace); len(problems) > 0 {
		return fmt.Errorf("--guard-lease-namespace %q is no name of a namespace: %s", g.leaseNamespace, problems[0])
	}
	// As client-go wants them, which would name none of the flags.
	switch {
	case g.retryPeriod <= 0:
		return fmt.Errorf("--guard-retry-period %s must be more than 0", g.retryPeriod)
	case float64(g.renewDeadline) <= leaderelection.JitterFactor*float64(g.retryPeriod):
		return fmt.Errorf("--guard-renew-deadline %s must be more than %v times --guard-retry-period %s", g.renewDeadline, leaderelection.JitterFactor, g.retryPeriod)
	case g.leaseDuration <= g.renewDeadline:
		return fmt.Errorf("--guard-lease-duration %s must be more than --guard-renew-deadline %s", g.leaseDuration, g.renewDeadline)
	}
	return nil
}

// newGuard makes the guard for the pods of the profiles, as they ask. It has clients of its own:
// its reads must not wait behind the scheduler's in one rate limit.
func (g *guardOptions) newGuard(config *rest.Config, profiles []string, args *config.HoldfastArgs) (*guard.Guard, error) {
	agent := rest.AddUserAgent(config, "guard")
	kube, err := kubernetes.NewForConfig(agent)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	records, err := versioned.NewForConfig(jsonConfig(agent))
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return guard.New(kube, records, guard.Options{SchedulerNames: profiles, Args: args, Namespace: g.leaseNamespace}), nil
}

// run runs the guard until ctx ends, or until it fails or its lease is lost, which
// is an error. It watches from the start: what a standby has not seen it could not
// know when it comes to lead.
func (g *guardOptions) run(ctx context.Context, config *rest.Config, x *guard.Guard) error {
	err := x.Watch(ctx)
	switch {
	case err != nil:
	case g.leaderElect:
		err = g.lead(ctx, config, x.Lead)
	default:
		err = x.Lead(ctx)
	}
	if err == nil || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("guard: %w", err)
}

// lead calls work once, when it holds the lease, and releases the lease when work
// has returned. It returns work's error, or that the lease was lost.
func (g *guardOptions) lead(ctx context.Context, config *rest.Config, work func(context.Context) error) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name of this host: %w", err)
	}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, g.leaseNamespace, guardLease,
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())}, config, g.renewDeadline)
	if err != nil {
		return fmt.Errorf("lease %s/%s: %w", g.leaseNamespace, guardLease, err)
	}

	// The lease is held for as long as work runs, and not only until ctx ends: what
	// is released early lets a second guard begin beside the first.
	holding, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var working sync.Mutex // Held while work runs.
	var failure error
	defer context.AfterFunc(ctx, func() {
		working.Lock()
		defer working.Unlock()
		release()
	})()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            lock,
		LeaseDuration:   g.leaseDuration,
		RenewDeadline:   g.renewDeadline,
		RetryPeriod:     g.retryPeriod,
		ReleaseOnCancel: true,
		Name:            guardLease,
		WatchDog:        g.watchDog,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) {
				working.Lock()
				defer working.Unlock()
				defer release()
				both, cancel := context.WithCancel(leading)
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				failure = work(both)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("lease %s/%s: %w", g.leaseNamespace, guardLease, err)
	}
	elector.Run(holding)

	working.Lock()
	defer working.Unlock()
	if failure != nil {
		return failure
	}
	return fmt.Errorf("lost the lease %s/%s", g.leaseNamespace, guardLease)
}
