package world_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/world"
)

func TestTaintsComeChangeAndGo(t *testing.T) {
	play(t, func(s *stage) error {
		of := func(value string, effect corev1.TaintEffect) corev1.Taint {
			return corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: value, Effect: effect}
		}
		taint := func(taint corev1.Taint, remove bool) func() error {
			return func() error { return s.Apply(s.ctx, world.Taint{Node: "a", Taint: taint, Remove: remove}) }
		}
		if err := steps(
			taint(of("nodeshutdown", corev1.TaintEffectNoExecute), false),
			taint(of("nodeshutdown", corev1.TaintEffectNoSchedule), false),
			taint(of("again", corev1.TaintEffectNoExecute), false),
			taint(of("", corev1.TaintEffectNoSchedule), true),
		); err != nil {
			return err
		}
		node, err := s.node("a")
		if err != nil {
			return err
		}
		mine := slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key != corev1.TaintNodeOutOfService })
		if want := of("again", corev1.TaintEffectNoExecute); len(mine) != 1 || mine[0].ToString() != want.ToString() {
			t.Errorf("taints %+v, want %s alone", mine, want.ToString())
		}
		if taint(of("", corev1.TaintEffectNoSchedule), true)() == nil {
			t.Error("a taint that is not there was removed")
		}
		return nil
	})
}

func TestAnOperatorsDeleteIsGraceful(t *testing.T) {
	play(t, func(s *stage) error {
		pod, err := s.running("web-0", "a", stops("20"))
		if err != nil {
			return err
		}
		if err := s.Apply(s.ctx, world.Delete{Namespace: "default", Pod: "web-0"}); err != nil {
			return err
		}
		took, err := s.untilStopped(pod.UID, time.Minute)
		s.between(took, 20*time.Second, 22*time.Second, "the kill")
		return err
	})
}

func TestStrippingFinalizersLetsADeletedPodGoAndALivingOneStay(t *testing.T) {
	play(t, func(s *stage) error {
		if _, err := s.running("web-0", "a", finalized); err != nil {
			return err
		}
		strip := func() error { return s.Apply(s.ctx, world.StripFinalizers{Namespace: "default", Pod: "web-0"}) }
		if err := strip(); err != nil {
			return err
		}
		pod, err := s.api.CoreV1().Pods("default").Get(s.ctx, "web-0", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(pod.Finalizers) != 0 || pod.DeletionTimestamp != nil {
			t.Errorf("finalizers %v, deleted at %v", pod.Finalizers, pod.DeletionTimestamp)
		}
		pod.Finalizers = []string{"example.com/hold"}
		if _, err := s.api.CoreV1().Pods("default").Update(s.ctx, pod, metav1.UpdateOptions{}); err != nil {
			return err
		}
		if err := steps(func() error { return s.cut("a") }, func() error { return s.force("web-0") }, strip); err != nil {
			return err
		}
		if _, err := s.api.CoreV1().Pods("default").Get(s.ctx, "web-0", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("got %v, want not found", err)
		}
		return nil
	})
}

func TestAFenceSaysWhatItIsToldAndDoesWhatItDoes(t *testing.T) {
	for name, tc := range map[string]struct {
		fence  world.Fence
		off    string
		silent bool
	}{
		"it works":                    {world.Fence{Node: "a"}, "a", true},
		"it fails":                    {world.Fence{Node: "a", Fails: true}, "a", false},
		"it hits another machine":     {world.Fence{Node: "a", Hits: "b"}, "b", true},
		"and then not the node's own": {world.Fence{Node: "a", Hits: "b"}, "a", false},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) error {
				if err := s.Apply(s.ctx, tc.fence); err != nil {
					return err
				}
				if s.Silent(tc.off) != tc.silent {
					t.Errorf("%s is silent: %t", tc.off, !tc.silent)
				}
				node, err := s.node("a")
				if err != nil {
					return err
				}
				taint := corev1.Taint{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}
				said := false
				for _, t := range node.Spec.Taints {
					said = said || t.MatchTaint(&taint)
				}
				if !said {
					t.Error("it does not say that it has done it")
				}
				return nil
			})
		})
	}
}
