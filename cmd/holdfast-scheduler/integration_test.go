package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
)

const (
	shop     = "shop"
	attestor = "jane@example.com"
)

// TestInACluster tells the life of a StatefulSet in a cluster where Holdfast was
// installed from manifests/: a real etcd, a real kube-apiserver with RBAC, the real
// StatefulSet controller, and the program as a process. The kubelets' words are the
// test's own. Each step goes on where the one before it ended.
func TestInACluster(t *testing.T) {
	path := buildProgram(t)
	a := startAPIServer(t, startEtcd(t))
	c := &cluster{
		apiServer: a,
		kube:      kubernetes.NewForConfigOrDie(a.as("", "kubectl")),
		kubelet:   kubernetes.NewForConfigOrDie(a.as("", "kubelet")),
		records:   versioned.NewForConfigOrDie(jsonConfig(a.as("", "kubectl"))),
	}
	var definition, rest []*unstructured.Unstructured
	for _, o := range manifests(t) {
		if o.GetKind() == "CustomResourceDefinition" {
			definition = append(definition, o)
		} else {
			rest = append(rest, o)
		}
	}
	apply(t, a, rest)
	waitUntilAllowed(t, a)
	kubeconfig := writeKubeconfig(t, a)
	args := []string{
		"--config=" + writeConfiguration(t, kubeconfig),
		"--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--v=2",
	}
	for _, step := range []struct {
		name string
		play func(t *testing.T)
	}{
		{"it is one static file that knows its version", func(t *testing.T) {
			checkStatic(t, path)
			out, err := exec.Command(path, "--version").CombinedOutput()
			if err != nil || !strings.Contains(string(out), builtVersion) {
				t.Errorf("--version says %q, %v, want %s", out, err, builtVersion)
			}
		}},
		{"without the custom resource it ends and says what to do", func(t *testing.T) {
			p := startProgram(t, path, args...)
			p.endsWith(t, 1)
			if log := p.log.String(); !strings.Contains(log, errNotServed.Error()) {
				t.Errorf("it does not say %q", errNotServed)
			}
		}},
		{"without a profile of its own it ends and says what to do", func(t *testing.T) {
			p := startProgram(t, path, "--kubeconfig="+kubeconfig)
			p.endsWith(t, 1)
			if log := p.log.String(); !strings.Contains(log, "no profile has the plugin "+plugin.Name) {
				t.Error("it does not say that no profile has the plugin")
			}
		}},
		{"the operator installs the rest", func(t *testing.T) {
			apply(t, a, definition)
			c.prepare(t)
			waitUntilAdmitted(t, a)
		}},
		{"the policy keeps to the ordinals of the profile", c.othersHaveNoFinalizer},
		{"alone and without a lease it ends well too", func(t *testing.T) {
			p := startProgram(t, path, append(args, "--leader-elect=false", "--guard-leader-elect=false")...)
			p.probe(t, "readyz")
			p.terminate(t)
			p.endsWith(t, 0)
		}},
	} {
		if !t.Run(step.name, step.play) {
			return
		}
	}

	startStatefulSetController(t, a)
	leader := startProgram(t, path, args...)
	leader.probe(t, "healthz")
	leader.probe(t, "readyz")
	c.processes = append(c.processes, leader)
	holders := c.holders(t, nil)
	standby := startProgram(t, path, args...)
	c.processes = append(c.processes, standby)
	standby.probe(t, "readyz")
	for _, step := range []struct {
		name string
		play func(t *testing.T)
	}{
		{"the ordinals are bound, each with a record, an epoch and its guard", c.rollOut},
		{"a pod that is force-deleted keeps its name while nobody knows whether it runs", c.forceDelete},
		{"nobody attests in another's name, and nobody takes back his word", c.attest},
		{"the replacement is bound when the word counts", c.replace},
		{"when the kubelets report the end, all of it goes by itself", c.scaleToZero},
		{"asked to end, the leader ends well and the standby takes over", func(t *testing.T) {
			leader.terminate(t)
			leader.endsWith(t, 0)
			c.holders(t, holders)
			c.scale(t, 1)
			c.isTenant(t, "web-0", "")
			c.scaleToZero(t)
		}},
		{"the last one leaves its leases to whoever comes", func(t *testing.T) {
			standby.terminate(t)
			standby.endsWith(t, 0)
			for _, name := range leases {
				lease, err := c.kube.CoordinationV1().Leases(systemNamespace).Get(t.Context(), name, metav1.GetOptions{})
				if err != nil {
					t.Error(err)
				} else if holder := ptr.Deref(lease.Spec.HolderIdentity, ""); holder != "" {
					t.Errorf("lease %s is still held by %s", name, holder)
				}
			}
		}},
	} {
		if !t.Run(step.name, step.play) {
			return
		}
	}
}

