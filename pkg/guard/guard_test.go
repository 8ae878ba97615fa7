package guard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/holdfast-dev/holdfast/manifests/crd"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/guard"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
	"github.com/holdfast-dev/holdfast/sim/engine"
)

// patience is how long, in virtual time, a test waits for what must come, and
// watches what must not.
const patience = 2 * time.Minute

// cluster is a real API server with one node and no controller but the guard.
type cluster struct {
	ctx context.Context
	api *engine.APIServer
	// id is the ordinal that the test is about.
	id identity.Identity
	// kube is the user's client, kubelet the one of node a's kubelet.
	kube, kubelet kubernetes.Interface
	records       versioned.Interface
	store         *store.Store
	wire          *wire
	// newGuard makes a guard, of the defaults unless options are given.
	newGuard func(...guard.Options) *guard.Guard
}

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
	kube, err := kubernetes.NewForConfig(api.RESTConfig("kubectl"))
	if err != nil {
		return nil, err
	}
	kubelet, err := kubernetes.NewForConfig(api.RESTConfig("kubelet"))
	if err != nil {
		return nil, err
	}
	w := &wire{}
	tapped := api.RESTConfig("holdfast-guard")
	tapped.Wrap(w.around)
	guardKube, err := kubernetes.NewForConfig(tapped)
	if err != nil {
		return nil, err
	}
	tapped = api.JSONConfig("holdfast-guard")
	tapped.Wrap(w.around)
	guardRecords, err := versioned.NewForConfig(tapped)
	if err != nil {
		return nil, err
	}
	records, err := versioned.NewForConfig(api.JSONConfig("kubectl"))
	if err != nil {
		return nil, err
	}
	c := &cluster{ctx: ctx, api: api, id: identity.Identity{Namespace: "default", Set: "web"}, kube: kube, kubelet: kubelet, records: records, store: store.New(records), wire: w}
	c.newGuard = func(given ...guard.Options) *guard.Guard {
		var o guard.Options
		for _, o = range given {
		}
		return guard.New(guardKube, guardRecords, o)
	}
	return c, c.createNode("a")
}

// guards starts the guard; the function that it returns ends it.
func (c *cluster) guards(o ...guard.Options) (stop func()) {
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.newGuard(o...).Run(ctx) // Ends with ctx; what it does not do, the test misses.
	}()
	return func() {
		// Time stands still unless everybody waits, so no request of the guard is cut
		// off half-way: how the API server ends those is not what is tested here.
		time.Sleep(time.Second)
		cancel()
		<-done
	}
}

func (c *cluster) createNode(name string) error {
	node, err := c.kube.CoreV1().Nodes().Create(c.ctx, &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	node.Status.NodeInfo.BootID = "boot-1"
	node.Status.NodeInfo.KubeletVersion = "v1.37.1"
	node.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue}}
	_, err = c.kubelet.CoreV1().Nodes().UpdateStatus(c.ctx, node, metav1.UpdateOptions{})
	return err
}

// silence has the node no longer ready, as the node lifecycle controller would.
func (c *cluster) silence(name string) error {
	node, err := c.kube.CoreV1().Nodes().Get(c.ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	node.Status.Conditions[0].Status = v1.ConditionUnknown
	_, err = c.kube.CoreV1().Nodes().UpdateStatus(c.ctx, node, metav1.UpdateOptions{})
	return err
}

// createPod makes the ordinal of a StatefulSet, on the node unless that is empty, with
// the guard's finalizer if guarded.
func (c *cluster) createPod(node string, guarded bool, edits ...func(*v1.Pod)) (*v1.Pod, error) {
	owner := metav1.NewControllerRef(&metav1.ObjectMeta{Name: "web", UID: "set"}, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.id.Namespace, Name: c.id.Name(), OwnerReferences: []metav1.OwnerReference{*owner}},
		Spec:       v1.PodSpec{NodeName: node, Containers: []v1.Container{{Name: "c", Image: "i"}}},
	}
	if guarded {
		pod.Finalizers = []string{v1alpha1.PodFinalizer, "example.com/other"}
	}
	for _, edit := range edits {
		edit(pod)
	}
	return c.kube.CoreV1().Pods(pod.Namespace).Create(c.ctx, pod, metav1.CreateOptions{})
}

func withClaim(name string) func(*v1.Pod) {
	return func(p *v1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, v1.Volume{Name: name, VolumeSource: v1.VolumeSource{
			PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: name}}})
	}
}

