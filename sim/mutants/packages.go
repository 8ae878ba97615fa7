package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// packages are the tests of the packages that are edited, each with every mutant of it.
type packages struct {
	// top is the repository's folder, overlay the file for the go command, and work a folder
	// for what is built.
	top, overlay, work string
	// limit is how long the tests of a package may take, in wall time.
	limit time.Duration

	mu sync.Mutex
	// built has the program of each package's tests. The error says why there is none, or
	// that they fail with no mutant on.
	built map[string]func() (program string, err error)
}

// packageOf is the package that the mutant edits, by its path from the top.
func packageOf(m Mutant) string { return path.Dir(m.File) }

// notice runs the tests of the mutant's package with it on, and returns what fails. Tests
// that come to no end have noticed, too.
func (p *packages) notice(ctx context.Context, m Mutant) (failed []string, err error) {
	name := packageOf(m)
	p.mu.Lock()
	built := p.built[name]
	if built == nil {
		built = sync.OnceValues(func() (string, error) { return p.build(ctx, name) })
		p.built[name] = built
	}
	p.mu.Unlock()
	program, err := built()
	if err != nil {
		return nil, err
	}
	return p.run(ctx, name, program, m.Name)
}

// build builds the tests of a package, and runs them with no mutant on.
func (p *packages) build(ctx context.Context, name string) (string, error) {
	program := filepath.Join(p.work, strings.ReplaceAll(name, "/", "-")+".test")
	c := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", p.overlay, "-ldflags", "-s -w", "-o", program, "./"+name)
	c.Dir = p.top
	if said, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go test -c -overlay ./%s: %w\n%s", name, err, said)
	}
	failed, err := p.run(ctx, name, program, "")
	if err == nil && len(failed) > 0 {
		err = fmt.Errorf("the tests of %s fail with no mutant on: %s", name, strings.Join(failed, ", "))
	}
	return program, err
}

// failure is how a test is told that fails; its parts are indented.
var failure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

func (p *packages) run(ctx context.Context, name, program, mutant string) (failed []string, err error) {
	limited, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	c := exec.CommandContext(limited, program)
	c.Dir = filepath.Join(p.top, filepath.FromSlash(name))
	c.Env = append(os.Environ(), variable+"="+mutant)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	switch err := c.Run(); {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return []string{fmt.Sprintf("no end after %s", p.limit)}, nil
	case err == nil:
		return nil, nil
	case c.ProcessState == nil:
		return nil, err
	}
	for _, found := range failure.FindAllStringSubmatch(said.String(), -1) {
		failed = append(failed, found[1])
	}
	if len(failed) == 0 {
		failed = []string{lastLine(said.String())}
	}
	return failed, nil
}
