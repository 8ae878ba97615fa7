package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/attest"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/cli/uninstall"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	"github.com/holdfast-dev/holdfast/pkg/guard"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/loopback"
)

const (
	shop = "shop"
	// attestor may attest in the shop, reader may read there, stranger may nothing.
	attestor, reader, stranger = "ann@example.com", "bob@example.com", "eve@example.com"
)

// operated is a cluster with the guard in it, and the command lines of operators.
type operated struct {
	*loopback.APIServer
	kube, kubelet kubernetes.Interface
	records       versioned.Interface
	kubeconfig    string
	stopGuard     func()
}

// TestOperatingACluster tells what an operator does with the commands, against a real
// API server with RBAC and the policies of the manifests, and the real guard. The
// kubelet's words and the StatefulSet controller's pods are the test's own. Each step
// goes on where the one before it ended.
func TestOperatingACluster(t *testing.T) {
	engine.DiscardLogs()
	a := loopback.StartAPIServer(t, loopback.StartEtcd(t))
	c := &operated{
		stopGuard: func() {},
		APIServer: a,
		kube:      kubernetes.NewForConfigOrDie(a.As("", "kubectl")),
		kubelet:   kubernetes.NewForConfigOrDie(a.As("", "kubelet")),
		records:   versioned.NewForConfigOrDie(jsonOnly(a.As("", "kubectl"))),
	}
	c.kubeconfig = writeKubeconfig(t, a.Admin)
	defer func() { c.stopGuard() }()
	for _, step := range []struct {
		name string
		play func(t *testing.T)
	}{
		{"where Holdfast is not installed, the commands say so", c.notInstalled},
		{"it is installed, and an ordinal runs", c.install},
		{"an ordinal that runs is not released", c.running},
		{"what is forbidden is told with the role that allows it", c.forbidden},
		{"a force-deleted pod is held, and every view says so", c.hold},
		{"a word is refused where it is not meant", c.refused},
		{"nobody attests in another's name", c.anothersName},
		{"a word that is meant releases", c.release},
		{"uninstalling is refused while an ordinal is held or a set is of the profile", c.uninstallRefused},
		{"uninstalling takes all of Holdfast and nothing else", c.uninstall},
		{"a second time there is nothing to do", c.uninstallAgain},
	} {
		if !t.Run(step.name, step.play) {
			return
		}
	}
}

func jsonOnly(config *rest.Config) *rest.Config {
	config.ContentConfig = rest.ContentConfig{ContentType: "application/json", AcceptContentTypes: "application/json"}
	return config
}

// writeKubeconfig writes one for the administrator, who may act as anybody.
func writeKubeconfig(t *testing.T, admin *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"test": {
			Server: admin.Host, CertificateAuthorityData: admin.CAData, TLSServerName: admin.ServerName,
		}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"admin": {Token: admin.BearerToken}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "admin", Namespace: shop}},
		CurrentContext: "test",
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// call is a command line, and what is typed at it.
type call struct {
	args string
	// typed: there is a terminal, and this comes from it.
	typed string
	// want is the exit code, wantOut and wantErr are parts of what is printed.
	want             int
	wantOut, wantErr []string
	// when this is printed, do is done.
	when string
	do   func()
}

// printed is what a command prints, and what is done when it has printed something.
type printed struct {
	bytes.Buffer
	when string
	do   func()
}

func (p *printed) Write(b []byte) (int, error) {
	n, err := p.Buffer.Write(b)
	if p.do != nil && strings.Contains(p.String(), p.when) {
		p.do()
		p.do = nil
	}
	return n, err
}

