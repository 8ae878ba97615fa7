package reach

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

func over(kind v1alpha1.EvidenceKind) *v1alpha1.Tenancy {
	return &v1alpha1.Tenancy{Status: v1alpha1.TenancyStatus{
		Phase:       v1alpha1.Over,
		Incarnation: &v1alpha1.Incarnation{PodUID: "old"},
		Evidence:    &v1alpha1.Evidence{Kind: kind, PodUID: "old"},
	}}
}

func occupied(podUID types.UID) *v1alpha1.Tenancy {
	return &v1alpha1.Tenancy{Status: v1alpha1.TenancyStatus{Phase: v1alpha1.Occupied, Incarnation: &v1alpha1.Incarnation{PodUID: podUID}}}
}

func covers(record *v1alpha1.Tenancy, podUID types.UID) *v1alpha1.Tenancy {
	record.Spec.Attestations = []v1alpha1.Attestation{{PodUID: podUID, By: "ann", Reason: "off", CoversAttachments: true}}
	return record
}

func TestDepartureIsReadFromTheRecord(t *testing.T) {
	vouched := over(v1alpha1.Attested)
	vouched.Status.Evidence.CoversAttachments = true
	attempted := func(by v1alpha1.EvidenceKind, then *v1alpha1.Tenancy) *v1alpha1.Tenancy {
		then.Status.DepartedBy = &v1alpha1.Evidence{Kind: by, PodUID: "oldest"}
		return then
	}
	cases := map[string]struct {
		record *v1alpha1.Tenancy
		want   departureKind
	}{
		"an attempt to bind the pod that failed, after a fence":           {attempted(v1alpha1.Fenced, occupied("new")), unsure},
		"such an attempt, after the kubelet's word":                       {attempted(v1alpha1.KubeletConfirmed, occupied("new")), orderly},
		"such an attempt, after a fence, and somebody vouches":            {covers(attempted(v1alpha1.Fenced, occupied("new")), "oldest"), nobody},
		"one that was never bound, after a fence":                         {attempted(v1alpha1.Fenced, over(v1alpha1.NeverBound)), unsure},
		"one that the kubelet confirmed, after a fence of the one before": {attempted(v1alpha1.Fenced, over(v1alpha1.KubeletConfirmed)), orderly},
		"no record":                                            {nil, nobody},
		"no incarnation yet":                                   {&v1alpha1.Tenancy{}, nobody},
		"the kubelet confirmed":                                {over(v1alpha1.KubeletConfirmed), orderly},
		"it was never bound":                                   {over(v1alpha1.NeverBound), orderly},
		"the machine has rebooted twice":                       {over(v1alpha1.Rebooted), unsure},
		"a fence":                                              {over(v1alpha1.Fenced), unsure},
		"a removed node":                                       {over(v1alpha1.NodeRemoved), unsure},
		"a human's word":                                       {over(v1alpha1.Attested), unsure},
		"a human's word that covers attachments":               {vouched, nobody},
		"such a word that came after a fence":                  {covers(over(v1alpha1.Fenced), "old"), nobody},
		"such a word about an earlier incarnation":             {covers(over(v1alpha1.Fenced), "older"), unsure},
		"evidence of a kind that is not known":                 {over("Nonsense"), unsure},
		"another one is running, and the gate is off":          {occupied("old"), unsure},
		"the pod itself is on record, from a bind that failed": {occupied("new"), orderly},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := DepartureOf(tc.record, "new").kind; got != tc.want {
				t.Errorf("%d, want %d", got, tc.want)
			}
		})
	}
}

func attachmentOf(w *world, name, volume, node string) *storagev1.VolumeAttachment {
	return &storagev1.VolumeAttachment{ObjectMeta: w.meta(name), Spec: storagev1.VolumeAttachmentSpec{
		NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume}}}
}

func readyNode(w *world, name string, ready bool) *v1.Node {
	n := &v1.Node{ObjectMeta: w.meta(name)}
	status := v1.ConditionUnknown
	if ready {
		status = v1.ConditionTrue
	}
	n.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady, Status: status}}
	return n
}

