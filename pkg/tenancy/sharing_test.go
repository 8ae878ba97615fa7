package tenancy

import (
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// use is a use of a claim with a mode; "" leaves the modes unknown.
func use(claim, volume string, mode v1.PersistentVolumeAccessMode) v1alpha1.VolumeUse {
	u := v1alpha1.VolumeUse{Claim: claim, Volume: volume}
	if mode != "" {
		u.AccessModes = []v1.PersistentVolumeAccessMode{mode}
	}
	return u
}

func TestAPodBesideAnotherIdentity(t *testing.T) {
	const (
		rwo  = v1.ReadWriteOnce
		rwop = v1.ReadWriteOncePod
		rwx  = v1.ReadWriteMany
		rox  = v1.ReadOnlyMany
	)
	record := func(phase v1alpha1.Phase, uses ...v1alpha1.VolumeUse) *v1alpha1.Tenancy {
		r := recordIn(phase, other)
		if r.Status.Incarnation != nil {
			r.Status.Incarnation.Volumes = uses
		}
		return r
	}
	withNodes := func(r *v1alpha1.Tenancy, names ...string) *v1alpha1.Tenancy {
		r.Status.Incarnation.Nodes = nil
		for _, name := range names {
			r.Status.Incarnation.Nodes = append(r.Status.Incarnation.Nodes, v1alpha1.CandidateNode{Name: name})
		}
		return r
	}
	data := use("data", "pv-1", rwo)
	for name, tc := range map[string]struct {
		record    *v1alpha1.Tenancy
		namespace string // shop if empty
		uses      []v1alpha1.VolumeUse
		runsOn    string
		want      Reason
		wantNode  string
	}{
		"no record":                                   {uses: []v1alpha1.VolumeUse{data}, want: ReasonVolumeFree},
		"it has had no incarnation":                   {record: record(v1alpha1.Vacant), uses: []v1alpha1.VolumeUse{data}, want: ReasonVolumeFree},
		"it is over":                                  {record: record(v1alpha1.Over, data), uses: []v1alpha1.VolumeUse{data}, want: ReasonVolumeFree},
		"it uses another volume":                      {record: record(v1alpha1.InDoubt, use("other", "pv-2", rwo)), uses: []v1alpha1.VolumeUse{data}, want: ReasonVolumeFree},
		"the pod uses none":                           {record: record(v1alpha1.InDoubt, data), want: ReasonVolumeFree},
		"it is in doubt":                              {record: record(v1alpha1.InDoubt, data), uses: []v1alpha1.VolumeUse{data}, want: ReasonVolumeInDoubt},
		"it is in doubt, and its pod still shows":     {record: record(v1alpha1.InDoubt, data), uses: []v1alpha1.VolumeUse{data}, runsOn: "node-a", want: ReasonVolumeInDoubt},
		"it runs on one node":                         {record: record(v1alpha1.Occupied, data), uses: []v1alpha1.VolumeUse{data}, runsOn: "node-a", want: ReasonVolumeOnNode, wantNode: "node-a"},
		"its bind may land yet":                       {record: record(v1alpha1.Occupied, data), uses: []v1alpha1.VolumeUse{data}, want: ReasonVolumeUnplaced},
		"it runs where the record does not know of":   {record: record(v1alpha1.Occupied, data), uses: []v1alpha1.VolumeUse{data}, runsOn: "node-b", want: ReasonVolumeUnplaced},
		"it runs, and an earlier bind may land yet":   {record: withNodes(record(v1alpha1.Occupied, data), "node-a", "node-b"), uses: []v1alpha1.VolumeUse{data}, runsOn: "node-a", want: ReasonVolumeUnplaced},
		"it has no node":                              {record: withNodes(record(v1alpha1.Occupied, data)), uses: []v1alpha1.VolumeUse{data}, want: ReasonVolumeUnplaced},
		"its phase is unknown":                        {record: record(unknownPhase, data), uses: []v1alpha1.VolumeUse{data}, runsOn: "node-a", want: ReasonVolumeUnreadable},
		"one pod may use the volume":                  {record: record(v1alpha1.Occupied, use("data", "pv-1", rwop)), uses: []v1alpha1.VolumeUse{use("data", "pv-1", rwop)}, runsOn: "node-a", want: ReasonVolumeOfOnePod},
		"one pod may use the second volume":           {record: record(v1alpha1.Occupied, data, use("log", "pv-2", rwop)), uses: []v1alpha1.VolumeUse{data, use("log", "pv-2", rwop)}, runsOn: "node-a", want: ReasonVolumeOfOnePod},
		"many may write the volume":                   {record: record(v1alpha1.InDoubt, use("data", "pv-1", rwx)), uses: []v1alpha1.VolumeUse{use("data", "pv-1", rwx)}, want: ReasonVolumeFree},
		"many may read the volume":                    {record: record(v1alpha1.InDoubt, use("data", "pv-1", rox)), uses: []v1alpha1.VolumeUse{use("data", "pv-1", rox)}, want: ReasonVolumeFree},
		"no modes are known of either":                {record: record(v1alpha1.InDoubt, use("data", "pv-1", "")), uses: []v1alpha1.VolumeUse{use("data", "pv-1", "")}, want: ReasonVolumeFree},
		"the record alone knows of one writer":        {record: record(v1alpha1.InDoubt, data), uses: []v1alpha1.VolumeUse{use("data", "pv-1", rwx)}, want: ReasonVolumeInDoubt},
		"the pod's claim alone knows of one writer":   {record: record(v1alpha1.InDoubt, use("data", "pv-1", "")), uses: []v1alpha1.VolumeUse{data}, want: ReasonVolumeInDoubt},
		"the volume is bound to another claim now":    {record: record(v1alpha1.InDoubt, data), namespace: "lab", uses: []v1alpha1.VolumeUse{use("restored", "pv-1", rwo)}, want: ReasonVolumeInDoubt},
		"the record does not know the volume":         {record: record(v1alpha1.InDoubt, use("data", "", rwo)), uses: []v1alpha1.VolumeUse{data}, want: ReasonVolumeInDoubt},
		"a claim of that name in another namespace":   {record: record(v1alpha1.InDoubt, use("data", "", rwo)), namespace: "lab", uses: []v1alpha1.VolumeUse{data}, want: ReasonVolumeFree},
		"neither claim is bound, in other namespaces": {record: record(v1alpha1.InDoubt, use("data", "", rwo)), namespace: "lab", uses: []v1alpha1.VolumeUse{use("data", "", rwo)}, want: ReasonVolumeFree},
	} {
		t.Run(name, func(t *testing.T) {
			namespace := tc.namespace
			if namespace == "" {
				namespace = web0.Namespace
			}
			got := JudgeSharing(tc.record, namespace, tc.uses, tc.runsOn)
			if got.Reason != tc.want || got.Node != tc.wantNode {
				t.Errorf("%s on node %q, want %s on %q: %s", got.Reason, got.Node, tc.want, tc.wantNode, got.Message)
			}
			wantHeld := tc.want != ReasonVolumeFree && tc.want != ReasonVolumeOnNode
			if got.Held != wantHeld || got.Allows("node-a") != !wantHeld || got.Allows("node-b") != (tc.want == ReasonVolumeFree) {
				t.Errorf("held %t, allows node-a %t and node-b %t", got.Held, got.Allows("node-a"), got.Allows("node-b"))
			}
			if got.Held {
				for _, want := range []string{"shop/web-0", "claim", "would release it."} {
					if !strings.Contains(got.Message, want) {
						t.Errorf("the message %q does not say %q", got.Message, want)
					}
				}
			}
		})
	}
}

// TestNothingUncleanIsSharedBlindly: whatever the record is, a pod gets beside an
// unclean incarnation at most to the one node on which that is known to run.
func TestNothingUncleanIsSharedBlindly(t *testing.T) {
	uses := []v1alpha1.VolumeUse{use("data-web-0", "pv-1", v1.ReadWriteOnce)}
	for name, record := range records() {
		for _, runsOn := range []string{"", "node-a", "node-b"} {
			got := JudgeSharing(record, web0.Namespace, uses, runsOn)
			names := record != nil && record.Status.Incarnation != nil && len(record.Status.Incarnation.Volumes) > 0
			switch {
			case !names || !Unclean(record):
				if got.Held || got.Node != "" {
					t.Errorf("%s: %+v, want it free", name, got)
				}
			case !got.Held && (got.Node == "" || got.Node != runsOn):
				t.Errorf("%s, running on %q: %+v", name, runsOn, got)
			}
		}
	}
}
