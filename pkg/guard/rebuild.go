package guard

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// rebuilt is the incarnation that a bound pod without a record stands for. A claim
// or a node that is gone is no reason to leave the pod without one.
func (g *Guard) rebuilt(ctx context.Context, pod *v1.Pod) (v1alpha1.Incarnation, error) {
	inc := v1alpha1.Incarnation{
		PodUID: pod.UID,
		Nodes:  g.candidates(pod),
		// Nobody watched it since its bind, so nobody can say that none was.
		ContainerSeen: true,
		Reported:      fence.ContainerSeen(pod),
	}
	for i, name := range tenancy.ClaimsOf(pod) {
		if i == tenancy.VolumesMax {
			// A record that does not name every claim holds no worse than one that does.
			klog.FromContext(ctx).Info("The record names only the first claims of the pod", "podUID", pod.UID, "limit", tenancy.VolumesMax)
			break
		}
		use := v1alpha1.VolumeUse{Claim: name}
		claim, err := g.kube.CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case err == nil:
			use.Volume, use.AccessModes = claim.Spec.VolumeName, claim.Spec.AccessModes
		case !apierrors.IsNotFound(err):
			return v1alpha1.Incarnation{}, fmt.Errorf("claim %s/%s: %w", pod.Namespace, name, err)
		}
		inc.Volumes = append(inc.Volumes, use)
	}
	return inc, nil
}

// candidates are the nodes that the pod may be on. It was bound to a name: if the node
// that has it now is younger than the bind, there was another one, of which nothing
// is known.
func (g *Guard) candidates(pod *v1.Pod) []v1alpha1.CandidateNode {
	unknown := v1alpha1.CandidateNode{Name: pod.Spec.NodeName}
	node := g.nodes.get(pod.Spec.NodeName)
	if node == nil {
		return []v1alpha1.CandidateNode{unknown}
	}
	known := v1alpha1.CandidateNode{Name: node.Name, UID: node.UID, Machine: fence.MachineOf(node)}
	if boot := node.Status.NodeInfo.BootID; boot != "" {
		known.BootIDs = []string{boot}
	}
	if node.CreationTimestamp.After(scheduledAt(pod)) {
		return []v1alpha1.CandidateNode{unknown, known}
	}
	return []v1alpha1.CandidateNode{known}
}

// scheduledAt is when the pod was bound; its creation if nothing says, before which
// it cannot have been.
func scheduledAt(pod *v1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodScheduled && c.Status == v1.ConditionTrue && !c.LastTransitionTime.IsZero() {
			return c.LastTransitionTime.Time
		}
	}
	return pod.CreationTimestamp.Time
}
