package inproc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// errConnectionLost is what the HTTP/2 client reports to every request of a
// connection on which nobody answers any more.
var errConnectionLost = errors.New("http2: client connection lost")

// errWritten is why a write conflicts.
var errWritten = errors.New("the object has been modified; please apply your changes to the latest version and try again")

// Loss is a request that gets lost on its way, or its answer.
type Loss struct {
	Request
	// Lands: the request arrives and takes effect, and its answer gets lost.
	Lands bool
	// LandsAfter is how long it is on its way; 0: it lands at once.
	LandsAfter time.Duration
	// ErrorAfter is how long the sender waits before it gets an error.
	ErrorAfter time.Duration
	// Came is called when such a request was sent, and Landed when it has landed late;
	// nil: nobody is told.
	Came, Landed func()
}

// Lose lets the next such request get lost, over whichever connection it comes. Each
// loss takes one request, the earliest loss the first.
func (t *Transport) Lose(l Loss) { t.losses.add(&l) }

// lose returns the error that the sender gets, once it does.
func (t *Transport) lose(l *Loss, handler http.Handler, req *http.Request) error {
	if l.Came != nil {
		l.Came()
	}
	body, err := whole(req)
	if err != nil {
		return err
	}
	// The server is not told that nobody will read its answer.
	late := req.Clone(context.WithoutCancel(req.Context()))
	late.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case l.Lands && l.LandsAfter > 0:
		time.AfterFunc(l.LandsAfter, func() {
			l.land(handler, late)
			if l.Landed != nil {
				l.Landed()
			}
		})
	case l.Lands:
		l.land(handler, late)
	}
	wait := time.NewTimer(l.ErrorAfter)
	defer wait.Stop()
	select {
	case <-wait.C:
		return errConnectionLost
	case <-req.Context().Done():
		return req.Context().Err()
	}
}

// land lets the server do what is asked.
func (l *Loss) land(handler http.Handler, req *http.Request) {
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	newResponse(cancel).serve(handler, inbound(ctx, req))
}

// whole reads what a request carries, for its sender takes it back when it gives up.
func whole(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer func() { _ = req.Body.Close() }()
	return io.ReadAll(req.Body)
}

// losses are those that still wait for their request.
type losses struct {
	mu      sync.Mutex
	waiting []*Loss
}

func (l *losses) add(loss *Loss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, loss)
}

// take returns the loss that the request falls to, which then waits no more; nil if
// none does.
func (l *losses) take(req *http.Request) *Loss {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return nil
	}
	r := requestOf(req)
	i := slices.IndexFunc(l.waiting, func(loss *Loss) bool { return loss.Request == r })
	if i < 0 {
		return nil
	}
	loss := l.waiting[i]
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return loss
}
