package main

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	componentversion "k8s.io/component-base/version"
)

// builtVersion is what --version is to say. It must not look like a version of
// Holdfast: upstream takes from it which features there are.
const builtVersion = "v" + componentversion.DefaultKubeBinaryVersion + ".0+holdfast.test"

// buildProgram builds the program as a release is built and returns its path.
func buildProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), programName)
	build := exec.Command("go", "build", "-o", path, "-ldflags", "-X k8s.io/component-base/version.gitVersion="+builtVersion, ".")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// checkStatic: an image from scratch has no loader and no library.
func checkStatic(t *testing.T, path string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux programs are ELF files")
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a segment %s: it is linked dynamically", p.Type)
		}
	}
}

// process is the program while it runs, and after.
type process struct {
	command *exec.Cmd
	// address is where it answers probes.
	address string
	log     *logOutput
	// ended is closed when the process is gone.
	ended chan struct{}
}

// startProgram starts the program. With the test it ends, and what it logged is
// shown if the test failed.
func startProgram(t *testing.T, path string, args ...string) *process {
	t.Helper()
	port := freePort(t)
	args = append(slices.Clone(args), "--bind-address=127.0.0.1", "--secure-port="+port)
	p := &process{
		command: exec.Command(path, args...), address: "https://127.0.0.1:" + port + "/",
		log: &logOutput{}, ended: make(chan struct{}),
	}
	p.command.Env = []string{} // Nothing of the machine's may reach it.
	p.command.Stdout, p.command.Stderr = p.log, p.log
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // The exit code tells as much.
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill() // Mostly it has ended already.
		<-p.ended
		p.checkAllowed(t)
		if t.Failed() {
			t.Logf("%s %s logged:\n%s", path, strings.Join(args, " "), p.log)
		}
	})
	return p
}

// checkAllowed fails if the process was ever refused what it asked for.
func (p *process) checkAllowed(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(strings.ToLower(line), "forbidden") {
			t.Errorf("manifests/rbac lacks something: %s", line)
		}
	}
}

// endsWith waits until the process has ended with an exit code.
func (p *process) endsWith(t *testing.T, want int) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		t.Fatal("the process does not end")
	}
	if code := p.command.ProcessState.ExitCode(); code != want {
		t.Errorf("exit code %d, want %d", code, want)
	}
}

// terminate asks the process to end, as the kubelet does.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// probe asks as the kubelet's probes do: whoever answers, without credentials.
func (p *process) probe(t *testing.T, path string) {
	t.Helper()
	address := p.address + path
	until(t, "GET "+address, func(ctx context.Context) error {
		select {
		case <-p.ended:
			t.Fatal("the process has ended")
		default:
		}
		status, body, err := p.get(ctx, path, "")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d: %s", status, body)
		}
		return err
	})
}

// logOutput gathers what a process writes.
type logOutput struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logOutput) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(b)
}

func (l *logOutput) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}
