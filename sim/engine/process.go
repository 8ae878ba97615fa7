package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"github.com/holdfast-dev/holdfast/sim/engine/inproc"
)

// process is one life of the process that schedules: of the scheduler and, in a
// Holdfast cluster, of its plugin and the guard. Whatever lingers of it when it has
// ended reaches nobody.
type process struct {
	api        *APIServer
	connection *inproc.Connection
	// suffix is put behind the user agents of all that it consists of.
	suffix string
	ctx    context.Context
	end    context.CancelFunc
}

// secondSuffix tells the user agents of a second process from those of the first.
const secondSuffix = "-2"

func newProcess(ctx context.Context, api *APIServer, suffix string) *process {
	p := &process{api: api, connection: api.Transport.Connect(), suffix: suffix}
	p.ctx, p.end = context.WithCancel(ctx)
	context.AfterFunc(p.ctx, p.connection.Close)
	return p
}

// RESTConfig and JSONConfig are the API server's, over the process's connection.
func (p *process) RESTConfig(userAgent string) *rest.Config {
	return p.over(p.api.RESTConfig(userAgent + p.suffix))
}

func (p *process) JSONConfig(userAgent string) *rest.Config {
	return p.over(p.api.JSONConfig(userAgent + p.suffix))
}

func (p *process) over(c *rest.Config) *rest.Config {
	c.Transport = p.connection
	return c
}

// kill ends the process without a last word: no request of it leaves any more.
func (p *process) kill() {
	p.connection.Close()
	p.end()
}

// Restart is an end of the process that schedules, and its return.
type Restart struct {
	// DownFor is how long it is away, counted from its end.
	DownFor time.Duration
	// On is the request at which it ends, which does not reach the API server; nil:
	// it ends at once.
	On *inproc.Request
	// Tell is told when it ends, and when it is back with its caches filled; nil:
	// nobody is.
	Tell func(runs bool)
}

func (r Restart) tell(runs bool) {
	if r.Tell != nil {
		r.Tell(runs)
	}
}

// RestartScheduler ends the process that schedules, at once or at a request, and
// starts it again after a time. It does not wait for that. Only one restart is
// under way at a time.
func (c *Cluster) RestartScheduler(r Restart) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.process == nil:
		return errors.New("the scheduler's process is down already")
	case c.armed:
		return errors.New("the scheduler's process waits for a request to end at already")
	}
	if r.On == nil {
		c.stop()
		r.tell(false)
		c.startLater(r)
		return nil
	}
	c.armed = true
	p := c.process
	p.connection.CloseAt(*r.On, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.process != p {
			return // Stopped at the same instant.
		}
		c.stop()
		r.tell(false)
		c.startLater(r)
	})
	return nil
}

// StartSecondScheduler starts a second process that schedules beside the first, with
// caches of its own and no leader between the two, and returns when they are filled. It
// ends after a time, of which tell is told, or with the cluster if that is zero.
func (c *Cluster) StartSecondScheduler(runsFor time.Duration, tell func()) error {
	p, err := c.beginSecond()
	if err != nil {
		return err
	}
	if runsFor > 0 {
		ends := time.AfterFunc(runsFor, func() {
			p.kill()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.second = nil
			tell()
		})
		context.AfterFunc(c.life, func() { ends.Stop() })
	}
	return c.runUntilReady(p)
}

func (c *Cluster) beginSecond() (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.second != nil {
		return nil, errors.New("a second scheduler's process runs already")
	}
	c.second = newProcess(c.life, c.APIServer, secondSuffix)
	return c.second, nil
}

// startLater is called with the lock held.
func (c *Cluster) startLater(r Restart) {
	go func() {
		select {
		case <-time.After(r.DownFor):
		case <-c.life.Done():
			return
		}
		if err := c.StartScheduler(); err != nil {
			if c.life.Err() == nil {
				crashed.record(c.life, fmt.Errorf("restart of the scheduler: %w", err))
			}
			return
		}
		r.tell(true)
	}()
}

// StopScheduler ends the process that schedules: the scheduler and, in a Holdfast
// cluster, the plugin and the guard. No request of it reaches the API server any
// more. Without such a process it changes nothing.
func (c *Cluster) StopScheduler() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop()
}

// stop is called with the lock held.
func (c *Cluster) stop() {
	if c.process != nil {
		c.process.kill()
		c.process, c.armed = nil, false
	}
}

// StartScheduler starts the process that schedules anew, with empty caches, and
// returns when they are filled. It is an error if it runs.
func (c *Cluster) StartScheduler() error {
	p, err := c.begin()
	if err != nil {
		return err
	}
	return c.runUntilReady(p)
}

// runUntilReady is not called with the lock held: the caches take virtual time.
func (c *Cluster) runUntilReady(p *process) error {
	err := c.run(p)
	if err != nil && p.ctx.Err() != nil {
		return nil // Ended while it started.
	}
	return err
}

func (c *Cluster) begin() (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process != nil {
		return nil, errors.New("the scheduler's process runs")
	}
	c.process = newProcess(c.life, c.APIServer, "")
	return c.process, nil
}

// run starts what the process consists of.
func (c *Cluster) run(p *process) error {
	scheduler, err := newScheduler(p)
	if err != nil {
		return err
	}
	scheduler.record = c.options.Record
	if c.Holdfast() {
		if err := addHoldfast(p, scheduler, c); err != nil {
			return fmt.Errorf("holdfast: %w", err)
		}
	}
	return scheduler.start(p.ctx)
}
