package plugin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/plugin"
)

// use puts the incarnation of an ordinal on the record, with the claim and on node b.
// With a pod it is that pod's.
func (c *cluster) use(id identity.Identity, claim string, pod *v1.Pod) error {
	inc := v1alpha1.Incarnation{PodUID: "other", Nodes: []v1alpha1.CandidateNode{{Name: "b"}},
		Volumes: []v1alpha1.VolumeUse{{Claim: claim, AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}}}}
	if pod != nil {
		inc.PodUID = pod.UID
	}
	_, err := c.store.Open(c.ctx, id, inc, time.Now())
	return err
}

// run creates the ordinal's pod and binds it to node b.
func (c *cluster) run(id identity.Identity, claim string) (*v1.Pod, error) {
	pod, err := c.createPod(func(p *v1.Pod) {
		p.Name, p.OwnerReferences = id.Name(), nil
		p.Spec.Volumes[0].PersistentVolumeClaim.ClaimName = claim
	})
	if err != nil {
		return nil, err
	}
	return pod, c.kube.CoreV1().Pods(pod.Namespace).Bind(c.ctx, &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name}, Target: v1.ObjectReference{Kind: "Node", Name: "b"}}, metav1.CreateOptions{})
}

// TestTheBindIsRefusedBesideAnotherWriter: Bind judges live who else uses the volume, also
// where the cache has not heard of it. A debug pod that it lets through is left to
// DefaultBinder, an ordinal of another set is bound; one that it refuses is left as it is.
func TestTheBindIsRefusedBesideAnotherWriter(t *testing.T) {
	db := identity.Identity{Namespace: "default", Set: "db"}
	for name, tc := range map[string]struct {
		// before comes before the caches are filled, late after they stand still.
		before, late func(c *cluster) error
		without      []plugin.Defence
		node         string // a if empty
		// wantWhy is in the refusal; empty: it is let through.
		wantWhy string
	}{
		"nobody uses it": {},
		"the record is unclean, and its pod is nowhere": {
			before:  func(c *cluster) error { return c.use(db, "data-db-0", nil) },
			wantWhy: "default/db-0",
		},
		"the record is unclean, with the check switched off": {
			before: func(c *cluster) error { return c.use(db, "data-db-0", nil) }, without: []plugin.Defence{plugin.BindCheck},
		},
		"the cache has not heard of the record, and the claim's name tells whose it is": {
			late:    func(c *cluster) error { return c.use(db, "data-db-0", nil) },
			wantWhy: "default/db-0",
		},
		"the record is closed by now": {
			before: func(c *cluster) error { return c.use(db, "data-db-0", nil) },
			late: func(c *cluster) error {
				_, err := c.store.Close(c.ctx, db, v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: "other", Source: "ann", Time: metav1.Now()})
				return err
			},
		},
		"its user runs on another node": {
			before: func(c *cluster) error {
				pod, err := c.run(db, "data-db-0")
				return errors.Join(err, c.use(db, "data-db-0", pod))
			},
			wantWhy: "in use by default/db-0 on node b",
		},
		"its user runs on the same node": {
			before: func(c *cluster) error {
				pod, err := c.run(db, "data-db-0")
				return errors.Join(err, c.use(db, "data-db-0", pod))
			},
			node: "b",
		},
		"its user's successor runs on the same node": {
			before: func(c *cluster) error {
				_, err := c.run(db, "data-db-0")
				return errors.Join(err, c.use(db, "data-db-0", nil))
			},
			node: "b", wantWhy: "is not known to run on one node",
		},
		"a pod without a record runs on another node": {
			before:  func(c *cluster) error { _, err := c.run(db, "data-db-0"); return err },
			wantWhy: "in use by default/db-0 on node b",
		},
		"another's claim of another's name": {
			before: func(c *cluster) error {
				return c.use(identity.Identity{Namespace: "default", Set: "restore"}, "data-db-0", nil)
			},
			wantWhy: "default/restore-0",
		},
	} {
		for asker, edit := range map[string]func(*v1.Pod){
			"debug": func(p *v1.Pod) { p.OwnerReferences = nil },
			"web-0": func(*v1.Pod) {},
		} {
			t.Run(asker+": "+name, func(t *testing.T) {
				inCluster(t, func(c *cluster) error {
					c.id = db
					if err := c.createClaim(); err != nil {
						return err
					}
					if tc.before != nil {
						if err := tc.before(c); err != nil {
							return err
						}
					}
					pl, err := c.plugin(tc.without...)
					if err != nil {
						return err
					}
					pod, err := c.createPod(func(p *v1.Pod) { p.Name = asker }, edit)
					if err != nil {
						return err
					}
					if tc.late != nil {
						if err := tc.late(c); err != nil {
							return err
						}
					}
					node := tc.node
					if node == "" {
						node = "a"
					}
					want := fwk.UnschedulableAndUnresolvable
					switch {
					case tc.wantWhy == "" && len(pod.OwnerReferences) == 0:
						want = fwk.Skip
					case tc.wantWhy == "":
						want = fwk.Success
					}
					status := pl.Bind(c.ctx, nil, pod, node)
					if status.Code() != want || !strings.Contains(status.Message(), tc.wantWhy) {
						return fmt.Errorf("Bind: %v %q, want %v %q", status.Code(), status.Message(), want, tc.wantWhy)
					}
					if want == fwk.Success {
						return nil
					}
					return c.mustBeUntouched(pod)
				})
			})
		}
	}
}

// mustBeUntouched asks that the pod is as it was, and that no record has its name.
func (c *cluster) mustBeUntouched(pod *v1.Pod) error {
	live, err := c.kube.CoreV1().Pods(pod.Namespace).Get(c.ctx, pod.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if live.ResourceVersion != pod.ResourceVersion {
		return fmt.Errorf("the pod was changed: node %q, finalizers %v", live.Spec.NodeName, live.Finalizers)
	}
	if id, named := identity.Named(pod.Namespace, pod.Name); named {
		record, err := c.store.Get(c.ctx, id)
		if err != nil {
			return err
		}
		if record != nil {
			return fmt.Errorf("a record was made: %+v", record.Status)
		}
	}
	return nil
}
