package world

import (
	"context"
	"errors"
	"time"
)

// The kubelet asks the runtime for its status every runtimeStatusPeriod, and takes it
// for down when it has not heard from it for runtimeSilenceMax (pkg/kubelet/kubelet.go,
// updateRuntimeUp and maxWaitForContainerRuntime; pkg/kubelet/runtime.go,
// runtimeErrors).
const (
	runtimeStatusPeriod = 5 * time.Second
	runtimeSilenceMax   = 30 * time.Second
)

var (
	errRuntimeDown    = errors.New("container runtime is down")
	errRuntimeUnknown = errors.New("container runtime status check may not have completed yet")
)

// askRuntimeUntil asks the runtime for its status.
func (k *kubelet) askRuntimeUntil(ctx context.Context) {
	for {
		// A machine that is frozen does not notice.
		if k.machine.runtime.hung.pass(ctx) != nil {
			return
		}
		now := time.Now()
		k.runtimeSeen.Store(&now)
		if sleep(ctx, runtimeStatusPeriod) != nil {
			return
		}
	}
}

// runtimeErrors says what the kubelet has against its runtime; nil: nothing.
func (k *kubelet) runtimeErrors() error {
	switch seen := k.runtimeSeen.Load(); {
	case seen == nil && k.machine.runtime.hung.isShut():
		return errRuntimeUnknown
	case seen == nil:
		return nil // Asked in this very instant.
	case time.Since(*seen) < runtimeSilenceMax:
		return nil
	}
	return errRuntimeDown
}

// awaitRuntime returns once the kubelet has nothing against its runtime: until then it
// looks after no pod. It looks again after ever longer waits (pkg/kubelet/kubelet.go,
// syncLoop).
func (k *kubelet) awaitRuntime(ctx context.Context) error {
	const waitMin, waitMax = 100 * time.Millisecond, 5 * time.Second
	for wait := waitMin; k.runtimeErrors() != nil; wait = min(2*wait, waitMax) {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	return ctx.Err()
}
