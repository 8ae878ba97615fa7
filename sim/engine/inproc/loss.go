package inproc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// errConnectionLost is what the HTTP/2 client reports to every request of a
// connection on which nobody answers any more.
var errConnectionLost = errors.New("http2: client connection lost")

// Loss is a request that gets lost on its way, or its answer.
type Loss struct {
	Request
	// Lands: the request arrives and takes effect, and its answer gets lost.
	Lands bool
	// ErrorAfter is how long the sender waits before it gets an error.
	ErrorAfter time.Duration
	// Came is called when such a request was sent; nil: nobody is told.
	Came func()
}

// Lose lets the next such request get lost, over whichever connection it comes. Each
// loss takes one request, the earliest loss the first.
func (t *Transport) Lose(l Loss) { t.losses.add(&l) }

// lose returns the error that the sender gets, once it does.
func (t *Transport) lose(l *Loss, handler http.Handler, req *http.Request) error {
	if l.Came != nil {
		l.Came()
	}
	if l.Lands {
		// The server is not told that nobody will read its answer.
		served, cancel := context.WithCancel(context.WithoutCancel(req.Context()))
		defer cancel()
		newResponse(cancel).serve(handler, inbound(served, req))
	} else if req.Body != nil {
		_ = req.Body.Close()
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
