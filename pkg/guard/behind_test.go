package guard_test

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

const (
	allPods  = "/api/v1/pods"
	allNodes = "/api/v1/nodes"
)

// holdBack has the guard's watch of a path bring nothing more, as if its connection were
// stuck, once it has brought what there is.
func (w *wire) holdBack(path string) {
	time.Sleep(time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = map[string]chan struct{}{path: make(chan struct{})}
}

// breakOff ends the watches that are held back, and what was held back is never told: the
// API server does not have it any more when the guard wants to watch on, so it must list.
func (w *wire) breakOff() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.compacted = map[string]bool{}
	for path, end := range w.stuck {
		w.compacted[path] = true
		close(end)
	}
	w.stuck = nil
}

// hasGap reports whether the request is to watch on from a state that is too old; it is
// refused once.
func (w *wire) hasGap(r *http.Request) bool {
	query := r.URL.Query()
	if query.Get("watch") == "" || query.Get("sendInitialEvents") == "true" {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	gap := w.compacted[r.URL.Path]
	delete(w.compacted, r.URL.Path)
	return gap
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

// TestTheStateBeforeAGapIsNoLastWord: a list after a gap shows only that the pod is gone.
// It was not bound when it was seen last, and meanwhile it was, and runs (H24).
func TestTheStateBeforeAGapIsNoLastWord(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		pod, err := c.createPod("", true)
		if err != nil {
			return err
		}
		return steps(
			func() error { return c.writeAhead(pod) },
			func() error { c.wire.holdBack(allPods); return nil },
			func() error { return c.bind(pod) },
			func() error { return c.report(false) },
			func() error { return c.strip(v1alpha1.PodFinalizer, "example.com/other") },
			func() error { return c.deletePod(0) },
			func() error {
				return c.mustStay("the guard has not heard of it", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return is(r, v1alpha1.Occupied) && p == nil })
			},
			func() error { c.wire.breakOff(); return nil },
			func() error {
				return c.must("it holds", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool {
					return is(r, v1alpha1.InDoubt) && held(r, v1alpha1.HeldByScheduler)
				})
			},
			func() error {
				return c.mustStay("nothing releases it", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.InDoubt) })
			},
		)
	})
}

// TestAPodThatTheWatchHasNotBroughtIsNotGone: the record may speak of a pod while the watch
// still has the one before it, and who goes by that would miss a pod that lives.
func TestAPodThatTheWatchHasNotBroughtIsNotGone(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		if _, err := c.createPod("", true); err != nil {
			return err
		}
		c.wire.holdBack(allPods)
		return steps(
			func() error { return c.strip(v1alpha1.PodFinalizer, "example.com/other") },
			func() error { return c.deletePod(0) },
			func() error {
				next, err := c.createPod("", true)
				if err != nil {
					return err
				}
				return c.writeAhead(next)
			},
			func() error {
				return c.mustStay("it lives", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return is(r, v1alpha1.Occupied) && p != nil })
			},
		)
	})
}
