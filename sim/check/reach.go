package check

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// judgeReach is S5: at its bind every volume of the pod can be used from the node.
func (l *Log) judgeReach(at time.Time, name string, pod *podState) {
	node := pod.Spec.NodeName
	volumes := l.volumesOf(pod.Pod)
	if len(volumes) == 0 {
		return
	}
	l.meets(S5)
	perDriver := map[string]map[string]bool{}
	for _, pv := range volumes {
		if n := l.nodes[node]; n != nil && pv.Spec.NodeAffinity != nil && !matchesAny(pv.Spec.NodeAffinity.Required, n) {
			l.breaks(S5, at, name, node, fmt.Sprintf("volume %s cannot be used from there by its node affinity", pv.Name))
		}
		if pv.Spec.CSI == nil {
			continue
		}
		driver := pv.Spec.CSI.Driver
		if perDriver[driver] == nil {
			perDriver[driver] = l.onNode(node, driver)
		}
		perDriver[driver][pv.Name] = true
	}
	if l.blindAt(at) {
		return
	}
	for driver, on := range perDriver {
		if why := l.noRoom(at, pod, driver, len(on)); why != "" {
			l.breaks(S5, at, name, node, why)
		}
	}
}

// noRoom says why the node of a pod does not take so many volumes of a driver; empty: it does,
// or did when the bind was decided.
func (l *Log) noRoom(at time.Time, pod *podState, driver string, volumes int) string {
	why := ""
	for _, csi := range l.knownOf(pod.Spec.NodeName, pod, at) {
		registered, limit := driverOf(csi, driver)
		switch {
		case registered && (limit < 0 || volumes <= limit):
			return ""
		case why != "":
		case !registered:
			why = fmt.Sprintf("driver %s is not registered there", driver)
		default:
			why = fmt.Sprintf("with it %d volumes are attached there, and %d may be", volumes, limit)
		}
	}
	return why
}

// volumesOf are the bound volumes of a pod's claims, as the log has them.
func (l *Log) volumesOf(pod *corev1.Pod) []*corev1.PersistentVolume {
	var volumes []*corev1.PersistentVolume
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim := l.claims[pod.Namespace+"/"+v.PersistentVolumeClaim.ClaimName]
		if claim == nil {
			continue
		}
		if pv := l.volumes[claim.Spec.VolumeName]; pv != nil {
			volumes = append(volumes, pv)
		}
	}
	return volumes
}

// onNode are the driver's volumes that take a slot of the node: those attached or being
// detached, and those of pods that are bound to it and not at their end.
func (l *Log) onNode(node, driver string) map[string]bool {
	on := map[string]bool{}
	for _, a := range l.attachments {
		if a.Spec.NodeName == node && a.Spec.Attacher == driver && a.Spec.Source.PersistentVolumeName != nil {
			on[*a.Spec.Source.PersistentVolumeName] = true
		}
	}
	for _, p := range l.pods {
		if p.Spec.NodeName != node || ended(p.Pod) {
			continue
		}
		for _, pv := range l.volumesOf(p.Pod) {
			if pv.Spec.CSI != nil && pv.Spec.CSI.Driver == driver {
				on[pv.Name] = true
			}
		}
	}
	return on
}

// ended says whether the pod has a terminal phase.
func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// driverOf says whether a driver is registered there, and its limit; below 0: none.
func driverOf(csi *storagev1.CSINode, driver string) (registered bool, limit int) {
	if csi == nil {
		return false, -1
	}
	for _, d := range csi.Spec.Drivers {
		if d.Name != driver {
			continue
		}
		if d.Allocatable == nil || d.Allocatable.Count == nil {
			return true, -1
		}
		return true, int(*d.Allocatable.Count)
	}
	return false, -1
}

// matchesAny reads a node selector: one of its terms must hold, and of a term all. A
// term without anything holds for no node.
func matchesAny(selector *corev1.NodeSelector, node *corev1.Node) bool {
	if selector == nil {
		return true
	}
	return slices.ContainsFunc(selector.NodeSelectorTerms, func(t corev1.NodeSelectorTerm) bool {
		if len(t.MatchExpressions)+len(t.MatchFields) == 0 {
			return false
		}
		for _, e := range t.MatchExpressions {
			value, has := node.Labels[e.Key]
			if !holds(e, value, has) {
				return false
			}
		}
		for _, e := range t.MatchFields {
			if e.Key != "metadata.name" || !holds(e, node.Name, true) {
				return false
			}
		}
		return true
	})
}

func holds(e corev1.NodeSelectorRequirement, value string, has bool) bool {
	switch e.Operator {
	case corev1.NodeSelectorOpIn:
		return has && slices.Contains(e.Values, value)
	case corev1.NodeSelectorOpNotIn:
		return !has || !slices.Contains(e.Values, value)
	case corev1.NodeSelectorOpExists:
		return has
	case corev1.NodeSelectorOpDoesNotExist:
		return !has
	}
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil || len(e.Values) != 1 {
		return false
	}
	than, err := strconv.ParseInt(e.Values[0], 10, 64)
	if err != nil {
		return false
	}
	return e.Operator == corev1.NodeSelectorOpGt && number > than || e.Operator == corev1.NodeSelectorOpLt && number < than
}
