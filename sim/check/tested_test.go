package check

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// TestHowOftenS1AndS2HadSomethingToHold: each further incarnation, and each further way to
// write a disk of a single writer, whether or not anything is broken.
func TestHowOftenS1AndS2HadSomethingToHold(t *testing.T) {
	const rwo, rwx = corev1.ReadWriteOnce, corev1.ReadWriteMany
	for name, tc := range map[string]struct {
		story []change
		want  map[Invariant]int
	}{
		"one life":                       {[]change{start(1, "u1", "a"), stop(3, "u1", "a"), start(4, "u1", "a")}, map[Invariant]int{}},
		"three, one after the other":     {[]change{start(1, "u1", "a"), stop(3, "u1", "a"), start(4, "u2", "b"), stop(5, "u2", "b"), start(6, "u3", "a")}, map[Invariant]int{S1: 2}},
		"two at once":                    {[]change{start(1, "u1", "a"), start(4, "u2", "b")}, map[Invariant]int{S1: 1}},
		"a disk changes hands":           {[]change{opened(1, writer("u1", "a", rwo)), closed(2, writer("u1", "a")), opened(3, writer("u2", "b", rwo))}, map[Invariant]int{S2: 1}},
		"a disk for many changes hands":  {[]change{opened(1, writer("u1", "a", rwx)), closed(2, writer("u1", "a")), opened(3, writer("u2", "b", rwx))}, map[Invariant]int{}},
		"the same pod opens a disk anew": {[]change{opened(1, writer("u1", "a", rwo)), closed(2, writer("u1", "a")), opened(3, writer("u1", "a", rwo))}, map[Invariant]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tell(tc.story...).Met()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
