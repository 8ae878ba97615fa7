package check

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// judgeOrder is S6: the first incarnation of an ordinal is bound after one of the
// ordinal before it was. That under OrdinalReady the one before was ready too is not
// seen here: readiness may end in the instant of the bind.
func (l *Log) judgeOrder(at time.Time, name string, pod *podState) {
	set := ownerSet(pod.Pod)
	stem, digits := splitOrdinal(name)
	if set == "" || stem != pod.Namespace+"/"+set {
		return
	}
	if cmp.Or(pod.Annotations[v1alpha1.BindOrderAnnotation], l.rules.BindOrder) == "None" || l.wasBound(name, pod) {
		return
	}
	ordinal, err := strconv.Atoi(digits)
	if err != nil || ordinal <= l.firstOrdinal(stem) {
		return
	}
	timeout := l.rules.BindOrderTimeout
	if said, err := time.ParseDuration(pod.Annotations[v1alpha1.BindOrderTimeoutAnnotation]); err == nil {
		timeout = said
	}
	// Creation is written in whole seconds.
	if timeout > 0 && at.Sub(pod.CreationTimestamp.Time) >= timeout {
		return
	}
	l.meets(S6)
	if predecessor := fmt.Sprintf("%s-%d", stem, ordinal-1); !l.wasBound(predecessor, nil) {
		l.breaks(S6, at, name, pod.Spec.NodeName, fmt.Sprintf("it was bound before %s ever was", predecessor))
	}
}

// wasBound says whether an incarnation of the identity, but for this one, ever was.
func (l *Log) wasBound(name string, but *podState) bool {
	return slices.ContainsFunc(l.earlier[name], func(p *podState) bool { return p != but && p.bound })
}

// firstOrdinal of a set; 0 if it is not known.
func (l *Log) firstOrdinal(set string) int {
	if s := l.sets[set]; s != nil && s.Spec.Ordinals != nil {
		return int(s.Spec.Ordinals.Start)
	}
	return 0
}
