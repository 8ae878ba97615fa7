package guard_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/config/scheme"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/guard"
)

// profileGuard is of one profile, with the word that it has for protect.
func profileGuard(name string, word config.Protection) guard.Options {
	args := scheme.Default()
	args.Protect = word
	return guard.Options{SchedulerNames: []string{name}, Args: args}
}

// TestAProfileThatComesLaterWaitsForItsOwnPass: the mark says whom the passes were for.
func TestAProfileThatComesLaterWaitsForItsOwnPass(t *testing.T) {
	for name, tc := range map[string]struct {
		// profiles is the entry of the mark that is there; oldMark: there is none, as in
		// marks of before.
		profiles string
		oldMark  bool
		// wantPass is whether the guard of profile "holdfast" has a pass to make.
		wantPass bool
	}{
		"the mark names the profile":                    {profiles: "holdfast: All\n"},
		"the mark names it among others":                {profiles: "another: None\nholdfast: All\n"},
		"the mark is of everybody":                      {profiles: "*: All\n"},
		"the mark names another profile":                {profiles: "another: All\n", wantPass: true},
		"the mark is of when the profile guarded fewer": {profiles: "holdfast: None\n", wantPass: true},
		"the mark names nobody":                         {oldMark: true, wantPass: true},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) error {
				mark := &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: guard.AdoptionMark}, Data: map[string]string{"since": "2026-01-01T12:00:00Z"}}
				if !tc.oldMark {
					mark.Data["profiles"] = tc.profiles
				}
				if _, err := c.kube.CoreV1().ConfigMaps("kube-system").Create(c.ctx, mark, metav1.CreateOptions{}); err != nil {
					return err
				}
				ctx, cancel := context.WithCancel(c.ctx)
				defer func() { cancel(); time.Sleep(time.Second) }()
				g := c.newGuard(profileGuard("holdfast", config.ProtectAll))
				if err := g.Watch(ctx); err != nil {
					return err
				}
				time.Sleep(time.Second)
				select {
				case <-g.Adopted():
					if tc.wantPass {
						return errors.New("it is adopted before it made its pass")
					}
				default:
					if !tc.wantPass {
						return errors.New("it waits for a pass that was made")
					}
				}
				go func() { _ = g.Lead(ctx) }()
				<-g.Adopted()
				mark, err := c.kube.CoreV1().ConfigMaps("kube-system").Get(c.ctx, guard.AdoptionMark, metav1.GetOptions{})
				if err != nil || mark.Data["since"] != "2026-01-01T12:00:00Z" {
					return fmt.Errorf("mark %s: %w", asJSON(mark), err)
				}
				return nil
			})
		})
	}
}

func podRef(p *v1.Pod) v1.ObjectReference { return v1.ObjectReference{Kind: "Pod", UID: p.UID} }

// TestABypassIsReportedAndWhatRanBeforeIsNone: H15.
func TestABypassIsReportedAndWhatRanBeforeIsNone(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		before, err := c.createPod("a", false)
		if err != nil {
			return err
		}
		defer c.guards()()
		if err := c.must("the pod that ran before is on the record", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return is(r, v1alpha1.Occupied) && kept(p) }); err != nil {
			return err
		}
		time.Sleep(patience)
		if err := c.mustTellOf("default", podRef(before), guard.EventBypassed); err == nil {
			return errors.New("a pod that ran before Holdfast came is called a bypass")
		}
		c.id.Ordinal = 1
		after, err := c.createPod("a", false)
		if err != nil {
			return err
		}
		if err := c.must("a pod with a nodeName is on the record", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return is(r, v1alpha1.Occupied) && kept(p) }); err != nil {
			return err
		}
		return c.mustTellOf("default", podRef(after), guard.EventBypassed)
	})
}

func TestABypassBesideAnUncleanIncarnationIsReported(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		defer c.guards()()
		time.Sleep(time.Second)
		inc := v1alpha1.Incarnation{PodUID: "other", Nodes: []v1alpha1.CandidateNode{{Name: "a", UID: "an-earlier-a"}}}
		if _, err := c.store.Open(c.ctx, c.id, inc, time.Now()); err != nil {
			return err
		}
		// What is said of the hold is said before: of two events of one instant, which only
		// virtual time has, the second would have the name of the first.
		if err := c.must("the other is held", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return held(r, v1alpha1.HeldByScheduler) }); err != nil {
			return err
		}
		past, err := c.createPod("a", false)
		if err != nil {
			return err
		}
		if err := c.mustTellOf("default", podRef(past), guard.EventBypassed); err != nil {
			return err
		}
		return c.mustStay("the record stays that of the other", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool {
			return is(r, v1alpha1.InDoubt) && r.Status.Incarnation.PodUID == "other"
		})
	})
}

// TestAKubeletThatIsTooOldIsReportedOnce: H7.
func TestAKubeletThatIsTooOldIsReportedOnce(t *testing.T) {
	inCluster(t, func(c *cluster) error {
		if err := c.edit(func(n *v1.Node) { n.Status.NodeInfo.KubeletVersion = "v1.34.7" })(); err != nil {
			return err
		}
		if err := c.createNode("b"); err != nil {
			return err
		}
		defer c.guards()()
		if err := c.edit(boots("boot-2"), boots("boot-3"))(); err != nil {
			return err
		}
		for name, want := range map[string]bool{"a": true, "b": false} {
			node, err := c.kube.CoreV1().Nodes().Get(c.ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			err = c.mustTellOf("default", v1.ObjectReference{Kind: "Node", UID: node.UID}, guard.EventKubeletTooOld)
			if (err == nil) != want {
				return fmt.Errorf("node %s, want one event %t: %w", name, want, err)
			}
		}
		return nil
	})
}

// TestClaimsSayWhetherAPodIsAWriter: the guard reads them where the profile asks for
// writers, and remembers what it found.
func TestClaimsSayWhetherAPodIsAWriter(t *testing.T) {
	for name, tc := range map[string]struct {
		mode v1.PersistentVolumeAccessMode
		want bool
	}{
		"a claim of one node":     {v1.ReadWriteOnce, true},
		"a claim that many write": {v1.ReadWriteMany, false},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) error {
				if err := c.createClaim("data", tc.mode); err != nil {
					return err
				}
				defer c.guards(profileGuard(v1.DefaultSchedulerName, config.ProtectWriters))()
				if _, err := c.createPod("a", false, withClaim("data")); err != nil {
					return err
				}
				if tc.want {
					return c.must("it is guarded", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return is(r, v1alpha1.Occupied) && kept(p) })
				}
				return steps(
					func() error {
						return c.mustStay("it is left alone", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return r == nil && !kept(p) })
					},
					func() error { c.wire.forget(); return c.report(false) },
					func() error {
						return c.mustStay("and still is", func(r *v1alpha1.Tenancy, p *v1.Pod) bool { return r == nil && !kept(p) })
					},
				)
			})
		})
	}
}
