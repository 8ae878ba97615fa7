package world

import (
	"context"
	"fmt"
)

// LieAboutStop lets the runtime say, when the kubelet has it stop what runs of a pod,
// that it has stopped, and it has not: a shim that lost its task, or a process that has
// left its cgroup. The kubelet believes it, as it must. What runs on is known to nobody,
// and only the power ends it (docs/kubernetes-facts.md §10, H22). The ground truth
// counts it, and marks it as denied.
type LieAboutStop struct {
	Namespace, Pod string
}

func (f LieAboutStop) apply(_ context.Context, w *World) error {
	return w.onContainers(f.Namespace, f.Pod, (*containerRuntime).lie)
}

func (f LieAboutStop) String() string {
	return fmt.Sprintf("lie about the end of the containers of pod %s/%s", f.Namespace, f.Pod)
}
