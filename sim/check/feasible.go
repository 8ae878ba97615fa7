package check

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// canBind says whether nothing that the writes show is in the way of a bind. It would
// rather say no than yes: what it does not understand is in the way.
func (l *Log) canBind(name string, pod *podState) bool {
	if !l.clear(name, pod) || !plain(pod.Pod) || l.sharesClaim(name, pod.Pod) {
		return false
	}
	volumes := l.volumesOf(pod.Pod)
	if len(volumes) != claims(pod.Pod) {
		return false // A claim is gone, or has no volume yet.
	}
	for _, a := range l.attachments {
		if v := a.Spec.Source.PersistentVolumeName; v != nil && slices.ContainsFunc(volumes, func(pv *corev1.PersistentVolume) bool { return pv.Name == *v }) {
			return false
		}
	}
	for _, node := range l.nodes {
		if open(node) && l.fits(pod.Pod, node) && l.reaches(node, volumes) {
			return true
		}
	}
	return false
}

// plain says whether the pod asks for nothing but room and its volumes. What it would
// merely like better keeps it from no node.
func plain(pod *corev1.Pod) bool {
	s := pod.Spec
	return !requires(s.Affinity) && len(s.SchedulingGates) == 0 && len(s.InitContainers) == 0 && len(s.ResourceClaims) == 0 && len(s.NodeSelector) == 0 &&
		!slices.ContainsFunc(s.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool {
			return c.WhenUnsatisfiable != corev1.ScheduleAnyway
		}) &&
		!slices.ContainsFunc(s.Containers, func(c corev1.Container) bool {
			return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostPort != 0 })
		})
}

// requires says whether affinity keeps a pod from a node.
func requires(a *corev1.Affinity) bool {
	return a != nil && (a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil ||
		a.PodAffinity != nil && len(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 ||
		a.PodAntiAffinity != nil && len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0)
}

// claims counts the claims that a pod names.
func claims(pod *corev1.Pod) int {
	n := 0
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			n++
		}
	}
	return n
}

// sharesClaim says whether another pod, or another identity's record that is not over,
// has one of its claims.
func (l *Log) sharesClaim(name string, pod *corev1.Pod) bool {
	mine := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			mine[v.PersistentVolumeClaim.ClaimName] = true
		}
	}
	for _, p := range l.pods {
		if p.UID == pod.UID || p.Namespace != pod.Namespace {
			continue
		}
		for _, v := range p.Spec.Volumes {
			if v.PersistentVolumeClaim != nil && mine[v.PersistentVolumeClaim.ClaimName] {
				return true
			}
		}
	}
	for other, r := range l.records {
		if other == name || r.Incarnation == nil || namespaceOf(other) != pod.Namespace || r.Phase == v1alpha1.Over || r.Phase == v1alpha1.Vacant {
			continue
		}
		if slices.ContainsFunc(r.Incarnation.Volumes, func(v v1alpha1.VolumeUse) bool { return mine[v.Claim] }) {
			return true
		}
	}
	return false
}

// open says whether the node is ready and takes any pod.
func open(node *corev1.Node) bool {
	if node.Spec.Unschedulable || node.DeletionTimestamp != nil {
		return false
	}
	if slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }) {
		return false
	}
	return nodeReady(node)
}

func nodeReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// fits says whether the node has room for what the pod asks for.
func (l *Log) fits(pod *corev1.Pod, node *corev1.Node) bool {
	with := newAsked()
	with.add(pod)
	// Where a pod is meant to go, room is kept for it.
	for _, p := range l.pods {
		if p.UID != pod.UID && !p.bound && p.Status.NominatedNodeName == node.Name {
			with.add(p.Pod)
		}
	}
	there := l.askedOf(node.Name)
	if has, ok := node.Status.Allocatable[corev1.ResourcePods]; ok && there.pods+with.pods > has.Value() {
		return false
	}
	for of, q := range with.of {
		if more := there.of[of]; more != nil {
			q.Add(*more)
		}
		if has, ok := node.Status.Allocatable[of]; !ok || q.Cmp(has) > 0 {
			return false
		}
	}
	return true
}

// asked is how many pods there are that are not at their end, and what they ask for.
type asked struct {
	pods int64
	of   map[corev1.ResourceName]*resource.Quantity
}

func newAsked() *asked { return &asked{of: map[corev1.ResourceName]*resource.Quantity{}} }

// askedOf is what the pods of a node ask for. It is not to be written to.
func (l *Log) askedOf(node string) *asked {
	if l.asks == nil {
		l.asks = map[string]*asked{}
		for _, p := range l.pods {
			if p.Spec.NodeName == "" || ended(p.Pod) {
				continue
			}
			if l.asks[p.Spec.NodeName] == nil {
				l.asks[p.Spec.NodeName] = newAsked()
			}
			l.asks[p.Spec.NodeName].add(p.Pod)
		}
	}
	if a := l.asks[node]; a != nil {
		return a
	}
	return newAsked()
}

func (a *asked) add(pod *corev1.Pod) {
	a.pods++
	for _, c := range pod.Spec.Containers {
		for of, q := range c.Resources.Requests {
			if a.of[of] == nil {
				a.of[of] = &resource.Quantity{}
			}
			a.of[of].Add(q)
		}
	}
}

// reaches says whether the volumes can be used from the node.
func (l *Log) reaches(node *corev1.Node, volumes []*corev1.PersistentVolume) bool {
	perDriver := map[string]map[string]bool{}
	for _, pv := range volumes {
		if pv.Spec.NodeAffinity != nil && !matchesAny(pv.Spec.NodeAffinity.Required, node) {
			return false
		}
		if pv.Spec.CSI == nil {
			continue
		}
		driver := pv.Spec.CSI.Driver
		if perDriver[driver] == nil {
			perDriver[driver] = l.onNode(node.Name, driver)
		}
		perDriver[driver][pv.Name] = true
	}
	for driver, on := range perDriver {
		if registered, limit := driverOf(l.csiNodes[node.Name], driver); !registered || limit >= 0 && len(on) > limit {
			return false
		}
	}
	return true
}
