package engine

import (
	"fmt"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	cloudprovider "k8s.io/cloud-provider"
	cloudnodelifecycle "k8s.io/cloud-provider/controllers/nodelifecycle"
	"k8s.io/cloud-provider/names"
	controllersmetrics "k8s.io/component-base/metrics/prometheus/controllers"
)

// cloudNodeSyncs is how many nodes are looked at at once: cloud-controller-manager's
// default for --concurrent-node-syncs.
const cloudNodeSyncs = 1

// StartCloud runs the node lifecycle controller of a cloud-controller-manager, which
// taints the nodes of instances that are shut down and deletes those of instances
// that are gone (docs/kubernetes-facts.md §3.7). It returns when its cache is filled.
func (c *Cluster) StartCloud(cloud cloudprovider.Interface) error {
	client, err := kubernetes.NewForConfig(c.RESTConfig(names.CloudNodeLifecycleController))
	if err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(client, resync)
	x, err := cloudnodelifecycle.NewCloudNodeLifecycleController(shared.Core().V1().Nodes(), client, cloud, nodeMonitorPeriod, cloudNodeSyncs)
	if err != nil {
		return fmt.Errorf("%s: %w", names.CloudNodeLifecycleController, err)
	}
	shared.Start(c.life.Done())
	shared.WaitForCacheSync(c.life.Done())
	go x.Run(c.life, controllersmetrics.NewControllerManagerMetrics("cloud-controller-manager"))
	return nil
}