func (c *cluster) createClaim(name string, mode v1.PersistentVolumeAccessMode) error {
	_, err := c.kube.CoreV1().PersistentVolumeClaims(c.id.Namespace).Create(c.ctx, &v1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1.PersistentVolumeClaimSpec{
			AccessModes: []v1.PersistentVolumeAccessMode{mode},
			VolumeName:  "pv-" + name,
			Resources:   v1.VolumeResourceRequirements{Requests: v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}, metav1.CreateOptions{})
	return err
}

func (c *cluster) deletePod(grace int64) error {
	return c.kube.CoreV1().Pods(c.id.Namespace).Delete(c.ctx, c.id.Name(), metav1.DeleteOptions{GracePeriodSeconds: &grace})
}

// report writes the status as the pod's kubelet does: running, or its last word.
func (c *cluster) report(terminated bool) error {
	pod, err := c.pod()
	if err != nil {
		return err
	}
	status := v1.ContainerStatus{Name: "c", ContainerID: "containerd://1", State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}}
	pod.Status.Phase = v1.PodRunning
	ready := v1.ConditionTrue
	if terminated {
		status.State = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ContainerID: "containerd://1", Reason: "Completed"}}
		pod.Status.Phase = v1.PodSucceeded
		ready = v1.ConditionFalse
	}
	pod.Status.ContainerStatuses = []v1.ContainerStatus{status}
	pod.Status.Conditions = []v1.PodCondition{{Type: v1.PodReadyToStartContainers, Status: ready, ObservedGeneration: pod.Generation}}
	_, err = c.kubelet.CoreV1().Pods(pod.Namespace).UpdateStatus(c.ctx, pod, metav1.UpdateOptions{})
	return err
}

// strip takes finalizers off the pod, as an impatient human does.
func (c *cluster) strip(names ...string) error {
	pod, err := c.pod()
	if err != nil {
		return err
	}
	pod.Finalizers = slices.DeleteFunc(pod.Finalizers, func(f string) bool { return slices.Contains(names, f) })
	_, err = c.kube.CoreV1().Pods(pod.Namespace).Update(c.ctx, pod, metav1.UpdateOptions{})
	return err
}

func (c *cluster) pod() (*v1.Pod, error) {
	return c.kube.CoreV1().Pods(c.id.Namespace).Get(c.ctx, c.id.Name(), metav1.GetOptions{})
}

// must waits until the record and the pod, either nil if absent, are as wanted.
func (c *cluster) must(what string, want func(r *v1alpha1.Tenancy, p *v1.Pod) bool) error {
	var record *v1alpha1.Tenancy
	var pod *v1.Pod
	err := wait.PollUntilContextTimeout(c.ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		var err error
		record, pod, err = c.look()
		return err == nil && want(record, pod), err
	})
	if err != nil {
		return fmt.Errorf("%s: %w\nrecord %s\npod %s", what, err, asJSON(record), asJSON(pod))
	}
	return nil
}

// mustStay watches that it stays as wanted.
func (c *cluster) mustStay(what string, want func(r *v1alpha1.Tenancy, p *v1.Pod) bool) error {
	for range 12 {
		time.Sleep(patience / 12)
		record, pod, err := c.look()
		if err != nil {
			return err
		}
		if !want(record, pod) {
			return fmt.Errorf("%s\nrecord %s\npod %s", what, asJSON(record), asJSON(pod))
		}
	}
	return nil
}

func (c *cluster) look() (*v1alpha1.Tenancy, *v1.Pod, error) {
	record, err := c.store.Get(c.ctx, c.id)
	if err != nil {
		return nil, nil, err
	}
	pod, err := c.pod()
	if apierrors.IsNotFound(err) {
		return record, nil, nil
	}
	return record, pod, err
}

func asJSON(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func is(r *v1alpha1.Tenancy, phase v1alpha1.Phase) bool { return r != nil && r.Status.Phase == phase }

func over(r *v1alpha1.Tenancy, kind v1alpha1.EvidenceKind) bool {
	return is(r, v1alpha1.Over) && r.Status.Evidence.Kind == kind
}

func held(r *v1alpha1.Tenancy, by string) bool {
	if r == nil {
		return false
	}
	c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.HeldCondition)
	return c != nil && c.Reason == by && c.Message != ""
}

func kept(p *v1.Pod) bool { return p != nil && slices.Contains(p.Finalizers, v1alpha1.PodFinalizer) }

