package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// ownFlags are of the process that prints, not of those that play for it.
var ownFlags = []string{"jobs", "output", "html", "quiet", "verbose", "width"}

// apart is what a process of its own gave.
type apart struct {
	report *report.Report
	err    error
}

// playApart plays each scenario in a process of its own, so many at once: virtual time
// and what upstream keeps in global variables are one per process. They end with this
// process, and at the first that fails.
func (o *runOptions) playApart(ctx context.Context, scenarios []*named, jobs int) func(func(*report.Report, error) bool) {
	return func(yield func(*report.Report, error) bool) {
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		ctx, cancel := context.WithCancel(ctx)
		results := make([]chan apart, len(scenarios))
		for i := range results {
			results[i] = make(chan apart, 1)
		}
		progress := &progressOfAll{of: len(scenarios)}
		hide := showLine(os.Stderr, progress.line)
		var next atomic.Int64
		ended := make(chan struct{}, jobs)
		for range jobs {
			go func() {
				for i := int(next.Add(1)) - 1; i < len(scenarios); i = int(next.Add(1)) - 1 {
					r, err := o.playOneApart(ctx, scenarios[i])
					progress.played.Add(1)
					results[i] <- apart{r, err}
				}
				ended <- struct{}{}
			}()
		}
		defer func() {
			cancel()
			hide.stop()
			for range jobs {
				<-ended // No process is left behind.
			}
		}()
		for _, result := range results {
			got := <-result
			if ctx.Err() != nil {
				got.err = &exitError{exitFailure, errors.New("interrupted")}
			}
			more := true
			hide.over(func() { more = yield(got.report, got.err) })
			if !more || got.err != nil {
				return
			}
		}
	}
}

// playUnderApart has another process play a scenario under one scheduler, and adds what
// came of it to the report.
func (o *runOptions) playUnderApart(ctx context.Context, s *named, scheduler scenario.Scheduler, r *report.Report) error {
	one, err := o.playOneApart(ctx, s, "--scheduler="+string(scheduler))
	if err != nil {
		return err
	}
	r.Runs = append(r.Runs, one.Runs...)
	r.Broken = append(r.Broken, one.Broken...)
	r.Passed = r.Passed && one.Passed
	return nil
}

// playOneApart has another process of this program play a scenario.
func (o *runOptions) playOneApart(ctx context.Context, s *named, more ...string) (*report.Report, error) {
	var flags []string
	for _, f := range o.set {
		if !slices.Contains(ownFlags, f.Name) {
			flags = append(flags, "--"+f.Name+"="+f.Value.String())
		}
	}
	return playFileApart(ctx, s.file, append(flags, more...)...)
}

// playFileApart has another process of this program play a scenario file. It ends with ctx.
func playFileApart(ctx context.Context, file string, flags ...string) (*report.Report, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, &exitError{exitFailure, err}
	}
	args := append([]string{"sim", "run", "--jobs=1", "--output=json"}, flags...)
	var out, errOut bytes.Buffer
	c := exec.CommandContext(ctx, program, append(args, "--", file)...)
	c.Stdout, c.Stderr = &out, &errOut
	c.SysProcAttr = diesWithParent()
	err = c.Run()
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		return nil, &exitError{exitFailure, fmt.Errorf("%s: %w", file, err)}
	}
	if code != 0 && code != exitUnmet {
		message := strings.TrimSpace(errOut.String())
		if code < 0 || message == "" {
			message = fmt.Sprintf("%s: the process that played it: %v: %s", file, err, message)
		}
		return nil, &exitError{max(code, exitInput), saidBy(message)}
	}
	r := &report.Report{}
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		return nil, &exitError{exitFailure, fmt.Errorf("%s: the process that played it: %w", file, err)}
	}
	return r, nil
}

// saidBy is the error that another process of this program printed.
func saidBy(message string) error {
	if said, dump, ok := strings.Cut(message, "\n\ngoroutine "); ok {
		return &dumpedError{errors.New(said), "goroutine " + dump + "\n"}
	}
	return errors.New(message)
}

// progressOfAll says how many scenarios have been played.
type progressOfAll struct {
	of     int
	played atomic.Int64
}

func (p *progressOfAll) line() string {
	return fmt.Sprintf("%d of %d scenarios played", p.played.Load(), p.of)
}
