package plugin

import (
	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/reach"
)

// sight is what the caches say that bears on a pod. A hook looks once and judges by
// that: each look reads every claim and decodes records.
type sight struct {
	// uses are the pod's claims.
	uses []v1alpha1.VolumeUse
	// named: a record can have the pod's name. If it has, it is own.
	id     identity.Identity
	named  bool
	own    *v1alpha1.Tenancy
	ownErr error
	// users are the records of other identities that name one of the uses.
	users    []*v1alpha1.Tenancy
	usersErr error
}

func (pl *Holdfast) look(pod *v1.Pod) *sight {
	s := &sight{uses: pl.volumeUsesOf(pod)}
	if s.id, s.named = identity.Named(pod.Namespace, pod.Name); s.named {
		s.own, s.ownErr = pl.records.get(s.id)
	}
	if len(s.uses) > 0 {
		s.users, s.usersErr = pl.records.users(pod, s.uses)
	}
	return s
}

// need is what the pod asks of nodes for its volumes.
func (s *sight) need(pod *v1.Pod) need {
	n := need{uses: boundOf(s.uses)}
	if len(n.uses) > 0 {
		n.departure = s.departureBefore(pod).Worse(s.departureOfOthers(pod))
	}
	return n
}

// departureBefore goes by the pod's name, as the gate does.
func (s *sight) departureBefore(pod *v1.Pod) reach.Departure {
	switch {
	case !s.named:
		return reach.Departure{}
	case s.ownErr != nil:
		return reach.Unsure
	}
	return reach.DepartureOf(s.own, pod.UID)
}

// departureOfOthers goes by the other identities whose records name a volume of the pod:
// a debug pod or another set must not write beside what one of them has left behind.
func (s *sight) departureOfOthers(pod *v1.Pod) reach.Departure {
	if s.usersErr != nil {
		return reach.Unsure
	}
	var worst reach.Departure
	for _, record := range s.users {
		worst = worst.Worse(reach.DepartureOf(record, pod.UID))
	}
	return worst
}