// calls runs command lines, and returns what the last one printed.
func (c *operated) calls(t *testing.T, calls ...call) string {
	t.Helper()
	var last string
	for _, x := range calls {
		out, errOut := printed{when: x.when, do: x.do}, bytes.Buffer{}
		args := append(strings.Split(x.args, " "), "--kubeconfig", c.kubeconfig)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "_", " ")
		}
		code := runAs(t.Context(), ownName, args, streams{strings.NewReader(x.typed), x.typed != "", &out, &errOut})
		if code != x.want {
			t.Errorf("%s: exit code %d, want %d\n%s%s", x.args, code, x.want, out.String(), errOut.String())
		}
		for _, part := range x.wantOut {
			if !strings.Contains(out.String(), part) {
				t.Errorf("%s: %q is not in\n%s%s", x.args, part, out.String(), errOut.String())
			}
		}
		for _, part := range x.wantErr {
			if !strings.Contains(errOut.String(), part) {
				t.Errorf("%s: %q is not in the error\n%s", x.args, part, errOut.String())
			}
		}
		t.Logf("$ holdfast %s\n%s%s", strings.ReplaceAll(x.args, "_", " "), out.String(), errOut.String())
		last = out.String()
	}
	return last
}

func (c *operated) notInstalled(t *testing.T) {
	const how = "kubectl apply -k manifests"
	c.calls(t,
		call{args: "status", want: exitFailure, wantErr: []string{"not installed", how}},
		call{args: "status db-0", want: exitFailure, wantErr: []string{"not installed", how}},
		call{args: "release db-0 --reason gone --yes", want: exitFailure, wantErr: []string{"not installed", how}},
		call{args: "uninstall", want: 0, wantOut: []string{"Nothing of Holdfast"}},
	)
}

// install applies the manifests and makes a node, a namespace, users, and db-0.
func (c *operated) install(t *testing.T) {
	c.apply(t, "../../manifests/base")
	c.must(t, create(t, c.kube.CoreV1().Namespaces().Create, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}}))
	c.must(t, create(t, c.kube.CoreV1().ServiceAccounts(shop).Create, &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}))
	c.must(t, create(t, c.kube.RbacV1().Roles(shop).Create, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "view-pods"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods", "events"}, Verbs: []string{"get", "list"}}},
	}))
	for _, b := range []struct{ name, kind, role, user string }{
		{"attestor", "ClusterRole", "holdfast-attestor", attestor}, {"attestor-pods", "Role", "view-pods", attestor},
		{"reader", "ClusterRole", "holdfast-view", reader}, {"reader-pods", "Role", "view-pods", reader},
	} {
		c.must(t, create(t, c.kube.RbacV1().RoleBindings(shop).Create, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: b.name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: b.kind, Name: b.role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: b.user}},
		}))
	}
	node, err := c.kube.CoreV1().Nodes().Create(t.Context(), &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-a"}}, metav1.CreateOptions{})
	c.must(t, err)
	node.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionUnknown, LastTransitionTime: metav1.Now()}}
	node.Status.NodeInfo = v1.NodeSystemInfo{BootID: "boot-1", SystemUUID: "machine-1", KubeletVersion: "v1.37.1"}
	_, err = c.kubelet.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
	c.must(t, err)
	c.set(t, "db", schedulermanifest.ProfileName)
	c.pod(t, "db-0")
	c.startGuard(t)
	c.until(t, "db-0 is on the record", "db-0", func(r *v1alpha1.Tenancy) bool { return r.Status.Phase == v1alpha1.Occupied })
}

func (c *operated) running(t *testing.T) {
	c.calls(t,
		call{args: "status", wantOut: []string{"db-0", "Occupied", "node-a", "1 ordinal, 0 held"}},
		call{args: "status -A --held", wantErr: []string{"No ordinal is held."}},
		call{args: "status statefulset/db -o name", wantOut: []string{"tenancy.holdfast.dev/db-0"}},
		call{args: "status -l app=db -o name", wantOut: []string{"tenancy.holdfast.dev/db-0"}},
		call{args: "status -l app=web", wantErr: []string{"No ordinal"}},
		call{args: "status web-0", want: exitFailure, wantErr: []string{"shop/web-0: there is neither a record nor a pod"}},
		call{args: "status web", want: exitFailure, wantErr: []string{"statefulset/web"}},
		call{args: "status --exit-code"},
		call{args: "status -o xml", want: exitInput, wantErr: []string{`--output "xml"`}},
		call{args: "status -A db-0", want: exitInput, wantErr: []string{"not both"}},
		call{args: "release db-0 --reason gone --yes", want: exitUnmet, wantErr: []string{"would do nothing", "kubectl delete pod db-0 -n shop"}},
		call{args: "release db-9 --reason gone --yes", want: exitUnmet, wantErr: []string{"there is no record of shop/db-9"}},
		call{args: "release nonsense --reason gone", want: exitInput, wantErr: []string{"no ordinal"}},
		call{args: "release db-0", want: exitInput, wantErr: []string{`"reason" not set`}},
	)
}

