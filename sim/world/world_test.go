package world_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/world"
)

// stage is a world with a real API server. There are controllers and a scheduler if
// the test says so; otherwise it plays their parts.
type stage struct {
	*world.World
	t   *testing.T
	ctx context.Context
	api kubernetes.Interface

	mu     sync.Mutex
	states []world.State
}

// play runs a story in virtual time, without controllers: nodes a and b in zones of
// their own, of which b has a runtime that forgets, a class whose detach fences and
// one whose detach does not.
func play(t *testing.T, story func(*stage) error) {
	t.Helper()
	playOn(t, engine.StartAPIServer, func(*world.Config) {}, story)
}

// playOn is play on another server, in a world that is changed before it begins.
func playOn(t *testing.T, start func(context.Context) (*engine.APIServer, error), change func(*world.Config), story func(*stage) error) {
	t.Helper()
	err := engine.InVirtualTime(func(ctx context.Context) error {
		server, err := start(ctx)
		if err != nil {
			return err
		}
		s := &stage{t: t}
		var end context.CancelFunc
		s.ctx, end = context.WithCancel(ctx)
		defer end()
		if s.api, err = kubernetes.NewForConfig(server.RESTConfig("test")); err != nil {
			return err
		}
		capacity := corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"), corev1.ResourcePods: resource.MustParse("110"),
		}
		config := world.Config{
			Nodes: []world.NodeSpec{
				{Name: "b", Zone: "z2", Region: "r", Capacity: capacity, RuntimeForgets: true},
				{Name: "a", Zone: "z1", Region: "r", Capacity: capacity, Labels: map[string]string{"disk": "ssd"}},
			},
			Classes: []world.ClassSpec{
				{Name: "fencing", Attach: 2 * time.Second, Detach: 2 * time.Second, DetachFences: true},
				{Name: "leaky", Attach: 2 * time.Second, Detach: 2 * time.Second},
			},
			REST:    server.RESTConfig,
			Observe: s.observe,
		}
		change(&config)
		if s.World, err = world.New(config); err != nil {
			return err
		}
		if err := s.Start(s.ctx); err != nil {
			return err
		}
		err = story(s)
		end()
		ended := make(chan struct{})
		go func() {
			s.Wait()
			close(ended)
		}()
		select {
		case <-ended:
			return err
		case <-time.After(time.Hour):
			return errors.Join(err, errors.New("something goes on after the end of the world"))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *stage) observe(state world.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = append(s.states, state)
}

// bound makes a pod that is bound to a node from the start.
func (s *stage) bound(name, node string, change ...func(*corev1.Pod)) (*corev1.Pod, error) {
	grace := int64(120)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: corev1.PodSpec{
			NodeName: node, TerminationGracePeriodSeconds: &grace,
			Containers: []corev1.Container{{Name: "c", Image: "image"}},
		},
	}
	for _, f := range change {
		f(pod)
	}
	return s.api.CoreV1().Pods(pod.Namespace).Create(s.ctx, pod, metav1.CreateOptions{})
}

// stops says how long the pod's containers take to stop.
func stops(seconds string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations = map[string]string{world.StopSecondsAnnotation: seconds} }
}

func finalized(p *corev1.Pod) { p.Finalizers = []string{"example.com/hold"} }

// running makes a pod and waits until it is Running in the API.
func (s *stage) running(name, node string, change ...func(*corev1.Pod)) (*corev1.Pod, error) {
	if _, err := s.bound(name, node, change...); err != nil {
		return nil, err
	}
	return s.pod(name, time.Minute, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
}

// pod waits until a pod is as asked.
func (s *stage) pod(name string, within time.Duration, is func(*corev1.Pod) bool) (*corev1.Pod, error) {
	var pod *corev1.Pod
	err := s.eventually(within, "pod "+name+" is as asked", func() bool {
		var err error
		pod, err = s.api.CoreV1().Pods("default").Get(s.ctx, name, metav1.GetOptions{})
		return err == nil && is(pod)
	})
	return pod, err
}

// remove deletes a pod as kubectl does, with its own grace period.
func (s *stage) remove(name string) error {
	return s.api.CoreV1().Pods("default").Delete(s.ctx, name, metav1.DeleteOptions{})
}

func (s *stage) force(name string) error {
	return s.Apply(s.ctx, world.ForceDelete{Namespace: "default", Pod: name})
}

func (s *stage) cut(node string) error  { return s.Apply(s.ctx, world.Partition{Node: node}) }
func (s *stage) heal(node string) error { return s.Apply(s.ctx, world.Heal{Node: node}) }

// runs says whether a process of the pod runs anywhere.
func (s *stage) runs(uid types.UID) bool {
	return slices.ContainsFunc(s.State().Processes, func(p world.Process) bool { return p.PodUID == uid })
}

// untilStopped is how long the pod still runs.
func (s *stage) untilStopped(uid types.UID, within time.Duration) (time.Duration, error) {
	start := time.Now()
	err := s.eventually(within, "pod "+string(uid)+" has stopped", func() bool { return !s.runs(uid) })
	return time.Since(start), err
}

func (s *stage) eventually(within time.Duration, what string, is func() bool) error {
	for start := time.Now(); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Since(start) > within {
			return fmt.Errorf("not within %v: %s", within, what)
		}
	}
	return nil
}

// between reports a duration that is out of bounds.
func (s *stage) between(got, low, high time.Duration, what string) {
	s.t.Helper()
	if got < low || got > high {
		s.t.Errorf("%s took %v, want %v to %v", what, got, low, high)
	}
}

// steps runs functions until one fails.
func steps(all ...func() error) error {
	for _, f := range all {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// confirmed says what is missing in a pod's final status for the kubelet's own word
// that it stopped (docs/kubernetes-facts.md §1.6).
func confirmed(p *corev1.Pod) error {
	if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
		return fmt.Errorf("phase %s", p.Status.Phase)
	}
	if len(p.Status.ContainerStatuses) != len(p.Spec.Containers) {
		return fmt.Errorf("%d container statuses", len(p.Status.ContainerStatuses))
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Terminated == nil || c.ContainerID == "" {
			return fmt.Errorf("container %s: %+v", c.Name, c.State)
		}
	}
	sandbox := slices.IndexFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReadyToStartContainers })
	if sandbox < 0 {
		return errors.New("no condition PodReadyToStartContainers")
	}
	if c := p.Status.Conditions[sandbox]; c.Status != corev1.ConditionFalse || c.ObservedGeneration < p.Generation {
		return fmt.Errorf("condition %+v, generation %d", c, p.Generation)
	}
	if p.Status.ObservedGeneration < p.Generation {
		return fmt.Errorf("observed generation %d of %d", p.Status.ObservedGeneration, p.Generation)
	}
	for _, f := range p.ManagedFields {
		if f.Manager == "kubelet" && f.Subresource == "status" && containsField(f, `"f:phase"`) {
			return nil
		}
	}
	return fmt.Errorf("f:phase is not the kubelet's: %v", p.ManagedFields)
}

func containsField(f metav1.ManagedFieldsEntry, field string) bool {
	return f.FieldsV1 != nil && strings.Contains(f.FieldsV1.GetRawString(), field)
}
