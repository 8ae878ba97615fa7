package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/sim/engine/etcdmem"
	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// Kind says which scheduler a cluster has.
type Kind string

const (
	// Stock is the kube-scheduler as upstream ships it.
	Stock Kind = "default"
	// Holdfast is the kube-scheduler with the plugin in its profile, and the guard.
	Holdfast Kind = "holdfast"
)

// Options say what a cluster is made of.
type Options struct {
	// Scheduler is which one schedules; required.
	Scheduler Kind
	// Store is what the API server keeps its objects in; empty: Memory.
	Store StoreKind
	// Timers replace upstream's.
	Timers Timers
	// Kinds are those of the story's objects: the controllers of Deployments, ReplicaSets,
	// ReplicationControllers, DaemonSets, Jobs and CronJobs run only where there are such.
	Kinds []string
	// Configuration is the KubeSchedulerConfiguration that Holdfast runs, in YAML; nil:
	// the one that is installed.
	Configuration []byte
	// Args are HoldfastArgs for its profiles, in JSON or YAML; nil: as the
	// configuration has them.
	Args []byte
	// Without switches lines of defence off, for tests that show what each is worth.
	Without []Defence
	// WithoutRules switches rules of pkg/fence off by their names, for the same.
	WithoutRules []string
	// Restore returns a cluster that exists already, for a scheduler of that name; nil:
	// there is none. It is asked once, before anything but the API server runs.
	Restore func(schedulerName string) *snapshot.Cluster
	// Record remembers what the scheduler's plugins say; nil: nobody asks them.
	Record *Recorder
	// StallLimit is how long, in wall time, virtual time may stand still before the run
	// is given up with a *StalledError; zero: StallLimit.
	StallLimit time.Duration
	// OnCommit is told of every change that the store commits, at the virtual instant
	// of the commit; nil: nobody is. It must not block, and must not call the cluster.
	OnCommit func(Commit)
}

// Commit is one change of one key of the store. Its value must not be changed.
type Commit = etcdmem.Commit

// Cluster is a running control plane without machines.
type Cluster struct {
	*APIServer
	options Options
	// profiles is what a Holdfast cluster's scheduler is configured to.
	profiles *profiles
	// life ends with the cluster.
	life context.Context

	mu sync.Mutex
	// process schedules; nil: none runs.
	process *process
	// second schedules beside it; nil: none does.
	second *process
	// armed: the first will end at a request.
	armed bool
}

// Holdfast says whether the cluster has tenancies.
func (c *Cluster) Holdfast() bool { return c.options.Scheduler == Holdfast }

// SchedulerName is what a pod must name to be scheduled by the cluster's scheduler.
func (c *Cluster) SchedulerName() string {
	if c.Holdfast() {
		return c.profiles.protecting[0]
	}
	return corev1.DefaultSchedulerName
}

// Start starts a control plane and returns once it serves and schedules. It ends
// with ctx. It must be called in virtual time.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Scheduler != Stock && o.Scheduler != Holdfast {
		return nil, fmt.Errorf("unknown scheduler %q", o.Scheduler)
	}
	living.Load().start(o.StallLimit)
	c := &Cluster{options: o, life: ctx}
	if o.Scheduler == Holdfast {
		var err error
		if c.profiles, err = configured(o); err != nil {
			return nil, err
		}
	}
	timers := o.Timers.withDefaults()
	if err := setTolerationSeconds(*timers.TolerationSeconds); err != nil {
		return nil, err
	}
	api, err := startAPIServer(ctx, o.Store)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	if o.OnCommit != nil {
		api.Store.OnCommit(o.OnCommit)
	}
	if o.Scheduler == Holdfast {
		if err := installTenancies(ctx, api); err != nil {
			return nil, err
		}
	}
	if o.Restore != nil {
		if err := restore(ctx, api, o.Restore(c.SchedulerName())); err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
	}
	c.APIServer = api
	if err := c.StartScheduler(); err != nil {
		return nil, err
	}
	if err := startControllers(ctx, api, timers, o.Kinds); err != nil {
		return nil, fmt.Errorf("controllers: %w", err)
	}
	return c, nil
}
