package plugin

import (
	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/reach"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// sight is what the caches say that bears on a pod. A hook looks once and judges by
// that: each look reads every claim and decodes records.
type sight struct {
	pl  *Holdfast
	pod *v1.Pod
	// named: a record can have the pod's name. If it has, it is own.
	id     identity.Identity
	named  bool
	own    *v1alpha1.Tenancy
	ownErr error
	// looked: the volumes were looked at, which a pod that its own record holds is spared.
	looked bool
	// uses are the pod's claims.
	uses []v1alpha1.VolumeUse
	// users are the records of other identities that name one of the uses.
	users    []*v1alpha1.Tenancy
	usersErr error
}

// look reads the record of the pod's name.
func (pl *Holdfast) look(pod *v1.Pod) *sight {
	s := &sight{pl: pl, pod: pod}
	if s.id, s.named = identity.Named(pod.Namespace, pod.Name); s.named {
		s.own, s.ownErr = pl.records.get(s.id)
	}
	return s
}

// holdable tells whether a record can hold the pod: by its name or by its volumes.
func (s *sight) holdable() bool { return s.named || len(tenancy.ClaimsOf(s.pod)) > 0 }

// lookAtVolumes reads the pod's claims, and who else uses the volumes.
func (s *sight) lookAtVolumes() {
	if s.looked {
		return
	}
	s.looked = true
	s.uses = s.pl.volumeUsesOf(s.pod)
	if len(s.uses) > 0 {
		s.users, s.usersErr = s.pl.records.users(s.pod, s.uses)
	}
}

// need is what the pod asks of nodes for its volumes.
func (s *sight) need() need {
	s.lookAtVolumes()
	n := need{uses: boundOf(s.uses)}
	if len(n.uses) > 0 {
		n.departure = s.departureBefore().Worse(s.departureOfOthers())
	}
	return n
}

// departureBefore goes by the pod's name, as the gate does.
func (s *sight) departureBefore() reach.Departure {
	switch {
	case !s.named:
		return reach.Departure{}
	case s.ownErr != nil:
		return reach.Unsure
	}
	return reach.DepartureOf(s.own, s.pod.UID)
}

// departureOfOthers goes by the other identities whose records name a volume of the pod:
// a debug pod or another set must not write beside what one of them has left behind.
func (s *sight) departureOfOthers() reach.Departure {
	if s.usersErr != nil {
		return reach.Unsure
	}
	var worst reach.Departure
	for _, record := range s.users {
		worst = worst.Worse(reach.DepartureOf(record, s.pod.UID))
	}
	return worst
}
