package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/informers"
	schedulerserverconfig "k8s.io/kubernetes/cmd/kube-scheduler/app/config"
)

// monitorToken is the token of an account that may read what is served for monitoring.
func (c *cluster) monitorToken(t *testing.T) string {
	t.Helper()
	ctx := t.Context()
	_, err := c.kube.CoreV1().ServiceAccounts(shop).Create(ctx, &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "monitor"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// system:monitoring, which every cluster has, lacks /metrics/resources.
	_, err = c.kube.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "monitor"},
		Rules: []rbacv1.PolicyRule{{
			Verbs:           []string{"get"},
			NonResourceURLs: []string{"/metrics", "/metrics/*", "/healthz", "/livez", "/livez/*", "/readyz"},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.kube.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "monitor"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "monitor"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: shop, Name: "monitor"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	request, err := c.kube.CoreV1().ServiceAccounts(shop).CreateToken(ctx, "monitor", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

// get asks the process for a page, as whoever the token is of; "" is nobody.
func (p *process) get(ctx context.Context, path, token string) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.address+path, nil)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

// shows waits until a page has all of the wanted lines' beginnings, and fails if it
// has one of the unwanted.
func (c *cluster) shows(t *testing.T, p *process, path string, wanted, unwanted []string) {
	t.Helper()
	c.until(t, path+" of "+p.address, func(ctx context.Context) error {
		status, body, err := p.get(ctx, path, c.token)
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("status %d, %v: %s", status, err, body)
		}
		for _, line := range wanted {
			if !strings.Contains("\n"+body, "\n"+line) {
				return fmt.Errorf("no line begins with %s", line)
			}
		}
		for _, line := range unwanted {
			if strings.Contains("\n"+body, "\n"+line) {
				t.Errorf("%s of %s has a line %s", path, p.address, line)
			}
		}
		return nil
	})
}

// ofLeaderOnly are metrics that only the leader of the guard has.
var ofLeaderOnly = []string{
	"holdfast_held_identities", "holdfast_oldest_hold_seconds", "holdfast_records{", "holdfast_old_kubelet_nodes", "holdfast_adopted",
}

// isWatched: what an operator's tools see while web-1 is held.
func (c *cluster) isWatched(t *testing.T) {
	leader, standby := c.processes[0], c.processes[1]
	if status, _, err := leader.get(t.Context(), "metrics", ""); err != nil || status != http.StatusForbidden && status != http.StatusUnauthorized {
		t.Errorf("whoever asks for the metrics gets %d, %v", status, err)
	}
	c.token = c.monitorToken(t)
	c.shows(t, leader, "metrics", append([]string{
		`holdfast_held_identities{holder="HeldByGuard",reason="PredecessorInDoubt"} 1`,
		`holdfast_records{phase="InDoubt"} 1`, `holdfast_records{phase="Occupied"} 2`, `holdfast_adopted 1`,
		`holdfast_old_kubelet_nodes 0`, `holdfast_reach_index_objects{kind="Node"} 3`,
		`holdfast_preenqueue_verdicts_total{gated="false",reason="NoRecord"}`,
		`holdfast_bind_retries_total`, `workqueue_depth{name="guard"}`, `workqueue_retries_total{name="guard"}`,
		`leader_election_master_status{name="holdfast-guard"} 1`, `scheduler_pending_pods`,
	}, ofLeaderOnly...), nil)
	c.shows(t, standby, "metrics", []string{`leader_election_master_status{name="holdfast-guard"} 0`}, ofLeaderOnly)
	c.shows(t, leader, "metrics/resources", []string{"kube_pod_resource"}, nil)
	c.shows(t, standby, "metrics/resources", nil, []string{"kube_pod_resource"})
	for _, p := range c.processes {
		live := []string{"[+]leaderElection ok", "[+]guard-lease ok", "[+]guard-work ok"}
		c.shows(t, p, "healthz?verbose", live, nil)
		c.shows(t, p, "livez?verbose", live, nil)
		c.shows(t, p, "readyz?verbose", append(live, "[+]shutdown ok", "[+]sched-handler-sync ok", "[+]guard-sync ok"), nil)
		c.shows(t, p, "livez/guard-work", nil, nil)
		for _, path := range []string{"configz", "debug/pprof/cmdline"} {
			// Monitoring may not; what is not served would not be found.
			if status, _, err := p.get(t.Context(), path, c.token); err != nil || status != http.StatusForbidden {
				t.Errorf("GET %s: %d, %v", path, status, err)
			}
		}
	}
}

// isCounted: the receipt of a release is a metric too.
func (c *cluster) isCounted(t *testing.T) {
	c.shows(t, c.processes[0], "metrics", []string{
		`holdfast_releases_total{evidence="Attested"} 1`,
		`holdfast_hold_duration_seconds_count{evidence="Attested"} 1`,
		`holdfast_held_identities{holder="HeldByGuard",reason="PredecessorInDoubt"} 0`,
		`holdfast_oldest_hold_seconds 0`,
	}, nil)
}

func TestAGuardThatIsStuckFailsTheProbes(t *testing.T) {
	config := (&schedulerserverconfig.Config{InformerFactory: informers.NewSharedInformerFactory(nil, 0)}).Complete()
	fails := errors.New("the guard has been on shop/web-0 for 6m")
	guardWork := healthz.NamedCheck("guard-work", func(*http.Request) error { return fails })
	h := pages(&config, checks{live: []healthz.HealthChecker{guardWork}, ready: []healthz.HealthChecker{guardWork}})
	for _, want := range []int{http.StatusInternalServerError, http.StatusOK} {
		for _, path := range []string{"/healthz", "/livez", "/readyz"} {
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
			if answer.Code != want {
				t.Errorf("%s: %d, want %d", path, answer.Code, want)
			}
			if want != http.StatusOK && !strings.Contains(answer.Body.String(), "[-]guard-work failed") {
				t.Errorf("%s does not name the check: %s", path, answer.Body)
			}
		}
		fails = nil
	}
}
