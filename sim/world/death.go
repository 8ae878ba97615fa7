package world

import (
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// death is how the containers of a sandbox end by themselves.
type death struct {
	code int32
	// after is how long they run before.
	after time.Duration
}

// The back-off between two starts of a container that ends by itself
// (pkg/kubelet/kuberuntime, doBackOff): the first restart comes at once, and who
// ran for twice the longest wait begins anew.
const (
	crashBackOffMin   = 10 * time.Second
	crashBackOffMax   = 5 * time.Minute
	crashBackOffReset = 2 * crashBackOffMax
)

// die ends the pod's containers without the kubelet's doing. With again they end
// once more each time that they have run for so long.
func (r *containerRuntime) die(uid types.UID, code int32, again time.Duration) error {
	r.mu.Lock()
	s := r.pods[uid]
	running := s.runs() && !r.frozen.isShut() && !s.stuck.isShut()
	if running && again > 0 {
		s.dies = &death{code, again}
	}
	r.mu.Unlock()
	if !running {
		return errors.New("none of its containers runs, or nothing can end them")
	}
	r.exit(uid, s, code)
	return nil
}

// dieLater is called with the lock held, when the containers of a sandbox have started.
func (r *containerRuntime) dieLater(uid types.UID, s *sandbox) {
	d, powered := s.dies, r.powered
	if d == nil {
		return
	}
	r.machine.running.Go(func() {
		if sleep(powered, d.after) == nil && r.signalled(powered, s) == nil {
			r.exit(uid, s, d.code)
		}
	})
}

// ended is closed once no container of the pod runs; nil if none ever did.
func (r *containerRuntime) ended(uid types.UID) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.pods[uid]; s != nil {
		return s.stopped
	}
	return nil
}

// forgetAll is another machine's runtime, which knows of nothing.
func (r *containerRuntime) forgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.pods)
}

// crashBackOff is how long the kubelet waits with the next start.
type crashBackOff struct{ next time.Duration }

// after returns the wait after containers that ran for so long.
func (b *crashBackOff) after(ran time.Duration) time.Duration {
	if ran > crashBackOffReset {
		b.next = 0
	}
	wait := b.next
	b.next = min(max(2*b.next, crashBackOffMin), crashBackOffMax)
	return wait
}
