package status_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/attest"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/cli/status"
	"github.com/holdfast-dev/holdfast/pkg/explain"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the files in testdata; inspect the diff and commit only what you can explain")

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name string, render func(out *bytes.Buffer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := render(&got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want,+got); -rewrite accepts it, inspect the diff and commit only what you can explain:\n%s", path, diff)
	}
}

var now = time.Date(2026, 1, 1, 10, 12, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

// held is db-0, whose node is silent and whose pod was force-deleted.
func held() *cluster.Detail {
	deleted := ago(12 * time.Minute)
	id := identity.Identity{Namespace: "shop", Set: "db"}
	d := &cluster.Detail{Ordinal: cluster.Ordinal{ID: id}}
	d.Record = &v1alpha1.Tenancy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-0"},
		Spec:       v1alpha1.TenancySpec{StatefulSet: "db"},
		Status: v1alpha1.TenancyStatus{
			Phase: v1alpha1.InDoubt, Epoch: 1767261600,
			Incarnation: &v1alpha1.Incarnation{
				PodUID: "6b0c3a52-1f0e-4c8b-9d2e-2d6f4a1c7e90", ContainerSeen: true,
				Nodes: []v1alpha1.CandidateNode{{Name: "node-a", UID: "0e9f", Machine: "ec2b1d3a", BootIDs: []string{"b1"}}},
				Volumes: []v1alpha1.VolumeUse{
					{Claim: "data-db-0", Volume: "pv-1", AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}},
				},
			},
			Conditions: []metav1.Condition{{
				Type: v1alpha1.HeldCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.HeldByGuard, LastTransitionTime: deleted,
				Message: "The incarnation 6b0c3a52-1f0e-4c8b-9d2e-2d6f4a1c7e90 on node node-a: the pod is being deleted and nothing proves that its containers stopped. " +
					"What would release it: the kubelet's final report (missing: a terminal phase, every container reported terminated), a fence of its node, or an attestation for this pod UID.",
			}},
		},
	}
	d.PodsRead = true
	d.Pod = &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "db-0", UID: d.Record.Status.Incarnation.PodUID, Finalizers: []string{v1alpha1.PodFinalizer},
			DeletionTimestamp: &deleted, DeletionGracePeriodSeconds: ptr.To[int64](0),
		},
		Spec: v1.PodSpec{NodeName: "node-a", Containers: []v1.Container{{Name: "main"}}},
		Status: v1.PodStatus{Phase: v1.PodRunning, ContainerStatuses: []v1.ContainerStatus{{
			Name: "main", ContainerID: "c", State: v1.ContainerState{Running: &v1.ContainerStateRunning{}},
		}}},
	}
	node := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node-a", UID: "0e9f"},
		Spec:       v1.NodeSpec{Taints: []v1.Taint{{Key: v1.TaintNodeUnreachable, Effect: v1.TaintEffectNoExecute}}},
		Status: v1.NodeStatus{
			Conditions: []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionUnknown, LastTransitionTime: ago(13 * time.Minute)}},
			NodeInfo:   v1.NodeSystemInfo{BootID: "b1", SystemUUID: "ec2b1d3a"},
		},
	}
	d.Nodes = fence.Nodes{Read: []fence.NodeSight{{Name: "node-a", Node: node}}, Booted: func(string, string) bool { return false }}
	d.Attachments = []storagev1.VolumeAttachment{{
		ObjectMeta: metav1.ObjectMeta{Name: "csi-9f2c"},
		Spec: storagev1.VolumeAttachmentSpec{
			Attacher: "ebs.csi.aws.com", NodeName: "node-a", Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: ptr.To("pv-1")},
		},
		Status: storagev1.VolumeAttachmentStatus{Attached: true},
	}}
	d.Events = []v1.Event{{
		InvolvedObject: v1.ObjectReference{Kind: "Pod", Name: "db-0"}, Type: "Warning", Reason: "Held", Message: "db-0: held.", LastTimestamp: deleted,
	}}
	return d
}

