package inproc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Request is what a client asks for, in the API server's words.
type Request struct {
	// Component is who asks: the part of the user agent before the first slash.
	Component string
	// Verb is get, list, watch, create, update, patch, delete or deletecollection.
	Verb string
	// Resource is a plural name, and a subresource after a slash: pods/status.
	Resource string
}

func requestOf(r *http.Request) Request {
	component, _, _ := strings.Cut(r.UserAgent(), "/")
	resource, name, sub := pathOf(r.URL.Path)
	verb := map[string]string{
		http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch",
		http.MethodGet: "get", http.MethodDelete: "delete",
	}[r.Method]
	switch {
	case verb == "get" && r.URL.Query().Get("watch") != "":
		verb = "watch"
	case verb == "get" && name == "":
		verb = "list"
	case verb == "delete" && name == "":
		verb = "deletecollection"
	}
	if sub != "" {
		resource += "/" + sub
	}
	return Request{Component: component, Verb: verb, Resource: resource}
}

// errClosed is what every request gets whose process has ended.
var errClosed = errors.New("the process has ended, and its connection with it")

// Connection is one process's way to the server, for all its clients: an
// http.RoundTripper that can be closed, as the kernel closes what a process leaves.
type Connection struct {
	transport *Transport
	life      context.Context
	end       context.CancelFunc

	mu     sync.Mutex
	closed bool
	trap   *trap
}

type trap struct {
	request Request
	sprung  func()
}

// Connect opens a connection.
func (t *Transport) Connect() *Connection {
	c := &Connection{transport: t}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

// Close ends the connection: its watches end, and no request reaches the server any
// more, whoever lingers and sends one.
func (c *Connection) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close()
}

func (c *Connection) close() {
	c.closed, c.trap = true, nil
	c.end()
}

// CloseAt closes the connection in the moment in which the next such request is
// sent, which does not reach the server, and calls sprung then. A connection waits
// for one request at a time: a later call replaces an earlier one.
func (c *Connection) CloseAt(r Request, sprung func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.trap = &trap{request: r, sprung: sprung}
	}
}

// RoundTrip implements http.RoundTripper.
func (c *Connection) RoundTrip(req *http.Request) (*http.Response, error) {
	if !c.passes(req) {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, errClosed
	}
	ctx, cancel := context.WithCancel(req.Context())
	stop := context.AfterFunc(c.life, cancel)
	release := func() {
		stop()
		cancel()
	}
	response, err := c.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		release()
		return nil, err
	}
	response.Body = &released{ReadCloser: response.Body, release: release}
	return response, nil
}

// passes says whether a request may leave, and lets one that was waited for spring
// the trap.
func (c *Connection) passes(req *http.Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if t := c.trap; t != nil && requestOf(req) == t.request {
		c.close()
		go t.sprung()
		return false
	}
	return true
}

// released is a body that lets go of its connection when it is closed.
type released struct {
	io.ReadCloser
	release func()
}

// Close implements io.Closer.
func (r *released) Close() error {
	defer r.release()
	return r.ReadCloser.Close()
}