// steps runs one after another and stops at the first error.
func steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func TestForcedDeletionWaitsForTheKubeletsLastWord(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		if _, err := c.createPod("a", true); err != nil {
			return err
		}
		return steps(
			func() error {
				return c.must("the record is rebuilt from the bound pod", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
					return is(r, v1alpha1.Occupied) && r.Status.Incarnation.PodUID == p.UID &&
						r.Status.Incarnation.Nodes[0].UID != "" && slices.Equal(r.Status.Incarnation.Nodes[0].BootIDs, []string{"boot-1"})
				})
			},
			func() error { return c.report(false) },
			func() error {
				return c.must("a container was seen", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return r.Status.Incarnation.ContainerSeen })
			},
			func() error { return c.deletePod(0) },
			func() error {
				return c.must("the guard holds", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
					return is(r, v1alpha1.InDoubt) && held(r, v1alpha1.HeldByGuard) && kept(p)
				})
			},
			func() error {
				return c.mustStay("nothing releases it", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return is(r, v1alpha1.InDoubt) && kept(p) })
			},
			func() error { return c.report(true) },
			func() error {
				return c.must("the kubelet's report releases it, and no foreign finalizer goes", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
					return over(r, v1alpha1.KubeletConfirmed) && held(r, v1alpha1.NotHeld) && !kept(p) && slices.Equal(p.Finalizers, []string{"example.com/other"})
				})
			},
			func() error { return c.strip("example.com/other") },
			func() error {
				return c.must("the name is free", func(_ *v1alpha1.Tenancy, p *v1.Pod) bool { return p == nil })
			},
			func() error { return c.mustTell("Held", "Released") },
		)
	})
}

// mustTell waits for one event of each reason on the set.
func (c *cluster) mustTell(reasons ...string) error {
	return c.mustTellOf(c.id.Namespace, v1.ObjectReference{Kind: "StatefulSet", UID: "set"}, reasons...)
}

// mustTellOf waits for one event of each reason on the object, in the namespace.
func (c *cluster) mustTellOf(namespace string, object v1.ObjectReference, reasons ...string) error {
	count := map[string]int{}
	err := wait.PollUntilContextTimeout(c.ctx, time.Second, patience, true, func(ctx context.Context) (bool, error) {
		list, err := c.kube.EventsV1().Events(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		clear(count)
		for _, e := range list.Items {
			if e.Regarding.Kind == object.Kind && e.Regarding.UID == object.UID {
				count[e.Reason]++
			}
		}
		return !slices.ContainsFunc(reasons, func(r string) bool { return count[r] != 1 }), nil
	})
	if err != nil {
		return fmt.Errorf("events on the %s: %v, want one of each of %v: %w", object.Kind, count, reasons, err)
	}
	return nil
}

func TestGracefulDeletionIsNoHoldUntilTheKubeletIsLate(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		if _, err := c.createPod("a", true); err != nil {
			return err
		}
		return steps(
			func() error { return c.report(false) },
			func() error {
				return c.must("a record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.Occupied) })
			},
			func() error { return c.deletePod(30) },
			func() error { c.wire.forget(); time.Sleep(30 * time.Second); return nil },
			func() error {
				if got := c.wire.writes(); len(got) != 0 {
					return fmt.Errorf("written within the grace period: %v", got)
				}
				// A doubt that was written before the wire forgot shows here.
				record, _, err := c.look()
				if err == nil && !is(record, v1alpha1.Occupied) {
					err = fmt.Errorf("in doubt within the grace period: %s", asJSON(record))
				}
				return err
			},
			func() error {
				return c.must("then it is in doubt and holds", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool {
					return is(r, v1alpha1.InDoubt) && r.Status.Incarnation.Reported && held(r, v1alpha1.HeldByGuard)
				})
			},
		)
	})
}

func TestConfirmedPodOfANodeThatFellSilentIsEnded(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		if _, err := c.createPod("a", true); err != nil {
			return err
		}
		return steps(
			func() error { return c.report(false) },
			func() error { return c.deletePod(30) },
			func() error { return c.report(true) },
			func() error { return c.strip("example.com/other") },
			func() error {
				return c.must("the finalizer goes and the object waits for its kubelet", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
					return over(r, v1alpha1.KubeletConfirmed) && p != nil && !kept(p)
				})
			},
			func() error { return c.silence("a") },
			func() error {
				return c.must("the guard ends the deletion", func(_ *v1alpha1.Tenancy, p *v1.Pod) bool { return p == nil })
			},
		)
	})
}

