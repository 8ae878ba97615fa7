package world_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	cloudproviderapi "k8s.io/cloud-provider/api"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// inCloud runs a story with a whole control plane and one machine, a, of a cloud.
func inCloud(t *testing.T, story func(*stage) error) {
	t.Helper()
	err := engine.InVirtualTime(func(ctx context.Context) error {
		cluster, err := engine.Start(ctx, engine.Options{Scheduler: engine.Stock})
		if err != nil {
			return err
		}
		s := &stage{t: t, ctx: ctx}
		if s.api, err = kubernetes.NewForConfig(cluster.RESTConfig("test")); err != nil {
			return err
		}
		s.World, err = world.New(world.Config{
			Nodes: []world.NodeSpec{{Name: "a", Zone: "z", Region: "r", Capacity: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("110")}}},
			Cloud: true, REST: cluster.RESTConfig, Observe: s.observe,
		})
		if err != nil {
			return err
		}
		if err := s.Start(ctx); err != nil {
			return err
		}
		if err := cluster.StartCloud(s.Cloud()); err != nil {
			return err
		}
		return story(s)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// shutdown says whether the node carries the cloud's word that it has no power.
func (s *stage) shutdown(name string) bool {
	node, err := s.node(name)
	return err == nil && slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key == cloudproviderapi.TaintNodeShutdown && t.Effect == corev1.TaintEffectNoSchedule
	})
}

func TestFact3_7_ACloudTaintsWhatIsShutDownAsLongAsItIs(t *testing.T) {
	inCloud(t, func(s *stage) error {
		if node, err := s.node("a"); err != nil || node.Spec.ProviderID != "sim:///a" {
			t.Errorf("provider ID %q, %v", node.Spec.ProviderID, err)
		}
		crashed := time.Now()
		if err := s.crash("a"); err != nil {
			return err
		}
		if err := s.eventually(2*time.Minute, "the node is tainted", func() bool { return s.shutdown("a") }); err != nil {
			return err
		}
		// 50s until the node counts as not ready, from its last heartbeat as far as the
		// controller has seen it; it and the cloud's look every 5s.
		s.between(time.Since(crashed), 40*time.Second, 66*time.Second, "the taint")
		time.Sleep(10 * time.Minute)
		if !s.shutdown("a") {
			t.Error("the taint went without the power's return")
		}
		if err := s.powerOn("a"); err != nil {
			return err
		}
		return s.eventually(time.Minute, "the taint is gone", func() bool { return !s.shutdown("a") })
	})
}

func TestFact3_7_ACloudDoesNotTaintWhatIsOnlySilent(t *testing.T) {
	inCloud(t, func(s *stage) error {
		if err := s.cut("a"); err != nil {
			return err
		}
		time.Sleep(10 * time.Minute)
		if _, err := s.node("a"); err != nil || s.shutdown("a") {
			t.Errorf("tainted: %t, %v; want a node that is only unreachable", s.shutdown("a"), err)
		}
		return nil
	})
}

func TestFact12_9_TheNodeOfAnInstanceThatIsGoneIsDeletedWithAnEvent(t *testing.T) {
	inCloud(t, func(s *stage) error {
		node, err := s.node("a")
		if err != nil {
			return err
		}
		nodes, err := s.api.CoreV1().Nodes().Watch(s.ctx, metav1.ListOptions{ResourceVersion: node.ResourceVersion})
		if err != nil {
			return err
		}
		defer nodes.Stop()
		if err := s.Apply(s.ctx, world.Terminate{Node: "a"}); err != nil {
			return err
		}
		var last *corev1.Node
		for e := range nodes.ResultChan() {
			if last, _ = e.Object.(*corev1.Node); e.Type == watch.Deleted {
				break
			}
		}
		if _, err := s.node("a"); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the node is not gone: %w", err)
		}
		time.Sleep(time.Second)
		events, err := s.api.CoreV1().Events(metav1.NamespaceAll).List(s.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		var found *corev1.Event
		for i, e := range events.Items {
			if e.Reason == "DeletingNode" {
				if found != nil {
					t.Errorf("a second event: %+v", e)
				}
				found = &events.Items[i]
			}
		}
		if found == nil {
			return fmt.Errorf("no event DeletingNode among %d", len(events.Items))
		}
		want := corev1.ObjectReference{Kind: "Node", Name: "a", UID: node.UID, APIVersion: "v1"}
		if found.InvolvedObject != want {
			t.Errorf("the event is about %+v, want %+v", found.InvolvedObject, want)
		}
		if found.Namespace != "default" || found.Source.Component != "cloud-node-lifecycle-controller" ||
			found.ReportingController != "cloud-node-lifecycle-controller" || found.ReportingInstance != "" ||
			found.Type != corev1.EventTypeNormal ||
			found.Message != "Deleting node a because it does not exist in the cloud provider" {
			t.Errorf("the event says %+v", found)
		}
		// The recorder writes in the background: which of the two comes first is chance.
		t.Logf("the event was written at version %s, the Node deleted at %s", found.ResourceVersion, last.ResourceVersion)
		if err := s.powerOn("a"); err == nil {
			t.Error("a machine that was given back was switched on")
		}
		if err := s.Apply(s.ctx, world.Reboot{Node: "a"}); err == nil {
			t.Error("a machine that was given back was rebooted")
		}
		return nil
	})
}

func TestWithoutACloudNothingIsTerminated(t *testing.T) {
	play(t, func(s *stage) error {
		if s.Apply(s.ctx, world.Terminate{Node: "a"}) == nil || s.Silent("a") {
			t.Error("a machine that belongs to no cloud was given back to it")
		}
		return nil
	})
}
