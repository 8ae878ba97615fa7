package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/manifests/crd"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
	"github.com/holdfast-dev/holdfast/sim/engine"
)

// cluster is a real API server with nodes a and b, and no scheduler: the test
// calls the plugin's hooks as the framework would.
type cluster struct {
	ctx context.Context
	api *engine.APIServer
	// id is the ordinal that the test is about.
	id      identity.Identity
	kube    kubernetes.Interface
	store   *store.Store
	handle  *handle
	dynamic dynamicinformer.DynamicSharedInformerFactory
	// loseAnswers has the API server's answers to bindings get lost on the way.
	loseAnswers atomic.Bool
	// posting is called before each binding is posted, which an error of it prevents.
	posting func() error
}

// handle is what the plugin uses of the framework.
type handle struct {
	fwk.Handle
	kube      kubernetes.Interface
	informers informers.SharedInformerFactory
	recorder  *events.FakeRecorder
}

func (h *handle) ClientSet() kubernetes.Interface                        { return h.kube }
func (h *handle) SharedInformerFactory() informers.SharedInformerFactory { return h.informers }
func (h *handle) EventRecorder() events.EventRecorderLogger              { return h.recorder }

// Activate does nothing: there is no queue.
func (h *handle) Activate(klog.Logger, map[string]*v1.Pod) {}

