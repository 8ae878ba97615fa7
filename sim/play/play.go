// Package play tells a scenario's story once: it starts a control plane and a
// world, applies the objects, plays the timeline in virtual time, and gathers what
// was seen and what is true into a report.
package play

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/holdfast-dev/holdfast/sim/check"
	"github.com/holdfast-dev/holdfast/sim/decisions"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/snapshot"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// Options say how a scenario is played.
type Options struct {
	// Scheduler is the one that the run has.
	Scheduler scenario.Scheduler
	// Store is what the control plane keeps its objects in; empty: engine.Memory.
	Store engine.StoreKind
	// Until ends the run earlier or later than the scenario says; zero: as it says.
	Until time.Duration
	// Without switches lines of defence off, for tests that show what each is worth.
	Without []engine.Defence
	// WithoutRules switches rules of pkg/fence off by their names, for the same.
	WithoutRules []string
	// Taken is told of the cluster as it is when the run ends; nil: nobody is.
	Taken func(*snapshot.Cluster)
	// Recorded is told when the run ends of every change of an object of the kinds that
	// kube-scheduler-simulator knows; nil: nobody is.
	Recorded func([]snapshot.Change)
	// Decided is told of every attempt to place a pod when the run ends, and of how many
	// more there were than are remembered; nil: nobody is, and nothing is recorded.
	Decided func(attempts []decisions.Attempt, dropped int)
	// StopAtFirst ends the run at the first violation inside the trust boundary that is
	// seen when it happens; those of a bound in time are judged at the end.
	StopAtFirst bool
	// Unchecked switches the checks of the invariants off, to measure what they cost.
	Unchecked bool
	// OnRequest is told of every request to the API server from the story's begin on; nil:
	// nobody is. It is called from many goroutines at once.
	OnRequest func(*http.Request)
	// StallLimit is how long virtual time may stand still, in wall time; zero:
	// engine.StallLimit.
	StallLimit time.Duration
	// Progress is told how far the run is; nil: nobody is.
	Progress *Progress
	// Seed is what all chance of a run follows from in a deterministic build (package
	// replay); zero: 1. Any other build leaves chance to the Go runtime.
	Seed uint64
}

func (o Options) seed() uint64 { return max(o.Seed, 1) }

// settle is how long whoever takes up the cluster of a snapshot gets to know it before
// time zero: a real one was at it for weeks.
const settle = 10 * time.Second

// region is the one that all zones of a scenario are in.
const region = "sim"

