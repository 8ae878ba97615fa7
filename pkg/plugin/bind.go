package plugin

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/metrics"
)

// bindTriesMax bounds how often one Bind posts its binding. What is left over goes
// back to the queue and through the judgement again.
const bindTriesMax = 4

// Bind writes ahead and binds; Skip for pods that are not ours, which DefaultBinder takes.
// When the binding is posted the record names the pod and the node, and the pod carries
// the guard's finalizer. All of it is done here, after every plugin's PreBind: a record
// says that a bind is tried now, what VolumeBinding provisions must be on it, and a pod
// that waits may never get so far.
func (pl *Holdfast) Bind(ctx context.Context, _ fwk.CycleState, pod *v1.Pod, nodeName string) *fwk.Status {
	if _, named := identity.Named(pod.Namespace, pod.Name); !named && !pl.writes(pod) {
		return fwk.NewStatus(fwk.Skip)
	}
	if status := pl.itsTurn(pod); !status.IsSuccess() {
		return status
	}
	if why := pl.outOfReach(need{uses: pl.usesOf(pod)}, nodeName); why != "" {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, why)
	}
	id, guarded, err := pl.protects(ctx, pod)
	if err != nil {
		return failure(err)
	}
	if !guarded {
		if err := pl.judgeUnguarded(ctx, pod, nodeName); err != nil {
			return failure(err)
		}
		return fwk.NewStatus(fwk.Skip)
	}
	prepared, err := pl.writeAhead(ctx, id, pod, nodeName)
	if err != nil {
		return failure(err)
	}
	if err := pl.bind(ctx, id, pod, nodeName, prepared); err != nil {
		return fwk.AsStatus(err)
	}
	return nil
}

// bind posts the binding until it is known to have landed. The preconditions on
// UID and resourceVersion tie it to the very object that was judged, so a
// binding that was lost on the way and arrives late does not land on a later state
// of the pod.
func (pl *Holdfast) bind(ctx context.Context, id identity.Identity, pod *v1.Pod, nodeName string, prepared opened) error {
	var err error
	for range bindTriesMax {
		err = pl.kube.CoreV1().Pods(pod.Namespace).Bind(ctx, binding(pod, nodeName, prepared), metav1.CreateOptions{})
		if err == nil || refused(err) {
			return err
		}
		bound, resourceVersion, settleErr := pl.settle(ctx, id, pod, nodeName)
		if bound {
			return nil
		}
		if settleErr != nil {
			return errors.Join(err, settleErr)
		}
		prepared.resourceVersion = resourceVersion
		metrics.BindRetried()
		klog.FromContext(ctx).V(4).Info("The binding is posted again", "identity", id, "podUID", pod.UID, "node", nodeName, "reason", err)
	}
	return fmt.Errorf("bind of pod %s to node %s, tried %d times: %w", id, nodeName, bindTriesMax, err)
}

// binding carries the epoch besides the node: the API server writes both at once
// (docs/kubernetes-facts.md §7), so no container starts without its fencing token.
func binding(pod *v1.Pod, nodeName string, prepared opened) *v1.Binding {
	b := &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       pod.Namespace,
			Name:            pod.Name,
			UID:             pod.UID,
			ResourceVersion: prepared.resourceVersion,
		},
		Target: v1.ObjectReference{Kind: "Node", Name: nodeName},
	}
	if prepared.epoch != 0 {
		b.Annotations = map[string]string{v1alpha1.EpochAnnotation: strconv.FormatInt(prepared.epoch, 10)}
	}
	return b
}

// refused reports whether the API server has refused the binding for good, as
// opposed to a conflict or an answer that was lost.
func refused(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err)
}

// settle finds out what became of a binding that met a conflict or whose answer
// was lost (H16): bound is true if it landed after all. If not, and the pod and
// its record still allow another try, it returns the resourceVersion for it.
func (pl *Holdfast) settle(ctx context.Context, id identity.Identity, pod *v1.Pod, nodeName string) (bound bool, resourceVersion string, err error) {
	live, err := pl.read(ctx, pod)
	if err != nil {
		return false, "", err
	}
	if live.UID == pod.UID && live.Spec.NodeName == nodeName {
		return true, "", nil
	}
	if err := pl.bindable(pod, live); err != nil {
		return false, "", err
	}
	if err := pl.stillOpen(ctx, id, pod, nodeName); err != nil {
		return false, "", err
	}
	return false, live.ResourceVersion, nil
}

// stillOpen asks for more than tenancy.Judge does: after that only an occupied
// record of this very incarnation, naming this node, allows the bind.
func (pl *Holdfast) stillOpen(ctx context.Context, id identity.Identity, pod *v1.Pod, nodeName string) error {
	if pl.without.Has(BindCheck) {
		return nil
	}
	record, err := pl.store.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("tenancy %s: %w", id, err)
	}
	if !openFor(record, pod, nodeName) {
		return fmt.Errorf("tenancy %s no longer has pod %s on node %s as its open incarnation", id, pod.UID, nodeName)
	}
	return nil
}

func openFor(record *v1alpha1.Tenancy, pod *v1.Pod, nodeName string) bool {
	if record == nil || record.Status.Phase != v1alpha1.Occupied {
		return false
	}
	inc := record.Status.Incarnation
	if inc == nil || inc.PodUID != pod.UID {
		return false
	}
	for _, node := range inc.Nodes {
		if node.Name == nodeName {
			return true
		}
	}
	return false
}
