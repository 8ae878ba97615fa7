package reach

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// Departure is how the incarnation before a pod went, as far as the attachments of its
// volumes go: whether they are on their way to an orderly end. The zero Departure is
// that of nobody.
type Departure struct {
	kind departureKind
	// evidence is what says that the incarnation is over.
	evidence v1alpha1.EvidenceKind
}

type departureKind int

const (
	// nobody: no incarnation before is on record, or somebody vouches for its machine.
	// What is still attached elsewhere is then no reason to keep away.
	nobody departureKind = iota
	// orderly: its containers have stopped and its kubelet says so, so that its node
	// unmounts the volumes and they are detached, as long as that goes well.
	orderly
	// unsure: nothing says that the machine writes the volumes no more.
	unsure
)

// Unsure is the departure of an incarnation of which nothing can be read.
var Unsure = Departure{kind: unsure}

// DepartureOf reads the record of the pod's identity.
//
// The pod's own incarnation is on record when an earlier attempt to bind it failed, and
// what ended the one before is then no longer there. Nor is it for an incarnation that
// was never bound. In both cases this rule let an attempt pass before, which leaves
// only what can change since: the node's readiness, and how the detach goes.
func DepartureOf(record *v1alpha1.Tenancy, podUID types.UID) Departure {
	if record == nil || record.Status.Incarnation == nil {
		return Departure{}
	}
	inc, evidence := record.Status.Incarnation, record.Status.Evidence
	switch {
	case inc.PodUID == podUID:
		return Departure{kind: orderly}
	case record.Status.Phase != v1alpha1.Over || evidence == nil:
		return Unsure // The pod is held; this is about its attempts without a gate.
	case evidence.CoversAttachments, covered(record, inc.PodUID):
		return Departure{}
	case evidence.Kind == v1alpha1.KubeletConfirmed, evidence.Kind == v1alpha1.NeverBound:
		return Departure{kind: orderly, evidence: evidence.Kind}
	}
	return Departure{kind: unsure, evidence: evidence.Kind}
}

// covered tells whether somebody has vouched for the attachments since the incarnation
// was over: the receipt of its end stays as it was written.
func covered(record *v1alpha1.Tenancy, podUID types.UID) bool {
	return slices.ContainsFunc(record.Spec.Attestations, func(a v1alpha1.Attestation) bool {
		return a.PodUID == podUID && a.CoversAttachments
	})
}
