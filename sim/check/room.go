package check

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// judgeRoom is S9: after a bind the pods of the node ask for no more than it has,
// where one process places pods and its watches deliver. Attach limits are S5's.
func (l *Log) judgeRoom(at time.Time, name string, pod *podState) {
	node := l.nodes[pod.Spec.NodeName]
	if node == nil || l.blindAt(at) {
		return
	}
	l.met[S9]++
	there := l.askedOf(node.Name)
	if has, ok := node.Status.Allocatable[corev1.ResourcePods]; ok && there.pods > has.Value() {
		l.breaks(S9, at, name, node.Name, fmt.Sprintf("with it %d pods are there, and %d may be", there.pods, has.Value()))
	}
	for of, q := range there.of {
		if has, ok := node.Status.Allocatable[of]; ok && q.Cmp(has) > 0 {
			l.breaks(S9, at, name, node.Name, fmt.Sprintf("with it the pods there ask for %s of %s, and the node has %s", q, of, &has))
		}
	}
}