// leases are the scheduler's, as the shipped configuration names it, and the guard's.
var leases = []string{"holdfast-scheduler", guardLease}

// holders waits until each lease is held by somebody else than before, and returns by whom.
func (c *cluster) holders(t *testing.T, before map[string]string) map[string]string {
	t.Helper()
	holders := map[string]string{}
	for _, name := range leases {
		c.until(t, "lease "+name+" is held", func(ctx context.Context) error {
			lease, err := c.kube.CoordinationV1().Leases(systemNamespace).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			holders[name] = ptr.Deref(lease.Spec.HolderIdentity, "")
			if holders[name] == "" || holders[name] == before[name] {
				return fmt.Errorf("the holder is %q", holders[name])
			}
			return nil
		})
	}
	return holders
}

// cluster is what the story has in hand.
type cluster struct {
	*apiServer
	kube    kubernetes.Interface
	kubelet kubernetes.Interface
	records versioned.Interface
	// processes are the leader and its standby.
	processes []*process
	// victim is the pod that is force-deleted, as it was.
	victim *v1.Pod
}

// until is the other until, and gives up as soon as a process was refused something:
// it would wait for what can never come.
func (c *cluster) until(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()
	until(t, what, func(ctx context.Context) error {
		for _, p := range c.processes {
			if p.checkAllowed(t); t.Failed() {
				t.FailNow()
			}
		}
		return check(ctx)
	})
}

// prepare makes nodes, a namespace, and the one whose word counts in it.
func (c *cluster) prepare(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	create := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	_, err := c.kube.CoreV1().Namespaces().Create(ctx, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}}, metav1.CreateOptions{})
	create("namespace", err)
	// The controllers that would make it are not here.
	_, err = c.kube.CoreV1().ServiceAccounts(shop).Create(ctx, &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	create("account", err)
	_, err = c.kube.RbacV1().RoleBindings(shop).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "attestor"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "holdfast-attestor"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: attestor}},
	}, metav1.CreateOptions{})
	create("role binding", err)
	for i := range 3 {
		node, err := c.kube.CoreV1().Nodes().Create(ctx, &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", i)}}, metav1.CreateOptions{})
		create("node", err)
		// The node lifecycle controller would take away the taint that every node begins with.
		node.Spec.Taints = nil
		node, err = c.kube.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
		create("taints", err)
		node.Status = v1.NodeStatus{
			Capacity: v1.ResourceList{
				v1.ResourceCPU: resource.MustParse("4"), v1.ResourceMemory: resource.MustParse("8Gi"), v1.ResourcePods: resource.MustParse("110"),
			},
			Conditions: []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue, LastHeartbeatTime: metav1.Now()}},
			NodeInfo:   v1.NodeSystemInfo{BootID: "boot-" + node.Name},
		}
		node.Status.Allocatable = node.Status.Capacity
		_, err = c.kubelet.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
		create("node status", err)
	}
}

// othersHaveNoFinalizer tries pods that the guard has no business with. Holdfast's
// own are among them, and the server takes them as they are shipped.
func (c *cluster) othersHaveNoFinalizer(t *testing.T) {
	deployment, err := c.kube.AppsV1().Deployments(systemNamespace).Get(t.Context(), "holdfast-scheduler", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change func(*v1.Pod)) *v1.Pod {
		pod := ordinalPod()
		change(pod)
		return pod
	}
	for name, pod := range map[string]*v1.Pod{
		"a pod of another profile":     changed(func(p *v1.Pod) { p.Spec.SchedulerName = v1.DefaultSchedulerName }),
		"a pod of nobody":              changed(func(p *v1.Pod) { p.OwnerReferences = nil }),
		"a pod of another kind of set": changed(func(p *v1.Pod) { p.OwnerReferences[0].Kind = "ReplicaSet" }),
		"a pod of another API's StatefulSet": changed(func(p *v1.Pod) {
			p.OwnerReferences[0].APIVersion = "apps.example.com/v1"
		}),
		"a set that does not control it": changed(func(p *v1.Pod) { p.OwnerReferences[0].Controller = nil }),
		"a name that no ordinal has":     changed(func(p *v1.Pod) { p.Name = "web-00" }),
		"the name of another set":        changed(func(p *v1.Pod) { p.Name = "db-0" }),
		"a pod that is not to be guarded": changed(func(p *v1.Pod) {
			p.Annotations = map[string]string{v1alpha1.ProtectAnnotation: "None"}
		}),
		"a pod of which PreBind finds out whether it writes": changed(func(p *v1.Pod) {
			p.Annotations = map[string]string{v1alpha1.ProtectAnnotation: "Writers"}
		}),
		"a pod of Holdfast's own": changed(func(p *v1.Pod) {
			p.Namespace, p.Spec = systemNamespace, deployment.Spec.Template.Spec
		}),
		"a pod of Holdfast's own that names the profile": changed(func(p *v1.Pod) {
			p.Namespace, p.Spec = systemNamespace, deployment.Spec.Template.Spec
			p.Spec.SchedulerName = schedulermanifest.ProfileName
		}),
	} {
		pod, err := c.kube.CoreV1().Pods(cmp.Or(pod.Namespace, shop)).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(pod.Finalizers) > 0 {
			t.Errorf("%s has the finalizers %v", name, pod.Finalizers)
		}
	}
}

