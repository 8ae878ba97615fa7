package world

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// How clients find out that nobody answers. A new connection gives up after the
// dial timeout of client-go (transport/cache.go: net.Dialer{Timeout: 30s}). A
// connection on which no frame arrives for readIdleTimeout gets a ping, and is
// closed with all its requests if that is not answered within pingTimeout
// (apimachinery pkg/util/net/http.go, HTTP2_READ_IDLE_TIMEOUT_SECONDS and
// HTTP2_PING_TIMEOUT_SECONDS).
const (
	dialTimeout     = 30 * time.Second
	readIdleTimeout = 30 * time.Second
	pingTimeout     = 15 * time.Second
)

// errConnectionLost is what the HTTP/2 client reports to every request of a
// connection whose ping was not answered.
var errConnectionLost = errors.New("http2: client connection lost")

// errClosed is what a request gets whose process has ended.
var errClosed = errors.New("the process has ended, and its connection with it")

// link is the network between one machine and the API server. While it is cut,
// packets vanish without a word in both directions, and what was on its way
// arrives when it heals, as TCP would send it again. A machine without power has
// a dead end of it, whatever becomes of the network.
type link struct {
	mu                sync.Mutex
	partitioned, dead bool
	// frozen: nobody on the machine listens or speaks.
	frozen bool
	// lostFrom and lostTo: only what the node sends, or is sent, vanishes.
	lostFrom, lostTo bool
	// watchesLag is how much later arrives what watches deliver.
	watchesLag time.Duration
	// healed is closed while nothing vanishes; outward and inward while nothing does
	// that the node sends, or is sent.
	healed, outward, inward chan struct{}
	connections             []*connection
}

// newLink returns a link that is not cut. Inside a synctest bubble it must be made
// there.
func newLink() *link {
	l := &link{healed: make(chan struct{}), outward: make(chan struct{}), inward: make(chan struct{})}
	close(l.healed)
	close(l.outward)
	close(l.inward)
	return l
}

// connect returns a client's side of the link: one HTTP/2 connection to the
// server that base reaches, made at the first request and again after it is lost.
func (l *link) connect(base http.RoundTripper) *connection {
	c := &connection{link: l, base: base}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connections = append(l.connections, c)
	return c
}

// isCut says whether anything vanishes. It is called with the lock held.
func (l *link) isCut() bool { return l.loses(l.lostFrom) || l.loses(l.lostTo) }

// loses says whether everything vanishes in a direction, for one reason or another.
func (l *link) loses(oneWay bool) bool { return oneWay || l.partitioned || l.dead || l.frozen }

// cut lets packets vanish from now on.
func (l *link) cut() { l.change(func() { l.partitioned = true }) }

// heal lets packets through again, if the machine has power.
func (l *link) heal() { l.change(func() { l.partitioned, l.lostFrom, l.lostTo = false, false, false }) }

// cutFromNode and cutToNode are cut in one direction, until heal.
func (l *link) cutFromNode() { l.change(func() { l.lostFrom = true }) }
func (l *link) cutToNode()   { l.change(func() { l.lostTo = true }) }

// freeze and thaw are about the machine's side, as its power is.
func (l *link) freeze() { l.change(func() { l.frozen = true }) }
func (l *link) thaw()   { l.change(func() { l.frozen = false }) }

// powerOff is the end of the machine's side, powerOn its return. A partition
// stays what it is.
func (l *link) powerOff() { l.change(func() { l.dead, l.frozen = true, false }) }
func (l *link) powerOn()  { l.change(func() { l.dead = false }) }

func (l *link) change(alter func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was, wasFrom, wasTo := l.isCut(), l.loses(l.lostFrom), l.loses(l.lostTo)
	alter()
	turn(&l.outward, wasFrom, l.loses(l.lostFrom))
	turn(&l.inward, wasTo, l.loses(l.lostTo))
	turn(&l.healed, was, l.isCut())
	switch is := l.isCut(); {
	case is && !was:
		for _, c := range l.connections {
			c.fallSilent()
		}
	case was && !is:
		for _, c := range l.connections {
			c.speakAgain()
		}
	}
}

// turn follows a direction: its channel is closed while nothing vanishes.
func turn(open *chan struct{}, was, lost bool) {
	switch {
	case lost && !was:
		*open = make(chan struct{})
	case was && !lost:
		close(*open)
	}
}

// silent says whether the link is cut, if only one way: a question or its answer
// vanishes.
func (l *link) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isCut()
}

// connection is one client's HTTP/2 connection over a link.
type connection struct {
	link *link
	base http.RoundTripper

	mu     sync.Mutex
	life   context.Context // of the established connection; nil if there is none
	lose   context.CancelCauseFunc
	heard  time.Time   // when the last frame arrived
	ending *time.Timer // while the link is cut and the connection established
	closed bool
}

