package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/reach"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// A volume of one writer that another identity's incarnation may still write is not for
// any pod of the profile, whoever it is: a debug pod, a restore job, another set. And
// where it is in use by a pod that runs, the pod's node is all that others can reach.
// Records say the former, from a cache and once more from live reads before the bind.
// The latter is seen in the scheduler's own snapshot, which has the pods that are on
// their way to a node too, and once more in the informer.

// usersMax bounds how many records that name a volume of one pod are judged. Beyond it
// the pod is held.
const usersMax = 128

// volumeUsesOf returns the pod's claims. One that is not there is for VolumeBinding to refuse.
func (pl *Holdfast) volumeUsesOf(pod *v1.Pod) []v1alpha1.VolumeUse {
	var uses []v1alpha1.VolumeUse
	for _, name := range tenancy.ClaimsOf(pod) {
		claim, err := pl.claims.PersistentVolumeClaims(pod.Namespace).Get(name)
		if err == nil {
			uses = append(uses, v1alpha1.VolumeUse{Claim: name, Volume: claim.Spec.VolumeName, AccessModes: claim.Spec.AccessModes})
		}
	}
	return uses
}

// writes tells whether the pod uses a volume of one writer.
func (pl *Holdfast) writes(pod *v1.Pod) bool {
	return slices.ContainsFunc(pl.volumeUsesOf(pod), func(use v1alpha1.VolumeUse) bool { return tenancy.SingleWriter(use.AccessModes) })
}

// judgeUsers judges the pod beside every other identity whose record names one of its
// volumes, from the cache. The first hold is the verdict.
func (pl *Holdfast) judgeUsers(seen *sight) (tenancy.Verdict, []sharedNode) {
	seen.lookAtVolumes()
	if err := seen.usersErr; err != nil {
		return tenancy.Verdict{Held: true, Reason: tenancy.ReasonVolumeUnreadable, Message: fmt.Sprintf(
			"It cannot be read from the cache who uses the volumes of the pod: %v. Records that can be read would release it.", err)}, nil
	}
	if len(seen.users) > usersMax {
		return tooManyUsers(len(seen.users)), nil
	}
	var nodes []sharedNode
	for _, record := range seen.users {
		sharing := tenancy.JudgeSharing(record, seen.pod.Namespace, seen.uses, pl.runsOn(record))
		if sharing.Held {
			return sharing.Verdict, nil
		}
		if sharing.Node != "" {
			nodes = append(nodes, sharedNode{sets.New(sharing.Node), sharing.Message})
		}
	}
	return tenancy.Verdict{}, nodes
}

func tooManyUsers(count int) tenancy.Verdict {
	return tenancy.Verdict{Held: true, Reason: tenancy.ReasonTooManyUsers, Message: fmt.Sprintf(
		"%d identities use volumes of the pod, and at most %d are judged. Fewer of them would release it.", count, usersMax)}
}

// sharedNode is where alone a volume in use can be used too.
type sharedNode struct {
	nodes sets.Set[string]
	// why names the claim and who uses it.
	why string
}

// refuseNode says why the pod cannot go to the node, in the form that the framework
// sums up; empty if it can.
func refuseNode(shared []sharedNode, node string) string {
	for _, s := range shared {
		if !s.nodes.Has(node) {
			return "node(s) cannot share a volume: " + s.why
		}
	}
	return ""
}

// sharedWith returns the nodes on which pods use the pod's volumes of one writer, those
// that are on their way included. For the very most pods this is one look-up per claim.
// Volumes of one pod are left to VolumeRestrictions.
func (pl *Holdfast) sharedWith(pod *v1.Pod, uses []v1alpha1.VolumeUse, nodes []fwk.NodeInfo) []sharedNode {
	if pl.without.Has(Gate) {
		return nil
	}
	var shared []sharedNode
	for _, use := range uses {
		if !tenancy.SingleWriter(use.AccessModes) || tenancy.OnePod(use.AccessModes) {
			continue
		}
		key := pod.Namespace + "/" + use.Claim
		if !pl.handle.SnapshotSharedLister().StorageInfos().IsPVCUsedByPods(key) {
			continue
		}
		s := sharedNode{nodes: sets.New[string]()}
		for _, node := range nodes {
			if node.GetPVCRefCounts()[key] > 0 {
				s.nodes.Insert(node.Node().Name)
				s.why = fmt.Sprintf("%s is in use by %s on node %s", tenancy.Describe(use), userOn(node, pod.Namespace, use.Claim), node.Node().Name)
			}
		}
		if len(s.nodes) > 0 {
			shared = append(shared, s)
		}
	}
	return shared
}

// userOn names the pod on the node that uses the claim.
func userOn(node fwk.NodeInfo, namespace, claim string) string {
	for _, p := range node.GetPods() {
		if p.GetPod().Namespace == namespace && slices.Contains(tenancy.ClaimsOf(p.GetPod()), claim) {
			return klog.KObj(p.GetPod()).String()
		}
	}
	return "a pod"
}

// judgeUsersLive is judgeUsers for one node and from live reads. The cache names whom
// to read, and so does the name of a claim that was made for an ordinal. A record is
// missed only if the watch has not brought it yet and the claim is not its own; its pod
// is then one that was bound a moment ago, which the snapshot had, or one that the
// informer shows.
func (pl *Holdfast) judgeUsersLive(ctx context.Context, pod *v1.Pod, node string) error {
	if pl.without.Has(BindCheck) {
		return nil
	}
	uses := pl.volumeUsesOf(pod)
	users, err := pl.records.users(pod, uses)
	if err != nil {
		return err
	}
	if len(users) > usersMax {
		return &tenancy.HeldError{Verdict: tooManyUsers(len(users))}
	}
	ids := sets.New(namedByClaims(pod, uses)...)
	for _, record := range users {
		if id, named := identity.Named(record.Namespace, record.Name); named {
			ids.Insert(id)
		}
	}
	for id := range ids {
		if err := pl.judgeUserLive(ctx, id, pod, uses, node); err != nil {
			return err
		}
	}
	return pl.judgeRunning(pod, uses, node)
}

