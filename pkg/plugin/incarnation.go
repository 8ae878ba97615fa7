package plugin

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// incarnation is what the record is to say of the pod on the node. The node is
// read live: the scheduler's copy may still be of an earlier node of that name,
// and the record must name the one on which the pod will run (H12).
func (pl *Holdfast) incarnation(ctx context.Context, pod *v1.Pod, nodeName string) (v1alpha1.Incarnation, error) {
	node, err := pl.kube.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return v1alpha1.Incarnation{}, fmt.Errorf("node %s: %w", nodeName, err)
	}
	volumes, err := pl.volumes(pod)
	if err != nil {
		return v1alpha1.Incarnation{}, err
	}
	candidate := v1alpha1.CandidateNode{Name: node.Name, UID: node.UID, Machine: fence.MachineOf(node)}
	if boot := node.Status.NodeInfo.BootID; boot != "" {
		candidate.BootIDs = []string{boot}
	}
	return v1alpha1.Incarnation{PodUID: pod.UID, Nodes: []v1alpha1.CandidateNode{candidate}, Volumes: volumes}, nil
}

// volumes has the pod's claims. The cache is as good as a live read here:
// VolumeBinding's PreBind, which ran before, has waited until it shows them bound.
func (pl *Holdfast) volumes(pod *v1.Pod) ([]v1alpha1.VolumeUse, error) {
	return volumesBy(pod, pl.claims.PersistentVolumeClaims(pod.Namespace).Get)
}

// volumesBy has the pod's claims as get reads them. One that it cannot read is an error.
func volumesBy(pod *v1.Pod, get func(name string) (*v1.PersistentVolumeClaim, error)) ([]v1alpha1.VolumeUse, error) {
	var uses []v1alpha1.VolumeUse
	for _, name := range tenancy.ClaimsOf(pod) {
		claim, err := get(name)
		if err != nil {
			return nil, fmt.Errorf("claim %s/%s: %w", pod.Namespace, name, err)
		}
		uses = append(uses, v1alpha1.VolumeUse{Claim: name, Volume: claim.Spec.VolumeName, AccessModes: claim.Spec.AccessModes})
	}
	return uses, nil
}
