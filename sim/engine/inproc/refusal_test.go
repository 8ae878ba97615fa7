package inproc

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// asked sends a GET and returns the code, 0 if there was no answer.
func asked(t *testing.T, transport *Transport, agent, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server.invalid"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", agent)
	response, err := transport.RoundTrip(req)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestRefusalsAreForThoseMeantAndForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &Transport{}
		transport.Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		const pods, nodes = "/api/v1/pods", "/api/v1/nodes"
		transport.Refuse(Refusal{Request: Request{Component: "guard", Resource: "pods"}, With: TooManyRequests(), Until: time.Now().Add(time.Minute)})
		for _, tc := range []struct {
			agent, path string
			want        int
		}{{"guard/1", pods, 429}, {"guard/1", nodes, 200}, {"other/1", pods, 200}} {
			if got := asked(t, transport, tc.agent, tc.path); got != tc.want {
				t.Errorf("%s asks %s: %d, want %d", tc.agent, tc.path, got, tc.want)
			}
		}
		transport.Refuse(Refusal{Until: time.Now().Add(time.Second)})
		if got := asked(t, transport, "other/1", pods); got != 0 {
			t.Errorf("a server that is away answers %d", got)
		}
		if got := asked(t, transport, "observer/1", pods); got != 200 {
			t.Errorf("who looks at the run is refused: %d", got)
		}
		time.Sleep(time.Minute)
		if got := asked(t, transport, "guard/1", pods); got != 200 {
			t.Errorf("after its time: %d", got)
		}
	})
}

func TestWhoHoldsAMutexIsNotToldToWait(t *testing.T) {
	transport := &Transport{}
	transport.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(retryAfter, "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	const events, node = "/apis/events.k8s.io/v1/namespaces/default/events", "/api/v1/nodes/a"
	for _, by := range []string{"the server", "a fault"} {
		if by == "a fault" {
			transport.Refuse(Refusal{With: TooManyRequests(), Until: time.Now().Add(time.Hour)})
		}
		for _, tc := range []struct {
			agent, method, path, want string
		}{
			{"kube-scheduler/1", http.MethodPatch, events + "/one", ""},
			{"kube-scheduler/1", http.MethodPost, events, ""},
			{"statefulset-controller", http.MethodPost, "/api/v1/namespaces/default/events", "1"},
			{"kube-scheduler/1", http.MethodGet, events, "1"},
			{"kube-scheduler/1", http.MethodPatch, "/api/v1/namespaces/default/pods/web-0/status", "1"},
			{"node-controller", http.MethodGet, node, ""},
			{"node-controller", http.MethodPatch, node, ""},
			{"node-controller", http.MethodPatch, "/api/v1/namespaces/default/pods/web-0/status", "1"},
			{"holdfast-guard/1", http.MethodGet, node, "1"},
			{"controller-discovery", http.MethodGet, "/apis", ""},
			{"holdfast-guard/1", http.MethodGet, "/apis", "1"},
		} {
			req, err := http.NewRequestWithContext(t.Context(), tc.method, "http://server.invalid"+tc.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("User-Agent", tc.agent)
			response, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if got := response.Header.Get(retryAfter); got != tc.want {
				t.Errorf("%s is answered by %s: %s %s: to wait %q s, want %q", tc.agent, by, tc.method, tc.path, got, tc.want)
			}
		}
	}
}

func TestAWatchEndsAndItsHistoryIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &Transport{}
		transport.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("one"))
			<-r.Context().Done()
		}))
		watch := func() (*http.Response, error) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server.invalid/api/v1/pods?watch=1", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("User-Agent", "guard/1")
			return transport.RoundTrip(req)
		}
		first, err := watch()
		if err != nil {
			t.Fatal(err)
		}
		if n := transport.DropWatch("guard", "nodes", true); n != 0 {
			t.Errorf("%d watches of nodes ended", n)
		}
		if n := transport.DropWatch("guard", "pods", true); n != 1 {
			t.Errorf("%d watches of pods ended, want one", n)
		}
		if all, err := io.ReadAll(first.Body); err != nil || string(all) != "one" {
			t.Errorf("read %q, %v; want what was sent, and the end", all, err)
		}
		again, err := watch()
		if err != nil || again.StatusCode != http.StatusGone {
			t.Errorf("the next one: %v, %v; want 410", again, err)
		}
		third, err := watch()
		if err != nil || third.StatusCode != http.StatusOK {
			t.Errorf("the one after: %v, %v", third, err)
		}
		_ = third.Body.Close()
		if code := apierrors.NewResourceExpired("").Status().Code; code != http.StatusGone {
			t.Errorf("expired is %d", code)
		}
	})
}