// ordinals are one that is held, one whose replacement is, one that runs, and one
// without a record.
func ordinals() []cluster.Ordinal {
	waiting := held().Ordinal
	waiting.ID.Ordinal = 1
	waiting.Record.Status.Conditions = nil
	waiting.Pod = &v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "the-next"}}
	runs := held().Ordinal
	runs.ID.Ordinal = 2
	runs.Record.Status.Phase, runs.Record.Status.Conditions = v1alpha1.Occupied, nil
	runs.Pod.DeletionTimestamp = nil
	fresh := cluster.Ordinal{ID: identity.Identity{Namespace: "shop", Set: "db", Ordinal: 3}, Facts: explain.Facts{Pod: &v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "fresh"}}, PodsRead: true}}
	return []cluster.Ordinal{held().Ordinal, waiting, runs, fresh}
}

func TestTables(t *testing.T) {
	for name, style := range map[string]status.Style{
		"table.txt":      {Program: "kubectl holdfast", Now: now},
		"namespaces.txt": {Program: "holdfast", Namespaces: true, Now: now},
		"wide.txt":       {Program: "holdfast", Wide: true, Now: now},
	} {
		golden(t, name, func(out *bytes.Buffer) error { return status.Table(out, ordinals(), style) })
	}
}

func TestForPrograms(t *testing.T) {
	golden(t, "list.json", func(out *bytes.Buffer) error { return status.JSON(out, ordinals()) })
	golden(t, "list.yaml", func(out *bytes.Buffer) error { return status.YAML(out, ordinals()) })
	golden(t, "names.txt", func(out *bytes.Buffer) error { return status.Names(out, ordinals()) })
	golden(t, "none.json", func(out *bytes.Buffer) error { return status.JSON(out, nil) })
}

func TestOneInFull(t *testing.T) {
	released := held()
	released.Record.Status.Phase, released.Record.Status.Conditions = v1alpha1.Over, nil
	released.Record.Status.Evidence = &v1alpha1.Evidence{
		Kind: v1alpha1.Attested, PodUID: released.Record.Status.Incarnation.PodUID, Source: "ann", Time: ago(time.Minute), Detail: "a human attested that this incarnation is over",
	}
	released.Record.Spec.Attestations = []v1alpha1.Attestation{
		{PodUID: "an-earlier-one", By: "bob", Reason: "the rack burnt"},
		{PodUID: released.Record.Status.Incarnation.PodUID, By: "ann", Reason: "switched off", CoversAttachments: true},
	}
	released.Pod = &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{UID: "the-next"},
		Status: v1.PodStatus{Phase: v1.PodPending, Conditions: []v1.PodCondition{{
			Type: v1.PodScheduled, Status: v1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available.",
		}}},
	}
	other := held()
	other.Record.Status.Incarnation.Nodes[0].Removal = &v1alpha1.NodeRemoval{Time: ago(time.Minute), Ready: v1.ConditionUnknown, Ground: v1alpha1.InstanceGone}
	other.Nodes.Read[0].Node.UID = "another"
	fencedBefore := held()
	fencedBefore.Nodes.Read[0].Node.Spec.Taints = []v1.Taint{{Key: v1.TaintNodeOutOfService, Effect: v1.TaintEffectNoExecute}}
	nothingRead := held()
	nothingRead.Unread = []string{"nodes (forbidden)", "volume attachments (forbidden)"}
	nothingRead.Nodes, nothingRead.Attachments = fence.Nodes{}, nil
	broken := held()
	broken.Record.Status.Incarnation, broken.Record.Status.Conditions = nil, nil
	for name, d := range map[string]*cluster.Detail{
		"held": held(), "released": released, "node-anew": other, "fenced-before": fencedBefore, "nothing-read": nothingRead, "broken": broken,
	} {
		golden(t, name+".txt", func(out *bytes.Buffer) error { return status.Full(out, d, "kubectl holdfast", now) })
	}
}

// TestWhatIsAboutToBeSaid is here with the other texts of one ordinal.
func TestWhatIsAboutToBeSaid(t *testing.T) {
	d := held()
	word := v1alpha1.Attestation{PodUID: d.Record.Status.Incarnation.PodUID, By: "ann@example.com", Reason: "switched off"}
	golden(t, "statement.txt", func(out *bytes.Buffer) error { return attest.Statement(out, d, word, now) })
	d.Nodes.Read[0].Node.Status.Conditions[0].Status = v1.ConditionTrue
	word.CoversAttachments = true
	golden(t, "statement-covers.txt", func(out *bytes.Buffer) error { return attest.Statement(out, d, word, now) })
}