func (c *operated) forbidden(t *testing.T) {
	c.calls(t,
		call{args: "status --as " + stranger, want: exitFailure, wantErr: []string{"forbidden", "holdfast-view"}},
		call{args: "status --as " + reader, wantOut: []string{"db-0"}},
		call{args: "status -A --as " + reader, want: exitFailure, wantErr: []string{"forbidden"}},
		call{args: "status db-0 --as " + reader, wantOut: []string{"Not read", "nodes (forbidden)"}},
		call{args: "uninstall --dry-run --as " + reader, want: exitFailure, wantErr: []string{"forbidden"}},
	)
}

func (c *operated) hold(t *testing.T) {
	c.must(t, c.kube.CoreV1().Pods(shop).Delete(t.Context(), "db-0", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
	c.until(t, "db-0 is held", "db-0", func(r *v1alpha1.Tenancy) bool {
		return r.Status.Phase == v1alpha1.InDoubt && slices.ContainsFunc(r.Status.Conditions, func(c metav1.Condition) bool { return c.Status == metav1.ConditionTrue })
	})
	out := c.calls(t,
		call{args: "status", wantOut: []string{"guard", "db-0 is held by the guard", "1 ordinal, 1 held"}},
		call{args: "status -A -o wide --exit-code", want: exitUnmet, wantOut: []string{"NAMESPACE", "shop"}},
		call{args: "status db-0", wantOut: []string{
			"UID " + string(c.uid(t, "db-0")), "machine machine-1", "now: not ready", "Attested", "an attestation for this pod UID",
			"kubectl taint node node-a", "holdfast release db-0 -n shop --pod-uid",
		}},
		call{args: "status -o json"},
	)
	var list struct {
		APIVersion, Kind string
		Held             int
		Items            []struct {
			Name string
			Hold *struct{ By string }
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	if list.Kind != "OrdinalList" || list.Held != 1 || len(list.Items) != 1 || list.Items[0].Hold == nil || list.Items[0].Hold.By != v1alpha1.HeldByGuard {
		t.Errorf("got %+v", list)
	}
}

func (c *operated) refused(t *testing.T) {
	uid := string(c.uid(t, "db-0"))
	c.calls(t,
		call{args: "release db-0 --reason gone", want: exitInput, wantErr: []string{"no terminal", "--yes"}},
		call{args: "release db-0 --reason gone", typed: "db-1\n", want: exitUnmet, wantErr: []string{"nothing was done"}},
		call{args: "release db-0 --reason gone --pod-uid older --yes", want: exitUnmet, wantErr: []string{"the latest incarnation of db-0 is " + uid}},
		call{args: "release db-0 --reason gone --yes --as " + reader, want: exitFailure, wantErr: []string{"forbidden", "holdfast-attestor"}},
		call{args: "release db-0 --reason gone --dry-run=server --as " + attestor, wantOut: []string{"would take it"}},
		call{args: "release db-0 --reason _ --yes", want: exitInput, wantErr: []string{"must say how you know"}},
		call{args: "release db-0 --reason gone --dry-run=client", want: exitInput, wantErr: []string{"--dry-run"}},
	)
	r, err := c.records.HoldfastV1alpha1().Tenancies(shop).Get(t.Context(), "db-0", metav1.GetOptions{})
	c.must(t, err)
	if len(r.Spec.Attestations) > 0 {
		t.Errorf("there are attestations: %+v", r.Spec.Attestations)
	}
}

func (c *operated) anothersName(t *testing.T) {
	ann, err := cluster.New(c.As(attestor, "holdfast"), shop)
	c.must(t, err)
	id := identity.Identity{Namespace: shop, Set: "db"}
	word := v1alpha1.Attestation{PodUID: c.uid(t, "db-0"), Reason: "gone", By: "somebody else"}
	// The policy is enforced a moment after it was made.
	loopback.Until(t, "it is refused", func(ctx context.Context) error {
		err := attest.Give(ctx, ann, id, word, true)
		switch {
		case err == nil:
			return errors.New("it was taken")
		case !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "by must be "+attestor) || strings.Contains(err.Error(), "ClusterRole"):
			t.Fatalf("it says: %v", err)
		}
		return nil
	})
}

func (c *operated) release(t *testing.T) {
	uid := c.uid(t, "db-0")
	c.stopGuard()
	c.calls(t,
		call{
			args: "release db-0 --reason no_power --timeout 1s --as " + attestor, typed: "db-0\n", want: exitUnmet,
			wantOut: []string{"You are about to attest", string(uid), "Not read        nodes (forbidden)", "two db-0 will run at once", "Attested by " + attestor},
			wantErr: []string{"attested, but not released yet after 1s", "kubectl get pods,leases -n holdfast-system"},
		},
	)
	c.calls(t, call{
		args: "release db-0 --reason another --yes",
		when: "Waiting until the guard acts", do: func() { c.startGuard(t) },
		wantOut: []string{attestor + " has attested this already: \"no power\"", "Released: Attested, from " + attestor},
	})
	r, err := c.records.HoldfastV1alpha1().Tenancies(shop).Get(t.Context(), "db-0", metav1.GetOptions{})
	c.must(t, err)
	want := []v1alpha1.Attestation{{PodUID: uid, Reason: "no power", By: attestor}}
	if !slices.Equal(r.Spec.Attestations, want) || r.Status.Phase != v1alpha1.Over {
		t.Errorf("the record is %s with %+v", r.Status.Phase, r.Spec.Attestations)
	}
	loopback.Until(t, "the pod is gone", func(ctx context.Context) error {
		_, err := c.kube.CoreV1().Pods(shop).Get(ctx, "db-0", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there, %v", err)
	})
	c.calls(t,
		call{args: "release db-0 --reason gone --yes", want: exitUnmet, wantErr: []string{"is not held", "is over (Attested)"}},
		call{args: "status db-0", wantOut: []string{"Over", "no object has the name", "no power"}},
	)
}

func (c *operated) uninstallRefused(t *testing.T) {
	for _, name := range []string{"db-0", "db-1", "db-2"} {
		c.pod(t, name)
		c.until(t, name+" is on the record", name, func(r *v1alpha1.Tenancy) bool { return r.Status.Phase == v1alpha1.Occupied })
	}
	c.must(t, c.kube.CoreV1().Pods(shop).Delete(t.Context(), "db-2", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
	before := c.everything(t)
	c.calls(t,
		call{args: "uninstall --ignore=everything", want: exitInput, wantErr: []string{`--ignore "everything"`}},
		call{args: "uninstall --dry-run", want: exitUnmet, wantOut: []string{
			"--ignore=held-identities", "shop/db-2", "--ignore=profile-in-use", "statefulsets/db in shop",
			"mutatingadmissionpolicies/finalizer.holdfast.dev", "deployments/holdfast-scheduler", "of 3 pods", "3 records",
			"customresourcedefinitions/tenancies.holdfast.dev", "configmaps/holdfast-adoption",
		}},
		call{args: "uninstall --yes --ignore=profile-in-use", want: exitUnmet, wantErr: []string{"nothing was done"}},
		call{args: "uninstall --ignore=profile-in-use,held-identities", want: exitInput, wantErr: []string{"no terminal"}},
		call{args: "uninstall --ignore=profile-in-use,held-identities", typed: "yes\n", want: exitUnmet, wantErr: []string{"nothing was done"}},
	)
	compare(t, before, c.everything(t))
}

func (c *operated) uninstall(t *testing.T) {
	c.calls(t, call{args: "release db-2 --reason gone --yes", wantOut: []string{"Released"}})
	// Things of other people, some of which look like Holdfast's.
	partOf := map[string]string{"app.kubernetes.io/part-of": "holdfast"}
	c.must(t, create(t, c.kube.CoreV1().Secrets("holdfast-system").Create, &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "somebody"}}))
	c.must(t, create(t, c.kube.CoreV1().ConfigMaps(shop).Create, &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings", Labels: partOf}}))
	c.must(t, create(t, c.kube.CoreV1().PersistentVolumeClaims(shop).Create, &v1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data-db-0", Labels: partOf},
		Spec: v1.PersistentVolumeClaimSpec{
			AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
			Resources:   v1.VolumeResourceRequirements{Requests: v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}))
	c.must(t, create(t, c.kube.CoreV1().Namespaces().Create, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "holdfast-notes", Labels: partOf}}))
	c.schedulerPod(t)
	before := c.everything(t)

	// The pod of the Deployment goes on for now, and so does its lease.
	out := c.calls(t, call{args: "uninstall --ignore=profile-in-use --timeout=1s", typed: "uninstall\n", want: exitFailure,
		wantErr: []string{"still there after 1s: pods/holdfast-scheduler-0", "start it again"}})
	c.must(t, c.kube.CoreV1().Pods("holdfast-system").Delete(t.Context(), "holdfast-scheduler-0", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
	out += c.calls(t, call{args: "uninstall --ignore=profile-in-use --timeout=1s --yes", want: exitFailure,
		wantErr: []string{"still there after 1s: leases/holdfast-scheduler, which the pod holds"}})
	c.endScheduler(t)
	out += c.calls(t, call{args: "uninstall --ignore=profile-in-use --yes", wantOut: []string{
		"taken off 2 pods", "removed 3 records", "kept namespaces/holdfast-system", "secrets/somebody", "Holdfast is removed",
	}})
	ordered(t, out, "removed mutatingadmissionpolicybindings/finalizer.holdfast.dev\n", "removed deployments/holdfast-scheduler\n", "taken off 2 pods", "removed 3 records",
		"removed customresourcedefinitions/tenancies.holdfast.dev\n", "removed configmaps/holdfast-adoption\n", "removed serviceaccounts/holdfast-scheduler\n")

	after := c.everything(t)
	maps.DeleteFunc(before, func(key string, _ string) bool { return isHoldfasts(key) })
	compare(t, before, after)
	for _, name := range []string{"db-0", "db-1"} {
		pod, err := c.kube.CoreV1().Pods(shop).Get(t.Context(), name, metav1.GetOptions{})
		c.must(t, err)
		if len(pod.Finalizers) > 0 {
			t.Errorf("pod %s has the finalizers %v", name, pod.Finalizers)
		}
	}
}

func (c *operated) uninstallAgain(t *testing.T) {
	c.calls(t, call{args: "uninstall --ignore=profile-in-use --yes", wantOut: []string{"kept namespaces/holdfast-system"}})
	c.must(t, c.kube.CoreV1().Secrets("holdfast-system").Delete(t.Context(), "somebody", metav1.DeleteOptions{}))
	c.calls(t, call{args: "uninstall --ignore=profile-in-use --yes", wantOut: []string{"removed namespaces/holdfast-system"}})
}

// isHoldfasts tells which objects the manifests and the programs have made.
func isHoldfasts(key string) bool {
	for _, part := range []string{
		"finalizer.holdfast.dev", "attestation.holdfast.dev", "namespaces.holdfast.dev", "tenancies", "clusterroles//holdfast-", "clusterrolebindings//holdfast-",
		"holdfast-system/holdfast-", "kube-system/holdfast-",
	} {
		if strings.Contains(key, part) {
			return true
		}
	}
	return false
}

// ordered checks that the parts come in this order.
func ordered(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		_, rest, found := strings.Cut(text, part)
		if !found {
			t.Errorf("%q does not come after the ones before it", part)
			return
		}
		text = rest
	}
}

// everything is all objects of the API server, as they are stored, but for what it
// does itself all the time: what a write changes by itself, and the guard's finalizer.
func (c *operated) everything(t *testing.T) map[string]string {
	t.Helper()
	lists, err := c.kube.Discovery().ServerPreferredResources()
	c.must(t, err)
	client := dynamic.NewForConfigOrDie(jsonOnly(c.As("", "kubectl")))
	all := map[string]string{}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		c.must(t, err)
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "list") || slices.Contains([]string{"events", "leases", "apiservices", "flowschemas", "prioritylevelconfigurations"}, r.Name) {
				continue
			}
			objects, err := client.Resource(version.WithResource(r.Name)).List(t.Context(), metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue
			}
			c.must(t, err)
			for _, o := range objects.Items {
				o.SetResourceVersion("")
				o.SetManagedFields(nil)
				if rest := slices.DeleteFunc(o.GetFinalizers(), func(f string) bool { return f == v1alpha1.PodFinalizer }); len(rest) > 0 {
					o.SetFinalizers(rest)
				} else {
					o.SetFinalizers(nil)
				}
				content, err := json.Marshal(o.Object)
				c.must(t, err)
				all[r.Name+"/"+o.GetNamespace()+"/"+o.GetName()] = string(content)
			}
		}
	}
	return all
}

func compare(t *testing.T, before, after map[string]string) {
	t.Helper()
	for key, was := range before {
		switch is, there := after[key]; {
		case !there:
			t.Errorf("%s is gone", key)
		case is != was:
			t.Errorf("%s was\n%s\nand is\n%s", key, was, is)
		}
	}
	for key := range after {
		if _, was := before[key]; !was {
			t.Errorf("%s is new, or should be gone", key)
		}
	}
}

// apply applies what a folder's kustomization builds, as kubectl does on the server.
func (c *operated) apply(t *testing.T, folder string) {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	c.must(t, err)
	config := c.As("", "kubectl")
	client := dynamic.NewForConfigOrDie(jsonOnly(config))
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kubernetes.NewForConfigOrDie(config).Discovery()))
	for _, r := range built.Resources() {
		content, err := r.Map()
		c.must(t, err)
		o := &unstructured.Unstructured{Object: content}
		loopback.Until(t, "apply "+o.GetKind()+" "+o.GetName(), func(ctx context.Context) error {
			mapping, err := mapper.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
			if err != nil {
				return err
			}
			_, err = client.Resource(mapping.Resource).Namespace(o.GetNamespace()).Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubectl"})
			return err
		})
	}
}

// set is a StatefulSet whose pods the test makes itself.
func (c *operated) set(t *testing.T, name, scheduler string) {
	t.Helper()
	labels := map[string]string{"app": name}
	c.must(t, create(t, c.kube.AppsV1().StatefulSets(shop).Create, &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.StatefulSetSpec{
			ServiceName: name, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: v1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       v1.PodSpec{SchedulerName: scheduler, Containers: []v1.Container{{Name: "main", Image: name}}},
			},
		},
	}))
}

