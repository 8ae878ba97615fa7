package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/sim/decisions"
)

// Attempts is S10, before Finish: plugin is the name of Holdfast's, attempts are those of
// the run, and their times count from zero. Both profiles ask the same other plugins, so
// a pod that is none of Holdfast's business gets the same nodes and scores under both if
// its plugin says nothing of any node.
func (l *Log) Attempts(plugin string, attempts []decisions.Attempt, zero time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readAll()
	bystanders := map[types.UID]bool{}
	for _, lives := range l.earlier {
		for _, pod := range lives {
			bystanders[pod.UID] = pod.Spec.SchedulerName == l.rules.Profile && ownerSet(pod.Pod) == "" && !usesClaims(pod.Pod)
		}
	}
	for i := range attempts {
		a := &attempts[i]
		if l.rules.Profile == "" || !bystanders[a.UID] {
			continue
		}
		l.met[S10]++
		if why := interferes(plugin, a); why != "" {
			l.breaks(S10, zero.Add(a.At.Duration), a.Namespace+"/"+a.Pod, "", why)
		}
	}
}

// usesClaims says whether a pod has a volume with a claim, or makes one for itself.
func usesClaims(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil || v.Ephemeral != nil })
}

// interferes says what the plugin had to say of a pod that is none of its business; empty:
// nothing.
func interferes(plugin string, a *decisions.Attempt) string {
	if said := a.PreFilter[plugin]; said != "" && said != decisions.Skip && said != decisions.Success {
		return "Holdfast refused it: " + said
	}
	if nodes, ok := a.PreFilterNodes[plugin]; ok {
		return fmt.Sprintf("Holdfast left it only %d nodes", len(nodes))
	}
	for _, node := range slices.Sorted(maps.Keys(a.Filter)) {
		if said := a.Filter[node][plugin]; said != "" && said != decisions.Passed {
			return fmt.Sprintf("Holdfast refused it node %s: %s", node, said)
		}
	}
	for _, node := range slices.Sorted(maps.Keys(a.Final)) {
		if score := a.Final[node][plugin]; score != 0 {
			return fmt.Sprintf("Holdfast gave node %s a score of %d", node, score)
		}
	}
	return ""
}
