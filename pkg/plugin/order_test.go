package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	kubescheduler "k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	schedulerscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/guard"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

// crowd is many sets that make all of their pods at once, with the real scheduler and
// the guard, and too little room for all of them.
type crowd struct {
	*cluster
	sets, members int
	// order is what the pods ask for; empty: what the profile says.
	order string

	mu   sync.Mutex
	dice *rand.Rand
	// trouble: binds are slow and fail, or their answers are lost, and pods are deleted.
	trouble bool
	failed  int
	deleted int
	// bound are the ordinals of each set in the order of their first binds.
	bound map[string][]int
}

// TestAllThatFitsIsBoundInOrderAndNothingIsStuck: while binds fail and pods are deleted,
// no ordinal overtakes another. When that ends, all room is used within the longest
// back-off, and not only by the queue's flush after 5 minutes; and once there is room
// for all, all are bound.
func TestAllThatFitsIsBoundInOrderAndNothingIsStuck(t *testing.T) {
	const sets, members, room = 20, 5, 60
	seed := rand.Uint64()
	inCluster(t, func(c *cluster) error {
		o := &crowd{cluster: c, sets: sets, members: members, dice: rand.New(rand.NewPCG(seed, 0)), trouble: true, bound: map[string][]int{}}
		if err := errors.Join(o.addNode("n0", room/2), o.addNode("n1", room/2), o.watchBinds(), o.startScheduler()); err != nil {
			return err
		}
		if err := o.play(80 * time.Second); err != nil {
			return err
		}
		o.mu.Lock()
		o.trouble = false
		failed, deleted := o.failed, o.deleted
		o.mu.Unlock()
		if err := o.play(time.Minute); err != nil {
			return err
		}
		if n := o.countBound(); n != room {
			return fmt.Errorf("%d pods are bound, and there is room for %d: %s", n, room, o.stuck())
		}
		if err := o.addNode("n2", sets*members); err != nil {
			return err
		}
		if err := o.play(time.Minute); err != nil {
			return err
		}
		if n := o.countBound(); n != sets*members {
			return fmt.Errorf("%d pods of %d are bound, although there is room: %s", n, sets*members, o.stuck())
		}
		t.Logf("%d requests failed or lost their answers, %d pods were deleted", failed, deleted)
		if failed < 20 || deleted < 5 {
			return fmt.Errorf("only %d failures and %d deletions: too little trouble to mean anything", failed, deleted)
		}
		return o.outOfOrder()
	})
	if t.Failed() {
		t.Logf("the dice of this run had seed %d; the scheduler's own dice have none", seed)
	}
}

// TestWithoutAnOrderTheTroubleMixesThemUp: the trouble of the test above is worth
// something, for pods that ask for no order overtake each other in it.
func TestWithoutAnOrderTheTroubleMixesThemUp(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		o := &crowd{cluster: c, sets: 10, members: 5, order: "None", dice: rand.New(rand.NewPCG(1, 0)), trouble: true, bound: map[string][]int{}}
		if err := errors.Join(o.addNode("n0", 50), o.watchBinds(), o.startScheduler(), o.play(20*time.Second)); err != nil {
			return err
		}
		if o.outOfOrder() == nil {
			return fmt.Errorf("nobody overtook: %s", o.stuck())
		}
		return nil
	})
}

func (o *crowd) addNode(name string, pods int64) error {
	room := v1.ResourceList{v1.ResourcePods: *resource.NewQuantity(pods, resource.DecimalSI), v1.ResourceCPU: resource.MustParse("1k"), v1.ResourceMemory: resource.MustParse("1Ti")}
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	node, err := o.kube.CoreV1().Nodes().Create(o.ctx, node, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	node.Status = v1.NodeStatus{Capacity: room, Allocatable: room, Conditions: []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue}}}
	if node, err = o.kube.CoreV1().Nodes().UpdateStatus(o.ctx, node, metav1.UpdateOptions{}); err != nil {
		return err
	}
	node.Spec.Taints = nil // Admission gives every new node one, and nobody here takes it off.
	_, err = o.kube.CoreV1().Nodes().Update(o.ctx, node, metav1.UpdateOptions{})
	return err
}

// play makes the pods that are missing, as the StatefulSet controller does, and trouble.
func (o *crowd) play(length time.Duration) error {
	for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(2 * time.Second) {
		if err := o.createMissing(); err != nil {
			return err
		}
		if err := o.deleteSome(); err != nil {
			return err
		}
	}
	return nil
}

