package plugin

import (
	"context"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

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
	if err := evicts(ctx, node, pod); err != nil {
		return v1alpha1.Incarnation{}, err
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

// evicts is the error of a bind to a node that would evict the pod at once, which the
// scheduler's copy does not show yet, or which it does not mind: a toleration of no seconds
// tolerates for the scheduler, and not for the taint manager
// (pkg/controller/tainteviction/taint_eviction.go:161-182). That can be the pod's end, and
// with it a proof: its set would make the next one, and all of that would go round as fast
// as the API server lets it, until the taint is gone or the watch of nodes catches up.
func evicts(ctx context.Context, node *v1.Node, pod *v1.Pod) error {
	for i := range node.Spec.Taints {
		taint := &node.Spec.Taints[i]
		if taint.Effect == v1.TaintEffectNoExecute && !toleratesForAWhile(ctx, pod.Spec.Tolerations, taint) {
			return fmt.Errorf("node %s has the taint %s by now, which would evict pod %s/%s at once", node.Name, taint.ToString(), pod.Namespace, pod.Name)
		}
	}
	return nil
}

// toleratesForAWhile goes by the first toleration that fits, as the taint manager does.
func toleratesForAWhile(ctx context.Context, tolerations []v1.Toleration, taint *v1.Taint) bool {
	// With comparison operators: a toleration that has one is there only where they count.
	i := slices.IndexFunc(tolerations, func(t v1.Toleration) bool { return t.ToleratesTaint(klog.FromContext(ctx), taint, true) })
	return i >= 0 && (tolerations[i].TolerationSeconds == nil || *tolerations[i].TolerationSeconds > 0)
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
