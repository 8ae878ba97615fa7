package plugin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// TestWhoIsProtected goes through Bind with pods of every word.
func TestWhoIsProtected(t *testing.T) {
	const none, writers = "None", "Writers"
	for name, tc := range map[string]struct {
		// word is the pod's annotation; empty: it has none.
		word  string
		modes []v1.PersistentVolumeAccessMode
		// finalizer: the pod was created with it.
		finalizer bool
		// before is done first.
		before func(*cluster) error
		// want is whether the pod gets record and finalizer.
		want bool
		// wantHeld: Bind refuses it.
		wantHeld bool
		// wantEvent is the reason of the one event; empty: none.
		wantEvent string
	}{
		"a pod that says nothing":                           {want: true},
		"None":                                              {word: none},
		"None, and the predecessor is over":                 {word: none, before: func(c *cluster) error { return c.occupy(true) }},
		"None, and the predecessor is unclean":              {word: none, before: func(c *cluster) error { return c.occupy(false) }, wantHeld: true},
		"None, and the finalizer is on":                     {word: none, finalizer: true, want: true},
		"Writers, and a claim of one node":                  {word: writers, want: true},
		"Writers, and a claim that many write":              {word: writers, modes: []v1.PersistentVolumeAccessMode{v1.ReadWriteMany}},
		"Writers, and the predecessor is unclean":           {word: writers, modes: []v1.PersistentVolumeAccessMode{v1.ReadWriteMany}, before: func(c *cluster) error { return c.occupy(false) }, wantHeld: true},
		"a word that nobody knows counts as All, and tells": {word: "Maybe", want: true, wantEvent: "UnknownProtection"},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) error {
				if err := c.createClaim(tc.modes...); err != nil {
					return err
				}
				if tc.before != nil {
					if err := tc.before(c); err != nil {
						return err
					}
				}
				pod, err := c.createPod(func(p *v1.Pod) {
					if tc.word != "" {
						p.Annotations = map[string]string{v1alpha1.ProtectAnnotation: tc.word}
					}
					if tc.finalizer {
						p.Finalizers = []string{v1alpha1.PodFinalizer}
					}
				})
				if err != nil {
					return err
				}
				pl, err := c.plugin()
				if err != nil {
					return err
				}
				status := pl.Bind(c.ctx, nil, pod, "a")
				if tc.wantHeld {
					if status.Code() != fwk.UnschedulableAndUnresolvable {
						return fmt.Errorf("Bind: %v, want it refused", status)
					}
					return nil
				}
				if tc.want != status.IsSuccess() || !tc.want && !status.IsSkip() {
					return fmt.Errorf("Bind: %v; want it bound: %t, else left to DefaultBinder", status, tc.want)
				}
				live, err := c.pod()
				if err != nil {
					return err
				}
				record, err := c.store.Get(c.ctx, c.id)
				if err != nil {
					return err
				}
				recorded := record != nil && record.Status.Incarnation.PodUID == pod.UID
				if kept := slices.Contains(live.Finalizers, v1alpha1.PodFinalizer); kept != tc.want || recorded != tc.want {
					return fmt.Errorf("finalizer %t, record %t; want %t", kept, recorded, tc.want)
				}
				return c.mustHaveTold(tc.wantEvent)
			})
		})
	}
}

// mustHaveTold asks for one event of the reason, or for none if it is empty.
func (c *cluster) mustHaveTold(reason string) error {
	select {
	case said := <-c.handle.recorder.Events:
		if reason == "" || !strings.Contains(said, " "+reason+" ") {
			return fmt.Errorf("the event %q, want %q", said, reason)
		}
	default:
		if reason != "" {
			return fmt.Errorf("no event, want %s", reason)
		}
	}
	return nil
}
