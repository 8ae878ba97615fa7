package inproc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestRefusesConnectionsUntilItServes(t *testing.T) {
	_, err := (&http.Client{Transport: &Transport{}}).Get("http://server.invalid/")
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("got %v, want a refused connection", err)
	}
}

func TestAnswersLikeAServer(t *testing.T) {
	client := serving(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Saw", r.Host+" "+r.RequestURI+" "+string(body))
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "after the header was sent")
		fmt.Fprint(w, "short and stout")
	})
	resp, err := client.Post("http://server.invalid/pot?lid=on", "text/plain", strings.NewReader("tea"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "short and stout" {
		t.Errorf("body %q, error %v", body, err)
	}
	if resp.StatusCode != http.StatusTeapot {
		t.Errorf("status %d", resp.StatusCode)
	}
	if got, want := resp.Header.Get("X-Saw"), "server.invalid /pot?lid=on tea"; got != want {
		t.Errorf("the handler saw %q, want %q", got, want)
	}
	if resp.Header.Get("X-Late") != "" {
		t.Error("a header that was set too late was sent")
	}
}

func TestAnAbortedHandlerEndsTheBody(t *testing.T) {
	client := serving(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		panic(http.ErrAbortHandler)
	})
	resp, err := client.Get("http://server.invalid/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "half" {
		t.Errorf("body %q, error %v", body, err)
	}
}

// ticks is a watch that sends a line a second until the client goes away.
func ticks(w http.ResponseWriter, r *http.Request) {
	for i := 1; ; i++ {
		fmt.Fprintf(w, "%d\n", i)
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func TestAWatchStreamsWhileTheHandlerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := watch(t, serving(ticks), "kubelet/v1", "/api/v1/pods")
		for _, want := range []string{"1", "2", "3"} {
			if got := <-lines; got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	})
}

func TestAStalledWatchDeliversNothingUntilItResumesAndThenEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &Transport{}
		transport.Serve(http.HandlerFunc(ticks))
		client := &http.Client{Transport: transport}
		stalled := watch(t, client, "kube-scheduler/v1", "/apis/holdfast.dev/v1alpha1/namespaces/default/tenancies")
		other := watch(t, client, "kube-scheduler/v1", "/api/v1/pods")
		<-stalled
		<-other

		transport.Stall("kube-scheduler", "tenancies")
		time.Sleep(10*time.Second + time.Millisecond)
		if n := len(stalled); n != 0 {
			t.Errorf("the stalled watch delivered %d lines", n)
		}
		if n := len(other); n != 10 {
			t.Errorf("the watch of another resource delivered %d lines, want 10", n)
		}

		transport.Resume("kube-scheduler", "tenancies")
		synctest.Wait()
		if n := len(stalled); n != 10 {
			t.Errorf("the resumed watch delivered %d lines, want the 10 held back", n)
		}
		if got := <-stalled; got != "2" {
			t.Errorf("the first of them is %q, want 2", got)
		}
	})
}

func TestAWatchEndsWithItsContextEvenWhileStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &Transport{}
		transport.Serve(http.HandlerFunc(ticks))
		transport.Stall("kubelet", "pods")
		ctx, cancel := context.WithCancel(t.Context())
		resp := open(t, ctx, &http.Client{Transport: transport}, "kubelet/v1", "/api/v1/pods")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(io.Discard, resp.Body) // Ends is all that is asked of it.
		}()
		time.Sleep(5 * time.Second)
		cancel()
		<-ended
	})
}

func TestResourceOf(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/pods":                                                  "pods",
		"/api/v1/namespaces":                                            "namespaces",
		"/api/v1/namespaces/default/pods":                               "pods",
		"/apis/storage.k8s.io/v1/volumeattachments":                     "volumeattachments",
		"/apis/holdfast.dev/v1alpha1/namespaces/default/tenancies":      "tenancies",
		"/apis/holdfast.dev/v1alpha1/namespaces/default/tenancies/db-0": "tenancies",
		"/healthz": "",
	} {
		if got := resourceOf(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func serving(h http.HandlerFunc) *http.Client {
	transport := &Transport{}
	transport.Serve(h)
	return &http.Client{Transport: transport}
}

func open(t *testing.T, ctx context.Context, client *http.Client, agent, path string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server.invalid"+path+"?watch=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", agent)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// watch opens a watch and returns its lines as they come.
func watch(t *testing.T, client *http.Client, agent, path string) <-chan string {
	t.Helper()
	resp := open(t, t.Context(), client, agent, path)
	lines := make(chan string, 100)
	go func() {
		defer resp.Body.Close()
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}