func (o *crowd) createMissing() error {
	for s := range o.sets {
		set := &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("set%d", s)},
			Spec: appsv1.StatefulSetSpec{
				ServiceName: "none", PodManagementPolicy: appsv1.ParallelPodManagement,
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
				Template: v1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}},
					Spec:       v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "i"}}},
				},
			},
		}
		if _, err := o.kube.AppsV1().StatefulSets("default").Create(o.ctx, set, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		for m := range o.members {
			if err := o.createMember(set.Name, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *crowd) createMember(set string, m int) error {
	owner := metav1.NewControllerRef(&metav1.ObjectMeta{Name: set, UID: "uid"}, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", set, m), OwnerReferences: []metav1.OwnerReference{*owner}},
		Spec:       v1.PodSpec{SchedulerName: schedulermanifest.ProfileName, Containers: []v1.Container{{Name: "c", Image: "i"}}},
	}
	if o.order != "" {
		pod.Annotations = map[string]string{v1alpha1.BindOrderAnnotation: o.order}
	}
	_, err := o.kube.CoreV1().Pods("default").Create(o.ctx, pod, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// deleteSome deletes a pod that is not bound, now and then.
func (o *crowd) deleteSome() error {
	pods, err := o.kube.CoreV1().Pods("default").List(o.ctx, metav1.ListOptions{FieldSelector: "spec.nodeName="})
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.trouble || len(pods.Items) == 0 {
		return nil
	}
	o.deleted++
	err = o.kube.CoreV1().Pods("default").Delete(o.ctx, pods.Items[o.dice.IntN(len(pods.Items))].Name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// watchBinds notes the first bind of every ordinal.
func (o *crowd) watchBinds() error {
	seen := map[string]bool{}
	note := func(obj any) {
		pod, ok := obj.(*v1.Pod)
		if !ok || pod.Spec.NodeName == "" || seen[pod.Name] {
			return
		}
		seen[pod.Name] = true
		id, _ := identity.Named(pod.Namespace, pod.Name)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.bound[id.Set] = append(o.bound[id.Set], int(id.Ordinal))
	}
	watch := informers.NewSharedInformerFactory(o.kube, 0)
	_, err := watch.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: note, UpdateFunc: func(_, obj any) { note(obj) },
	})
	watch.Start(o.ctx.Done())
	watch.WaitForCacheSync(o.ctx.Done())
	return err
}

func (o *crowd) countBound() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, ordinals := range o.bound {
		n += len(ordinals)
	}
	return n
}

// outOfOrder is the error of a set whose binds did not come in order (S6).
func (o *crowd) outOfOrder() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for set, ordinals := range o.bound {
		if !slices.IsSorted(ordinals) {
			errs = append(errs, fmt.Errorf("%s was bound in the order %v", set, ordinals))
		}
	}
	return errors.Join(errs...)
}

// stuck tells how far each set got, and what keeps the first pod that waits of each.
func (o *crowd) stuck() string {
	var told strings.Builder
	pods, err := o.kube.CoreV1().Pods("default").List(o.ctx, metav1.ListOptions{FieldSelector: "spec.nodeName="})
	if err != nil {
		return err.Error()
	}
	for _, pod := range pods.Items {
		fmt.Fprintf(&told, "\n%s: %v", pod.Name, pod.Status.Conditions)
		id, _ := identity.Named(pod.Namespace, pod.Name)
		if record, err := o.store.Get(o.ctx, id); err == nil && record != nil {
			fmt.Fprintf(&told, "\n\t%+v", record.Status)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return fmt.Sprint(o.bound, told.String())
}

// fail lets the way to a bind be slow and fail: before it, where the node is read, and
// with the request to bind or the answer to it.
func (o *crowd) fail(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		bind := strings.HasSuffix(r.URL.Path, "/binding")
		if !bind && !strings.HasPrefix(r.URL.Path, "/api/v1/nodes/") {
			return next.RoundTrip(r)
		}
		const before, after = 3, 4
		roll, pause := o.roll(after)
		time.Sleep(pause)
		if roll <= before {
			return nil, errors.New("connection refused")
		}
		response, err := next.RoundTrip(r)
		if bind && roll == after && err == nil {
			return nil, errors.Join(errors.New("connection lost"), response.Body.Close())
		}
		return response, err
	})
}

// roll is 1 to 10, of which those up to failing are failures; without trouble it is 10.
func (o *crowd) roll(failing int) (roll int, pause time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.trouble {
		return 10, 0
	}
	roll = 1 + o.dice.IntN(10)
	if roll <= failing {
		o.failed++
	}
	return roll, time.Duration(o.dice.IntN(500)) * time.Millisecond
}

// startScheduler starts the scheduler as it is shipped, and the guard.
func (o *crowd) startScheduler() error {
	config := o.api.RESTConfig("kube-scheduler")
	config.Wrap(o.fail)
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	records, err := versioned.NewForConfig(o.api.JSONConfig("kube-scheduler"))
	if err != nil {
		return err
	}
	custom, err := dynamic.NewForConfig(o.api.JSONConfig("kube-scheduler"))
	if err != nil {
		return err
	}
	object, _, err := schedulerscheme.Codecs.UniversalDecoder().Decode(schedulermanifest.Configuration, nil, nil)
	if err != nil {
		return err
	}
	g := guard.New(o.kube, records, guard.Options{SchedulerNames: []string{schedulermanifest.ProfileName}})
	go func() { _ = g.Run(o.ctx) }()
	custominformers := dynamicinformer.NewDynamicSharedInformerFactory(custom, 0)
	shared := informers.NewSharedInformerFactory(kube, 0)
	x, err := kubescheduler.New(o.ctx, kube, shared, custominformers,
		func(string) events.EventRecorderLogger { return &events.FakeRecorder{} },
		kubescheduler.WithProfiles(object.(*schedulerconfig.KubeSchedulerConfiguration).Profiles...),
		kubescheduler.WithFrameworkOutOfTreeRegistry(plugin.Registry(plugin.NewShared(store.New(records), custominformers, g.Adopted()))))
	if err != nil {
		return err
	}
	shared.Start(o.ctx.Done())
	custominformers.Start(o.ctx.Done())
	shared.WaitForCacheSync(o.ctx.Done())
	custominformers.WaitForCacheSync(o.ctx.Done())
	if err := x.WaitForHandlersSync(o.ctx); err != nil {
		return err
	}
	go x.Run(o.ctx)
	return context.Cause(o.ctx)
}