// rollOut makes the set; its pods are bound and run.
func (c *cluster) rollOut(t *testing.T) {
	labels := map[string]string{"app": "web"}
	_, err := c.kube.AppsV1().StatefulSets(shop).Create(t.Context(), &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: ptr.To[int32](3), ServiceName: "web", PodManagementPolicy: appsv1.ParallelPodManagement,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: v1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: v1.PodSpec{
					SchedulerName: schedulermanifest.ProfileName,
					Containers:    []v1.Container{{Name: "main", Image: "web"}},
				},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c.isTenant(t, fmt.Sprintf("web-%d", i), "")
	}
}

// isTenant waits until the pod is bound, with its finalizer, and the record speaks
// of it; other is the UID of an earlier incarnation. Then it runs.
func (c *cluster) isTenant(t *testing.T, name string, other types.UID) *v1.Pod {
	t.Helper()
	var pod *v1.Pod
	c.until(t, name+" is bound", func(ctx context.Context) error {
		var err error
		if pod, err = c.kube.CoreV1().Pods(shop).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		if pod.UID == other || pod.Spec.NodeName == "" {
			return fmt.Errorf("pod %s is on node %q", pod.UID, pod.Spec.NodeName)
		}
		return nil
	})
	if !slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer) {
		t.Errorf("the finalizers of %s are %v", name, pod.Finalizers)
	}
	record := c.record(t, name)
	// The record is written ahead of the bind: there is nothing to wait for.
	inc := record.Status.Incarnation
	if record.Status.Phase != v1alpha1.Occupied || inc == nil || inc.PodUID != pod.UID {
		t.Errorf("the record of %s is %+v, want Occupied by %s", name, record.Status, pod.UID)
	}
	if got := pod.Annotations[v1alpha1.EpochAnnotation]; got != strconv.FormatInt(record.Status.Epoch, 10) {
		t.Errorf("%s has the epoch %q, its record %d", name, got, record.Status.Epoch)
	}
	c.reports(t, pod, v1.PodRunning, v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: metav1.Now()}})
	c.until(t, "the record of "+name+" knows that a container was seen", func(context.Context) error {
		if inc := c.record(t, name).Status.Incarnation; inc == nil || !inc.ContainerSeen {
			return errors.New("none was seen")
		}
		return nil
	})
	return pod
}

