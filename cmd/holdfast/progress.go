package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// progressInterval is how often the line is drawn, in wall time.
const progressInterval = 200 * time.Millisecond

// clearLine returns to the start of the line and empties it.
const clearLine = "\r\x1b[K"

// progress is a line on a terminal that is drawn again and again, outside of virtual
// time; nothing elsewhere.
type progress struct {
	f *os.File
	// mu is held while anybody draws.
	mu          sync.Mutex
	done, ended chan struct{}
}

// showLine draws the line until stop is called.
func showLine(f *os.File, line func() string) *progress {
	p := &progress{f: f}
	if !term.IsTerminal(int(f.Fd())) {
		return p
	}
	p.done, p.ended = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(p.ended)
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			p.draw(clearLine + line())
			select {
			case <-p.done:
				p.draw(clearLine)
				return
			case <-tick.C:
			}
		}
	}()
	return p
}

func (p *progress) draw(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.f, text)
}

// over takes the line away while f prints.
func (p *progress) over(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done != nil {
		fmt.Fprint(p.f, clearLine)
	}
	f()
}

func (p *progress) stop() {
	if p.done != nil {
		close(p.done)
		<-p.ended
	}
}

// showProgress draws how far a run is until stop is called.
func showProgress(f *os.File, name string, scheduler scenario.Scheduler, p *play.Progress) (stop func()) {
	start := time.Now()
	return showLine(f, func() string { return progressLine(name, scheduler, p, time.Since(start)) }).stop
}

func progressLine(name string, scheduler scenario.Scheduler, p *play.Progress, wall time.Duration) string {
	virtual := p.Virtual()
	if virtual < 0 {
		return fmt.Sprintf("%s under %s: starting the control plane", name, scheduler)
	}
	return fmt.Sprintf("%s under %s: %s played, %.0f times as fast as real time, %d writes",
		name, scheduler, virtual.Truncate(time.Second), virtual.Seconds()/wall.Seconds(), p.Writes())
}