func TestPodThatWasNeverBoundGoesAtOnceAndLeavesNoRecord(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		if _, err := c.createPod("", true); err != nil {
			return err
		}
		return steps(
			func() error { return c.strip("example.com/other") },
			func() error {
				return c.mustStay("an unbound pod is left alone", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return r == nil && kept(p) })
			},
			func() error { return c.deletePod(30) },
			func() error {
				return c.must("it goes", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return r == nil && p == nil })
			},
		)
	})
}

// writeAhead opens the record of a pod that is to be bound to node a.
func (c *cluster) writeAhead(pod *v1.Pod) error {
	inc := v1alpha1.Incarnation{PodUID: pod.UID, Nodes: []v1alpha1.CandidateNode{{Name: "a"}}}
	_, err := c.store.Open(c.ctx, c.id, inc, time.Now())
	return err
}

func TestOpenedRecordOfAPodThatWasNeverBoundIsClosed(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		pod, err := c.createPod("", true)
		if err != nil {
			return err
		}
		return steps(
			func() error { return c.strip("example.com/other") },
			func() error { return c.writeAhead(pod) },
			func() error { return c.deletePod(0) },
			func() error {
				return c.must("it is over", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return over(r, v1alpha1.NeverBound) && p == nil })
			},
		)
	})
}

// A scheduler that is slow writes ahead for a pod that is gone, and its bind then fails.
func TestRecordOpenedAfterThePodsLastWordIsClosed(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		pod, err := c.createPod("", true)
		if err != nil {
			return err
		}
		return steps(
			func() error { return c.strip("example.com/other") },
			func() error { return c.deletePod(0) },
			func() error {
				return c.must("it goes", func(_ *v1alpha1.Tenancy, p *v1.Pod) bool { return p == nil })
			},
			func() error {
				return c.mustStay("no record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return r == nil })
			},
			func() error { return c.writeAhead(pod) },
			func() error {
				return c.must("it is over", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return over(r, v1alpha1.NeverBound) })
			},
		)
	})
}

func (c *cluster) attest(uid types.UID) error {
	return c.store.Attest(c.ctx, c.id, v1alpha1.Attestation{PodUID: uid, Reason: "the machine is on my desk", By: "ann", CoversAttachments: true})
}

func TestAttestationReleasesInTheRightOrder(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		pod, err := c.createPod("a", true)
		if err != nil {
			return err
		}
		return steps(
			func() error { return c.report(false) },
			func() error { return c.strip("example.com/other") },
			func() error { return c.silence("a") },
			func() error { return c.deletePod(30) },
			func() error {
				return c.must("the guard holds", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return held(r, v1alpha1.HeldByGuard) })
			},
			func() error { return c.attest("somebody else") },
			func() error {
				return c.mustStay("a word about another incarnation changes nothing", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
					return is(r, v1alpha1.InDoubt) && kept(p)
				})
			},
			func() error { c.wire.forget(); return c.attest(pod.UID) },
			func() error {
				return c.must("it is over and gone, though its kubelet never reported", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
					return over(r, v1alpha1.Attested) && r.Status.Evidence.Source == "ann" && r.Status.Evidence.CoversAttachments && p == nil
				})
			},
			func() error {
				want := []string{"PUT tenancies/web-0/status", "DELETE pods/web-0", "PATCH pods/web-0"}
				if got := c.wire.writes(); !slices.Equal(got, want) {
					return fmt.Errorf("writes %v, want %v", got, want)
				}
				return nil
			},
		)
	})
}