// inCluster runs f in virtual time with a cluster of its own.
func inCluster(t *testing.T, f func(c *cluster) error) {
	t.Helper()
	err := engine.InVirtualTime(func(ctx context.Context) error {
		c, err := newCluster(ctx)
		if err != nil {
			return err
		}
		return f(c)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func newCluster(ctx context.Context) (*cluster, error) {
	api, err := engine.StartAPIServer(ctx)
	if err != nil {
		return nil, err
	}
	definition, err := crd.Tenancies()
	if err != nil {
		return nil, err
	}
	if err := api.InstallCRD(ctx, definition); err != nil {
		return nil, err
	}
	c := &cluster{ctx: ctx, api: api, id: identity.Identity{Namespace: "default", Set: "web"}}
	if c.kube, err = kubernetes.NewForConfig(api.RESTConfig("kubectl")); err != nil {
		return nil, err
	}
	config := api.RESTConfig("kube-scheduler")
	config.Wrap(c.lossy)
	scheduler, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	records, err := versioned.NewForConfig(api.JSONConfig("kube-scheduler"))
	if err != nil {
		return nil, err
	}
	custom, err := dynamic.NewForConfig(api.JSONConfig("kube-scheduler"))
	if err != nil {
		return nil, err
	}
	c.store = store.New(records)
	c.dynamic = dynamicinformer.NewDynamicSharedInformerFactory(custom, 0)
	c.handle = &handle{kube: scheduler, informers: informers.NewSharedInformerFactory(scheduler, 0), recorder: events.NewFakeRecorder(8)}
	for _, name := range []string{"a", "b"} {
		node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1.NodeStatus{NodeInfo: v1.NodeSystemInfo{BootID: "boot-" + name}}}
		if node, err = c.kube.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return nil, err
		}
		node.Status.NodeInfo.BootID = "boot-" + name
		if _, err := c.kube.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// lossy carries bindings to the API server and loses its answers if it is told to.
func (c *cluster) lossy(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		binding := strings.HasSuffix(r.URL.Path, "/binding")
		if binding && c.posting != nil {
			if err := c.posting(); err != nil {
				return nil, err
			}
		}
		response, err := next.RoundTrip(r)
		if err == nil && c.loseAnswers.Load() && binding {
			return nil, errors.Join(errors.New("connection lost"), response.Body.Close())
		}
		return response, err
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// unordered are the args of tests about one ordinal by itself.
var unordered = &runtime.Unknown{Raw: []byte(`{"bindOrder":"None"}`)}

// plugin makes the plugin of a profile and waits for its caches.
func (c *cluster) plugin(without ...plugin.Defence) (*plugin.Holdfast, error) {
	adopted := make(chan struct{})
	close(adopted)
	made, err := plugin.Factory(plugin.NewShared(c.store, c.dynamic, adopted), without...)(c.ctx, unordered, c.handle)
	if err != nil {
		return nil, err
	}
	c.handle.informers.Start(c.ctx.Done())
	c.dynamic.Start(c.ctx.Done())
	c.handle.informers.WaitForCacheSync(c.ctx.Done())
	c.dynamic.WaitForCacheSync(c.ctx.Done())
	return made.(*plugin.Holdfast), nil
}

// claim is the name of the ordinal's own claim, as a template would make it.
func (c *cluster) claim() string { return "data-" + c.id.Name() }

// createPod makes the ordinal of a StatefulSet, with its claim.
func (c *cluster) createPod(edits ...func(*v1.Pod)) (*v1.Pod, error) {
	owner := metav1.NewControllerRef(&metav1.ObjectMeta{Name: "web", UID: "set"}, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: c.id.Name(), OwnerReferences: []metav1.OwnerReference{*owner}},
		Spec: v1.PodSpec{
			Containers: []v1.Container{{Name: "c", Image: "i"}},
			Volumes: []v1.Volume{{Name: "data", VolumeSource: v1.VolumeSource{
				PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: c.claim()}}}},
		},
	}
	for _, edit := range edits {
		edit(pod)
	}
	return c.kube.CoreV1().Pods("default").Create(c.ctx, pod, metav1.CreateOptions{})
}

// createClaim makes the ordinal's claim, of a single node unless other modes are given,
// and its volume, which every node reaches.
func (c *cluster) createClaim(modes ...v1.PersistentVolumeAccessMode) error {
	if len(modes) == 0 {
		modes = []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}
	}
	_, err := c.kube.CoreV1().PersistentVolumes().Create(c.ctx, &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv-" + c.id.Name()},
		Spec: v1.PersistentVolumeSpec{
			AccessModes:            modes,
			Capacity:               v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")},
			PersistentVolumeSource: v1.PersistentVolumeSource{NFS: &v1.NFSVolumeSource{Server: "files.example", Path: "/"}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = c.kube.CoreV1().PersistentVolumeClaims("default").Create(c.ctx, &v1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: c.claim()},
		Spec: v1.PersistentVolumeClaimSpec{
			AccessModes: modes,
			VolumeName:  "pv-" + c.id.Name(),
			Resources:   v1.VolumeResourceRequirements{Requests: v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}, metav1.CreateOptions{})
	return err
}

func (c *cluster) pod() (*v1.Pod, error) {
	return c.kube.CoreV1().Pods("default").Get(c.ctx, c.id.Name(), metav1.GetOptions{})
}

// touch changes the pod as anybody may before its binding arrives.
func (c *cluster) touch() error {
	_, err := c.kube.CoreV1().Pods("default").Patch(c.ctx, c.id.Name(), types.MergePatchType, []byte(`{"metadata":{"labels":{"touched":"yes"}}}`), metav1.PatchOptions{})
	return err
}

// occupy puts another incarnation on the record, and ends it if over.
func (c *cluster) occupy(over bool) error {
	if _, err := c.store.Open(c.ctx, c.id, v1alpha1.Incarnation{PodUID: "other", Nodes: []v1alpha1.CandidateNode{{Name: "b"}}}, time.Now()); err != nil || !over {
		return err
	}
	_, err := c.store.Close(c.ctx, c.id, v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: "other", Source: "ann", Time: metav1.Now()})
	return err
}

func TestBindIsWrittenAheadAndCarriesTheEpoch(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		if err := errors.Join(c.createClaim(), c.occupy(true)); err != nil {
			return err
		}
		before, err := c.store.Get(c.ctx, c.id)
		if err != nil {
			return err
		}
		pod, err := c.createPod()
		if err != nil {
			return err
		}
		pl, err := c.plugin()
		if err != nil {
			return err
		}
		var record *v1alpha1.Tenancy
		c.posting = func() error {
			if record, err = c.store.Get(c.ctx, c.id); err != nil {
				return err
			}
			live, err := c.pod()
			if err != nil {
				return err
			}
			if live.Spec.NodeName != "" || !slices.Contains(live.Finalizers, v1alpha1.PodFinalizer) {
				return fmt.Errorf("pod before its binding: node %q, finalizers %v", live.Spec.NodeName, live.Finalizers)
			}
			return nil
		}
		if status := pl.Bind(c.ctx, nil, pod, "a"); !status.IsSuccess() {
			return fmt.Errorf("Bind: %w", status.AsError())
		}
		inc := record.Status.Incarnation
		switch {
		case record.Status.Phase != v1alpha1.Occupied || inc.PodUID != pod.UID || record.Status.Epoch != before.Status.Epoch+1:
			return fmt.Errorf("record before the binding: %+v", record.Status)
		case len(inc.Nodes) != 1 || inc.Nodes[0].Name != "a" || inc.Nodes[0].UID == "" || !slices.Equal(inc.Nodes[0].BootIDs, []string{"boot-a"}):
			return fmt.Errorf("nodes on the record: %+v", inc.Nodes)
		case len(inc.Volumes) != 1 || inc.Volumes[0].Claim != c.claim() || inc.Volumes[0].Volume != "pv-"+c.id.Name() || !slices.Equal(inc.Volumes[0].AccessModes, []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}):
			return fmt.Errorf("volumes on the record: %+v", inc.Volumes)
		}
		live, err := c.pod()
		if err != nil {
			return err
		}
		if live.Spec.NodeName != "a" || live.Annotations[v1alpha1.EpochAnnotation] != fmt.Sprint(record.Status.Epoch) {
			return fmt.Errorf("pod after Bind: node %q, annotations %v", live.Spec.NodeName, live.Annotations)
		}
		return nil
	})
}

