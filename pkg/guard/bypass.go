package guard

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// toldMax bounds how many pods and nodes are remembered of which something was told
// that is told once. Beyond it the oldest is told again.
const toldMax = 16384

// bypassed reports whether the pod was bound by somebody else than Holdfast: by a
// nodeName in its template, another scheduler, a binding by hand (H15). Holdfast's own
// binds leave the epoch on the pod. What was bound before Holdfast came is no bypass.
func (g *Guard) bypassed(pod *v1.Pod) bool {
	_, byHoldfast := pod.Annotations[v1alpha1.EpochAnnotation]
	return g.adoption.isMarked() && pod.Spec.NodeName != "" && !byHoldfast && g.minds(pod)
}

// announceBypass tells once of a pod that was bound past Holdfast, and of what it did
// not wait for.
func (g *Guard) announceBypass(id identity.Identity, record *v1alpha1.Tenancy, pod *v1.Pod) {
	if !g.bypassed(pod) || !g.toldBypass.add(pod.UID) {
		return
	}
	message := fmt.Sprintf("The pod %s was bound to node %s past Holdfast: by a nodeName in its template, another scheduler or a binding by hand. ", pod.UID, pod.Spec.NodeName)
	if inc := incarnationOf(record); tenancy.Unclean(record) && inc != nil && inc.PodUID != pod.UID {
		message += fmt.Sprintf("Nothing proves that the incarnation %s is over, so two may run.", inc.PodUID)
	} else {
		message += "It is on the record, and its own replacement will wait for it."
	}
	for _, object := range regarding(id, tenant{uid: pod.UID, pod: pod}, pod) {
		g.recorder.Eventf(object, nil, v1.EventTypeWarning, EventBypassed, actionAdopting, "%s", note(id, message))
	}
}