func TestReplacementIsToldThatItIsHeldAndThatItNoLongerIs(t *testing.T) {
	condition := func(p *v1.Pod) v1.ConditionStatus {
		for _, c := range p.Status.Conditions {
			if c.Type == v1alpha1.HeldCondition {
				return c.Status
			}
		}
		return ""
	}
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		old, err := c.createPod("a", true)
		if err != nil {
			return err
		}
		return steps(
			func() error { return c.report(false) },
			func() error {
				return c.must("a record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.Occupied) })
			},
			func() error { return c.deletePod(0) },
			func() error { return c.strip("example.com/other", v1alpha1.PodFinalizer) },
			func() error {
				return c.must("the object is gone and the scheduler holds", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
					return p == nil && is(r, v1alpha1.InDoubt) && held(r, v1alpha1.HeldByScheduler)
				})
			},
			func() error { _, err := c.createPod("", false); return err },
			func() error {
				return c.must("the replacement says so", func(_ *v1alpha1.Tenancy, p *v1.Pod) bool { return condition(p) == v1.ConditionTrue })
			},
			func() error { c.wire.forget(); return nil },
			func() error {
				return c.mustStay("and holds", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return is(r, v1alpha1.InDoubt) })
			},
			func() error {
				if got := c.wire.writes(); len(got) != 0 {
					return fmt.Errorf("a hold that does not change is written again: %v", got)
				}
				return nil
			},
			func() error { return c.attest(old.UID) },
			func() error {
				return c.must("released", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
					return over(r, v1alpha1.Attested) && condition(p) == v1.ConditionFalse
				})
			},
		)
	})
}

// A crash between any two steps leaves one of these states behind.
func TestReleaseGoesOnAfterACrash(t *testing.T) {
	attest := func(c *cluster) error {
		pod, err := c.pod()
		if err != nil {
			return err
		}
		return c.attest(pod.UID)
	}
	closed := func(c *cluster) error {
		pod, err := c.pod()
		if err != nil {
			return err
		}
		_, err = c.store.Close(c.ctx, c.id, v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: pod.UID, Source: "ann", Time: metav1.Now()})
		return err
	}
	inCluster(t, func(c *cluster) error {
		for name, crashedAfter := range map[string][]func(c *cluster) error{
			"after nothing was done":                               {attest},
			"after the record was closed":                          {closed},
			"after the object was deleted":                         {closed, func(c *cluster) error { return c.deletePod(0) }},
			"after the finalizer was removed, grace still running": {closed, func(c *cluster) error { return c.strip(v1alpha1.PodFinalizer) }},
		} {
			c.id.Ordinal++
			if err := c.crash(crashedAfter); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
}

// crash has the ordinal deleted, ends the guard, does what it had done and
// starts another one, which must do the rest.
func (c *cluster) crash(done []func(*cluster) error) error {
	stop := c.guards()
	if _, err := c.createPod("a", true); err != nil {
		return err
	}
	err := steps(
		func() error { return c.report(false) },
		func() error { return c.strip("example.com/other") },
		func() error {
			return c.must("a record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.Occupied) })
		},
		func() error { return c.deletePod(3600) },
		func() error { stop(); return nil },
	)
	if err != nil {
		return err
	}
	for _, step := range done {
		if err := step(c); err != nil {
			return err
		}
	}
	defer c.guards()()
	return c.must("all is done", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return over(r, v1alpha1.Attested) && p == nil })
}

func TestErrorsReleaseNothingAndAreTriedAgain(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		if _, err := c.createPod("a", true); err != nil {
			return err
		}
		return steps(
			func() error { return c.report(false) },
			func() error { return c.strip("example.com/other") },
			func() error {
				return c.must("a record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.Occupied) })
			},
			func() error { c.wire.fail("PUT tenancies/web-0/status", true); return c.deletePod(0) },
			func() error { return c.report(true) },
			func() error {
				return c.mustStay("the object is kept while its proof cannot be recorded", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
					return is(r, v1alpha1.Occupied) && kept(p)
				})
			},
			func() error { c.wire.fail("PUT tenancies/web-0/status", false); return nil },
			func() error {
				return c.must("then it goes", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return over(r, v1alpha1.KubeletConfirmed) && p == nil })
			},
		)
	})
}

func TestNamespaceBeingDeletedNeverWedges(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		c.id.Namespace = "doomed"
		namespace := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "doomed"}}
		if _, err := c.kube.CoreV1().Namespaces().Create(c.ctx, namespace, metav1.CreateOptions{}); err != nil {
			return err
		}
		if _, err := c.createPod("a", true); err != nil {
			return err
		}
		return steps(
			func() error { return c.report(false) },
			func() error { return c.strip("example.com/other") },
			func() error { return c.kube.CoreV1().Namespaces().Delete(c.ctx, "doomed", metav1.DeleteOptions{}) },
			func() error { return c.deletePod(0) },
			func() error { c.guards(); return nil },
			func() error {
				return c.mustStay("no record can be made, and the pod is no proof", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return r == nil && kept(p) })
			},
			func() error { return c.report(true) },
			func() error {
				return c.must("the pod is its own proof", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return r == nil && p == nil })
			},
		)
	})
}

