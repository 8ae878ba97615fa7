package engine

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
)

// crashes keeps the first crash of a component: a panic that upstream guards by
// HandleCrash, or an exit. Upstream lets the process die, for its supervisor to
// start it again; here the run has failed, and the process must live to say so.
type crashes struct {
	mu    sync.Mutex
	first error
}

var crashed crashes

func init() {
	// klog.Fatal ends the process too.
	klog.OsExit = func(code int) {
		crashed.record(context.Background(), fmt.Sprintf("a component ended the process with code %d", code))
		runtime.Goexit()
	}
	utilruntime.ReallyCrash = false
	utilruntime.PanicHandlers = append(utilruntime.PanicHandlers, crashed.record)
}

func (c *crashes) record(_ context.Context, r any) {
	if r == http.ErrAbortHandler { //nolint:errorlint // Panics with the value itself.
		return // How a handler drops a request that took too long; the client gets an error.
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		c.first = fmt.Errorf("a component crashed: %v\n%s", r, debug.Stack())
	}
}

// take returns the first panic since the last call.
func (c *crashes) take() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.first
	c.first = nil
	return err
}

// DiscardLogs silences the components, which log through klog alone: thousands of
// lines a virtual day, and to standard error whatever else they are told.
func DiscardLogs() {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	_ = flags.Set("stderrthreshold", "FATAL") // The flag exists and takes this value.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
}