// pod makes a pod as the set's controller does, binds it to node-a and has it run.
func (c *operated) pod(t *testing.T, name string) {
	t.Helper()
	set, err := c.kube.AppsV1().StatefulSets(shop).Get(t.Context(), "db", metav1.GetOptions{})
	c.must(t, err)
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: set.Spec.Template.Labels, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: "StatefulSet", Name: set.Name, UID: set.UID, Controller: ptr.To(true),
		}}},
		Spec: set.Spec.Template.Spec,
	}
	// The policy is enforced a moment after it was made.
	loopback.Until(t, "pod "+name+" has its guard", func(ctx context.Context) error {
		dry, err := c.kube.CoreV1().Pods(shop).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && !slices.Contains(dry.Finalizers, v1alpha1.PodFinalizer) {
			err = errors.New("it has no finalizer")
		}
		return err
	})
	made, err := c.kube.CoreV1().Pods(shop).Create(t.Context(), pod, metav1.CreateOptions{})
	c.must(t, err)
	c.must(t, c.kube.CoreV1().Pods(shop).Bind(t.Context(), &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: made.UID}, Target: v1.ObjectReference{Kind: "Node", Name: "node-a"},
	}, metav1.CreateOptions{}))
	made.Status.Phase = v1.PodRunning
	made.Status.ContainerStatuses = []v1.ContainerStatus{{Name: "main", ContainerID: "test://" + name, State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}}}
	made.ResourceVersion = ""
	_, err = c.kubelet.CoreV1().Pods(shop).UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	c.must(t, err)
}

