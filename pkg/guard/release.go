package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/metrics"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

// fieldManager is the guard's name in managedFields.
const fieldManager = "holdfast-guard"

// release closes the record and lets the object go, in this order:
//
//  1. The evidence goes on the record, and the record is closed. The object may be
//     all that shows the evidence: were it let go first and the guard to die then,
//     the proof would be lost and the identity held until a human attests.
//  2. The object is deleted with no grace, where the API server would wait.
//     Removing the last finalizer deletes only an object whose grace is 0, so a pod
//     of a dead node would stay without anybody left to end it
//     (docs/kubernetes-facts.md §12).
//  3. The finalizer goes, and with it the object. Only then can the StatefulSet
//     controller make the replacement, which finds a closed record.
//
// After a crash between any two of them the next reconciliation finds the record
// closed and does the rest.
func (g *Guard) release(ctx context.Context, id identity.Identity, record *v1alpha1.Tenancy, t tenant, live *v1.Pod, verdict fence.Verdict) (*v1alpha1.Tenancy, error) {
	evidence := v1alpha1.Evidence{
		Kind:   verdict.Kind,
		PodUID: t.uid,
		Source: sourceOf(verdict.Kind, record, t),
		Time:   metav1.NewTime(g.clock.Now()),
		Detail: verdict.Detail,
	}
	if a := attestationOf(record, t); a != nil && verdict.Kind == v1alpha1.Attested {
		evidence.CoversAttachments = a.CoversAttachments
	}
	closed, err := g.store.Close(ctx, id, evidence)
	if err != nil {
		err = fmt.Errorf("tenancy %s, closing: %w", id, err)
		if refusedForGood(err) && isOwnProof(verdict.Kind) {
			return record, g.letGo(ctx, t, &evidence)
		}
		return nil, err
	}
	metrics.Released(evidence.Kind)
	logger := klog.FromContext(ctx)
	if wasHeld(record) {
		held := evidence.Time.Sub(heldCondition(record).LastTransitionTime.Time)
		metrics.HoldEnded(evidence.Kind, held)
		logger.V(2).Info("Released", "podUID", t.uid, "evidence", evidence.Kind, "source", evidence.Source, "held", held)
		g.announceRelease(id, t, live, evidence)
	} else {
		logger.V(4).Info("Over", "podUID", t.uid, "evidence", evidence.Kind, "source", evidence.Source)
	}
	return closed, g.letGo(ctx, t, &evidence)
}

// isOwnProof reports whether the pod's object is the proof by itself. The
// finalizer of such a pod is not kept if no record can be written: a namespace that
// is being deleted must never wedge, and takes no new records.
func isOwnProof(kind v1alpha1.EvidenceKind) bool {
	return kind == v1alpha1.KubeletConfirmed || kind == v1alpha1.NeverBound
}

// refusedForGood tells a write of a record that can never be made from one that is
// worth another try: there is no record and its namespace takes no new one, or the
// record contradicts itself. Any other refusal may end, as when a role is restored,
// and until then the pod's object is all that keeps the proof.
func refusedForGood(err error) bool {
	return errors.Is(err, store.ErrNoRecord) || errors.Is(err, tenancy.ErrUnreadable) ||
		apierrors.HasStatusCause(err, v1.NamespaceTerminatingCause)
}

// sourceOf says who or what the evidence came from.
func sourceOf(kind v1alpha1.EvidenceKind, record *v1alpha1.Tenancy, t tenant) string {
	switch kind {
	case v1alpha1.KubeletConfirmed:
		return "kubelet of node " + t.pod.Spec.NodeName
	case v1alpha1.Observed:
		return "kubelet of node " + strings.Join(nodeNamesOf(incarnationOf(record)), ", ")
	case v1alpha1.Rebooted, v1alpha1.Fenced, v1alpha1.NodeRemoved:
		return "node " + strings.Join(nodeNamesOf(incarnationOf(record)), ", ")
	case v1alpha1.Attested:
		if a := attestationOf(record, t); a != nil {
			return a.By
		}
	}
	return "API server"
}

// attestationOf is the human's word about the incarnation; nil if there is none.
func attestationOf(record *v1alpha1.Tenancy, t tenant) *v1alpha1.Attestation {
	attestations := attestationsOf(record)
	i := slices.IndexFunc(attestations, func(a v1alpha1.Attestation) bool { return a.PodUID == t.uid })
	if i < 0 {
		return nil
	}
	return &attestations[i]
}

// standBy looks after a pod that the record does not speak of: another
// incarnation's record holds it back, it was never bound, or its record is refused.
// Nothing is recorded. What the pod itself proves lets it go.
func (g *Guard) standBy(ctx context.Context, record *v1alpha1.Tenancy, t tenant) error {
	if t.sight != fence.SightLive {
		return nil
	}
	return g.letGoByItself(ctx, record, t.pod)
}

// letGoByItself lets a pod without a record of its own go if its object is the
// proof, or a human has attested to its end.
func (g *Guard) letGoByItself(ctx context.Context, record *v1alpha1.Tenancy, live *v1.Pod) error {
	if live == nil || !hasFinalizer(live) {
		return nil
	}
	t := tenant{uid: live.UID, sight: fence.SightLive, pod: live}
	verdict := g.rules.Judge(fence.FactsOf(fence.Subject{UID: t.uid, Pod: t.pod, Sight: t.sight, Attestations: attestationsOf(record)}))
	if !verdict.Release {
		return nil
	}
	return g.letGo(ctx, t, &v1alpha1.Evidence{Kind: verdict.Kind, PodUID: t.uid})
}

// letGo does what is left once an incarnation is proven over. It asks for nothing
// but what the object shows, so it may be done again.
func (g *Guard) letGo(ctx context.Context, t tenant, evidence *v1alpha1.Evidence) error {
	if t.sight != fence.SightLive || evidence == nil {
		return nil
	}
	pod := t.pod
	if lingers(pod) && (evidence.Kind != v1alpha1.KubeletConfirmed || !ready(g.nodes.get(pod.Spec.NodeName))) {
		// A ready kubelet that has confirmed ends the deletion by itself, when it has
		// also unmounted the pod's volumes.
		zero := int64(0)
		err := g.kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &zero,
			Preconditions:      &metav1.Preconditions{UID: &pod.UID},
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("pod %s/%s, deleting: %w", pod.Namespace, pod.Name, err)
		}
		if pod, err = g.livePod(ctx, keyOf(pod)); err != nil {
			return err
		}
	}
	if pod == nil || pod.UID != t.uid || !hasFinalizer(pod) {
		return nil
	}
	return g.removeFinalizer(ctx, pod)
}
