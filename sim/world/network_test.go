package world

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// server answers in process. A watch's body is what is sent to lines.
type server struct {
	mu     sync.Mutex
	served []string
	lines  chan string
	// delay is how long the server takes to answer.
	delay time.Duration
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.served = append(s.served, req.URL.Path)
	s.mu.Unlock()
	time.Sleep(s.delay)
	response := &http.Response{StatusCode: http.StatusOK, Request: req, Body: io.NopCloser(strings.NewReader("done"))}
	if req.URL.Query().Get("watch") != "" {
		r, w := io.Pipe()
		context.AfterFunc(req.Context(), func() { _ = w.Close() })
		go func() {
			for line := range s.lines {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		}()
		response.Body = r
	}
	return response, nil
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.served)
}

// timed fails the test unless f takes exactly that long.
func timed(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if got := time.Since(start); got != want {
		t.Errorf("took %v, want %v", got, want)
	}
}

func get(t *testing.T, client http.RoundTripper, ctx context.Context, path string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server.invalid"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.RoundTrip(req)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), response.Body.Close()
}

func TestLinkDial(t *testing.T) {
	tests := map[string]struct {
		healAfter, giveUpAfter time.Duration
		want                   time.Duration
		wantErr                bool
		wantServed             int
	}{
		"a dial gives up after 30s":            {want: 30 * time.Second, wantErr: true},
		"a dial ends at once with the heal":    {healAfter: 7 * time.Second, want: 7 * time.Second, wantServed: 1},
		"a dial ends with the request's limit": {giveUpAfter: 10 * time.Second, want: 10 * time.Second, wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := &server{}, newLink()
				client := l.connect(s)
				l.cut()
				ctx := t.Context()
				if tc.giveUpAfter > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.giveUpAfter)
					defer cancel()
				}
				if tc.healAfter > 0 {
					time.AfterFunc(tc.healAfter, l.heal)
				}
				timed(t, tc.want, func() {
					if _, err := get(t, client, ctx, "/"); (err != nil) != tc.wantErr {
						t.Errorf("error: %v", err)
					}
				})
				if s.count() != tc.wantServed {
					t.Errorf("served %d requests, want %d", s.count(), tc.wantServed)
				}
			})
		})
	}
}

func TestLinkDialErrorIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink()
		client := l.connect(&server{})
		l.cut()
		_, err := get(t, client, t.Context(), "/")
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("got %v, want a timeout", err)
		}
	})
}

func TestLinkAnswerIsLostAndTheWriteIsNot(t *testing.T) {
	tests := map[string]struct {
		healAfter, giveUpAfter time.Duration
		want                   time.Duration
		wantErr                error
	}{
		"the answer arrives with the heal":         {healAfter: 20 * time.Second, want: 20 * time.Second},
		"the request's own limit ends it":          {giveUpAfter: 10 * time.Second, want: 10 * time.Second, wantErr: context.DeadlineExceeded},
		"the connection is lost without an answer": {want: 45 * time.Second, wantErr: errConnectionLost},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// The cut comes at 1s, in the middle of the answer.
				s, l := &server{delay: 2 * time.Second}, newLink()
				client := l.connect(s)
				ctx := t.Context()
				if tc.giveUpAfter > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.giveUpAfter)
					defer cancel()
				}
				time.AfterFunc(time.Second, l.cut)
				if tc.healAfter > 0 {
					time.AfterFunc(tc.healAfter, l.heal)
				}
				timed(t, tc.want, func() {
					if _, err := get(t, client, ctx, "/write"); !errors.Is(err, tc.wantErr) {
						t.Errorf("got %v, want %v", err, tc.wantErr)
					}
				})
				if s.count() != 1 {
					t.Errorf("served %d requests, want 1", s.count())
				}
			})
		})
	}
}

func TestLinkEstablishedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := &server{}, newLink()
		client := l.connect(s)
		if _, err := get(t, client, t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		// Quiet for 40s: a ping was answered at 30s, so the next silence counts from there.
		time.Sleep(40 * time.Second)
		l.cut()
		timed(t, 35*time.Second, func() {
			if _, err := get(t, client, t.Context(), "/"); !errors.Is(err, errConnectionLost) {
				t.Errorf("got %v, want the connection's loss", err)
			}
		})
		// The next one dials.
		timed(t, 30*time.Second, func() {
			if _, err := get(t, client, t.Context(), "/"); err == nil || errors.Is(err, errConnectionLost) {
				t.Errorf("got %v, want a dial's timeout", err)
			}
		})
		l.heal()
		timed(t, 0, func() {
			if _, err := get(t, client, t.Context(), "/"); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestLinkWatch(t *testing.T) {
	tests := map[string]struct {
		healAfter time.Duration
		wantErr   error
		wantAt    time.Duration
	}{
		"held-back bytes are delivered after the heal": {healAfter: 44 * time.Second, wantAt: 44 * time.Second},
		"the watch breaks after 45s of silence":        {healAfter: time.Hour, wantAt: 45 * time.Second, wantErr: errConnectionLost},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := &server{lines: make(chan string, 10)}, newLink()
				defer close(s.lines)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server.invalid/pods?watch=true", nil)
				if err != nil {
					t.Fatal(err)
				}
				response, err := l.connect(s).RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = response.Body.Close() }()
				p := make([]byte, 100)

				s.lines <- "one"
				if n, err := response.Body.Read(p); err != nil || string(p[:n]) != "one" {
					t.Fatalf("got %q, %v", p[:n], err)
				}
				l.cut()
				s.lines <- "two"
				heal := time.AfterFunc(tc.healAfter, l.heal)
				defer heal.Stop()
				timed(t, tc.wantAt, func() {
					n, err := response.Body.Read(p)
					if !errors.Is(err, tc.wantErr) {
						t.Fatalf("got %v, want %v", err, tc.wantErr)
					}
					if err == nil && string(p[:n]) != "two" {
						t.Errorf("got %q, want two", p[:n])
					}
				})
			})
		})
	}
}

func TestLinkQuietWatchBreaksToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := &server{lines: make(chan string)}, newLink()
		defer close(s.lines)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server.invalid/pods?watch=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := l.connect(s).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		l.cut()
		timed(t, 45*time.Second, func() {
			if _, err := response.Body.Read(make([]byte, 1)); !errors.Is(err, errConnectionLost) {
				t.Errorf("got %v, want the connection's loss", err)
			}
		})
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOneWayLoss(t *testing.T) {
	tests := map[string]struct {
		cut        func(*link)
		wantServed int
	}{
		"what the node sends never arrives":           {(*link).cutFromNode, 1},
		"what is sent to it vanishes, and was served": {(*link).cutToNode, 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := &server{}, newLink()
				client := l.connect(s)
				if _, err := get(t, client, t.Context(), "/"); err != nil {
					t.Fatal(err)
				}
				tc.cut(l)
				timed(t, readIdleTimeout+pingTimeout, func() {
					if _, err := get(t, client, t.Context(), "/"); !errors.Is(err, errConnectionLost) {
						t.Errorf("got %v", err)
					}
				})
				if s.count() != tc.wantServed || !l.silent() {
					t.Errorf("%d requests were served, silent: %t", s.count(), l.silent())
				}
				l.heal()
				if _, err := get(t, client, t.Context(), "/"); err != nil || l.silent() {
					t.Errorf("after the heal: %v, silent: %t", err, l.silent())
				}
			})
		})
	}
}

func TestUntilLost(t *testing.T) {
	tests := map[string]struct{ quiet, want time.Duration }{
		"a frame just arrived":            {0, 45 * time.Second},
		"the next ping is 10s away":       {20 * time.Second, 25 * time.Second},
		"pings were answered in between":  {65 * time.Second, 40 * time.Second},
		"a ping was answered just before": {60 * time.Second, 45 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := untilLost(tc.quiet); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
