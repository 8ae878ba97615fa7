package world

import (
	"context"
	"io"
	"sync"
	"time"
)

// lag lets what watches deliver arrive so much later from now on.
func (l *link) lag(by time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchesLag = by
}

func (l *link) lags() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.watchesLag
}

// lagging delivers what comes from a watch later, each piece by as much as the link lags
// when it comes. Who does not lag reads for himself; from the first piece that comes late
// on a goroutine reads ahead, for a piece must not wait for the one before it twice.
type lagging struct {
	body io.ReadCloser
	link *link
	ctx  context.Context
	life context.Context

	ahead chan piece // nil: nothing was late yet
	once  sync.Once
	ended chan struct{}
	rest  []byte
}

// piece is what one read of the body brought, and when it is due.
type piece struct {
	data []byte
	err  error
	due  time.Time
}

func newLagging(ctx, life context.Context, body io.ReadCloser, l *link) *lagging {
	return &lagging{body: body, link: l, ctx: ctx, life: life, ended: make(chan struct{})}
}

// Read is called by one goroutine at a time, as of any body.
func (b *lagging) Read(p []byte) (int, error) {
	if len(b.rest) > 0 {
		n := copy(p, b.rest)
		b.rest = b.rest[n:]
		return n, nil
	}
	if b.ahead == nil {
		n, err := b.body.Read(p)
		lag := b.link.lags()
		if lag == 0 {
			return n, err
		}
		b.ahead = make(chan piece, aheadMax)
		b.ahead <- piece{data: append([]byte(nil), p[:n]...), err: err, due: time.Now().Add(lag)}
		if err == nil {
			go b.readAhead()
		}
	}
	select {
	case next := <-b.ahead:
		if err := b.await(next.due); err != nil {
			return 0, err
		}
		n := copy(p, next.data)
		b.rest = next.data[n:]
		return n, next.err
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	case <-b.life.Done():
		return 0, context.Cause(b.life)
	}
}

// aheadMax is how many pieces are read ahead; more wait in the body, and are late by
// when they are read.
const aheadMax = 1000

func (b *lagging) readAhead() {
	for {
		data := make([]byte, 64<<10)
		n, err := b.body.Read(data)
		select {
		case b.ahead <- piece{data: data[:n], err: err, due: time.Now().Add(b.link.lags())}:
		case <-b.ended:
			return
		}
		if err != nil {
			return
		}
	}
}

// await waits until a piece is due.
func (b *lagging) await(due time.Time) error {
	t := time.NewTimer(time.Until(due))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-b.ctx.Done():
		return b.ctx.Err()
	case <-b.life.Done():
		return context.Cause(b.life)
	}
}

// Close implements io.Closer.
func (b *lagging) Close() error {
	b.once.Do(func() { close(b.ended) })
	return b.body.Close()
}
