package plugin

import (
	"context"
	"fmt"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

const csiDriver = "disks.example"

// claimTo is the claim data of default/web-0, bound to a volume unless that is empty.
func claimTo(volume string) *v1.PersistentVolumeClaim {
	return &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data"}, Spec: v1.PersistentVolumeClaimSpec{
		VolumeName: volume, AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}}}
}

// volumeIn is a volume of csiDriver in a zone.
func volumeIn(version, name, zone string) *v1.PersistentVolume {
	return &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}, Spec: v1.PersistentVolumeSpec{
		PersistentVolumeSource: v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{Driver: csiDriver}},
		NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
			MatchExpressions: []v1.NodeSelectorRequirement{{Key: v1.LabelTopologyZone, Operator: v1.NodeSelectorOpIn, Values: []string{zone}}}}}}}}}
}

func nodeIn(version, name, zone string) *v1.Node {
	return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version, Labels: map[string]string{v1.LabelTopologyZone: zone}}}
}

// attachmentTo is VolumeAttachment csi-1, of a volume to a node.
func attachmentTo(version, volume, node string) *storagev1.VolumeAttachment {
	return &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "csi-1", ResourceVersion: version},
		Spec: storagev1.VolumeAttachmentSpec{NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume}}}
}

func csiNode(version, name string, drivers ...string) *storagev1.CSINode {
	c := &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}}
	for _, driver := range drivers {
		c.Spec.Drivers = append(c.Spec.Drivers, storagev1.CSINodeDriver{Name: driver, NodeID: name})
	}
	return c
}

