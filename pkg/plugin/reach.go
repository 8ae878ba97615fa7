package plugin

import (
	"errors"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/identity"
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

// needOf reads the pod's bound claims and, where it has any, its identity's record.
func (pl *Holdfast) needOf(pod *v1.Pod) need {
	n := need{uses: pl.usesOf(pod)}
	if len(n.uses) > 0 {
		n.departure = pl.departureBefore(pod).Worse(pl.departureOfOthers(pod))
	}
	return n
}

// usesOf has the pod's bound claims. One that is missing or not bound puts no limit
// here: VolumeBinding, which sees the same cache, decides.
func (pl *Holdfast) usesOf(pod *v1.Pod) []reach.Use {
	var uses []reach.Use
	for _, name := range tenancy.ClaimsOf(pod) {
		claim, err := pl.claims.PersistentVolumeClaims(pod.Namespace).Get(name)
		if err != nil || claim.Spec.VolumeName == "" {
			continue
		}
		uses = append(uses, reach.Use{Claim: name, Volume: claim.Spec.VolumeName, SingleWriter: tenancy.SingleWriter(claim.Spec.AccessModes)})
	}
	return uses
}

// departureBefore goes by the pod's name, as the gate does.
func (pl *Holdfast) departureBefore(pod *v1.Pod) reach.Departure {
	id, named := identity.Named(pod.Namespace, pod.Name)
	if !named {
		return reach.Departure{}
	}
	record, err := pl.records.get(id)
	if err != nil {
		return reach.Unsure
	}
	return reach.DepartureOf(record, pod.UID)
}

// departureOfOthers goes by the other identities whose records name a volume of the pod:
// a debug pod or another set must not write beside what one of them has left behind.
func (pl *Holdfast) departureOfOthers(pod *v1.Pod) reach.Departure {
	users, err := pl.records.users(pod, pl.volumeUsesOf(pod))
	if err != nil {
		return reach.Unsure
	}
	var worst reach.Departure
	for _, record := range users {
		worst = worst.Worse(reach.DepartureOf(record, pod.UID))
	}
	return worst
}

// reachable says from where the pod's volumes can be used. It looks twice before it
// says nowhere.
func (pl *Holdfast) reachable(pod *v1.Pod) reach.Verdict {
	n := pl.needOf(pod)
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