func (c *operated) startGuard(t *testing.T) {
	t.Helper()
	g := guard.New(kubernetes.NewForConfigOrDie(c.As("", "holdfast-guard")), versioned.NewForConfigOrDie(jsonOnly(c.As("", "holdfast-guard"))),
		guard.Options{SchedulerNames: []string{schedulermanifest.ProfileName}, Namespace: "holdfast-system"})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = g.Run(ctx) // Ends with ctx; what it does not do, the test misses.
	}()
	c.stopGuard = func() { stop(); <-ended }
}

// schedulerPod is the pod of the Deployment, and the lease that it holds.
func (c *operated) schedulerPod(t *testing.T) {
	t.Helper()
	deployment, err := c.kube.AppsV1().Deployments("holdfast-system").Get(t.Context(), "holdfast-scheduler", metav1.GetOptions{})
	c.must(t, err)
	c.must(t, create(t, c.kube.CoreV1().Pods("holdfast-system").Create, &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "holdfast-scheduler-0", Labels: deployment.Spec.Template.Labels}, Spec: deployment.Spec.Template.Spec,
	}))
	c.must(t, create(t, c.kube.CoordinationV1().Leases("holdfast-system").Create, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: uninstall.Leases[0]},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To("the pod"), LeaseDurationSeconds: ptr.To[int32](3600), RenewTime: ptr.To(metav1.NowMicro()),
		},
	}))
}

