package plugin

import (
	"errors"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/reach"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// errOutOfReach: the volumes of the pod cannot be used from the node.
var errOutOfReach = errors.New("out of reach")

// need is what a pod asks of nodes for its volumes.
type need struct {
	uses []reach.Use
	// departure is how the incarnations before the pod went: that of its own identity, and
	// those of others that used one of the volumes. Of several, the least to be trusted.
	departure reach.Departure
}

// needOf is the need of a pod by a look of its own.
func (pl *Holdfast) needOf(pod *v1.Pod) need { return pl.look(pod).need() }

// usesOf has the pod's bound claims.
func (pl *Holdfast) usesOf(pod *v1.Pod) []reach.Use { return boundOf(pl.volumeUsesOf(pod)) }

// boundOf has those of the claims that are bound. One that is missing or not bound puts
// no limit here: VolumeBinding, which sees the same cache, decides.
func boundOf(claims []v1alpha1.VolumeUse) []reach.Use {
	var uses []reach.Use
	for _, use := range claims {
		if use.Volume != "" {
			uses = append(uses, reach.Use{Claim: use.Claim, Volume: use.Volume, SingleWriter: tenancy.SingleWriter(use.AccessModes)})
		}
	}
	return uses
}

// reachable says from where what is needed can be had. It looks twice before it says
// nowhere.
func (pl *Holdfast) reachable(n need) reach.Verdict {
	verdict := pl.feed.judge(n)
	if verdict.Nowhere() {
		return pl.feed.judgeAnew(n)
	}
	return verdict
}

// outOfReach says why what is needed cannot be had on the node, empty if it can: what
// PreFilter found may have changed until the bind.
func (pl *Holdfast) outOfReach(n need, node string) string {
	verdict := pl.feed.judge(n)
	if verdict.Allows(node) {
		return ""
	}
	verdict = pl.feed.judgeAnew(n)
	return verdict.Why(node).Message
}
