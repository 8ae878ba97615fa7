package engine

import (
	"context"
	"slices"
	"time"

	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/kubernetes/pkg/controller/cronjob"
	"k8s.io/kubernetes/pkg/controller/daemon"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/job"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/replication"
)

// The limits that kube-controller-manager gives the DaemonSet controller for pods that fail.
const (
	daemonBackOffMin = time.Second
	daemonBackOffMax = 15 * time.Minute
)

// workload is a controller that makes pods of other kinds than StatefulSet.
type workload struct {
	controller
	// kinds are those for which it runs.
	kinds []string
}

// workloads run only where the story has an object of one of their kinds. Each costs
// watches and a share of every pod's updates, and most stories are about StatefulSets.
var workloads = []workload{
	{controller{"deployment-controller", newDeployment}, []string{"Deployment"}},
	{controller{"replicaset-controller", newReplicaSet}, []string{"Deployment", "ReplicaSet"}},
	{controller{"replication-controller", newReplication}, []string{"ReplicationController"}},
	{controller{"daemon-set-controller", newDaemonSet}, []string{"DaemonSet"}},
	{controller{"job-controller", newJob}, []string{"CronJob", "Job"}},
	{controller{"cronjob-controller", newCronJob}, []string{"CronJob"}},
}

// controllersFor are those that run for objects of these kinds.
func controllersFor(kinds []string) []controller {
	run := slices.Clone(controllers)
	for _, w := range workloads {
		if slices.ContainsFunc(w.kinds, func(k string) bool { return slices.Contains(kinds, k) }) {
			run = append(run, w.controller)
		}
	}
	return run
}

func newDeployment(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	apps := c.shared.Apps().V1()
	x, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), c.shared.Core().V1().Pods(), c.client(name))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

func newReplicaSet(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	x := replicaset.NewReplicaSetController(ctx, c.shared.Apps().V1().ReplicaSets(), c.shared.Core().V1().Pods(), c.client(name), replicaset.BurstReplicas)
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

func newReplication(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	core := c.shared.Core().V1()
	x := replication.NewReplicationManager(ctx, core.Pods(), core.ReplicationControllers(), c.client(name), replication.BurstReplicas)
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

func newDaemonSet(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	core, apps := c.shared.Core().V1(), c.shared.Apps().V1()
	x, err := daemon.NewDaemonSetsController(ctx, apps.DaemonSets(), apps.ControllerRevisions(), core.Pods(), core.Nodes(), c.client(name),
		flowcontrol.NewBackOff(daemonBackOffMin, daemonBackOffMax))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

// newJob: the informers that it goes without are for the gate WorkloadWithJob, which is
// alpha in v1.37 and off.
func newJob(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	x, err := job.NewController(ctx, c.client(name), c.shared.Core().V1().Pods(), c.shared.Batch().V1().Jobs(), nil, nil)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}

func newCronJob(ctx context.Context, c *controllerContext, name string) (func(context.Context), error) {
	x, err := cronjob.NewControllerV2(ctx, c.shared.Batch().V1().Jobs(), c.shared.Batch().V1().CronJobs(), c.client(name))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { x.Run(ctx, workers) }, nil
}
