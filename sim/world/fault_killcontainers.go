package world

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KillContainers ends the containers of a pod without asking the kubelet, as the
// kernel does that is out of memory, or a process that fails. The kubelet starts them
// again in the same sandbox if the pod's restartPolicy wants it, at once the first
// time, and with a growing back-off after that.
type KillContainers struct {
	Namespace, Pod string
	ExitCode       int32
	// AgainAfter: each time that they have run for so long, they end again; 0: never.
	AgainAfter time.Duration
}

func (f KillContainers) apply(ctx context.Context, w *World) error {
	pod, err := w.operator.CoreV1().Pods(f.Namespace).Get(ctx, f.Pod, metav1.GetOptions{})
	if err != nil {
		return err
	}
	m, err := w.machine(pod.Spec.NodeName)
	if err != nil {
		return err
	}
	return m.runtime.die(pod.UID, f.ExitCode, f.AgainAfter)
}

func (f KillContainers) String() string {
	return fmt.Sprintf("death of the containers of pod %s/%s", f.Namespace, f.Pod)
}
