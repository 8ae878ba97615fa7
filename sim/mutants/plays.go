package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// program is the build that has every mutant.
type program struct {
	// built is its path. It is built when it is first asked for.
	built func() (path string, err error)
	// limit is how long a play may take, in wall time.
	limit time.Duration

	mu sync.Mutex
	// sound has what came of files with no mutant on.
	sound map[string]*sound
}

// sound is what came of a scenario with no mutant on.
type sound struct {
	// err is nil if all was as expected.
	err error
	// reached are the mutants that could have changed something.
	reached []string
}

// play plays a scenario file under Holdfast with one mutant on; with none if the name is
// empty.
func (p *program) play(ctx context.Context, mutant, file string) (*report.Run, error) {
	return p.playWith(ctx, file, variable+"="+mutant)
}

func (p *program) playWith(ctx context.Context, file string, environment ...string) (*report.Run, error) {
	path, err := p.built()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	c := exec.CommandContext(ctx, path, "sim", "run", "--jobs=1", "--output=json", "--scheduler="+string(scenario.Holdfast), "--", file)
	c.Env = append(os.Environ(), environment...)
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	err = c.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("no end after %s", p.limit)
	}
	// Exit code 1 is a run that is not as expected, which is what its report says.
	if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		return nil, fmt.Errorf("%w: %s", err, lastLine(errOut.String()))
	}
	r := &report.Report{}
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		return nil, fmt.Errorf("its report: %w", err)
	}
	if len(r.Runs) != 1 {
		return nil, fmt.Errorf("%d runs under Holdfast, want one", len(r.Runs))
	}
	return &r.Runs[0], nil
}

// withNone plays a file with no mutant on, once: one that is not as expected then can find
// nothing.
func (p *program) withNone(ctx context.Context, file string) *sound {
	p.mu.Lock()
	known := p.sound[file]
	p.mu.Unlock()
	if known != nil {
		return known
	}
	s := &sound{}
	s.reached, s.err = p.reach(ctx, file)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sound[file] = s
	return s
}

func (p *program) reach(ctx context.Context, file string) ([]string, error) {
	f, err := os.CreateTemp("", "holdfast-reached-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // Of a temporary file nothing more can be said.
	if err := f.Close(); err != nil {
		return nil, err
	}
	run, err := p.playWith(ctx, file, variable+"=", reachedVariable+"="+f.Name())
	if err != nil {
		return nil, err
	}
	if !run.Passed() {
		return nil, fmt.Errorf("not as expected with no mutant on: %s", strings.Join(failedChecks(run), "; "))
	}
	names, err := os.ReadFile(f.Name())
	return strings.Fields(string(names)), err
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// failedChecks are the names of those that failed, in the report's order.
func failedChecks(run *report.Run) []string {
	var names []string
	for _, c := range run.Checks {
		if !c.OK {
			names = append(names, c.Name)
		}
	}
	return names
}

// brokenInside are the invariants that were broken inside the trust boundary, each once.
func brokenInside(run *report.Run) []string {
	var ids []string
	for _, v := range run.Violations {
		if v.Outside == "" {
			ids = append(ids, v.Invariant)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// story is a scenario of the repository.
type story struct {
	// name is its path in sim/scenarios without .yaml.
	name, file string
	// length is how long it is, in virtual time: what it costs, near enough.
	length time.Duration
}

// stories finds those that Holdfast plays, the cheapest first.
func stories(top string) ([]story, error) {
	folder := filepath.Join(top, "sim", "scenarios")
	var all []story
	err := filepath.WalkDir(folder, func(file string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.ToSlash(strings.TrimPrefix(file, folder+string(filepath.Separator))), ".yaml")
		if entry.IsDir() || filepath.Ext(file) != ".yaml" || !isStory(file) {
			return nil
		}
		s, err := scenario.Load(file)
		if err != nil {
			return err
		}
		if slices.Contains(s.PlayedBy(), scenario.Holdfast) {
			all = append(all, story{name, file, s.Until.Duration})
		}
		return nil
	})
	slices.SortStableFunc(all, func(a, b story) int { return int(a.length - b.length) })
	return all, err
}

// isStory tells a scenario from what scenarios are made of by what is kept of its play.
func isStory(file string) bool {
	_, err := os.Stat(strings.TrimSuffix(file, ".yaml") + ".golden")
	return err == nil
}