// close ends the connection for good, as the kernel does for a process that ends.
// No request leaves over it any more.
func (c *connection) close() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.connections = slices.DeleteFunc(c.link.connections, func(o *connection) bool { return o == c })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.ending != nil {
		c.ending.Stop()
		c.ending = nil
	}
	if c.life != nil {
		c.lose(errClosed)
		c.life = nil
	}
}

// RoundTrip carries a request over the link and its answer back. The server is not
// told when the client gives up on a request that has no answer yet: a write that
// got through takes effect.
func (c *connection) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	life, err := c.reach(ctx)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	if req.URL.Query().Get("watch") != "" {
		return c.watch(ctx, life, req)
	}

	answers := make(chan answer, 1)
	go func() { answers <- whole(c.base.RoundTrip(req.Clone(context.WithoutCancel(ctx)))) }()
	select {
	case a := <-answers:
		if err := c.cross(ctx, life, ToNode); err != nil {
			return nil, err
		}
		return a.response, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-life.Done():
		return nil, context.Cause(life)
	}
}

// watch carries a request whose answer has no end.
func (c *connection) watch(ctx, life context.Context, req *http.Request) (*http.Response, error) {
	served, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	stopOnCancel := context.AfterFunc(ctx, hangUp)
	stopOnLoss := context.AfterFunc(life, hangUp)
	release := func() {
		stopOnCancel()
		stopOnLoss()
		hangUp()
	}

	response, err := c.base.RoundTrip(req.Clone(served))
	if crossed := c.cross(ctx, life, ToNode); crossed != nil {
		if err == nil {
			_ = response.Body.Close()
		}
		response, err = nil, crossed
	}
	if err != nil {
		release()
		return nil, err
	}
	response.Body = &stream{ReadCloser: newLagging(ctx, life, response.Body, c.link), connection: c, ctx: ctx, life: life, release: release}
	return response, nil
}

// reach returns once a request can leave: at once, or when the link heals. A new
// connection waits as a dial does, an established one until it is lost.
func (c *connection) reach(ctx context.Context) (context.Context, error) {
	healed, life := c.state()
	if life != nil {
		return life, c.cross(ctx, life, FromNode)
	}
	giveUp := time.NewTimer(dialTimeout)
	defer giveUp.Stop()
	for {
		select {
		case <-healed:
			if life, err := c.establish(); life != nil || err != nil {
				return life, err
			}
			healed, _ = c.state() // Cut again at the same instant.
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-giveUp.C:
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: timeoutError{}}
		}
	}
}

// cross returns once something that was sent has arrived: at the client, or from it.
func (c *connection) cross(ctx, life context.Context, d Direction) error {
	open := c.link.way(d)
	// Before the wait: a select takes any of the cases that are ready.
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case life.Err() != nil:
		return context.Cause(life)
	}
	select {
	case <-open:
		c.hear()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-life.Done():
		return context.Cause(life)
	}
}

// way returns what is closed while nothing vanishes in a direction.
func (l *link) way(d Direction) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d == FromNode {
		return l.outward
	}
	return l.inward
}

func (c *connection) state() (healed <-chan struct{}, life context.Context) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link.healed, c.life
}

// establish returns the connection's life, or nil while the link is cut.
func (c *connection) establish() (context.Context, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, errClosed
	case c.link.isCut():
		return nil, nil
	}
	if c.life == nil {
		c.life, c.lose = context.WithCancelCause(context.Background())
	}
	c.heard = time.Now()
	return c.life, nil
}

func (c *connection) hear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = time.Now()
}

// fallSilent starts the clock that ends an established connection.
func (c *connection) fallSilent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == nil {
		return
	}
	c.ending = time.AfterFunc(untilLost(time.Since(c.heard)), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ending == nil {
			return // Healed at the same instant.
		}
		c.lose(errConnectionLost)
		c.life, c.ending = nil, nil
	})
}

// speakAgain stops it. A ping under way is answered now.
func (c *connection) speakAgain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = time.Now()
	if c.ending != nil {
		c.ending.Stop()
		c.ending = nil
	}
}

// untilLost is after what time a connection ends that falls silent when its last
// frame is quiet old: pings were answered every readIdleTimeout until then.
func untilLost(quiet time.Duration) time.Duration {
	return readIdleTimeout + pingTimeout - quiet%readIdleTimeout
}

// stream is a watch's body.
type stream struct {
	io.ReadCloser
	connection *connection
	ctx, life  context.Context
	release    func()
}

// Read waits for bytes first and for the link second: bytes that the server sends
// while the link is cut are held back.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if crossed := s.connection.cross(s.ctx, s.life, ToNode); crossed != nil {
		return 0, crossed
	}
	return n, err
}

// Close implements io.Closer.
func (s *stream) Close() error {
	defer s.release()
	return s.ReadCloser.Close()
}

// answer is what a request came to.
type answer struct {
	response *http.Response
	err      error
}

// whole reads the answer to its end, so that it crosses the link at one instant.
func whole(response *http.Response, err error) answer {
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{err: err}
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return answer{response: response}
}

// timeoutError is what a dial fails with that nobody answers.
type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
