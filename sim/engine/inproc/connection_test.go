package inproc

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAClosedConnectionReachesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &Transport{}
		transport.Serve(http.HandlerFunc(ticks))
		one, other := transport.Connect(), transport.Connect()
		ended := watch(t, &http.Client{Transport: one}, "kube-scheduler/v1", "/api/v1/pods")
		lives := watch(t, &http.Client{Transport: other}, "kube-scheduler/v1", "/api/v1/pods")
		<-ended
		<-lives
		one.Close()
		time.Sleep(10*time.Second + time.Millisecond)
		if n := len(ended); n != 0 {
			t.Errorf("the closed connection's watch delivered %d lines", n)
		}
		if n := len(lives); n != 10 {
			t.Errorf("the other process's watch delivered %d lines, want 10", n)
		}
		if _, err := (&http.Client{Transport: one}).Get("http://server.invalid/api/v1/pods"); !errors.Is(err, errClosed) {
			t.Errorf("got %v, want a closed connection", err)
		}
		other.Close()
	})
}

func TestAConnectionClosesAtTheRequestThatWasWaitedFor(t *testing.T) {
	var reached atomic.Int32
	transport := &Transport{}
	transport.Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	connection := transport.Connect()
	sprung := make(chan struct{})
	connection.CloseAt(Request{Component: "holdfast-guard", Verb: "patch", Resource: "pods"}, func() { close(sprung) })
	send := func(agent, method, path string) error {
		req, err := http.NewRequest(method, "http://server.invalid"+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("User-Agent", agent)
		response, err := (&http.Client{Transport: connection}).Do(req)
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	const pod = "/api/v1/namespaces/default/pods/web-0"
	for _, other := range [][3]string{
		{"kube-scheduler/v1", http.MethodPatch, pod},
		{"holdfast-guard", http.MethodPut, pod},
		{"holdfast-guard", http.MethodPatch, pod + "/status"},
	} {
		if err := send(other[0], other[1], other[2]); err != nil {
			t.Errorf("%v: %v, want it to pass", other, err)
		}
	}
	if err := send("holdfast-guard/v1", http.MethodPatch, pod); !errors.Is(err, errClosed) {
		t.Errorf("got %v, want a closed connection", err)
	}
	<-sprung
	if err := send("kube-scheduler/v1", http.MethodGet, pod); !errors.Is(err, errClosed) {
		t.Errorf("afterwards: got %v, want a closed connection", err)
	}
	if n := reached.Load(); n != 3 {
		t.Errorf("%d requests reached the server, want the 3 before", n)
	}
}

func TestRequestOf(t *testing.T) {
	for name, tc := range map[string]struct {
		method, url string
		want        Request
	}{
		"a list":                {http.MethodGet, "/api/v1/pods?limit=5", Request{"c", "list", "pods"}},
		"a watch":               {http.MethodGet, "/api/v1/pods?watch=true", Request{"c", "watch", "pods"}},
		"a get":                 {http.MethodGet, "/api/v1/nodes/a", Request{"c", "get", "nodes"}},
		"a bind":                {http.MethodPost, "/api/v1/namespaces/default/pods/web-0/binding", Request{"c", "create", "pods/binding"}},
		"a custom resource":     {http.MethodPut, "/apis/holdfast.dev/v1alpha1/namespaces/default/tenancies/web-0/status", Request{"c", "update", "tenancies/status"}},
		"a delete":              {http.MethodDelete, "/api/v1/namespaces/default/pods/web-0", Request{"c", "delete", "pods"}},
		"a delete of all":       {http.MethodDelete, "/api/v1/namespaces/default/pods", Request{"c", "deletecollection", "pods"}},
		"what is no resource":   {http.MethodGet, "/healthz", Request{"c", "list", ""}},
		"a namespace by itself": {http.MethodGet, "/api/v1/namespaces/default", Request{"c", "get", "namespaces"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(tc.method, "http://server.invalid"+tc.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("User-Agent", "c/v1 (linux)")
			if got := requestOf(r); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}