func withClaim(pod *v1.Pod) *v1.Pod {
	pod.Spec.Volumes = []v1.Volume{{Name: "data", VolumeSource: v1.VolumeSource{
		PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	return pod
}

// reaching is a plugin whose index and claim lister have the objects, and its handle.
func reaching(t *testing.T, objects ...runtime.Object) (*Holdfast, *snapshot) {
	t.Helper()
	var records []runtime.Object
	claims := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	handle := &snapshot{}
	var rest []runtime.Object
	for _, object := range objects {
		switch object := object.(type) {
		case *v1.PersistentVolumeClaim:
			if err := claims.Add(object); err != nil {
				t.Fatal(err)
			}
		case *v1alpha1.Tenancy:
			records = append(records, asUnstructured(t, object))
		case *v1.Node:
			info := framework.NewNodeInfo()
			info.SetNode(object)
			handle.nodes = append(handle.nodes, info)
			rest = append(rest, object)
		default:
			rest = append(rest, object)
		}
	}
	pl, _ := newTestPlugin(t, records)
	pl.claims = corelisters.NewPersistentVolumeClaimLister(claims)
	pl.handle = handle
	for _, object := range rest {
		pl.feed.apply(nil, object)
	}
	return pl, handle
}

// snapshot is a handle with the nodes of a snapshot, which remembers what it was told
// to wake.
type snapshot struct {
	fwk.Handle
	nodes     []fwk.NodeInfo
	activated []string
}

func (s *snapshot) SnapshotSharedLister() fwk.SharedLister { return lister{nodes: s.nodes} }
func (s *snapshot) Activate(_ klog.Logger, pods map[string]*v1.Pod) {
	for name := range pods {
		s.activated = append(s.activated, name)
	}
}

type lister struct {
	fwk.SharedLister
	fwk.NodeInfoLister
	nodes []fwk.NodeInfo
}

func (l lister) NodeInfos() fwk.NodeInfoLister { return l }
func (l lister) List() ([]fwk.NodeInfo, error) { return l.nodes, nil }
func (l lister) Get(name string) (fwk.NodeInfo, error) {
	for _, node := range l.nodes {
		if node.Node().Name == name {
			return node, nil
		}
	}
	return nil, fmt.Errorf("no node %s", name)
}
func (l lister) StorageInfos() fwk.StorageInfoLister { return l }
func (l lister) IsPVCUsedByPods(string) bool         { return false }

func TestPodsGoWhereTheirVolumesCanBeUsed(t *testing.T) {
	a, b, c := nodeIn("1", "a-0", "a"), nodeIn("2", "b-0", "b"), nodeIn("3", "b-1", "b")
	drivers := []runtime.Object{csiNode("4", "a-0", csiDriver), csiNode("5", "b-0", csiDriver), csiNode("6", "b-1")}
	cluster := append([]runtime.Object{a, b, c}, drivers...)
	job := withClaim(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "job"}})
	pv := "pv-1"
	attached := attachmentTo("8", pv, "b-1")
	asserted := record(v1alpha1.Over)
	asserted.Status.Evidence.Kind = v1alpha1.Fenced
	left := asserted.DeepCopy()
	left.Status.Incarnation.Volumes = []v1alpha1.VolumeUse{{Claim: "data", Volume: "pv-1", AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}}}
	confirmed := record(v1alpha1.Over)
	unowned := withClaim(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-0", UID: newUID}})
	inZoneB := []runtime.Object{a, b, c, claimTo("pv-1"), volumeIn("7", "pv-1", "b"), attached}
	everywhere := []runtime.Object{nodeIn("1", "b-1", "b"), nodeIn("2", "b-2", "b"), csiNode("4", "b-1", csiDriver), csiNode("5", "b-2", csiDriver), volumeIn("7", "pv-1", "b")}
	waits := "1 node(s) cannot reach volume pv-1 of claim data (zone b), 1 node(s) wait for the end of VolumeAttachment csi-1, which keeps volume pv-1 of claim data on node b-1: "
	cases := map[string]struct {
		pod     *v1.Pod
		objects []runtime.Object
		// wantNodes is nil where the pod may go anywhere.
		wantNodes []string
		wantSkip  bool
		wantWhy   string
		// late is a node of the snapshot that no event has told of yet.
		late *v1.Node
	}{
		"a bound volume narrows to the nodes of its zone that have its driver": {
			objects:   append(cluster, claimTo("pv-1"), volumeIn("7", "pv-1", "b")),
			wantNodes: []string{"b-0"},
			wantWhy:   "1 node(s) cannot reach volume pv-1 of claim data (zone b), 1 node(s) lack CSI driver disks.example",
		},
		"and that of a pod that is nobody's ordinal, too": {
			pod:       job,
			objects:   append(cluster, claimTo("pv-1"), volumeIn("7", "pv-1", "a")),
			wantNodes: []string{"a-0"},
			wantWhy:   "2 node(s) cannot reach volume pv-1 of claim data (zone a)",
		},
		"a zone without nodes": {
			objects:   append(cluster, claimTo("pv-1"), volumeIn("7", "pv-1", "c")),
			wantNodes: []string{},
			wantWhy:   "3 node(s) cannot reach volume pv-1 of claim data (zone c)",
		},
		"a volume that does not exist": {
			objects:   append(cluster, claimTo("pv-1")),
			wantNodes: []string{},
			wantWhy:   "3 node(s) cannot reach volume pv-1 of claim data, which does not exist",
		},
		"a claim that is not bound is VolumeBinding's": {objects: append(cluster, claimTo(""))},
		"a claim that is missing is VolumeBinding's":   {objects: cluster},
		"and neither makes a pod without a record ours": {
			pod: job, objects: append(cluster, claimTo("")), wantSkip: true,
		},
		"a volume that every node reaches narrows nothing": {
			objects: append(everywhere, claimTo("pv-1")),
		},
		"and does not make a pod without a record ours": {
			pod: job, objects: append(everywhere, claimTo("pv-1")), wantSkip: true,
		},
		"a node that is not in the index yet is not out of mind": {
			pod: job, objects: append(everywhere, claimTo("pv-1")), late: nodeIn("9", "b-3", "b"), wantNodes: []string{"b-1", "b-2"},
			wantWhy: "1 node(s) cannot reach volume pv-1 of claim data (zone b)",
		},
		"after an assertion it waits where the volume is still attached": {
			objects: append(inZoneB, asserted), wantNodes: []string{"b-1"},
			wantWhy: waits + "Fenced says nothing of what the node still writes; once that machine certainly cannot write, kubectl delete volumeattachment csi-1 or an attestation that covers attachments would release it",
		},
		"and so does a pod that has lost its owner": {
			pod: unowned, objects: append(inZoneB, asserted), wantNodes: []string{"b-1"},
			wantWhy: waits + "Fenced says nothing of what the node still writes; once that machine certainly cannot write, kubectl delete volumeattachment csi-1 or an attestation that covers attachments would release it",
		},
		"and so does a debug pod, beside what another identity has left": {
			pod: job, objects: append(inZoneB, left), wantNodes: []string{"b-1"},
			wantWhy: waits + "Fenced says nothing of what the node still writes; once that machine certainly cannot write, kubectl delete volumeattachment csi-1 or an attestation that covers attachments would release it",
		},
		"after the kubelet's word it does not ask a node that is not Ready to detach": {
			objects: append(inZoneB, confirmed), wantNodes: []string{"b-1"},
			wantWhy: waits + "the node is not Ready; once that machine certainly cannot write, kubectl delete volumeattachment csi-1 or an attestation that covers attachments would release it",
		},
		"without an incarnation before it an attachment is nobody's": {
			objects: inZoneB, wantNodes: []string{"b-0", "b-1"}, wantWhy: "1 node(s) cannot reach volume pv-1 of claim data (zone b)",
		},
		"a driver of which nobody has heard is not asked for": {
			objects:   []runtime.Object{a, b, c, claimTo("pv-1"), volumeIn("7", "pv-1", "b")},
			wantNodes: []string{"b-0", "b-1"},
			wantWhy:   "1 node(s) cannot reach volume pv-1 of claim data (zone b)",
		},
		"a driver that exists is asked for though no node has it": {
			objects: []runtime.Object{a, b, c, claimTo("pv-1"), volumeIn("7", "pv-1", "b"),
				&storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: csiDriver, ResourceVersion: "8"}}},
			wantNodes: []string{},
			wantWhy:   "1 node(s) cannot reach volume pv-1 of claim data (zone b), 2 node(s) lack CSI driver disks.example",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			pl, handle := reaching(t, tc.objects...)
			pod := tc.pod
			if pod == nil {
				pod = withClaim(ordinal(newUID))
			}
			if tc.late != nil {
				info := framework.NewNodeInfo()
				info.SetNode(tc.late)
				handle.nodes = append(handle.nodes, info)
			}
			state := framework.NewCycleState()
			result, status := pl.PreFilter(context.Background(), state, pod, handle.nodes)
			if status.IsSkip() || tc.wantSkip {
				if status.IsSkip() != tc.wantSkip {
					t.Errorf("PreFilter: %v", status)
				}
				return
			}
			if tc.wantNodes == nil {
				if !status.IsSuccess() || !result.AllNodes() {
					t.Errorf("PreFilter: %v, %v, want every node", result, status)
				}
				return
			}
			why := status.Message()
			if len(tc.wantNodes) > 0 {
				if !status.IsSuccess() || !result.NodeNames.Equal(sets.New(tc.wantNodes...)) {
					t.Fatalf("PreFilter: %v, %v, want nodes %v", result, status, tc.wantNodes)
				}
				_, post := pl.PostFilter(context.Background(), state, pod, nil)
				why = strings.TrimPrefix(post.Message(), "Holdfast: ")
			} else if status.Code() != fwk.UnschedulableAndUnresolvable {
				t.Errorf("PreFilter: %v, want a refusal", status)
			}
			if why != tc.wantWhy {
				t.Errorf("reasons:\n%s, want\n%s", why, tc.wantWhy)
			}
			for _, node := range handle.nodes {
				within := pl.Filter(context.Background(), state, pod, node).IsSuccess()
				if want := sets.New(tc.wantNodes...).Has(node.Node().Name); within != want {
					t.Errorf("Filter of node %s: %v, want %v", node.Node().Name, within, want)
				}
			}
		})
	}
}

