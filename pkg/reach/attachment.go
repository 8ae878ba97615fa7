package reach

import (
	"fmt"
	"slices"
	"strings"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// attachment is a VolumeAttachment of a PersistentVolume.
type attachment struct {
	name, volume, node, driver string
	// failing: a detach has failed, so the controller counts the attachment as
	// uncertain, which keeps no other node from attaching (docs/kubernetes-facts.md H11).
	failing bool
	// deleting: its deletion has been asked for.
	deleting bool
	// failedAt is when attaching failed last; zero if it did not.
	failedAt time.Time
}

// SetAttachment takes a state of a VolumeAttachment.
func (x *Index) SetAttachment(va *storagev1.VolumeAttachment) bool {
	if !x.attachmentVersions.set(va.Name, va.ResourceVersion) {
		return false
	}
	x.detach(va.Name)
	if va.Spec.Source.PersistentVolumeName == nil {
		return true // An inline volume is no claim's.
	}
	a := &attachment{
		name: va.Name, volume: *va.Spec.Source.PersistentVolumeName, node: va.Spec.NodeName, driver: va.Spec.Attacher,
		failing: va.Status.DetachError != nil, deleting: va.DeletionTimestamp != nil,
	}
	if e := va.Status.AttachError; e != nil {
		a.failedAt = e.Time.Time
	}
	x.attachments[a.name] = a
	insert(x.attached, a.volume, a)
	insert(x.attachedAt, a.node, a)
	return true
}

// DeleteAttachment takes the last state of a VolumeAttachment that is gone.
func (x *Index) DeleteAttachment(va *storagev1.VolumeAttachment) bool {
	if !x.attachmentVersions.remove(va.Name, va.ResourceVersion) {
		return false
	}
	x.detach(va.Name)
	return true
}

func (x *Index) detach(name string) {
	if a := x.attachments[name]; a != nil {
		delete(x.attachments, name)
		remove(x.attached, a.volume, a)
		remove(x.attachedAt, a.node, a)
	}
}

// Attachments returns the name and version of each VolumeAttachment of the volume.
func (x *Index) Attachments(volume string) []*storagev1.VolumeAttachment {
	var known []*storagev1.VolumeAttachment
	for a := range x.attached[volume] {
		known = append(known, &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{
			Name: a.name, ResourceVersion: x.attachmentVersions.present[a.name]}})
	}
	return known
}

// AttachedTo tells whether a single-writer volume is attached to the node.
func (x *Index) AttachedTo(uses []Use, node string) bool {
	return slices.ContainsFunc(uses, func(use Use) bool {
		for a := range x.attached[use.Volume] {
			if use.SingleWriter && a.node == node {
				return true
			}
		}
		return false
	})
}

// left is an attachment that keeps a volume from all nodes but its own.
type left struct {
	attachment
	why string
}

// leftovers limits a single-writer volume to the node on which the incarnation before
// may still write it: no object of the API keeps that node from writing, and the end of
// the attachment is where the storage does (docs/kubernetes-facts.md §5, H11).
func (x *Index) leftovers(use Use, departure Departure) (limit, bool) {
	if !use.SingleWriter || departure.kind == nobody {
		return limit{}, false
	}
	var kept []left
	for a := range x.attached[use.Volume] {
		if why := x.distrust(a, departure); why != "" {
			kept = append(kept, left{*a, why})
		}
	}
	if len(kept) == 0 {
		return limit{}, false
	}
	slices.SortFunc(kept, func(a, b left) int { return strings.Compare(a.name, b.name) })
	fit := sets.New[string]()
	// Of two nodes each keeps the other out.
	if node := kept[0].node; x.nodes[node] != nil && !slices.ContainsFunc(kept, func(l left) bool { return l.node != node }) {
		fit.Insert(node)
	}
	return limit{use: use, nodes: &nodes{fit: fit}, left: kept}, true
}

// distrust says why the attachment is not on its way to an orderly end, empty if it is.
func (x *Index) distrust(a *attachment, departure Departure) string {
	n := x.nodes[a.node]
	switch {
	case departure.kind == unsure && departure.evidence != "":
		return fmt.Sprintf("%s says nothing of what the node still writes", departure.evidence)
	case departure.kind == unsure:
		return "nothing is known of what the node still writes"
	case n == nil:
		return "the node is gone"
	case !n.ready:
		return "the node is not Ready"
	case a.failing:
		return "its detach fails"
	}
	return ""
}

func (l *left) message(use Use) string {
	act := "kubectl delete volumeattachment " + l.name
	if l.deleting {
		act = "the removal of its finalizers"
	}
	return fmt.Sprintf("node(s) wait for the end of VolumeAttachment %s, which keeps volume %s of claim %s on node %s: %s; "+
		"once that machine certainly cannot write, %s or an attestation that covers attachments would release it",
		l.name, use.Volume, use.Claim, l.node, l.why, act)
}

// elsewhere returns the first attachment to another node.
func elsewhere(kept []left, node string) *left {
	for i := range kept {
		if kept[i].node != node {
			return &kept[i]
		}
	}
	return &kept[0] // The node itself: it is gone.
}
