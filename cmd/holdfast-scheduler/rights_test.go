package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes"
	kubeapiserveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// accountUser is what the API server calls the account.
const accountUser = "system:serviceaccount:" + systemNamespace + ":" + account

// unexercised are the rights of our own roles that the story of TestInACluster does
// not come to use, or by chance only, and why they are granted all the same.
var unexercised = map[string]string{
	"update tenancies.holdfast.dev": "the collection of records of which nothing is left, an hour after their receipt",
	"delete tenancies.holdfast.dev": "the same",
	"get statefulsets.apps":         "the same",
	"patch events.events.k8s.io":    "an event that comes again is counted up, if it comes within the same series",
}

// everybodys are the roles that the API server itself binds to whoever has proven
// who he is.
var everybodys = []string{"system:basic-user", "system:discovery", "system:public-info-viewer"}

// auditLog is where the API server writes what the account asks of it.
type auditLog struct{ path string }

// newAuditLog returns the log and the option of the API server that writes it.
func newAuditLog(t *testing.T) (auditLog, func(*kubeapiserveroptions.ServerRunOptions)) {
	t.Helper()
	folder := t.TempDir()
	l := auditLog{path: filepath.Join(folder, "audit.log")}
	policy := filepath.Join(folder, "policy.yaml")
	err := os.WriteFile(policy, []byte(`
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [`+accountUser+`]
- level: None
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return l, func(o *kubeapiserveroptions.ServerRunOptions) {
		o.Audit.PolicyFile, o.Audit.LogOptions.Path = policy, l.path
	}
}

// request is what the account asked for, whoever it was about.
type request struct {
	authorizer.AttributesRecord
	code int32
}

func (r request) String() string {
	if !r.ResourceRequest {
		return fmt.Sprintf("%s %s", r.Verb, r.Path)
	}
	return fmt.Sprintf("%s %s.%s/%s %s/%s", r.Verb, r.Resource, r.APIGroup, r.Subresource, r.Namespace, r.Name)
}

// requests reads the log.
func (l auditLog) requests(t *testing.T) []request {
	t.Helper()
	f, err := os.Open(l.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var requests []request
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e auditv1.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("audit log: %v", err)
		}
		r := request{AttributesRecord: authorizer.AttributesRecord{Verb: e.Verb, Path: e.RequestURI}}
		if path, _, found := strings.Cut(e.RequestURI, "?"); found {
			r.Path = path
		}
		if o := e.ObjectRef; o != nil {
			r.ResourceRequest = true
			r.Namespace, r.Name, r.Resource, r.Subresource, r.APIGroup = o.Namespace, o.Name, o.Resource, o.Subresource, o.APIGroup
		}
		if e.ResponseStatus != nil {
			r.code = e.ResponseStatus.Code
		}
		requests = append(requests, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return requests
}

// bound is a role that is bound to the account.
type bound struct {
	role string
	// namespace is where it counts; empty: everywhere.
	namespace string
	rules     []rbacv1.PolicyRule
	// own: it is one of the manifests', and not of the API server's.
	own bool
}

func (b bound) allows(r request) bool {
	return (b.namespace == "" || b.namespace == r.Namespace) && rbac.RulesAllow(r.AttributesRecord, b.rules...)
}

// rights returns what the manifests bind to the account, and what everybody has.
func rights(t *testing.T, a *apiServer) []bound {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("../..", base))
	if err != nil {
		t.Fatal(err)
	}
	own := map[string][]rbacv1.PolicyRule{} // By kind and name: a role's namespace is its binding's.
	var bindings []rbacv1.RoleBinding       // A ClusterRoleBinding is one without a namespace.
	for _, r := range built.Resources() {
		content, err := r.Map()
		if err != nil {
			t.Fatal(err)
		}
		switch o := (&unstructured.Unstructured{Object: content}); o.GetKind() {
		case "ClusterRole", "Role":
			var role rbacv1.Role
			convert(t, o, &role)
			own[o.GetKind()+"/"+role.Name] = role.Rules
		case "ClusterRoleBinding", "RoleBinding":
			var binding rbacv1.RoleBinding
			convert(t, o, &binding)
			bindings = append(bindings, binding)
		}
	}
	for _, name := range everybodys {
		bindings = append(bindings, rbacv1.RoleBinding{RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: name}})
	}
	client := kubernetes.NewForConfigOrDie(a.admin).RbacV1()
	var all []bound
	for _, binding := range bindings {
		b := bound{role: binding.RoleRef.Name, namespace: binding.Namespace}
		if b.rules, b.own = own[binding.RoleRef.Kind+"/"+b.role]; !b.own {
			var err error
			if binding.RoleRef.Kind == "ClusterRole" {
				var role *rbacv1.ClusterRole
				if role, err = client.ClusterRoles().Get(t.Context(), b.role, metav1.GetOptions{}); err == nil {
					b.rules = role.Rules
				}
			} else {
				var role *rbacv1.Role
				if role, err = client.Roles(b.namespace).Get(t.Context(), b.role, metav1.GetOptions{}); err == nil {
					b.rules = role.Rules
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, b)
	}
	return all
}

func convert(t *testing.T, o *unstructured.Unstructured, into any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, into, true); err != nil {
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
}

// split takes a role apart into rights of one verb on one resource, by name.
func (b bound) split() map[string]bound {
	parts := map[string]bound{}
	for _, rule := range b.rules {
		for _, verb := range rule.Verbs {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					name := fmt.Sprintf("%s %s", verb, resource)
					if group != "" {
						name += "." + group
					}
					if b.namespace != "" {
						name += " in " + b.namespace
					}
					for _, resourceName := range rule.ResourceNames {
						parts[name+" "+resourceName] = bound{namespace: b.namespace, rules: []rbacv1.PolicyRule{{
							Verbs: []string{verb}, APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: []string{resourceName},
						}}}
					}
					if len(rule.ResourceNames) == 0 {
						parts[name] = bound{namespace: b.namespace, rules: []rbacv1.PolicyRule{{
							Verbs: []string{verb}, APIGroups: []string{group}, Resources: []string{resource},
						}}}
					}
				}
			}
		}
	}
	return parts
}

// checkRights holds what the account asked for against what it was granted: nothing
// was refused, everything is granted by a role that the manifests name, and our own
// roles grant nothing that is not used.
func (l auditLog) checkRights(t *testing.T, a *apiServer) {
	t.Helper()
	requests := l.requests(t)
	if len(requests) == 0 {
		t.Fatal("the audit log is empty")
	}
	roles := rights(t, a)
	used := map[string]bool{}
	for _, r := range requests {
		if r.code == http.StatusForbidden || r.code == http.StatusUnauthorized {
			t.Errorf("%s was answered with %d", r, r.code)
		}
		granted := false
		for _, b := range roles {
			if b.allows(r) {
				granted = true
				used[b.role] = true
			}
		}
		if !granted {
			t.Errorf("no role that the manifests name grants %s", r)
		}
	}
	excused := maps.Clone(unexercised)
	for _, b := range roles {
		if !b.own {
			if !used[b.role] && !slices.Contains(everybodys, b.role) {
				t.Errorf("nothing of the role %s was used", b.role)
			}
			continue
		}
		for name, right := range b.split() {
			delete(excused, name)
			if _, known := unexercised[name]; !known && !slices.ContainsFunc(requests, right.allows) {
				t.Errorf("the role %s grants %q, which nobody uses", b.role, name)
			}
		}
	}
	for name := range excused {
		t.Errorf("%q is not granted: it need not be excused", name)
	}
}