func TestPostFilterSaysNothingOfPodsThatReachEverything(t *testing.T) {
	pl, _ := reaching(t, nodeIn("1", "a-0", "a"))
	for _, state := range []fwk.CycleState{framework.NewCycleState(), readyFor(t, pl, ordinal(newUID))} {
		if _, status := pl.PostFilter(context.Background(), state, ordinal(newUID), nil); status.Code() != fwk.Unschedulable || status.Message() != "" {
			t.Errorf("PostFilter: %v", status)
		}
	}
}

func readyFor(t *testing.T, pl *Holdfast, pod *v1.Pod) fwk.CycleState {
	t.Helper()
	state := framework.NewCycleState()
	if _, status := pl.PreFilter(context.Background(), state, pod, nil); !status.IsSuccess() {
		t.Fatal(status)
	}
	return state
}

// TestAPodIsWokenByWhatWidensItsReachAndNothingElse plays events before the feed has
// heard of them: the hint brings the object along (the handlers of one informer run
// each at its own pace).
func TestAPodIsWokenByWhatWidensItsReachAndNothingElse(t *testing.T) {
	node := func(version, zone string) *v1.Node { return nodeIn(version, "x", zone) }
	volume := func(version, zone string) *v1.PersistentVolume { return volumeIn(version, "pv-1", zone) }
	other := claimTo("pv-1")
	other.Name = "others"
	elsewhere := claimTo("pv-1")
	elsewhere.Namespace = "shop"
	driver := func(name string) *storagev1.CSIDriver {
		return &storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "50"}}
	}
	ready := func(n *v1.Node, status v1.ConditionStatus) *v1.Node {
		n.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady, Status: status}}
		return n
	}
	attached := func(version, volume string) *storagev1.VolumeAttachment { return attachmentTo(version, volume, "x") }
	failing := attached("61", "pv-1")
	failing.Status.DetachError = &storagev1.VolumeError{}
	labelled := node("21", "b")
	labelled.Labels["rack"] = "7"
	resized := volume("31", "b")
	resized.Spec.Capacity = v1.ResourceList{}
	cases := map[string]struct {
		resource fwk.EventResource
		action   fwk.ActionType
		old, now any
		// known are in the index before, besides the volume pv-1 in zone b.
		known []runtime.Object
		held  bool
		want  fwk.QueueingHint
	}{
		"a node in the zone":                                        {fwk.Node, fwk.Add, nil, node("20", "b"), []runtime.Object{csiNode("10", "x", csiDriver)}, false, fwk.Queue},
		"a node in another zone":                                    {fwk.Node, fwk.Add, nil, node("20", "a"), []runtime.Object{csiNode("10", "x", csiDriver)}, false, fwk.QueueSkip},
		"a node in the zone without the driver":                     {fwk.Node, fwk.Add, nil, node("20", "b"), []runtime.Object{csiNode("10", "y", csiDriver)}, false, fwk.QueueSkip},
		"a node that moves into the zone":                           {fwk.Node, fwk.UpdateNodeLabel, node("20", "a"), node("21", "b"), []runtime.Object{node("20", "a"), csiNode("10", "x", csiDriver)}, false, fwk.Queue},
		"a node that moves out of it":                               {fwk.Node, fwk.UpdateNodeLabel, node("20", "b"), node("21", "a"), []runtime.Object{node("20", "b"), csiNode("10", "x", csiDriver)}, false, fwk.QueueSkip},
		"another label of a node that was within reach":             {fwk.Node, fwk.UpdateNodeLabel, node("20", "b"), labelled, []runtime.Object{node("20", "b"), csiNode("10", "x", csiDriver)}, false, fwk.QueueSkip},
		"a node in the zone, for a held pod":                        {fwk.Node, fwk.Add, nil, node("20", "b"), []runtime.Object{csiNode("10", "x", csiDriver)}, true, fwk.QueueSkip},
		"its claim is there":                                        {fwk.PersistentVolumeClaim, fwk.Add, nil, claimTo(""), nil, false, fwk.Queue},
		"its claim is bound":                                        {fwk.PersistentVolumeClaim, fwk.Update, claimTo(""), claimTo("pv-1"), nil, false, fwk.Queue},
		"something else of its claim":                               {fwk.PersistentVolumeClaim, fwk.Update, claimTo("pv-1"), claimTo("pv-1"), nil, false, fwk.QueueSkip},
		"another's claim":                                           {fwk.PersistentVolumeClaim, fwk.Add, nil, other, nil, false, fwk.QueueSkip},
		"a claim of the same name elsewhere":                        {fwk.PersistentVolumeClaim, fwk.Add, nil, elsewhere, nil, false, fwk.QueueSkip},
		"its volume is there":                                       {fwk.PersistentVolume, fwk.Add, nil, volume("30", "b"), nil, false, fwk.Queue},
		"its volume moves":                                          {fwk.PersistentVolume, fwk.Update, volume("30", "b"), volume("31", "a"), nil, false, fwk.Queue},
		"something else of its volume":                              {fwk.PersistentVolume, fwk.Update, volume("30", "b"), resized, nil, false, fwk.QueueSkip},
		"another volume":                                            {fwk.PersistentVolume, fwk.Add, nil, volumeIn("30", "pv-2", "b"), nil, false, fwk.QueueSkip},
		"its driver is registered on a node of the zone":            {fwk.CSINode, fwk.Update, csiNode("40", "x"), csiNode("41", "x", csiDriver), []runtime.Object{node("20", "b"), driver(csiDriver)}, false, fwk.Queue},
		"a new CSINode has it":                                      {fwk.CSINode, fwk.Add, nil, csiNode("41", "x", csiDriver), []runtime.Object{node("20", "b"), driver(csiDriver)}, false, fwk.Queue},
		"another driver is registered there":                        {fwk.CSINode, fwk.Update, csiNode("40", "x", csiDriver), csiNode("41", "x", csiDriver, "y.example"), []runtime.Object{node("20", "b")}, false, fwk.QueueSkip},
		"its driver is registered in another zone":                  {fwk.CSINode, fwk.Update, csiNode("40", "x"), csiNode("41", "x", csiDriver), []runtime.Object{node("20", "a")}, false, fwk.QueueSkip},
		"its driver is gone":                                        {fwk.CSIDriver, fwk.Delete, driver(csiDriver), nil, []runtime.Object{driver(csiDriver)}, false, fwk.Queue},
		"its driver is gone, and how was not seen":                  {fwk.CSIDriver, fwk.Delete, cache.DeletedFinalStateUnknown{Obj: driver(csiDriver)}, nil, nil, false, fwk.Queue},
		"another driver is gone":                                    {fwk.CSIDriver, fwk.Delete, driver("y.example"), nil, nil, false, fwk.QueueSkip},
		"an attachment of its volume is gone":                       {fwk.VolumeAttachment, fwk.Delete, attached("60", "pv-1"), nil, []runtime.Object{attached("60", "pv-1")}, false, fwk.Queue},
		"an attachment of its volume is gone, and how was not seen": {fwk.VolumeAttachment, fwk.Delete, cache.DeletedFinalStateUnknown{Obj: attached("60", "pv-1")}, nil, nil, false, fwk.Queue},
		"an attachment of another volume is gone":                   {fwk.VolumeAttachment, fwk.Delete, attached("60", "pv-2"), nil, nil, false, fwk.QueueSkip},
		"its detach fails":                                          {fwk.VolumeAttachment, fwk.Update, attached("60", "pv-1"), failing, nil, false, fwk.QueueSkip},
		"its detach fails no more":                                  {fwk.VolumeAttachment, fwk.Update, failing, attached("62", "pv-1"), nil, false, fwk.Queue},
		"a node that still has its volume is Ready again":           {fwk.Node, fwk.UpdateNodeCondition, ready(node("20", "a"), v1.ConditionUnknown), ready(node("21", "a"), v1.ConditionTrue), []runtime.Object{attached("60", "pv-1")}, false, fwk.Queue},
		"a node that still has its volume is Ready no more":         {fwk.Node, fwk.UpdateNodeCondition, ready(node("20", "a"), v1.ConditionTrue), ready(node("21", "a"), v1.ConditionUnknown), []runtime.Object{attached("60", "pv-1")}, false, fwk.QueueSkip},
		"a node without it is Ready again":                          {fwk.Node, fwk.UpdateNodeCondition, ready(node("20", "a"), v1.ConditionUnknown), ready(node("21", "a"), v1.ConditionTrue), nil, false, fwk.QueueSkip},
		"nonsense queues: a retry is harmless":                      {fwk.CSINode, fwk.Add, nil, node("20", "b"), nil, false, fwk.Queue},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			objects := append([]runtime.Object{claimTo("pv-1")}, tc.known...)
			if tc.resource != fwk.PersistentVolume {
				objects = append(objects, volume("30", "b"))
			}
			if tc.held {
				objects = append(objects, record(v1alpha1.InDoubt))
			}
			pl, _ := reaching(t, objects...)
			events, err := pl.EventsToRegister(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			asked := false
			for _, event := range events {
				if event.Event.Resource != tc.resource {
					continue
				}
				asked = event.Event.ActionType&tc.action != 0
				got, err := event.QueueingHintFn(klog.Background(), withClaim(ordinal(newUID)), tc.old, tc.now)
				if got != tc.want {
					t.Errorf("%v, %v, want %v", got, err, tc.want)
				}
			}
			if !asked {
				t.Errorf("no hint is registered for %v of %v", tc.action, tc.resource)
			}
		})
	}
}