func TestBindSettlesWhatComesInBetween(t *testing.T) {
	cases := map[string]bindCase{
		"nothing": {bound: true, finalizer: true},
		"a record that another scheduler opened first": {
			before: func(c *cluster) error { return c.occupy(false) }, refused: fwk.UnschedulableAndUnresolvable,
		},
		"a pod that changed": {between: (*cluster).touch, bound: true, finalizer: true},
		"an answer that got lost on the way": {
			between: func(c *cluster) error { c.loseAnswers.Store(true); return nil }, bound: true, finalizer: true,
		},
		"a lost answer to a conflict": {
			between: func(c *cluster) error { c.loseAnswers.Store(true); return c.touch() }, bound: true, finalizer: true,
		},
		"a deletion": {
			between: func(c *cluster) error {
				return c.kube.CoreV1().Pods("default").Delete(c.ctx, c.id.Name(), metav1.DeleteOptions{})
			},
			finalizer: true,
		},
		"a deletion before the judgement, of a pod kept by others": {
			before: func(c *cluster) error {
				_, err := c.kube.CoreV1().Pods("default").Patch(c.ctx, c.id.Name(), types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.com/other"]}}`), metav1.PatchOptions{})
				return errors.Join(err, c.kube.CoreV1().Pods("default").Delete(c.ctx, c.id.Name(), metav1.DeleteOptions{}))
			},
			refused: fwk.Error,
		},
		"a finalizer that somebody took off": {
			between: func(c *cluster) error {
				_, err := c.kube.CoreV1().Pods("default").Patch(c.ctx, c.id.Name(), types.MergePatchType, []byte(`{"metadata":{"finalizers":[]}}`), metav1.PatchOptions{})
				return err
			},
		},
		"a bind by another scheduler": {
			between: func(c *cluster) error {
				return c.kube.CoreV1().Pods("default").Bind(c.ctx, &v1.Binding{ObjectMeta: metav1.ObjectMeta{Name: c.id.Name()}, Target: v1.ObjectReference{Kind: "Node", Name: "b"}}, metav1.CreateOptions{})
			},
			finalizer: true,
		},
		"a record that was closed, and a pod that changed": {
			between: func(c *cluster) error {
				pod, err := c.pod()
				if err != nil {
					return err
				}
				_, err = c.store.Close(c.ctx, c.id, v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: pod.UID, Source: "ann", Time: metav1.Now()})
				return errors.Join(err, c.touch())
			},
			finalizer: true,
		},
		"no finalizer, with the guard's switched off": {without: []plugin.Defence{plugin.GuardFinalizer}, bound: true},
		"another's open record, with the bind check switched off": {
			before: func(c *cluster) error { return c.occupy(false) }, without: []plugin.Defence{plugin.BindCheck}, bound: true, finalizer: true,
		},
	}
	inCluster(t, func(c *cluster) error {
		// Before the caches are filled, which nobody waits for later.
		for c.id.Ordinal = 1; int(c.id.Ordinal) <= len(cases); c.id.Ordinal++ {
			if err := c.createClaim(); err != nil {
				return err
			}
		}
		c.id.Ordinal = 0
		var errs []error
		for name, tc := range cases {
			c.id.Ordinal++
			c.loseAnswers.Store(false)
			if err := c.bindWith(tc); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
		return errors.Join(errs...)
	})
}

// bindCase is a way to a node, with something that comes in between.
type bindCase struct {
	before  func(c *cluster) error
	between func(c *cluster) error
	without []plugin.Defence
	// refused is Bind's code where no binding is posted, bound whether the pod is bound to a
	// at the end.
	refused   fwk.Code
	bound     bool
	finalizer bool
}

// bindWith runs Bind of an unbound pod to node a.
func (c *cluster) bindWith(tc bindCase) error {
	pod, err := c.createPod()
	if err != nil {
		return err
	}
	if tc.before != nil {
		if err := tc.before(c); err != nil {
			return err
		}
	}
	pl, err := c.plugin(tc.without...)
	if err != nil {
		return err
	}
	posted := 0
	c.posting = func() error {
		if posted++; posted > 1 || tc.between == nil {
			return nil
		}
		return tc.between(c)
	}
	switch status := pl.Bind(c.ctx, nil, pod, "a"); {
	case tc.refused != fwk.Success && (status.Code() != tc.refused || posted > 0):
		return fmt.Errorf("Bind: %v after %d bindings, want %v and none", status, posted, tc.refused)
	case status.IsSuccess() != tc.bound:
		return fmt.Errorf("Bind: %v, want success %v", status, tc.bound)
	}
	live, err := c.pod()
	if err != nil {
		return err
	}
	if got := live.Spec.NodeName == "a"; got != tc.bound {
		return fmt.Errorf("pod is on node %q, want it bound to a: %v", live.Spec.NodeName, tc.bound)
	}
	if got := slices.Contains(live.Finalizers, v1alpha1.PodFinalizer); got != tc.finalizer {
		return fmt.Errorf("finalizers %v, want the guard's: %v", live.Finalizers, tc.finalizer)
	}
	return nil
}

func TestRetryOnAnotherNodeKeepsBothOnTheRecord(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		if err := c.createClaim(); err != nil {
			return err
		}
		pod, err := c.createPod()
		if err != nil {
			return err
		}
		pl, err := c.plugin()
		if err != nil {
			return err
		}
		c.posting = func() error { return errors.New("connection refused") }
		for _, node := range []string{"a", "b"} {
			if status := pl.Bind(c.ctx, nil, pod, node); status.Code() != fwk.Error {
				return fmt.Errorf("Bind to %s: %v, want an error", node, status)
			}
		}
		record, err := c.store.Get(c.ctx, c.id)
		if err != nil {
			return err
		}
		if got := record.Status.Incarnation.Nodes; len(got) != 2 {
			return fmt.Errorf("nodes on the record: %+v, want a and b (H16)", got)
		}
		return nil
	})
}