func (pl *Holdfast) judgeUserLive(ctx context.Context, id identity.Identity, pod *v1.Pod, uses []v1alpha1.VolumeUse, node string) error {
	record, err := pl.store.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("tenancy %s: %w", id, err)
	}
	if !tenancy.Unclean(record) {
		return pl.judgeLeftLive(record, pod, uses, node)
	}
	user, err := pl.kube.CoreV1().Pods(id.Namespace).Get(ctx, id.Name(), metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("pod %s: %w", id, err)
	}
	sharing := tenancy.JudgeSharing(record, pod.Namespace, uses, boundTo(record, user))
	if sharing.Held {
		return &tenancy.HeldError{Verdict: sharing.Verdict}
	}
	if !sharing.Allows(node) {
		return elsewhere(sharing.Message, node)
	}
	return nil
}

// judgeLeftLive refuses a node while what an incarnation of another identity has left
// attached elsewhere keeps a volume of the pod there.
func (pl *Holdfast) judgeLeftLive(record *v1alpha1.Tenancy, pod *v1.Pod, uses []v1alpha1.VolumeUse, node string) error {
	if !tenancy.Shares(record, pod.Namespace, uses) {
		return nil
	}
	n := need{uses: pl.usesOf(pod), departure: reach.DepartureOf(record, pod.UID)}
	if why := pl.outOfReach(n, node); why != "" {
		return fmt.Errorf("%w: %s", errOutOfReach, why)
	}
	return nil
}

// judgeRunning refuses a node other than that of a pod that is bound and uses one of
// the volumes.
func (pl *Holdfast) judgeRunning(pod *v1.Pod, uses []v1alpha1.VolumeUse, node string) error {
	for _, use := range uses {
		if !tenancy.SingleWriter(use.AccessModes) {
			continue
		}
		users, err := pl.pods.ByIndex(podsByClaim, pod.Namespace+"/"+use.Claim)
		if err != nil {
			return fmt.Errorf("pods that use claim %s/%s: %w", pod.Namespace, use.Claim, err)
		}
		for _, obj := range users {
			user := obj.(*v1.Pod)
			if user.UID != pod.UID && user.Spec.NodeName != node {
				return elsewhere(fmt.Sprintf("%s is in use by %s on node %s", tenancy.Describe(use), klog.KObj(user), user.Spec.NodeName), node)
			}
		}
	}
	return nil
}

func elsewhere(why, node string) error {
	return &tenancy.HeldError{Verdict: tenancy.Verdict{Held: true, Reason: tenancy.ReasonVolumeOnNode,
		Message: fmt.Sprintf("Node %s cannot share a volume: %s.", node, why)}}
}

// namedByClaims returns the other identities whose claims the pod's are by their names,
// <template>-<set>-<ordinal>. A template's or a set's name may have a hyphen, so there
// can be several. A claim of the pod's own ordinal names nobody else.
func namedByClaims(pod *v1.Pod, uses []v1alpha1.VolumeUse) []identity.Identity {
	var ids []identity.Identity
	for _, use := range uses {
		if strings.HasSuffix(use.Claim, "-"+pod.Name) {
			continue
		}
		for rest := use.Claim; len(ids) < usersMax; {
			var found bool
			if _, rest, found = strings.Cut(rest, "-"); !found {
				break
			}
			if id, named := identity.Named(pod.Namespace, rest); named && rest != pod.Name {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// runsOn is the node of the record's incarnation as the cache has it.
func (pl *Holdfast) runsOn(record *v1alpha1.Tenancy) string {
	obj, exists, err := pl.pods.GetByKey(record.Namespace + "/" + record.Name)
	if err != nil || !exists {
		return ""
	}
	return boundTo(record, obj.(*v1.Pod))
}

// boundTo is the node of the record's incarnation if the pod is it, is bound, and is
// not being deleted.
func boundTo(record *v1alpha1.Tenancy, pod *v1.Pod) string {
	if pod == nil || record.Status.Incarnation == nil || pod.UID != record.Status.Incarnation.PodUID || pod.DeletionTimestamp != nil {
		return ""
	}
	return pod.Spec.NodeName
}

// podsByClaim is the index of bound pods by the claims that they use.
const podsByClaim = Name + "/claim"

// indexPods makes the indices of pods, unless the plugin of another profile has.
func indexPods(pods cache.SharedIndexInformer) (cache.Indexer, error) {
	err := pods.AddIndexers(podIndexers())
	if _, made := pods.GetIndexer().GetIndexers()[podsByClaim]; made {
		return pods.GetIndexer(), nil
	}
	return nil, fmt.Errorf("%s: index of pods: %w", Name, err)
}

func podIndexers() cache.Indexers {
	return cache.Indexers{podsByClaim: claimsOfPod, podsByOwner: ownerOfPod}
}

func claimsOfPod(obj any) ([]string, error) {
	pod, ok := obj.(*v1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return nil, nil
	}
	var keys []string
	for _, claim := range tenancy.ClaimsOf(pod) {
		keys = append(keys, pod.Namespace+"/"+claim)
	}
	return keys, nil
}