// TestARefusalLooksIntoTheStoresFirst: a node can be in the informer's store, and its
// event over for the queue, before the feed's handler is told of it.
func TestARefusalLooksIntoTheStoresFirst(t *testing.T) {
	pl, handle := reaching(t, nodeIn("1", "a-0", "a"), claimTo("pv-1"), volumeIn("7", "pv-1", "b"))
	factory := informers.NewSharedInformerFactory(nil, 0)
	if err := pl.feed.start(factory); err != nil {
		t.Fatal(err)
	}
	pod := withClaim(ordinal(newUID))
	if _, status := pl.PreFilter(context.Background(), framework.NewCycleState(), pod, handle.nodes); status.IsSuccess() {
		t.Fatalf("PreFilter before: %v", status)
	}
	if err := factory.Core().V1().Nodes().Informer().GetStore().Add(nodeIn("9", "b-0", "b")); err != nil {
		t.Fatal(err)
	}
	state := framework.NewCycleState()
	result, status := pl.PreFilter(context.Background(), state, pod, handle.nodes)
	if !status.IsSuccess() || !result.NodeNames.Equal(sets.New("b-0")) {
		t.Fatalf("PreFilter after: %v, %v", result, status)
	}
	if err := factory.Core().V1().Nodes().Informer().GetStore().Add(nodeIn("10", "b-1", "b")); err != nil {
		t.Fatal(err)
	}
	// Within reach was not enough this time: the pod is woken for what came meanwhile.
	pl.PostFilter(context.Background(), state, pod, nil)
	if len(handle.activated) != 1 || handle.activated[0] != "default/web-0" {
		t.Errorf("woken: %v", handle.activated)
	}
	pl.PostFilter(context.Background(), readyFor(t, pl, pod), pod, nil)
	if len(handle.activated) != 1 {
		t.Errorf("woken without news: %v", handle.activated)
	}
}

