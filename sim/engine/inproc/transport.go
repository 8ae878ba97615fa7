// Package inproc carries HTTP requests to a handler in the same process, without
// a socket: an http.RoundTripper whose requests are served in the caller's
// goroutine and whose watches stream through memory. Inside a synctest bubble
// every wait in it is durable, so that virtual time can pass.
package inproc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Transport is an http.RoundTripper that calls a handler. The zero value refuses
// connections until Serve is called, as a server does that is not up yet.
type Transport struct {
	handler atomic.Pointer[http.Handler]
	stalls  stalls
	losses  losses
	observe atomic.Pointer[func(*http.Request)]
	// refusals are what the server turns away, and watches those that it serves.
	refusals refusals
	watches  watches
}

// Observe lets the function see every request from now on, before it is served and where
// it then gets lost too. It is called from many goroutines at once.
func (t *Transport) Observe(f func(*http.Request)) { t.observe.Store(&f) }

// Serve lets the transport's requests reach h from now on.
func (t *Transport) Serve(h http.Handler) { t.handler.Store(&h) }

// Stall holds back what the watches of a component on a resource deliver, those
// open now and those opened later, until Resume. The component is the part of the
// user agent before the first slash, the resource a plural name.
func (t *Transport) Stall(component, resource string) {
	t.stalls.set(watchKey{component, resource}, true)
}

// Resume ends Stall: what was held back is delivered, in order.
func (t *Transport) Resume(component, resource string) {
	t.stalls.set(watchKey{component, resource}, false)
}

// RoundTrip serves the request. A watch is served in a goroutine of its own and
// returns as soon as the handler has sent its header; everything else is served
// before RoundTrip returns.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	response, err := t.answer(req)
	if err == nil && response.Header.Get(retryAfter) != "" && sentLocked(req) {
		response.Header.Del(retryAfter)
	}
	return response, err
}

func (t *Transport) answer(req *http.Request) (*http.Response, error) {
	handler := t.handler.Load()
	if handler == nil {
		return nil, syscall.ECONNREFUSED
	}
	if observe := t.observe.Load(); observe != nil {
		(*observe)(req)
	}
	if response, err, refused := t.refusals.of(req); refused {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return response, err
	}
	if l := t.losses.take(req); l != nil {
		return nil, t.lose(l, *handler, req)
	}
	ctx, cancel := context.WithCancel(req.Context())
	r := inbound(ctx, req)
	w := newResponse(cancel)

	if r.URL.Query().Get("watch") == "" {
		w.serve(*handler, r)
		return w.response(req, w), nil
	}

	t.watches.add(w, requestOf(r))
	go w.serve(*handler, r)
	context.AfterFunc(ctx, func() {
		t.watches.remove(w)
		// In this order: who is woken looks whether it was abandoned.
		w.abandon()
		t.stalls.wake()
	})
	select {
	case <-w.headerSent:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return w.response(req, &stallable{response: w, stalls: &t.stalls, key: watchKeyOf(r)}), nil
}

// inbound turns a client's request into what a server would have parsed from it.
func inbound(ctx context.Context, req *http.Request) *http.Request {
	r := req.Clone(ctx)
	r.RequestURI = req.URL.RequestURI()
	r.RemoteAddr = "127.0.0.1:1"
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	if r.Host == "" {
		r.Host = req.URL.Host
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	return r
}

// response is the server's http.ResponseWriter and the client's body in one: an
// unbounded pipe. It is unbounded because a handler that blocks on a slow reader
// would make the result of a run depend on buffer sizes.
type response struct {
	cancel     context.CancelFunc
	headerSent chan struct{}

	header http.Header // the handler's, until sent
	once   sync.Once
	code   int
	sent   http.Header

	mu        sync.Mutex
	cond      *sync.Cond
	buf       []byte
	finished  bool // by the handler
	abandoned bool // by the client
}

var errAbandoned = errors.New("the client closed the connection")

func newResponse(cancel context.CancelFunc) *response {
	w := &response{cancel: cancel, headerSent: make(chan struct{}), header: http.Header{}}
	w.cond = sync.NewCond(&w.mu)
	return w
}

// serve lets the handler answer.
func (w *response) serve(handler http.Handler, r *http.Request) {
	defer func() {
		// ErrAbortHandler is how a handler drops a connection; anything else is a bug.
		if e := recover(); e != nil && e != http.ErrAbortHandler { //nolint:errorlint // Panics with the value itself.
			panic(e)
		}
		w.finish()
	}()
	handler.ServeHTTP(w, r)
}

func (w *response) response(req *http.Request, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: http.StatusText(w.code), StatusCode: w.code,
		Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: w.sent, Body: body, ContentLength: -1, Request: req,
	}
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter; informational codes are dropped.
func (w *response) WriteHeader(code int) {
	if code < http.StatusOK {
		return
	}
	w.once.Do(func() {
		w.code, w.sent = code, w.header.Clone()
		close(w.headerSent)
	})
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.abandoned {
		return 0, errAbandoned
	}
	w.buf = append(w.buf, p...)
	w.cond.Broadcast()
	return len(p), nil
}

// Flush implements http.Flusher.
func (w *response) Flush() { w.WriteHeader(http.StatusOK) }

// FlushError, SetReadDeadline, SetWriteDeadline and EnableFullDuplex are what
// http.ResponseController asks for; memory has no deadlines.
func (w *response) FlushError() error                { w.Flush(); return nil }
func (w *response) SetReadDeadline(time.Time) error  { return nil }
func (w *response) SetWriteDeadline(time.Time) error { return nil }
func (w *response) EnableFullDuplex() error          { return nil }

// CloseNotify is deprecated, but without it the API server does not believe that
// the writer can stream (k8s.io/apiserver pkg/endpoints/responsewriter). The
// request's context is what tells the handler.
func (w *response) CloseNotify() <-chan bool { return make(chan bool) }

func (w *response) finish() {
	w.WriteHeader(http.StatusOK)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished = true
	w.cond.Broadcast()
}

func (w *response) abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.abandoned = true
	w.cond.Broadcast()
}

// Read implements the client's body.
func (w *response) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.buf) == 0 {
		if w.finished || w.abandoned {
			return 0, io.EOF
		}
		w.cond.Wait()
	}
	n := copy(p, w.buf)
	w.buf = w.buf[n:]
	return n, nil
}

