package inproc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatGetsLostLandsOrNot(t *testing.T) {
	for name, lands := range map[string]bool{
		"the answer gets lost, and the request has landed": true,
		"the request gets lost":                            false,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				landed, came := 0, 0
				transport := &Transport{}
				transport.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					landed++
					if _, err := w.Write([]byte("done")); err != nil {
						t.Error(err)
					}
				}))
				transport.Lose(Loss{
					Request: Request{Component: "kube-scheduler", Verb: "create", Resource: "pods/binding"},
					Lands:   lands, ErrorAfter: 45 * time.Second, Came: func() { came++ },
				})
				post := func(ctx context.Context, path string) error {
					req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://server.invalid"+path, http.NoBody)
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("User-Agent", "kube-scheduler/v1")
					response, err := (&http.Client{Transport: transport.Connect()}).Do(req)
					if err == nil {
						_ = response.Body.Close()
					}
					return err
				}
				const binding = "/api/v1/namespaces/default/pods/web-0/binding"
				began := time.Now()
				if err := post(t.Context(), "/api/v1/namespaces/default/pods"); err != nil || landed != 1 || came != 0 {
					t.Errorf("another request: error %v, landed %d times, counted %d times as the one", err, landed, came)
				}
				if err := post(t.Context(), binding); !errors.Is(err, errConnectionLost) || time.Since(began) != 45*time.Second || came != 1 {
					t.Errorf("got %v after %s, came %d times", err, time.Since(began), came)
				}
				want := 1
				if lands {
					want = 2
				}
				if landed != want {
					t.Errorf("%d requests landed, want %d", landed, want)
				}
				if err := post(t.Context(), binding); err != nil || landed != want+1 {
					t.Errorf("the one after it got lost too: %v", err)
				}
			})
		})
	}
}

func TestALossEndsWithItsSendersPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &Transport{}
		transport.Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		transport.Lose(Loss{Request: Request{Component: "kubelet", Verb: "list", Resource: "pods"}, ErrorAfter: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server.invalid/api/v1/pods", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("User-Agent", "kubelet")
		began := time.Now()
		if _, err := (&http.Client{Transport: transport}).Do(req); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
	})
}

func TestWhatIsLongOnItsWayLandsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var body string
		var landed time.Duration
		transport := &Transport{}
		transport.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			data, err := io.ReadAll(r.Body)
			if err != nil || r.Context().Err() != nil {
				t.Errorf("body: %v, request: %v", err, r.Context().Err())
			}
			body, landed = string(data), time.Since(began)
		}))
		told := false
		transport.Lose(Loss{
			Request: Request{Component: "gc", Verb: "delete", Resource: "pods"},
			Lands:   true, LandsAfter: time.Minute, ErrorAfter: 10 * time.Second, Landed: func() { told = true },
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://server.invalid/api/v1/namespaces/default/pods/web-0", strings.NewReader("now"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("User-Agent", "gc")
		if _, err := (&http.Client{Transport: transport}).Do(req); !errors.Is(err, errConnectionLost) || time.Since(began) != 10*time.Second {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if body != "now" || landed != time.Minute || !told {
			t.Errorf("%q landed after %s, told: %t", body, landed, told)
		}
	})
}