// TestARefusalLooksAtTheNodeThatStillHasTheVolume: it is away from where the volume can
// be used, and its state can be in the store before the feed's handler is told of it too.
func TestARefusalLooksAtTheNodeThatStillHasTheVolume(t *testing.T) {
	pv := "pv-1"
	attached := attachmentTo("8", pv, "a-0")
	pl, handle := reaching(t, nodeIn("1", "a-0", "a"), nodeIn("2", "b-0", "b"), claimTo(pv), volumeIn("7", pv, "b"), record(v1alpha1.Over), attached)
	factory := informers.NewSharedInformerFactory(nil, 0)
	if err := pl.feed.start(factory); err != nil {
		t.Fatal(err)
	}
	if err := factory.Storage().V1().VolumeAttachments().Informer().GetStore().Add(attached); err != nil {
		t.Fatal(err)
	}
	pod := withClaim(ordinal(newUID))
	if _, status := pl.PreFilter(context.Background(), framework.NewCycleState(), pod, handle.nodes); status.IsSuccess() {
		t.Fatalf("PreFilter while the node is not Ready: %v", status)
	}
	now := nodeIn("9", "a-0", "a")
	now.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue}}
	if err := factory.Core().V1().Nodes().Informer().GetStore().Add(now); err != nil {
		t.Fatal(err)
	}
	if result, status := pl.PreFilter(context.Background(), framework.NewCycleState(), pod, handle.nodes); !status.IsSuccess() || !result.NodeNames.Equal(sets.New("b-0")) {
		t.Fatalf("PreFilter once it is: %v, %v", result, status)
	}
}