// Close implements the client's body.
func (w *response) Close() error {
	w.abandon()
	w.cancel()
	return nil
}

// watchKey names watches by who watches and what.
type watchKey struct{ component, resource string }

func watchKeyOf(r *http.Request) watchKey {
	component, _, _ := strings.Cut(r.UserAgent(), "/")
	return watchKey{component, resourceOf(r.URL.Path)}
}

// resourceOf is the resource that a path is about.
func resourceOf(path string) string {
	resource, _, _ := pathOf(path)
	return resource
}

// pathOf takes apart /api/v1/[namespaces/<ns>/]<resource>[/<name>[/<subresource>]]
// and /apis/<group>/<version>/[namespaces/<ns>/]<resource>[/<name>[/<subresource>]].
func pathOf(path string) (resource, name, subresource string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return "", "", ""
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	parts = append(parts, "", "")
	return parts[0], parts[1], parts[2]
}

// stalls is the set of watches that deliver nothing.
type stalls struct {
	mu   sync.Mutex
	cond *sync.Cond
	held map[watchKey]bool
}

func (s *stalls) init() {
	if s.cond == nil {
		s.cond, s.held = sync.NewCond(&s.mu), map[watchKey]bool{}
	}
}

func (s *stalls) set(k watchKey, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	s.held[k] = held
	s.cond.Broadcast()
}

// wake lets waiting readers look again whether their watch was closed.
func (s *stalls) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	s.cond.Broadcast()
}

// wait returns once the key is not held, or the watch was given up.
func (s *stalls) wait(k watchKey, givenUp func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	for s.held[k] && !givenUp() {
		s.cond.Wait()
	}
}

// stallable is a watch's body whose delivery can be held back.
type stallable struct {
	*response
	stalls *stalls
	key    watchKey
}

// Read waits for bytes first and for the stall's end second: bytes that arrive
// while it waits for bytes must be held back too.
func (b *stallable) Read(p []byte) (int, error) {
	b.mu.Lock()
	for len(b.buf) == 0 && !b.finished && !b.abandoned {
		b.cond.Wait()
	}
	b.mu.Unlock()
	b.stalls.wait(b.key, b.givenUp)
	return b.response.Read(p)
}

// Close implements io.Closer.
func (b *stallable) Close() error {
	err := b.response.Close()
	b.stalls.wake()
	return err
}

func (b *stallable) givenUp() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.abandoned
}