func TestAnAttachmentElsewhereKeepsTheVolumeThere(t *testing.T) {
	use := Use{Claim: "data", Volume: "pv-1", SingleWriter: true}
	shared := Use{Claim: "data", Volume: "pv-1"}
	attached := func(w *world, x *Index) { x.SetAttachment(attachmentOf(w, "csi-1", "pv-1", "a")) }
	cases := map[string]struct {
		record *v1alpha1.Tenancy
		use    Use
		given  func(*world, *Index)
		// want are the nodes within reach, of a, b and c.
		want string
		// wantWhy is part of the reason of b.
		wantWhy string
	}{
		"nothing is attached":              {over(v1alpha1.Fenced), use, func(*world, *Index) {}, "abc", ""},
		"nobody was there before":          {nil, use, attached, "abc", ""},
		"confirmed, and the node is Ready": {over(v1alpha1.KubeletConfirmed), use, attached, "abc", ""},
		"a volume of many writers":         {over(v1alpha1.Fenced), shared, attached, "abc", ""},
		"another volume":                   {over(v1alpha1.Fenced), use, func(w *world, x *Index) { x.SetAttachment(attachmentOf(w, "csi-1", "pv-2", "a")) }, "abc", ""},
		"a word that covers attachments":   {covers(over(v1alpha1.Fenced), "old"), use, attached, "abc", ""},
		"an assertion": {over(v1alpha1.Fenced), use, attached, "a",
			"node(s) wait for the end of VolumeAttachment csi-1, which keeps volume pv-1 of claim data on node a: Fenced says nothing of what the node still writes; " +
				"once that machine certainly cannot write, kubectl delete volumeattachment csi-1 or an attestation that covers attachments would release it"},
		"confirmed, and the node is not Ready": {over(v1alpha1.KubeletConfirmed), use, func(w *world, x *Index) {
			attached(w, x)
			x.SetNode(readyNode(w, "a", false))
		}, "a", "the node is not Ready"},
		"confirmed, and the node is gone": {over(v1alpha1.KubeletConfirmed), use, func(w *world, x *Index) {
			attached(w, x)
			x.DeleteNode(readyNode(w, "a", true))
		}, "", "the node is gone"},
		"confirmed, and the detach fails": {over(v1alpha1.KubeletConfirmed), use, func(w *world, x *Index) {
			a := attachmentOf(w, "csi-1", "pv-1", "a")
			a.Status.DetachError = &storagev1.VolumeError{Message: "storage says no"}
			a.DeletionTimestamp = &a.CreationTimestamp
			x.SetAttachment(a)
		}, "a", "its detach fails; once that machine certainly cannot write, the removal of its finalizers or"},
		"an assertion, and the attachment is gone": {over(v1alpha1.Fenced), use, func(w *world, x *Index) {
			attached(w, x)
			x.DeleteAttachment(attachmentOf(w, "csi-1", "pv-1", "a"))
		}, "abc", ""},
		"an assertion, and attachments to two nodes": {over(v1alpha1.Fenced), use, func(w *world, x *Index) {
			attached(w, x)
			x.SetAttachment(attachmentOf(w, "csi-2", "pv-1", "b"))
		}, "", "VolumeAttachment csi-1,"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, x := newWorld(), NewIndex()
			for _, node := range []string{"a", "b", "c"} {
				x.SetNode(readyNode(w, node, true))
			}
			x.SetVolume(&v1.PersistentVolume{ObjectMeta: w.meta("pv-1")})
			tc.given(w, x)
			v := x.Judge([]Use{tc.use}, DepartureOf(tc.record, "new"))
			got := ""
			for _, node := range []string{"a", "b", "c"} {
				if v.Allows(node) {
					got += node
				} else if r := v.Why(node); r.Reason != ReasonStillAttached {
					t.Errorf("node %s: %+v", node, r)
				}
			}
			if got != tc.want {
				t.Errorf("within reach: %q, want %q", got, tc.want)
			}
			if why := v.Why("b").Message; !strings.Contains(why, tc.wantWhy) || (why == "") != (tc.wantWhy == "") {
				t.Errorf("b: %q, want %q", why, tc.wantWhy)
			}
		})
	}
}

// TestAttachmentsAgreeWithALoopOverThem: what node by node, attachment by attachment
// would be refused is what the index refuses.
func TestAttachmentsAgreeWithALoopOverThem(t *testing.T) {
	departures := []Departure{{}, {kind: orderly}, {kind: unsure}}
	for seed := range int64(50) {
		chance := rand.New(rand.NewSource(seed))
		w, x := newWorld(), NewIndex()
		ready, attachments := map[string]bool{}, map[string]*storagev1.VolumeAttachment{}
		for i := range 3 {
			x.SetVolume(&v1.PersistentVolume{ObjectMeta: w.meta(fmt.Sprintf("pv-%d", i))})
		}
		for range 300 {
			node, name := fmt.Sprintf("node-%d", chance.Intn(4)), fmt.Sprintf("csi-%d", chance.Intn(5))
			switch chance.Intn(6) {
			case 0, 1:
				ready[node] = chance.Intn(2) == 0
				x.SetNode(readyNode(w, node, ready[node]))
			case 2:
				delete(ready, node)
				x.DeleteNode(readyNode(w, node, false))
			case 3, 4:
				a := attachmentOf(w, name, fmt.Sprintf("pv-%d", chance.Intn(3)), node)
				if chance.Intn(3) == 0 {
					a.Status.DetachError = &storagev1.VolumeError{}
				}
				attachments[name] = a
				x.SetAttachment(a)
			case 5:
				delete(attachments, name)
				x.DeleteAttachment(attachmentOf(w, name, "pv-0", node))
			}
			uses := []Use{{Volume: "pv-0", SingleWriter: chance.Intn(4) > 0}, {Volume: "pv-1", SingleWriter: true}}[:1+chance.Intn(2)]
			departure := departures[chance.Intn(len(departures))]
			want := sets.New[string]()
			for node := range ready {
				fits := true
				for _, a := range attachments {
					for _, use := range uses {
						trusted := departure.kind == nobody || departure.kind == orderly && ready[a.Spec.NodeName] && a.Status.DetachError == nil
						if use.SingleWriter && use.Volume == *a.Spec.Source.PersistentVolumeName && a.Spec.NodeName != node && !trusted {
							fits = false
						}
					}
				}
				if fits {
					want.Insert(node)
				}
			}
			v := x.Judge(uses, departure)
			for node := range ready {
				if v.Allows(node) != want.Has(node) {
					t.Fatalf("seed %d: node %s within reach: %v, want %v", seed, node, v.Allows(node), want.Has(node))
				}
				if !v.Allows(node) && v.Why(node).Message == "" {
					t.Fatalf("seed %d: node %s is refused without a reason", seed, node)
				}
			}
			mustExplain(t, &v, slices.Collect(maps.Keys(ready)))
		}
	}
}