// TestTheBindIsRefusedOnceItsNodeIsOutOfReach: the node was chosen a while ago, and what
// happened since counts, from where volumes can be used as well as what was left attached.
func TestTheBindIsRefusedOnceItsNodeIsOutOfReach(t *testing.T) {
	ready := func(version string, status v1.ConditionStatus) *v1.Node {
		n := nodeIn(version, "b-1", "b")
		n.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady, Status: status}}
		return n
	}
	failing := attachmentTo("21", "pv-1", "b-1")
	failing.Status.DetachError = &storagev1.VolumeError{}
	own, others := record(v1alpha1.Over), record(v1alpha1.Over)
	others.Name = "db-0"
	others.Status.Incarnation.Volumes = []v1alpha1.VolumeUse{{Claim: "data", Volume: "pv-1", AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}}}
	member := withClaim(ordinal(newUID))
	unowned := withClaim(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-0", UID: newUID}})
	job := withClaim(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "job", UID: "job"}})
	const lacks, waits = "lack CSI driver disks.example", "wait for the end of VolumeAttachment csi-1"
	for name, tc := range map[string]struct {
		pod    *v1.Pod
		record *v1alpha1.Tenancy
		// since is what happens after the node was chosen.
		since runtime.Object
		want  fwk.Code
		// wantWhy is in the refusal.
		wantWhy string
	}{
		"nothing happened, and an ordinal is bound":                  {pod: member, record: own, want: fwk.Success},
		"nothing happened, and a job is left to DefaultBinder":       {pod: job, record: others, want: fwk.Skip},
		"the driver left, of an ordinal":                             {pod: member, since: csiNode("20", "b-0"), want: fwk.UnschedulableAndUnresolvable, wantWhy: lacks},
		"the driver left, of a job":                                  {pod: job, since: csiNode("20", "b-0"), want: fwk.UnschedulableAndUnresolvable, wantWhy: lacks},
		"the volume moved, of a job":                                 {pod: job, since: volumeIn("20", "pv-1", "a"), want: fwk.UnschedulableAndUnresolvable, wantWhy: "cannot reach volume pv-1"},
		"the node before is Ready no more, of an ordinal":            {pod: member, record: own, since: ready("20", v1.ConditionUnknown), want: fwk.UnschedulableAndUnresolvable, wantWhy: waits},
		"the node before is Ready no more, of one without its owner": {pod: unowned, record: own, since: ready("20", v1.ConditionUnknown), want: fwk.UnschedulableAndUnresolvable, wantWhy: waits},
		"the node of the other user is Ready no more, of a job":      {pod: job, record: others, since: ready("20", v1.ConditionUnknown), want: fwk.UnschedulableAndUnresolvable, wantWhy: waits},
		"the detach failed, of an ordinal":                           {pod: member, record: own, since: failing, want: fwk.UnschedulableAndUnresolvable, wantWhy: waits},
		"a node is Ready no more, of an ordinal that is the first":   {pod: member, since: ready("20", v1.ConditionUnknown), want: fwk.Success},
	} {
		t.Run(name, func(t *testing.T) {
			chosen, live := nodeIn("1", "b-0", "b"), []runtime.Object{tc.pod}
			objects := []runtime.Object{chosen, ready("2", v1.ConditionTrue), csiNode("4", "b-0", csiDriver), csiNode("5", "b-1", csiDriver),
				claimTo("pv-1"), volumeIn("7", "pv-1", "b"), attachmentTo("8", "pv-1", "b-1")}
			if tc.record != nil {
				objects, live = append(objects, tc.record), append(live, tc.record)
			}
			pl, handle := reaching(t, objects...)
			api := withAPI(pl, append(live, chosen)...)
			cycle := framework.NewCycleState()
			if _, status := pl.PreFilter(t.Context(), cycle, tc.pod, handle.nodes); !status.IsSuccess() && !status.IsSkip() {
				t.Fatalf("PreFilter: %v", status)
			} else if status.IsSuccess() && !pl.Filter(t.Context(), cycle, tc.pod, handle.nodes[0]).IsSuccess() {
				t.Fatal("the node could not be chosen")
			}

			if tc.since != nil {
				pl.feed.apply(nil, tc.since)
			}
			status := pl.Bind(t.Context(), cycle, tc.pod, chosen.Name)
			if status.Code() != tc.want || !strings.Contains(status.Message(), tc.wantWhy) {
				t.Errorf("Bind: %v %q, want %v %q", status.Code(), status.Message(), tc.want, tc.wantWhy)
			}
			if tc.want != fwk.Success {
				api.mustBeUntouched(t)
			}
		})
	}
}
