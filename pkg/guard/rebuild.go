package guard

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// rebuilt is the incarnation that a bound pod without a record stands for. A claim
// or a node that is gone is no reason to leave the pod without one.
func (g *Guard) rebuilt(ctx context.Context, pod *v1.Pod) (v1alpha1.Incarnation, error) {
	inc := v1alpha1.Incarnation{
		PodUID: pod.UID,
		Nodes:  []v1alpha1.CandidateNode{{Name: pod.Spec.NodeName}},
		// Nobody watched it since its bind, so nobody can say that none was.
		ContainerSeen: true,
	}
	if node := g.nodes.get(pod.Spec.NodeName); node != nil {
		inc.Nodes[0].UID = node.UID
		if boot := node.Status.NodeInfo.BootID; boot != "" {
			inc.Nodes[0].BootIDs = []string{boot}
		}
	}
	for _, name := range tenancy.ClaimsOf(pod) {
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
