package plugin

import (
	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/reach"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// usesOf returns the pod's bound claims. A claim that is missing or not bound puts no
// limit here: VolumeBinding, which sees the same cache, decides.
func (pl *Holdfast) usesOf(pod *v1.Pod) []reach.Use {
	var uses []reach.Use
	for _, name := range tenancy.ClaimsOf(pod) {
		claim, err := pl.claims.PersistentVolumeClaims(pod.Namespace).Get(name)
		if err != nil || claim.Spec.VolumeName == "" {
			continue
		}
		uses = append(uses, reach.Use{Claim: name, Volume: claim.Spec.VolumeName, SingleWriter: reach.SingleWriter(claim.Spec.AccessModes)})
	}
	return uses
}

// reachable says from where the pod's volumes can be used. It looks twice before it
// says nowhere.
func (pl *Holdfast) reachable(pod *v1.Pod) reach.Verdict {
	uses := pl.usesOf(pod)
	verdict := pl.feed.judge(uses)
	if verdict.Nowhere() {
		return pl.feed.judgeAnew(uses)
	}
	return verdict
}

// outOfReach says why the pod's volumes cannot be used from the node, empty if they
// can: what PreFilter found may have changed until the bind.
func (pl *Holdfast) outOfReach(pod *v1.Pod, node string) string {
	uses := pl.usesOf(pod)
	verdict := pl.feed.judge(uses)
	if verdict.Allows(node) {
		return ""
	}
	verdict = pl.feed.judgeAnew(uses)
	return verdict.Why(node).Message
}