// TestAnIncarnationOpenedBetweenTwoReadsIsNotDoubted: the guard reads a record and a
// pod, and the next incarnation may be made and opened between the two.
func TestAnIncarnationOpenedBetweenTwoReadsIsNotDoubted(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		var next *v1.Pod
		return steps(
			func() error { _, err := c.createPod("a", false); return err },
			func() error {
				return c.must("a record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.Occupied) })
			},
			func() error { return c.report(true) },
			func() error {
				return c.must("confirmed", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return over(r, v1alpha1.KubeletConfirmed) })
			},
			func() error { return c.deletePod(0) },
			func() error {
				return c.must("the name is free", func(_ *v1alpha1.Tenancy, p *v1.Pod) bool { return p == nil })
			},
			// One that is deleted before it is bound: its final object makes the guard look.
			func() error { _, err := c.createPod("", false); return err },
			func() error {
				c.wire.mu.Lock()
				defer c.wire.mu.Unlock()
				c.wire.afterRead = func() {
					var err error
					if next, err = c.createPod("", true); err != nil {
						t.Error(err)
						return
					}
					if _, err := c.store.Open(c.ctx, c.id, v1alpha1.Incarnation{PodUID: next.UID}, time.Now()); err != nil {
						t.Error(err)
					}
				}
				return nil
			},
			func() error { return c.deletePod(0) },
			func() error {
				return c.must("the next incarnation", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool {
					return next != nil && r.Status.Incarnation.PodUID == next.UID
				})
			},
			func() error {
				return c.mustStay("a pod that lives was doubted", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.Occupied) })
			},
		)
	})
}

func TestDeletedRecordGoesOnceItIsClean(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		if _, err := c.createPod("a", true); err != nil {
			return err
		}
		return steps(
			func() error { return c.report(false) },
			func() error { return c.strip("example.com/other") },
			func() error {
				return c.must("a record", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.Occupied) })
			},
			func() error { return c.deleteRecord() },
			func() error {
				return c.mustStay("an unclean record stays", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.Occupied) })
			},
			func() error { return c.deletePod(0) },
			func() error { return c.report(true) },
			func() error {
				return c.must("both go", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return r == nil && p == nil })
			},
		)
	})
}

func (c *cluster) deleteRecord() error {
	return c.records.HoldfastV1alpha1().Tenancies(c.id.Namespace).Delete(c.ctx, c.id.Name(), metav1.DeleteOptions{})
}

// wire looks at what the guard writes, and fails or holds back what it is told to.
type wire struct {
	mu      sync.Mutex
	log     []string
	failing map[string]bool
	// afterRead is called once, between the guard's next read of a pod or a tenancy and
	// what the guard does after it.
	afterRead func()
	// stuck has the paths of which no watch brings anything, and what ends those watches;
	// compacted those that cannot be watched on from where they ended.
	stuck     map[string]chan struct{}
	compacted map[string]bool
}

func (w *wire) around(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if w.note(r) {
			return refusal(r, http.StatusInternalServerError, metav1.StatusReasonInternalError), nil
		}
		if w.hasGap(r) {
			return refusal(r, http.StatusGone, metav1.StatusReasonExpired), nil
		}
		response, err := next.RoundTrip(r)
		if err == nil && r.URL.Query().Get("watch") != "" {
			response.Body = &watched{ReadCloser: response.Body, path: r.URL.Path, wire: w, closed: make(chan struct{})}
		}
		if after := w.takeAfterRead(r); after != nil {
			after()
		}
		return response, err
	})
}

func refusal(r *http.Request, code int, reason metav1.StatusReason) *http.Response {
	body := fmt.Appendf(nil, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"injected"}`, reason, code)
	return &http.Response{
		StatusCode: code, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}
}

func (w *wire) takeAfterRead(r *http.Request) func() {
	if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/web-0") {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	after := w.afterRead
	w.afterRead = nil
	return after
}

// note writes a request down that changes something, and tells whether a request is to
// fail.
func (w *wire) note(r *http.Request) bool {
	_, path, found := strings.Cut(r.URL.Path, "/namespaces/default/")
	if !found || strings.HasPrefix(path, "events") {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	request := r.Method + " " + path
	if r.Method != http.MethodGet {
		w.log = append(w.log, request)
	}
	return w.failing[request]
}

func (w *wire) fail(request string, fails bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failing = map[string]bool{request: fails}
}

func (w *wire) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = nil
}

func (w *wire) writes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