func (c *cluster) record(t *testing.T, name string) *v1alpha1.Tenancy {
	t.Helper()
	record, err := c.records.HoldfastV1alpha1().Tenancies(shop).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// reports writes a status as the pod's kubelet does.
func (c *cluster) reports(t *testing.T, pod *v1.Pod, phase v1.PodPhase, state v1.ContainerState) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID},
		"status": map[string]any{"phase": phase, "containerStatuses": []v1.ContainerStatus{{
			Name: "main", Image: "web", ContainerID: "test://" + string(pod.UID), State: state, Ready: state.Running != nil,
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.kubelet.CoreV1().Pods(shop).Patch(t.Context(), pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatalf("status of pod %s: %v", pod.Name, err)
	}
}

// forceDelete loses patience with a pod.
func (c *cluster) forceDelete(t *testing.T) {
	var err error
	if c.victim, err = c.kube.CoreV1().Pods(shop).Get(t.Context(), "web-1", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	err = c.kube.CoreV1().Pods(shop).Delete(t.Context(), "web-1", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)})
	if err != nil {
		t.Fatal(err)
	}
	c.until(t, "the record says that web-1 is in doubt and held", func(context.Context) error {
		status := c.record(t, "web-1").Status
		held := meta.FindStatusCondition(status.Conditions, v1alpha1.HeldCondition)
		if status.Phase != v1alpha1.InDoubt || held == nil || held.Reason != v1alpha1.HeldByGuard {
			return fmt.Errorf("the status is %+v", status)
		}
		return nil
	})
	// The controller had the time that all of this took to make a replacement.
	pod, err := c.kube.CoreV1().Pods(shop).Get(t.Context(), "web-1", metav1.GetOptions{})
	if err != nil || pod.UID != c.victim.UID || pod.DeletionTimestamp == nil {
		t.Errorf("under the name is %v with the UID %s, want the old pod %s being deleted", err, pod.UID, c.victim.UID)
	}
}

// attest tries a false name first, then speaks for herself, then tries to change it.
func (c *cluster) attest(t *testing.T) {
	jane := versioned.NewForConfigOrDie(jsonConfig(c.as(attestor, "kubectl"))).HoldfastV1alpha1().Tenancies(shop)
	say := func(by, reason string, covers bool) error {
		patch, err := json.Marshal(map[string]any{"spec": map[string]any{"attestations": []v1alpha1.Attestation{
			{PodUID: c.victim.UID, By: by, Reason: reason, CoversAttachments: covers},
		}}})
		if err != nil {
			return err
		}
		_, err = jane.Patch(t.Context(), "web-1", types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
	refused := func(what string, err error, want string) {
		t.Helper()
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it to be refused because %s", what, err, want)
		}
	}
	refused("in another's name", say("john@example.com", "the machine is in the bin", false), "by must be "+attestor)
	if status := c.record(t, "web-1").Status; status.Phase != v1alpha1.InDoubt {
		t.Fatalf("the record of web-1 is %s", status.Phase)
	}
	if err := say(attestor, "the machine is in the bin", false); err != nil {
		t.Fatal(err)
	}
	refused("another reason", say(attestor, "the machine was sold", false), "is not altered")
	if err := say(attestor, "the machine is in the bin", true); err != nil {
		t.Errorf("to add that it covers the attachments: %v", err)
	}
	refused("to take that back", say(attestor, "the machine is in the bin", false), "is not altered")
	_, err := jane.Patch(t.Context(), "web-1", types.MergePatchType, []byte(`{"spec":{"attestations":[]}}`), metav1.PatchOptions{})
	if latest := c.record(t, "web-1").Status.Incarnation; latest.PodUID == c.victim.UID {
		// It had not been replaced yet; from then on it has done its work.
		refused("no attestation", err, "is not removed")
	}
}

// replace waits until the replacement runs.
func (c *cluster) replace(t *testing.T) {
	pod := c.isTenant(t, "web-1", c.victim.UID)
	epoch := func(p *v1.Pod) int64 {
		n, err := strconv.ParseInt(p.Annotations[v1alpha1.EpochAnnotation], 10, 64)
		if err != nil {
			t.Errorf("epoch of %s: %v", p.UID, err)
		}
		return n
	}
	if before, after := epoch(c.victim), epoch(pod); after <= before {
		t.Errorf("the epoch went from %d to %d", before, after)
	}
	c.until(t, "it is told who released web-1", func(ctx context.Context) error {
		list, err := c.kube.EventsV1().Events(shop).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Reason == "Released" && strings.Contains(e.Note, string(v1alpha1.Attested)) {
				return nil
			}
		}
		return fmt.Errorf("%d events, none of them a release by attestation", len(list.Items))
	})
}

// scale changes the size of the set.
func (c *cluster) scale(t *testing.T, replicas int) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	_, err := c.kube.AppsV1().StatefulSets(shop).Patch(t.Context(), "web", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// scaleToZero ends the set; the kubelets end the pods and say so.
func (c *cluster) scaleToZero(t *testing.T) {
	c.scale(t, 0)
	c.until(t, "all pods are gone", func(ctx context.Context) error {
		list, err := c.kube.CoreV1().Pods(shop).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, pod := range list.Items {
			if pod.DeletionTimestamp != nil {
				c.finishes(t, &pod)
			}
		}
		if n := len(list.Items); n > 0 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
	for i := range 3 {
		name := fmt.Sprintf("web-%d", i)
		c.until(t, "the record of "+name+" is over", func(context.Context) error {
			status := c.record(t, name).Status
			if status.Phase != v1alpha1.Over || status.Evidence == nil || status.Evidence.Kind != v1alpha1.KubeletConfirmed {
				return fmt.Errorf("the status is %+v", status)
			}
			return nil
		})
	}
}

// finishes is what a kubelet does with a pod that is being deleted: it stops the
// containers, says so, and then ends the deletion.
func (c *cluster) finishes(t *testing.T, pod *v1.Pod) {
	t.Helper()
	if pod.Status.Phase != v1.PodSucceeded {
		now := metav1.NewTime(time.Now())
		c.reports(t, pod, v1.PodSucceeded, v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
			Reason: "Completed", StartedAt: now, FinishedAt: now, ContainerID: "test://" + string(pod.UID),
		}})
		return
	}
	err := c.kubelet.CoreV1().Pods(shop).Delete(t.Context(), pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &pod.UID},
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		t.Fatalf("pod %s: %v", pod.Name, err)
	}
}
