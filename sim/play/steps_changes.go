package play

import (
	"context"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	"github.com/holdfast-dev/holdfast/sim/scenario"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// apply applies all objects of the step, in their order.
func (p *steps) apply(ctx context.Context, s *scenario.Step) error {
	objects, err := p.scenario.DecodeObject(s.Apply)
	if err != nil {
		return err
	}
	client, err := newObjectClient(p.cluster)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := client.apply(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func (p *steps) scale(ctx context.Context, s *scenario.Step) error {
	client, err := kubernetes.NewForConfig(p.cluster.RESTConfig(world.OperatorAgent))
	if err != nil {
		return err
	}
	namespace, name := scenario.SplitName(s.Scale.StatefulSet)
	_, err = client.AppsV1().StatefulSets(namespace).UpdateScale(ctx, name, &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       autoscalingv1.ScaleSpec{Replicas: s.Scale.Replicas},
	}, metav1.UpdateOptions{})
	return err
}

func (p *steps) deleteObject(ctx context.Context, s *scenario.Step) error {
	d := s.DeleteObject
	client, err := newObjectClient(p.cluster)
	if err != nil {
		return err
	}
	namespace, name := scenario.SplitName(d.Name)
	resource, err := client.resource(schema.FromAPIVersionAndKind(d.APIVersion, d.Kind), namespace)
	if err != nil {
		return err
	}
	cascade := d.Cascade
	if cascade == "" {
		cascade = metav1.DeletePropagationBackground
	}
	return resource.Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &cascade})
}

func (p *steps) startScheduler(_ context.Context, s *scenario.Step) error {
	runsFor := valueOf(s.StartScheduler.RunsFor).Duration
	const two = "two processes schedule"
	told := func() {
		p.log.Blind(time.Now(), two, false)
		p.seen.step("the second scheduler's process ends")
	}
	p.log.Blind(time.Now(), two, true)
	if err := p.cluster.StartSecondScheduler(runsFor, told); err != nil {
		return err
	}
	p.seen.step("the second scheduler runs, its caches filled")
	return nil
}