// endScheduler ends what the Deployment ran.
func (c *operated) endScheduler(t *testing.T) {
	t.Helper()
	c.stopGuard()
	patch := []byte(`{"spec":{"holderIdentity":""}}`)
	_, err := c.kube.CoordinationV1().Leases("holdfast-system").Patch(t.Context(), uninstall.Leases[0], types.MergePatchType, patch, metav1.PatchOptions{})
	c.must(t, err)
}

func (c *operated) uid(t *testing.T, name string) types.UID {
	t.Helper()
	pod, err := c.kube.CoreV1().Pods(shop).Get(t.Context(), name, metav1.GetOptions{})
	c.must(t, err)
	return pod.UID
}

// until waits until the record is as it is wanted.
func (c *operated) until(t *testing.T, what, name string, is func(*v1alpha1.Tenancy) bool) {
	t.Helper()
	loopback.Until(t, what, func(ctx context.Context) error {
		r, err := c.records.HoldfastV1alpha1().Tenancies(shop).Get(ctx, name, metav1.GetOptions{})
		if err == nil && !is(r) {
			err = fmt.Errorf("it is %+v", r.Status)
		}
		return err
	})
}

func (c *operated) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// create calls a client's Create, and leaves the object that it returns.
func create[T any](t *testing.T, call func(context.Context, T, metav1.CreateOptions) (T, error), o T) error {
	_, err := call(t.Context(), o, metav1.CreateOptions{})
	return err
}
