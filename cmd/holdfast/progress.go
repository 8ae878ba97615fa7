package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/holdfast-dev/holdfast/sim/play"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// progressInterval is how often the line is drawn, in wall time.
const progressInterval = 200 * time.Millisecond

// clearLine returns to the start of the line and empties it.
const clearLine = "\r\x1b[K"

// showProgress draws one line on a terminal, and nothing elsewhere, until stop is
// called. It runs outside of virtual time.
func showProgress(f *os.File, name string, scheduler scenario.Scheduler, p *play.Progress) (stop func()) {
	if !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		start := time.Now()
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			fmt.Fprint(f, clearLine+progressLine(name, scheduler, p, time.Since(start)))
			select {
			case <-done:
				fmt.Fprint(f, clearLine)
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

func progressLine(name string, scheduler scenario.Scheduler, p *play.Progress, wall time.Duration) string {
	virtual := p.Virtual()
	if virtual < 0 {
		return fmt.Sprintf("%s under %s: starting the control plane", name, scheduler)
	}
	return fmt.Sprintf("%s under %s: %s played, %.0f times as fast as real time, %d writes",
		name, scheduler, virtual.Truncate(time.Second), virtual.Seconds()/wall.Seconds(), p.Writes())
}
