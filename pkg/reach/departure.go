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

// DepartureOf reads a record: how the incarnation went that was bound before the pod.
//
// An attempt to bind the pod that failed, and an incarnation that was never bound, come
// after it on the record and change nothing: DepartedBy has what ended it.
func DepartureOf(record *v1alpha1.Tenancy, podUID types.UID) Departure {
	if record == nil || record.Status.Incarnation == nil {
		return Departure{}
	}
	inc, evidence := record.Status.Incarnation, record.Status.Evidence
	switch {
	case inc.PodUID == podUID:
		return departedBy(record, record.Status.DepartedBy)
	case record.Status.Phase != v1alpha1.Over || evidence == nil:
		return Unsure // The pod is held; this is about its attempts without a gate.
	case evidence.Kind == v1alpha1.NeverBound:
		return departedBy(record, record.Status.DepartedBy)
	}
	return departedBy(record, evidence)
}

// departedBy is the departure of an incarnation that this evidence ended. Without any,
// none was bound before as far as the record goes; an attachment that is there all the
// same is trusted as far as its node and its detach show.
func departedBy(record *v1alpha1.Tenancy, evidence *v1alpha1.Evidence) Departure {
	switch {
	case evidence == nil:
		return Departure{kind: orderly}
	case evidence.CoversAttachments, covered(record, evidence.PodUID):
		return Departure{}
	case evidence.Kind == v1alpha1.KubeletConfirmed:
		return Departure{kind: orderly, evidence: evidence.Kind}
	}
	return Departure{kind: unsure, evidence: evidence.Kind}
}

// Worse is the one of the two that trusts less.
func (d Departure) Worse(other Departure) Departure {
	if other.kind > d.kind {
		return other
	}
	return d
}

// covered tells whether somebody has vouched for the attachments since the incarnation
// was over: the receipt of its end stays as it was written.
func covered(record *v1alpha1.Tenancy, podUID types.UID) bool {
	return slices.ContainsFunc(record.Spec.Attestations, func(a v1alpha1.Attestation) bool {
		return a.PodUID == podUID && a.CoversAttachments
	})
}
