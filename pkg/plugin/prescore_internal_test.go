package plugin

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// scored is what PreScore and Score make of the nodes of the plugin's snapshot; nil if
// PreScore skips the pod.
func scored(t *testing.T, pl *Holdfast, pod *v1.Pod) map[string]int64 {
	t.Helper()
	nodes, err := pl.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		t.Fatal(err)
	}
	state := newState()
	if status := pl.PreScore(t.Context(), state, pod, nodes); status.Code() == fwk.Skip {
		return nil
	} else if !status.IsSuccess() {
		t.Fatal(status)
	}
	got := map[string]int64{}
	for _, node := range nodes {
		score, status := pl.Score(t.Context(), state, pod, node)
		if !status.IsSuccess() {
			t.Fatal(status)
		}
		got[node.Node().Name] = score
	}
	return got
}

func TestScoresOfNodes(t *testing.T) {
	attachment := func(name, volume, node string, failed *metav1.Time) *storagev1.VolumeAttachment {
		va := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "9"},
			Spec: storagev1.VolumeAttachmentSpec{Attacher: csiDriver, NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume}}}
		if failed != nil {
			va.Status.AttachError = &storagev1.VolumeError{Time: *failed}
		}
		return va
	}
	full := csiNode("4", "a-1", csiDriver)
	full.Spec.Drivers[0].Allocatable = &storagev1.VolumeNodeResources{Count: ptr.To[int32](1)}
	// As the test's clock has it.
	now := metav1.NewTime(time.Unix(1_700_000_000, 0))
	sibling := func(name, uid, node string) *v1.Pod {
		pod := ordinal(types.UID(uid))
		pod.Name, pod.Spec.NodeName = name, node
		return pod
	}
	withVolume := []runtime.Object{claimTo("pv-1"), volumeIn("7", "pv-1", "a")}
	plain := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "front-x", UID: "front"}}
	job := withClaim(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "job", UID: "job"}})

	for name, tc := range map[string]struct {
		pod     *v1.Pod
		weights config.ScoreWeights
		objects []runtime.Object
		// bound are siblings as the informer has them; going is one that has its node only.
		bound []*v1.Pod
		going string
		want  map[string]int64
	}{
		"a pod that is not ours":   {pod: plain, weights: config.ScoreWeights{Attached: 1, ZoneSpread: 1}},
		"nothing is weighed":       {pod: withClaim(ordinal(newUID)), objects: withVolume},
		"no node is better":        {pod: job, weights: config.ScoreWeights{Attached: 1, AttachErrors: 1, AttachSlots: 1, ZoneSpread: 1}, objects: withVolume},
		"where it is attached yet": {pod: withClaim(ordinal(newUID)), weights: config.ScoreWeights{Attached: 1}, objects: append(withVolume, attachment("1", "pv-1", "a-1", nil)), want: map[string]int64{"a-0": 0, "a-1": 100, "b-0": 0}},
		"a pod without a set, by its claims": {pod: job, weights: config.ScoreWeights{Attached: 1, ZoneSpread: 1},
			objects: append(withVolume, attachment("1", "pv-1", "a-1", nil)), want: map[string]int64{"a-0": 50, "a-1": 100, "b-0": 50}},
		"where attaching failed just now": {pod: withClaim(ordinal(newUID)), weights: config.ScoreWeights{AttachErrors: 1},
			objects: append(withVolume, attachment("1", "pv-2", "a-1", &now)), want: map[string]int64{"a-0": 100, "a-1": 0, "b-0": 100}},
		"where attaching failed by a clock that is ahead": {pod: withClaim(ordinal(newUID)), weights: config.ScoreWeights{AttachErrors: 1},
			objects: append(withVolume, attachment("1", "pv-2", "a-1", ptr.To(metav1.NewTime(now.Add(time.Minute))))), want: map[string]int64{"a-0": 100, "a-1": 0, "b-0": 100}},
		"where no slot is left": {pod: withClaim(ordinal(newUID)), weights: config.ScoreWeights{AttachSlots: 1},
			objects: append(withVolume, full, attachment("1", "pv-2", "a-1", nil)), want: map[string]int64{"a-0": 100, "a-1": 0, "b-0": 100}},
		"where no other ordinal is": {pod: ordinal(newUID), weights: config.ScoreWeights{ZoneSpread: 1},
			bound: []*v1.Pod{sibling("web-1", "1", "a-0"), sibling("web-2", "2", "gone")}, want: map[string]int64{"a-0": 0, "a-1": 0, "b-0": 100}},
		"an ordinal on its way counts": {pod: ordinal(newUID), weights: config.ScoreWeights{ZoneSpread: 1},
			bound: []*v1.Pod{sibling("web-1", "1", "a-0"), sibling("web-2", "2", "a-1")}, going: "b-0", want: map[string]int64{"a-0": 0, "a-1": 0, "b-0": 50}},
	} {
		t.Run(name, func(t *testing.T) {
			objects := append([]runtime.Object{nodeIn("1", "a-0", "a"), nodeIn("2", "a-1", "a"), nodeIn("3", "b-0", "b")}, tc.objects...)
			pl, _ := reaching(t, objects...)
			pl.args = pl.args.DeepCopy()
			pl.args.Score = tc.weights
			for _, pod := range tc.bound {
				if err := pl.pods.Add(pod); err != nil {
					t.Fatal(err)
				}
			}
			if tc.going != "" {
				pl.order.cycles[identity.Identity{Namespace: "default", Set: "web", Ordinal: 3}] = bindingCycle{pod: "3", node: tc.going}
				pl.order.cycles[identity.Identity{Namespace: "default", Set: "other", Ordinal: 3}] = bindingCycle{pod: "4", node: tc.going}
			}
			if diff := cmp.Diff(tc.want, scored(t, pl, tc.pod)); diff != "" {
				t.Errorf("(-want,+got):\n%s", diff)
			}
		})
	}
}