// Run plays the scenario under one scheduler. An error means that the engine
// failed, or wraps an *ObjectError; never that an expectation was not met or a step
// could not be played: that stands in the report.
func Run(s *scenario.Scenario, o Options) (*report.Run, error) {
	objects, err := s.Decode()
	if err != nil {
		return nil, err
	}
	var run *report.Run
	err = engine.InVirtualTimeFrom(o.seed(), func(ctx context.Context) error {
		var err error
		run, err = play(ctx, s, objects, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s under the %s scheduler: %w", s.Name, o.Scheduler, err)
	}
	return run, nil
}

func play(ctx context.Context, s *scenario.Scenario, objects []runtime.Object, o Options) (*report.Run, error) {
	configuration, err := s.Configuration()
	if err != nil {
		return nil, err
	}
	given := s.Snapshot()
	var recorder *engine.Recorder
	if o.Decided != nil {
		recorder = engine.NewRecorder()
	}
	var record *record
	if o.Recorded != nil {
		record = newRecord()
	}
	kinds, err := s.Kinds()
	if err != nil {
		return nil, err
	}
	log, checker := check.NewLog(), check.New()
	stop := make(chan struct{})
	if o.StopAtFirst {
		found := sync.OnceFunc(func() { close(stop) })
		log.OnFound(found)
		checker.OnFound(found)
	}
	trace := newTrace()
	cluster, err := engine.Start(ctx, engine.Options{
		Restore:       restored(given, o.Scheduler),
		Scheduler:     engine.Kind(o.Scheduler),
		Store:         o.Store,
		Configuration: configuration,
		Args:          argsOf(s),
		Timers:        timers(s.Timers),
		Kinds:         kinds,
		Without:       o.Without,
		WithoutRules:  o.WithoutRules,
		Record:        recorder,
		StallLimit:    o.StallLimit,
		OnCommit: func(c engine.Commit) {
			o.Progress.commit()
			if record != nil {
				record.commit(time.Now(), c.Key, c.Value)
			}
			trace.commit(time.Now(), c)
			if !o.Unchecked {
				log.Commit(time.Now(), c.Key, c.Value)
			}
			if o.StopAtFirst {
				checker.Pass(time.Now()) // Or the first would be known when the world changes next.
			}
		},
	})
	if err != nil {
		return nil, err
	}
	rules, err := promised(s, cluster)
	if err != nil {
		return nil, err
	}
	log.Begin(rules)
	seen := newObserver(checker)
	w, err := world.New(world.Config{
		Nodes:   append(nodes(s.Cluster), givenNodes(given)...),
		Classes: append(classes(s.Cluster), givenClasses(given)...),
		Disks:   givenDisks(given),
		Cloud:   s.Cluster.Cloud,
		REST:    cluster.RESTConfig,
		Observe: func(state world.State) {
			if !o.Unchecked {
				checker.Observe(state)
			}
			seen.processes(state)
		},
	})
	if err != nil {
		return nil, err
	}
	cluster.ServeKubelets(w.KubeletServer)
	if err := w.Start(ctx); err != nil {
		return nil, err
	}
	if s.Cluster.Cloud {
		if err := cluster.StartCloud(w.Cloud()); err != nil {
			return nil, fmt.Errorf("cloud: %w", err)
		}
	}
	if err := seen.watch(ctx, cluster); err != nil {
		return nil, fmt.Errorf("observer: %w", err)
	}

	if given != nil {
		sleepUntil(time.Now().Add(settle))
		seen.processes(w.State()) // They run already.
	}
	zero := time.Now()
	if o.OnRequest != nil {
		cluster.Transport.Observe(o.OnRequest)
	}
	seen.begin(zero)
	o.Progress.begin(zero)
	client, err := newObjectClient(cluster)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if err := client.create(ctx, o); err != nil {
			return nil, err
		}
	}
	until := s.Until.Duration
	if o.Until > 0 {
		until = o.Until
	}
	steps := &steps{scenario: s, cluster: cluster, world: w, seen: seen, zero: zero, nodes: map[string]string{}, log: log, stop: stop}
	steps.play(ctx, o.Scheduler, until)
	stopped := !sleepUnless(stop, zero.Add(until))
	if stopped {
		until = time.Since(zero)
	}

	if o.Decided != nil {
		attempts, dropped := decided(recorder, s.Name, o.Scheduler, zero)
		log.Attempts(engine.PluginName, attempts, zero)
		o.Decided(attempts, dropped)
	}
	if record != nil {
		changes, err := record.changes()
		if err != nil {
			return nil, fmt.Errorf("record: %w", err)
		}
		o.Recorded(changes)
	}
	if o.Taken != nil {
		c, err := taken(ctx, cluster)
		if err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
		o.Taken(c)
	}

	run := &report.Run{Scheduler: string(o.Scheduler), Until: metav1.Duration{Duration: until}, StoppedAtFirst: stopped}
	if given != nil {
		run.Notes = given.Notes
	}
	if err := violations(run, checker, log, steps.ending(time.Now()), zero); err != nil {
		return nil, err
	}
	run.Trace = trace.sum(o)
	run.Faults = steps.spans.faults(until)
	seen.summarise(run, checker.Ordinals())
	run.TellAround()
	run.Checks = append(steps.unplayed(), report.Judge(s.Expect[o.Scheduler], run)...)
	return run, nil
}

// argsOf are HoldfastArgs as the scenario has them; nil if it has none.
func argsOf(s *scenario.Scenario) []byte {
	if s.Args == nil {
		return nil
	}
	return s.Args.Raw
}

func violation(v check.Violation, zero time.Time) report.Violation {
	r := report.Violation{
		Invariant: string(v.Invariant), By: v.By, Outside: v.Outside, Evidence: v.Evidence, Why: v.Why, Stale: v.Stale, Nodes: v.Nodes, From: since(v.From, zero),
	}
	if !v.To.IsZero() {
		to := since(v.To, zero)
		r.To = &to
	}
	return r
}

func since(t, zero time.Time) metav1.Duration { return metav1.Duration{Duration: t.Sub(zero)} }

func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }

// sleepUnless sleeps until that time, and says whether it came to it: not if it was stopped.
func sleepUnless(stop <-chan struct{}, t time.Time) bool {
	select {
	case <-stop:
		return false
	default:
	}
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

func timers(t scenario.Timers) engine.Timers {
	r := engine.Timers{TolerationSeconds: t.TolerationSeconds}
	if t.NodeMonitorGracePeriod != nil {
		r.NodeMonitorGracePeriod = t.NodeMonitorGracePeriod.Duration
	}
	if t.ForceDetach != nil {
		r.ForceDetach = t.ForceDetach.Duration
	}
	if t.PodGCQuarantine != nil {
		r.PodGCQuarantine = t.PodGCQuarantine.Duration
	}
	return r
}

func nodes(c scenario.Cluster) []world.NodeSpec {
	var specs []world.NodeSpec
	for _, g := range c.NodeGroups {
		for i := range g.Count {
			specs = append(specs, world.NodeSpec{
				Name: fmt.Sprintf("%s-%d", g.Name, i), Zone: g.Zone, Region: region,
				Capacity: g.Capacity, Labels: g.Labels, AttachLimit: valueOf(g.AttachLimit),
				RuntimeForgets: g.RuntimeForgets, WithoutDrivers: g.CSIDrivers != nil && !*g.CSIDrivers,
			})
		}
	}
	return specs
}

func classes(c scenario.Cluster) []world.ClassSpec {
	var specs []world.ClassSpec
	for _, k := range c.StorageClasses {
		specs = append(specs, world.ClassSpec{
			Name: k.Name, Topology: world.Topology(k.Topology), Unattached: !*k.AttachRequired,
			Attach: time.Duration(valueOf(k.AttachSeconds)) * time.Second, Detach: time.Duration(valueOf(k.DetachSeconds)) * time.Second,
			DetachFences: valueOf(k.DetachFences),
		})
	}
	return specs
}

// valueOf is the zero value of what does not apply.
func valueOf[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
