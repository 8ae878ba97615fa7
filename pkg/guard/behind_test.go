package guard_test

import (
	"io"
	"sync"
	"testing"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

const allNodes = "/api/v1/nodes"

// holdBack has the guard's watch of a path bring nothing more, as if its connection were
// stuck.
func (w *wire) holdBack(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = map[string]chan struct{}{path: make(chan struct{})}
}

// watched is what the guard reads of a watch: nothing, while the wire holds it back.
type watched struct {
	io.ReadCloser
	path   string
	wire   *wire
	closed chan struct{}
	once   sync.Once
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.wire.mu.Lock()
	end := b.wire.stuck[b.path]
	b.wire.mu.Unlock()
	if end == nil {
		return n, err
	}
	select {
	case <-end:
	case <-b.closed:
	}
	return 0, io.ErrUnexpectedEOF
}

func (b *watched) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.ReadCloser.Close()
}

// TestWhatFencesANodeMustStillBeSoWhenItIsRead: the watch may be behind, and a node that
// came back runs what it ran.
func TestWhatFencesANodeMustStillBeSoWhenItIsRead(t *testing.T) {
	for name, tc := range map[string]struct {
		unseen      []func(*v1.Node)
		wantRelease bool
	}{
		"it still is":                      {nil, true},
		"it is not marked any more":        {[]func(*v1.Node){untaint}, false},
		"it came back, then the mark went": {[]func(*v1.Node){becomes(v1.ConditionTrue), untaint}, false},
		"it came back":                     {[]func(*v1.Node){becomes(v1.ConditionTrue)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) error {
				defer c.guards()()
				if err := steps(c.runningPod, c.edit(becomes(v1.ConditionUnknown), taint)); err != nil {
					return err
				}
				c.wire.holdBack(allNodes)
				if err := steps(c.edit(tc.unseen...), func() error { return c.deletePod(0) }); err != nil {
					return err
				}
				if !tc.wantRelease {
					return c.mustHold()
				}
				return c.mustRelease(v1alpha1.Fenced)
			})
		})
	}
}
