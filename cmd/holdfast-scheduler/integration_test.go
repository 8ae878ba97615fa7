package main

import (
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

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/guard"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
)

const (
	// shop is the namespace of the sample, opted in by its label.
	shop = "holdfast-sample"
	// plain is a namespace like any other.
	plain    = "plain"
	attestor = "jane@example.com"
)

// TestInACluster tells the life of a StatefulSet in a cluster where Holdfast was
// installed from manifests/ with kubectl: a real etcd, a real kube-apiserver with
// RBAC, the real StatefulSet controller, and the program as a process, with the token
// of its account and the configuration that the cluster has. The kubelets' words and
// the volumes are the test's own. Each step goes on where the one before it ended.
func TestInACluster(t *testing.T) {
	path := buildProgram(t)
	log, audited := newAuditLog(t)
	a := startAPIServer(t, startEtcd(t), audited)
	c := &cluster{
		apiServer: a,
		kubectl:   newKubectl(t, a),
		kube:      kubernetes.NewForConfigOrDie(a.as("", "kubectl")),
		kubelet:   kubernetes.NewForConfigOrDie(a.as("", "kubelet")),
		records:   versioned.NewForConfigOrDie(jsonConfig(a.as("", "kubectl"))),
	}
	c.apply(t, "manifests/rbac", clientSide)
	c.apply(t, "manifests/scheduler", clientSide)
	waitUntilAllowed(t, a)
	args := configure(t, a, c.kubectl)
	c.play(t, []step{
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
			kubeconfig := strings.TrimPrefix(args[0], "--authentication-kubeconfig=")
			p := startProgram(t, path, "--kubeconfig="+kubeconfig)
			p.endsWith(t, 1)
			if log := p.log.String(); !strings.Contains(log, "no profile has the plugin "+plugin.Name) {
				t.Error("it does not say that no profile has the plugin")
			}
		}},
		{"the operator installs it, and again, which changes nothing", func(t *testing.T) {
			c.apply(t, base, clientSide)
			c.applyAgainChangesNothing(t, base, clientSide)
		}},
	})
	args = configure(t, a, c.kubectl)
	c.play(t, []step{
		{"the policies keep to the ordinals of labelled namespaces and of the profile", c.admit},
		{"alone and without a lease it ends well too", func(t *testing.T) {
			p := startProgram(t, path, append(args, "--leader-elect=false", "--guard-leader-elect=false")...)
			p.probe(t, "readyz")
			p.terminate(t)
			p.endsWith(t, 0)
		}},
	})

	startStatefulSetController(t, a)
	leader := startProgram(t, path, args...)
	leader.probe(t, "healthz")
	leader.probe(t, "readyz")
	c.processes = append(c.processes, leader)
	holders := c.holders(t, nil)
	standby := startProgram(t, path, args...)
	c.processes = append(c.processes, standby)
	standby.probe(t, "readyz")
	c.play(t, []step{
		{"the ordinals are bound, each with a record, an epoch and its guard", c.rollOut},
		{"a pod that is force-deleted keeps its name while nobody knows whether it runs", c.forceDelete},
		{"who watches sees that it is held, and hears it from the leader alone", c.isWatched},
		{"nobody attests in another's name, and nobody takes back his word", c.attest},
		{"the replacement is bound when the word counts", c.replace},
		{"who watches sees that it was released", c.isCounted},
		{"a word ends a graceful deletion that no kubelet answers", c.endDeletion},
		{"a record that somebody removed is written again", c.removeRecord},
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
		{"as the only scheduler it waits for the stock one to let go, and then serves all", func(t *testing.T) {
			c.takeOver(t, path)
		}},
		{"it was allowed all that it asked for, and is allowed nothing else", func(t *testing.T) {
			log.checkRights(t, a)
		}},
	})
}

// step is a part of a story.
type step struct {
	name string
	play func(t *testing.T)
}