func TestGateReadsTheInformerThatWakes(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		if err := c.occupy(false); err != nil {
			return err
		}
		pod, err := c.createPod()
		if err != nil {
			return err
		}
		pl, err := c.plugin()
		if err != nil {
			return err
		}
		if status := pl.PreEnqueue(c.ctx, pod); status.Code() != fwk.UnschedulableAndUnresolvable {
			return fmt.Errorf("PreEnqueue beside an open record: %v", status)
		}
		if got := len(c.handle.recorder.Events); got != 1 {
			return fmt.Errorf("%d events, want 1", got)
		}
		if _, err := c.store.Close(c.ctx, c.id, v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: "other", Source: "ann", Time: metav1.Now()}); err != nil {
			return err
		}
		time.Sleep(time.Second)
		if status := pl.PreEnqueue(c.ctx, pod); !status.IsSuccess() {
			return fmt.Errorf("PreEnqueue beside a closed record: %v", status)
		}
		return nil
	})
}

// TestAPodThatLostItsOwnerIsNotBoundBesideAnUncleanRecord: kubectl delete
// --cascade=orphan takes the owner from a replacement that waits.
func TestAPodThatLostItsOwnerIsNotBoundBesideAnUncleanRecord(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		if err := c.occupy(false); err != nil {
			return err
		}
		pod, err := c.kube.CoreV1().Pods("default").Create(c.ctx, &v1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: c.id.Name()},
			Spec:       v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "i"}}},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		pl, err := c.plugin()
		if err != nil {
			return err
		}
		if status := pl.Bind(c.ctx, nil, pod, "a"); status.Code() != fwk.UnschedulableAndUnresolvable {
			t.Errorf("Bind beside an unclean record: %v", status)
		}
		evidence := v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: "other", Source: "ann", Time: metav1.Now()}
		if _, err := c.store.Close(c.ctx, c.id, evidence); err != nil {
			return err
		}
		if status := pl.Bind(c.ctx, nil, pod, "a"); !status.IsSkip() {
			t.Errorf("Bind once it is over: %v, want Skip: the pod has no identity, and DefaultBinder takes it", status)
		}
		return nil
	})
}
