package guard

import (
	"context"
	"errors"
	"fmt"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/protect"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// tenant is an incarnation whose object was seen, or is known to be gone.
type tenant struct {
	uid   types.UID
	sight fence.Sight
	// pod is the object; nil if there is none.
	pod *v1.Pod
}

// deletionAsked reports whether the incarnation is on its way out, or its object gone.
func (t tenant) deletionAsked() bool {
	return t.sight != fence.SightLive || t.pod.DeletionTimestamp != nil
}

// reconcile looks at one identity and does what is due. An error means that it is
// to be tried again; nothing was released because of it.
func (g *Guard) reconcile(ctx context.Context, key types.NamespacedName) error {
	ended := g.finals.of(key)
	if len(ended) == 0 && calm(g.cachedRecord(key), g.cachedPod(key), g.nodes.get, g.minds, g.protects) {
		return nil
	}
	id, named := identity.Named(key.Namespace, key.Name)
	if !named {
		// No ordinal can ever have this name, so there is nothing to record.
		live, err := g.livePod(ctx, key)
		if err != nil {
			return err
		}
		return g.letGoByItself(ctx, nil, live)
	}
	// The record before the pod. The other way round the record could already speak
	// of an incarnation that was opened after the pod was read, and one that lives
	// would look as if it were gone.
	record, err := g.store.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("tenancy %s: %w", id, err)
	}
	live, err := g.livePod(ctx, key)
	if err != nil {
		return err
	}
	// What is wrong with one incarnation must not keep the next one from its due: it
	// may be its own proof.
	var wrong []error
	settle := func(t tenant) bool {
		next, err := g.settle(ctx, id, record, t, live)
		if err != nil {
			wrong = append(wrong, err)
			return false
		}
		record = next
		return true
	}
	for _, pod := range ended {
		if settle(tenant{uid: pod.UID, sight: fence.SightFinal, pod: pod}) {
			g.finals.done(key, pod.UID)
		}
	}
	if gone, ok := g.vanished(key, record, live); ok {
		settle(gone)
	}
	if live != nil {
		settle(tenant{uid: live.UID, sight: fence.SightLive, pod: live})
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	if err := g.tell(ctx, record, live); err != nil {
		return err
	}
	return g.forget(ctx, id, record, live)
}

// livePod reads the pod live; nil if there is none.
func (g *Guard) livePod(ctx context.Context, key types.NamespacedName) (*v1.Pod, error) {
	pod, err := g.kube.CoreV1().Pods(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", key, err)
	}
	return pod, nil
}

// vanished is the unclean incarnation on the record, if the live read shows that
// its object is gone. While the watch still has the object, its DELETED event is
// on the way and brings the final one: until then it counts as not seen. The event may
// also have come before the record was opened.
func (g *Guard) vanished(key types.NamespacedName, record *v1alpha1.Tenancy, live *v1.Pod) (tenant, bool) {
	inc := incarnationOf(record)
	if inc == nil || !tenancy.Unclean(record) || live != nil && live.UID == inc.PodUID {
		return tenant{}, false
	}
	if cached := g.cachedPod(key); cached != nil && cached.UID == inc.PodUID {
		return tenant{uid: inc.PodUID, sight: fence.SightUnknown}, true
	}
	if last := g.finals.lastWord(inc.PodUID); last != nil {
		return tenant{uid: inc.PodUID, sight: fence.SightFinal, pod: last}, true
	}
	return tenant{uid: inc.PodUID, sight: fence.SightGone}, true
}

// settle judges one incarnation and acts on the verdict; it returns the record as
// it is then. The live pod is whatever has the name now, the same incarnation or not.
func (g *Guard) settle(ctx context.Context, id identity.Identity, record *v1alpha1.Tenancy, t tenant, live *v1.Pod) (*v1alpha1.Tenancy, error) {
	record, mine, err := g.recordOf(ctx, id, record, t)
	switch {
	case err != nil && !refusedForGood(err):
		return nil, err
	case !mine || err != nil:
		if t.sight == fence.SightLive {
			g.announceBypass(id, record, t.pod)
		}
		// Held back by another incarnation, never bound, or beyond recording.
		return record, g.standBy(ctx, record, t)
	case !tenancy.Unclean(record):
		return record, g.letGo(ctx, t, record.Status.Evidence)
	}
	if t.sight == fence.SightLive && g.protects(t.pod) {
		if err := g.protect(ctx, t.pod); err != nil {
			return nil, err
		}
	}
	verdict, err := g.judge(ctx, record, t)
	if err != nil {
		return nil, err
	}
	if verdict.Release {
		return g.release(ctx, id, record, t, live, verdict)
	}
	return g.keep(ctx, id, record, t, live, verdict)
}

// recordOf returns the record, and whether it speaks of this incarnation. A pod
// that was bound and has no record gets one, rebuilt from the pod (H15); never
// over another unclean incarnation.
func (g *Guard) recordOf(ctx context.Context, id identity.Identity, record *v1alpha1.Tenancy, t tenant) (*v1alpha1.Tenancy, bool, error) {
	if inc := incarnationOf(record); inc != nil && inc.PodUID == t.uid {
		return record, true, nil
	}
	if !adoptable(record, t) || !g.minds(t.pod) {
		return record, false, nil
	}
	inc, err := g.rebuilt(ctx, t.pod)
	if err != nil {
		return record, false, err
	}
	if need, _ := protect.Of(t.pod, g.args.Protect); need == protect.IfItWrites && !protect.Writes(inc.Volumes) {
		g.readers.add(t.uid)
		return record, false, nil
	}
	adopted, err := g.store.Adopt(ctx, id, inc, g.clock.Now())
	if err != nil {
		return record, false, fmt.Errorf("tenancy %s rebuilt from pod %s: %w", id, t.uid, err)
	}
	if t.sight == fence.SightLive {
		g.announceBypass(id, adopted, t.pod)
	}
	klog.FromContext(ctx).V(2).Info("Adopted", "podUID", t.uid, "node", t.pod.Spec.NodeName, "epoch", adopted.Status.Epoch)
	return adopted, true, nil
}

// adoptable reports whether a record may be rebuilt from the pod. A final object
// may come late: it is taken over a closed record only if its pod is younger than
// the evidence, so that an incarnation from before never reopens it.
func adoptable(record *v1alpha1.Tenancy, t tenant) bool {
	if t.pod == nil || t.pod.Spec.NodeName == "" || tenancy.Unclean(record) {
		return false
	}
	if t.sight == fence.SightFinal && record == nil && provesItself(t) {
		// Its record may just have been let go of: the event comes after the read.
		return false
	}
	if t.sight == fence.SightLive || record == nil || record.Status.Evidence == nil {
		return true
	}
	return !t.pod.CreationTimestamp.Before(&record.Status.Evidence.Time)
}

// provesItself reports whether the object alone shows that the incarnation is over.
func provesItself(t tenant) bool {
	return fence.Judge(fence.FactsOf(fence.Subject{UID: t.uid, Pod: t.pod, Sight: t.sight})).Release
}

// judge asks the rules, with the nodes as the watch has them. What they say of the
// nodes must then also be so by live reads, before anything is closed on it.
func (g *Guard) judge(ctx context.Context, record *v1alpha1.Tenancy, t tenant) (fence.Verdict, error) {
	inc := incarnationOf(record)
	names := nodeNamesOf(inc)
	subject := fence.Subject{
		UID: t.uid, Pod: t.pod, Sight: t.sight, Incarnation: inc, Attestations: attestationsOf(record),
		NeverStarted: g.witness.neverStarted(t.pod),
	}
	if record.Status.Phase == v1alpha1.InDoubt {
		// Not before: until the deletion was seen and the nodes were read after it, the
		// record may not know yet on which machines the pod was started.
		subject.Nodes = g.nodes.around(names)
		subject.Kubelets = g.answers.get(t.uid)
	}
	verdict := g.rules.Judge(fence.FactsOf(subject))
	if !verdict.Release && g.askKubelets(ctx, record, t) {
		subject.Kubelets = g.answers.get(t.uid)
		verdict = g.rules.Judge(fence.FactsOf(subject))
	}
	var err error
	switch verdict.Kind {
	case v1alpha1.KubeletConfirmed:
		// A node that is gone confirms nothing more, and what is written was written before.
		var node *v1.Node
		node, err = g.liveNode(ctx, t.pod.Spec.NodeName)
		subject.TakenOver = fence.TakenOver(inc, node)
	case v1alpha1.Fenced, v1alpha1.NodeRemoved:
		subject.Nodes, err = g.liveNodes(ctx, names)
	default:
		return verdict, nil
	}
	if err != nil {
		return fence.Verdict{}, err
	}
	return g.rules.Judge(fence.FactsOf(subject)), nil
}

// forget lets go of a record that was deleted by a human or with its namespace,
// once it is clean and neither a live read nor the watch has its pod any more:
// otherwise the pod, or its final object, would be found without a record and
// bring it back.
func (g *Guard) forget(ctx context.Context, id identity.Identity, record *v1alpha1.Tenancy, live *v1.Pod) error {
	if record == nil || record.DeletionTimestamp == nil || tenancy.Unclean(record) {
		return nil
	}
	key := types.NamespacedName{Namespace: id.Namespace, Name: id.Name()}
	if len(g.finals.of(key)) > 0 {
		return nil
	}
	for _, pod := range []*v1.Pod{live, g.cachedPod(key)} {
		if pod != nil && isIncarnation(record, pod) {
			return nil
		}
	}
	if err := g.store.Forget(ctx, id); err != nil {
		return fmt.Errorf("tenancy %s: %w", id, err)
	}
	return nil
}

func incarnationOf(record *v1alpha1.Tenancy) *v1alpha1.Incarnation {
	if record == nil {
		return nil
	}
	return record.Status.Incarnation
}

func attestationsOf(record *v1alpha1.Tenancy) []v1alpha1.Attestation {
	if record == nil {
		return nil
	}
	return record.Spec.Attestations
}