// play plays steps until one fails.
func (c *cluster) play(t *testing.T, steps []step) {
	t.Helper()
	for _, step := range steps {
		if !t.Run(step.name, step.play) {
			t.FailNow()
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
	*kubectl
	kube    kubernetes.Interface
	kubelet kubernetes.Interface
	records versioned.Interface
	// processes are the leader and its standby.
	processes []*process
	// victim is the pod that is force-deleted, as it was.
	victim *v1.Pod
	// token is of an account that watches.
	token string
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

// makeNamespace makes a namespace with the account that the controllers, which are
// not here, would make in it.
func (c *cluster) makeNamespace(t *testing.T, name string) {
	t.Helper()
	if _, err := c.try(t, "get", "namespace", name); err != nil {
		c.run(t, "create", "namespace", name)
	}
	c.run(t, "create", "serviceaccount", "default", "--namespace", name)
}

// makeNodes makes three.
func (c *cluster) makeNodes(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	create := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
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

// admit tries pods in a namespace that is opted in and in one that is not, and in
// Holdfast's own, which cannot be. Its own pods are among them, and the server takes
// them as they are shipped.
func (c *cluster) admit(t *testing.T) {
	c.run(t, "create", "namespace", shop)
	c.run(t, "label", "namespace", shop, "holdfast.dev/profile="+schedulermanifest.ProfileName)
	c.makeNamespace(t, shop)
	c.makeNamespace(t, plain)
	c.run(t, "label", "namespace", systemNamespace, "holdfast.dev/profile="+schedulermanifest.ProfileName)
	c.makeNamespace(t, "late")
	c.run(t, "label", "namespace", "late", "holdfast.dev/profile="+schedulermanifest.ProfileName)
	waitUntilAdmitted(t, c.apiServer, "late")

	deployment, err := c.kube.AppsV1().Deployments(systemNamespace).Get(t.Context(), "holdfast-scheduler", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	in := func(namespace string, changes ...func(*v1.Pod)) *v1.Pod {
		pod := ordinalPod()
		pod.Namespace = namespace
		for _, change := range changes {
			change(pod)
		}
		return pod
	}
	by := func(scheduler string) func(*v1.Pod) { return func(p *v1.Pod) { p.Spec.SchedulerName = scheduler } }
	own := func(p *v1.Pod) { p.Spec = *deployment.Spec.Template.Spec.DeepCopy() }
	protect := func(word string) func(*v1.Pod) {
		return func(p *v1.Pod) { p.Annotations = map[string]string{v1alpha1.ProtectAnnotation: word} }
	}
	ofReplicaSet := func(p *v1.Pod) { p.OwnerReferences[0].Kind, p.Name = "ReplicaSet", "web-x2x4z" }
	const (
		holdfast = schedulermanifest.ProfileName
		stock    = v1.DefaultSchedulerName
	)
	for name, tc := range map[string]struct {
		pod           *v1.Pod
		wantScheduler string
		wantFinalizer bool
	}{
		"an ordinal in a labelled namespace":                         {in(shop), holdfast, true},
		"an ordinal there that asks for the stock scheduler":         {in(shop, by(stock)), holdfast, true},
		"an ordinal there that names the profile itself":             {in(shop, by(holdfast)), holdfast, true},
		"an ordinal there that names another scheduler":              {in(shop, by("other")), "other", false},
		"a pod of a Deployment there":                                {in(shop, ofReplicaSet), stock, false},
		"a pod of a Deployment there that names the profile":         {in(shop, ofReplicaSet, by(holdfast)), holdfast, false},
		"a pod of nobody there":                                      {in(shop, func(p *v1.Pod) { p.OwnerReferences = nil }), stock, false},
		"an ordinal there that is not to be guarded":                 {in(shop, protect("None")), holdfast, false},
		"an ordinal there of which Bind finds out whether it writes": {in(shop, protect("Writers")), holdfast, false},
		"an ordinal in a namespace without the label":                {in(plain), stock, false},
		"an ordinal that names the profile":                          {in(plain, by(holdfast)), holdfast, true},
		"an ordinal that names the profile and is not to be guarded": {in(plain, by(holdfast), protect("None")), holdfast, false},
		"a pod of nobody that names the profile":                     {in(plain, by(holdfast), func(p *v1.Pod) { p.OwnerReferences = nil }), holdfast, false},
		"a pod of another API's StatefulSet":                         {in(plain, by(holdfast), func(p *v1.Pod) { p.OwnerReferences[0].APIVersion = "apps.example.com/v1" }), holdfast, false},
		"a set that does not control it":                             {in(plain, by(holdfast), func(p *v1.Pod) { p.OwnerReferences[0].Controller = nil }), holdfast, false},
		"a name that no ordinal has":                                 {in(plain, by(holdfast), func(p *v1.Pod) { p.Name = "web-00" }), holdfast, false},
		"the name of another set":                                    {in(plain, by(holdfast), func(p *v1.Pod) { p.Name = "db-0" }), holdfast, false},
		"an ordinal in Holdfast's namespace":                         {in(systemNamespace, own), stock, false},
		"an ordinal in Holdfast's namespace for the profile":         {in(systemNamespace, own, by(holdfast)), holdfast, false},
		"a pod of Holdfast's own, although it is labelled too":       {in(systemNamespace, own, ofReplicaSet), stock, false},
	} {
		pod, err := c.kube.CoreV1().Pods(tc.pod.Namespace).Create(t.Context(), tc.pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := pod.Spec.SchedulerName; got != tc.wantScheduler {
			t.Errorf("%s: got the scheduler %s, want %s", name, got, tc.wantScheduler)
		}
		if got := slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer); got != tc.wantFinalizer || len(pod.Finalizers) > 1 {
			t.Errorf("%s: got the finalizers %v, want ours: %v", name, pod.Finalizers, tc.wantFinalizer)
		}
	}
	c.run(t, "label", "namespace", systemNamespace, "holdfast.dev/profile-")
}

// rollOut makes the sample's set; its pods are bound and run.
func (c *cluster) rollOut(t *testing.T) {
	c.makeNodes(t)
	c.apply(t, sample, clientSide)
	// The attestor's word will count here.
	c.run(t, "create", "rolebinding", "attestor", "--namespace", shop, "--clusterrole=holdfast-attestor", "--user="+attestor)
	c.until(t, "the scheduler says that web-0 does not fit: its claim has no volume yet", func(ctx context.Context) error {
		pod, err := c.kube.CoreV1().Pods(shop).Get(ctx, "web-0", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == v1.PodScheduled && condition.Status == v1.ConditionFalse {
				return nil
			}
		}
		return fmt.Errorf("the conditions are %v", pod.Status.Conditions)
	})
	for i := range 3 {
		c.provide(t, fmt.Sprintf("data-web-%d", i))
	}
	for i := range 3 {
		c.isTenant(t, fmt.Sprintf("web-%d", i), "")
	}
}

// provide binds a claim to a volume, as the controllers of volumes do.
func (c *cluster) provide(t *testing.T, name string) {
	t.Helper()
	ctx := t.Context()
	var claim *v1.PersistentVolumeClaim
	c.until(t, "claim "+name+" is there", func(ctx context.Context) (err error) {
		claim, err = c.kube.CoreV1().PersistentVolumeClaims(shop).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	volume, err := c.kube.CoreV1().PersistentVolumes().Create(ctx, &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes,
			ClaimRef:               &v1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: shop, Name: name, UID: claim.UID},
			PersistentVolumeSource: v1.PersistentVolumeSource{NFS: &v1.NFSVolumeSource{Server: "nfs.example.com", Path: "/" + name}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	claim.Spec.VolumeName = volume.Name
	metav1.SetMetaDataAnnotation(&claim.ObjectMeta, "pv.kubernetes.io/bind-completed", "yes")
	if claim, err = c.kube.CoreV1().PersistentVolumeClaims(shop).Update(ctx, claim, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	claim.Status = v1.PersistentVolumeClaimStatus{Phase: v1.ClaimBound, Capacity: volume.Spec.Capacity, AccessModes: volume.Spec.AccessModes}
	if _, err = c.kube.CoreV1().PersistentVolumeClaims(shop).UpdateStatus(ctx, claim, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
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
			Name: "web", Image: "web", ContainerID: "test://" + string(pod.UID), State: state, Ready: state.Running != nil,
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
	c.run(t, "delete", "pod", "web-1", "--namespace", shop, "--force", "--grace-period=0", "--wait=false")
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

// attest tries a false name first and to judge by herself, then speaks for herself, then tries to change it.
func (c *cluster) attest(t *testing.T) {
	say := func(by, reason string, covers bool) error {
		return c.says(t, "web-1", v1alpha1.Attestation{PodUID: c.victim.UID, By: by, Reason: reason, CoversAttachments: covers})
	}
	refused := func(what string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "(Forbidden)") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it to be refused because %s", what, err, want)
		}
	}
	refused("in another's name", say("john@example.com", "the machine is in the bin", false), "by must be "+attestor)
	if status := c.record(t, "web-1").Status; status.Phase != v1alpha1.InDoubt {
		t.Fatalf("the record of web-1 is %s", status.Phase)
	}
	c.run(t, "get", "tenancies", "--namespace", shop, "--as", attestor)
	jane := versioned.NewForConfigOrDie(jsonConfig(c.as(attestor, "kubectl"))).HoldfastV1alpha1().Tenancies(shop)
	_, err := jane.Patch(t.Context(), "web-1", types.MergePatchType, []byte(`{"status":{"phase":"Over"}}`), metav1.PatchOptions{}, "status")
	if !apierrors.IsForbidden(err) {
		t.Errorf("a verdict of her own: got %v, want it to be forbidden", err)
	}
	if err := say(attestor, "the machine is in the bin", false); err != nil {
		t.Fatal(err)
	}
	refused("another reason", say(attestor, "the machine was sold", false), "is not altered")
	if err := say(attestor, "the machine is in the bin", true); err != nil {
		t.Errorf("to add that it covers the attachments: %v", err)
	}
	refused("to take that back", say(attestor, "the machine is in the bin", false), "is not altered")
	err = c.says(t, "web-1")
	if latest := c.record(t, "web-1").Status.Incarnation; latest.PodUID == c.victim.UID {
		// It had not been replaced yet; from then on it has done its work.
		refused("no attestation", err, "is not removed")
	}
}

// says writes all that the attestor says of an ordinal.
func (c *cluster) says(t *testing.T, name string, attestations ...v1alpha1.Attestation) error {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"attestations": attestations}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.try(t, "patch", "tenancy", name, "--namespace", shop, "--as", attestor, "--type", "merge", "--patch", string(patch))
	return err
}

// endDeletion deletes a pod with its grace period, and attests that it is over.
func (c *cluster) endDeletion(t *testing.T) {
	before := c.record(t, "web-2").Status.Incarnation
	c.run(t, "delete", "pod", "web-2", "--namespace", shop, "--wait=false")
	if err := c.says(t, "web-2", v1alpha1.Attestation{PodUID: before.PodUID, By: attestor, Reason: "the machine is off"}); err != nil {
		t.Fatal(err)
	}
	c.isTenant(t, "web-2", before.PodUID)
}

// removeRecord takes a record away, finalizer and all.
func (c *cluster) removeRecord(t *testing.T) {
	before := c.record(t, "web-0")
	c.run(t, "delete", "tenancy", "web-0", "--namespace", shop, "--wait=false")
	c.run(t, "patch", "tenancy", "web-0", "--namespace", shop, "--type", "merge", "--patch", `{"metadata":{"finalizers":null}}`)
	c.until(t, "there is another record of the same incarnation", func(ctx context.Context) error {
		record, err := c.records.HoldfastV1alpha1().Tenancies(shop).Get(ctx, "web-0", metav1.GetOptions{})
		if err != nil {
			return err
		}
		inc := record.Status.Incarnation
		if record.UID == before.UID || inc == nil || inc.PodUID != before.Status.Incarnation.PodUID || len(inc.Volumes) != 1 {
			return fmt.Errorf("the record is %s, of %+v", record.UID, inc)
		}
		return nil
	})
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
	c.run(t, "scale", "statefulset", "web", "--namespace", shop, fmt.Sprintf("--replicas=%d", replicas))
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

// takeOver installs the overlay where a stock scheduler still leads. An ordinal and a
// pod of nobody wait until that one is stopped.
func (c *cluster) takeOver(t *testing.T, path string) {
	c.apply(t, onlyScheduler, clientSide)
	args := configure(t, c.apiServer, c.kubectl)
	leases := c.kube.CoordinationV1().Leases("kube-system")
	lease, err := leases.Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-scheduler"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To("the stock scheduler"), LeaseDurationSeconds: ptr.To[int32](int32((2 * limit).Seconds())),
			AcquireTime: ptr.To(metav1.NowMicro()), RenewTime: ptr.To(metav1.NowMicro()),
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// As if it served the profile for the first time: the guard adopts for it, and says so in the mark.
	c.run(t, "patch", "configmap", guard.AdoptionMark, "--namespace", systemNamespace, "--type", "json", "--patch", `[{"op":"remove","path":"/data"}]`)
	c.run(t, "run", "nobody", "--namespace", plain, "--image=nobody")
	c.scale(t, 1)
	// Where an API server does not stream the first list of a watch, it is asked for: that takes rights too.
	only := startProgram(t, path, append(args, "--feature-gates=WatchListClient=false")...)
	only.probe(t, "readyz")
	c.processes = []*process{only}

	nobody := func(ctx context.Context) (*v1.Pod, error) {
		return c.kube.CoreV1().Pods(plain).Get(ctx, "nobody", metav1.GetOptions{})
	}
	if pod, err := nobody(t.Context()); err != nil || pod.Spec.NodeName != "" {
		t.Errorf("beside the stock scheduler it bound the pod to %q: %v", pod.Spec.NodeName, err)
	}
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = ptr.To(""), ptr.To[int32](1) // As it ends, the stock scheduler lets go.
	if _, err := leases.Update(t.Context(), lease, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.until(t, "the pod of nobody is bound", func(ctx context.Context) error {
		pod, err := nobody(ctx)
		if err == nil && pod.Spec.NodeName == "" {
			err = errors.New("it is not")
		}
		return err
	})
	c.isTenant(t, "web-0", "")
	c.scaleToZero(t)
	only.terminate(t)
	only.endsWith(t, 0)
}
