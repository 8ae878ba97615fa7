package inproc

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Refusal is how a server turns requests away. What is empty in Request stands for all.
type Refusal struct {
	Request
	// With is the answer; nil: no connection is accepted.
	With *apierrors.StatusError
	// Until is when it ends.
	Until time.Time
	// times is how many requests it is for; 0: any number.
	times int
}

// TooManyRequests is 429, with a second to wait, except where that would stop virtual
// time (sentLocked); AlreadyWritten is 409.
func TooManyRequests() *apierrors.StatusError {
	return apierrors.NewTooManyRequests("the server is asked too much", 1)
}

// AlreadyWritten is what a write gets whose object was written by somebody else.
func AlreadyWritten(resource string) *apierrors.StatusError {
	return apierrors.NewConflict(schema.GroupResource{Resource: resource}, "it", errWritten)
}

// exempt are the user agents of what looks at a run and is no part of it.
var exempt = []string{"observer", "engine"}

// is says whether the request is one of those.
func (r Refusal) is(of Request) bool {
	return !slices.Contains(exempt, of.Component) &&
		(r.Component == "" || r.Component == of.Component) &&
		(r.Verb == "" || r.Verb == of.Verb) &&
		(r.Resource == "" || r.Resource == of.Resource)
}

// Refuse turns requests away from now on. Where connections are refused, the open
// watches that are meant end as well.
func (t *Transport) Refuse(r Refusal) {
	t.refusals.add(r)
	if r.With == nil {
		t.watches.end(func(of Request) bool { return r.is(of) })
	}
}

// DropWatch ends a component's open watches of a resource. With expired, each that
// asks to go on where it was is told that this is too long ago. It returns how many
// there were.
func (t *Transport) DropWatch(component, resource string, expired bool) int {
	watch := Request{Component: component, Verb: "watch", Resource: resource}
	is := func(of Request) bool { return of == watch }
	if expired {
		if open := t.watches.count(is); open > 0 {
			t.refusals.add(Refusal{Request: watch, With: apierrors.NewResourceExpired("the history was compacted"), times: open})
		}
	}
	return t.watches.end(is)
}

// refusals are those that are in force.
type refusals struct {
	mu  sync.Mutex
	all []Refusal
}

func (r *refusals) add(one Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
}

// of returns what becomes of a request that is turned away.
func (r *refusals) of(req *http.Request) (response *http.Response, err error, refused bool) { //nolint:revive // As RoundTrip has them, and whether.
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == 0 {
		return nil, nil, false
	}
	now, of := time.Now(), requestOf(req)
	r.all = slices.DeleteFunc(r.all, func(one Refusal) bool { return one.times == 0 && !now.Before(one.Until) })
	i := slices.IndexFunc(r.all, func(one Refusal) bool { return one.is(of) })
	if i < 0 {
		return nil, nil, false
	}
	one := r.all[i]
	if one.times == 1 {
		r.all = slices.Delete(r.all, i, i+1)
	} else if one.times > 1 {
		r.all[i].times--
	}
	if one.With == nil {
		return nil, syscall.ECONNREFUSED, true
	}
	response, err = answerOf(req, one.With)
	return response, err, true
}

// answerOf is the answer that a server gives with an error.
func answerOf(req *http.Request, refusal *apierrors.StatusError) (*http.Response, error) {
	status := refusal.Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	body, err := json.Marshal(status)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		header.Set(retryAfter, "1")
	}
	code := int(status.Code)
	return &http.Response{
		Status: http.StatusText(code), StatusCode: code, Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}, nil
}

// watches are those that are open.
type watches struct {
	mu   sync.Mutex
	open map[*response]Request
}

func (w *watches) add(r *response, of Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = map[*response]Request{}
	}
	w.open[r] = of
}

func (w *watches) remove(r *response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, r)
}

func (w *watches) count(is func(Request) bool) int { return len(w.those(is)) }

func (w *watches) those(is func(Request) bool) []*response {
	w.mu.Lock()
	defer w.mu.Unlock()
	var those []*response
	for r, of := range w.open {
		if is(of) {
			those = append(those, r)
		}
	}
	return those
}

// end lets the client read what was sent to it, and then the end.
func (w *watches) end(is func(Request) bool) int {
	those := w.those(is)
	for _, r := range those {
		r.finish()
		r.cancel()
	}
	return len(those)
}
