// Package objects makes the clusters and pods that are measured.
package objects

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/storage/volume"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

const (
	// Zones is how many there are; nodes take turns.
	Zones = 3
	// CPUs is how many each node has.
	CPUs = 32

	driver    = "disks.example"
	class     = "disks"
	perNode   = 3  // Pods that run on each node before; one of them has a claim.
	limit     = 39 // What a node can attach, as on EC2.
	namespace = metav1.NamespaceDefault
)

// Reach is from where the volume of a measured pod can be used.
type Reach string

const (
	// NoClaim: the pod has no volume.
	NoClaim Reach = "none"
	// OneNode: from one node alone.
	OneNode Reach = "node"
	// OneZone: from every node of a zone.
	OneZone Reach = "zone"
)

// Workload is what a benchmark measures pods of.
type Workload struct {
	// Claim says what kind of volume each has.
	Claim Reach
	// Owner is StatefulSet, each pod being the one ordinal of a set of its own, or
	// ReplicaSet, all of one.
	Owner string
	// Shape gives the pods what else they ask for.
	Shape func(*v1.Pod)
	// Neighbours gives the pods that run before what they are to have.
	Neighbours func(pod *v1.Pod, node int)
	// Nominated: the pod has its node's name in its status already.
	Nominated bool
	// OnFull: the volumes are on nodes of even numbers.
	OnFull bool
	// Fails: no pod finds a node.
	Fails bool
	// Held is how many ordinals wait beside them for proof of their predecessors.
	Held int
}

// Cluster makes objects.
type Cluster struct {
	// Nodes is how many there are.
	Nodes int
	// Objects are those that were made, each after what it refers to.
	Objects []runtime.Object
}

// New makes the nodes and what runs on them.
func New(nodes int, w Workload) *Cluster {
	c := &Cluster{Nodes: nodes}
	c.add(
		&v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: class}, Provisioner: driver, VolumeBindingMode: ptr.To(storagev1.VolumeBindingWaitForFirstConsumer)},
		&storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: driver}, Spec: storagev1.CSIDriverSpec{AttachRequired: ptr.To(true)}},
		&v1.Service{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: namespace}, Spec: v1.ServiceSpec{ClusterIP: v1.ClusterIPNone, Selector: map[string]string{"app": "db"}}},
	)
	for i := range nodes {
		c.node(i)
		for j := range perNode {
			name := fmt.Sprintf("running-%d-%d-x", i, j)
			pod := newPod(name, "other")
			pod.Spec.NodeName = NodeName(i)
			pod.Status.Phase = v1.PodRunning
			if j == 0 {
				c.claim(pod, OneNode, i)
			}
			if w.Neighbours != nil {
				w.Neighbours(pod, i)
			}
			c.add(pod)
		}
	}
	return c
}

func (c *Cluster) add(objects ...runtime.Object) { c.Objects = append(c.Objects, objects...) }

// NodeName is that of the i-th node.
func NodeName(i int) string { return fmt.Sprintf("node-%d", i) }
func hostname(i int) string { return fmt.Sprintf("host-%d", i) }
func zone(i int) string     { return fmt.Sprintf("zone-%d", i%Zones) }

func (c *Cluster) node(i int) {
	room := v1.ResourceList{v1.ResourceCPU: *resource.NewQuantity(CPUs, resource.DecimalSI), v1.ResourceMemory: resource.MustParse("128Gi"), v1.ResourcePods: resource.MustParse("110")}
	c.add(
		&v1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: NodeName(i), UID: types.UID(NodeName(i)), Labels: map[string]string{
				v1.LabelHostname: hostname(i), v1.LabelTopologyZone: zone(i), v1.LabelTopologyRegion: "region",
				v1.LabelInstanceTypeStable: "large", v1.LabelOSStable: "linux", v1.LabelArchStable: "amd64"}},
			Status: v1.NodeStatus{Capacity: room, Allocatable: room, Conditions: []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue}}},
		},
		&storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: NodeName(i)}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
			{Name: driver, NodeID: NodeName(i), TopologyKeys: []string{v1.LabelTopologyZone}, Allocatable: &storagev1.VolumeNodeResources{Count: ptr.To[int32](limit)}}}}},
	)
}

// Measured adds the i-th pod that is measured, of a profile, and returns it and the node
// that its volume is on, or near.
func (c *Cluster) Measured(w Workload, i int, profile string) (*v1.Pod, int) {
	set := fmt.Sprintf("db%d", i)
	name := set + "-0"
	pod := newPod(name, "db")
	pod.Spec.SchedulerName = profile
	// The queue hands them out as they were made.
	pod.Spec.Priority = ptr.To(int32(1_000_000 - i))
	if w.Owner == "ReplicaSet" {
		pod.Name, pod.GenerateName = fmt.Sprintf("app-%d-x", i), "app-"
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "app", UID: "app", Controller: ptr.To(true)}}
		pod.UID = types.UID(pod.Name)
	} else {
		pod.Labels[appsv1.StatefulSetPodNameLabel] = name
		pod.Finalizers = []string{v1alpha1.PodFinalizer} // As the admission policy adds it, for both sides.
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set, UID: types.UID(set), Controller: ptr.To(true)}}
		c.add(&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: set, Namespace: namespace, UID: types.UID(set)},
			Spec: appsv1.StatefulSetSpec{ServiceName: "db", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}}})
	}
	node := i * 7919 % c.Nodes // Spread, and none twice before all were.
	if w.OnFull {
		node &^= 1
	}
	if w.Claim != NoClaim {
		c.claim(pod, w.Claim, node)
	}
	if w.Shape != nil {
		w.Shape(pod)
	}
	if w.Nominated {
		pod.Status.NominatedNodeName = NodeName(node)
	}
	c.add(pod)
	return pod, node
}

// Held adds an ordinal whose record says that nothing is known of the pod before it.
func (c *Cluster) Held(i int, profile string) *v1.Pod {
	set := fmt.Sprintf("silent%d", i)
	pod := newPod(set+"-0", "silent")
	pod.Spec.SchedulerName = profile
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set, UID: types.UID(set), Controller: ptr.To(true)}}
	c.add(pod, &v1alpha1.Tenancy{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: namespace, UID: types.UID("record-" + set), ResourceVersion: "1"},
		Status: v1alpha1.TenancyStatus{Phase: v1alpha1.InDoubt, Epoch: 1, Incarnation: &v1alpha1.Incarnation{
			PodUID: "before", Nodes: []v1alpha1.CandidateNode{{Name: NodeName(i % c.Nodes), UID: types.UID(NodeName(i % c.Nodes))}}}},
	})
	return pod
}

func newPod(name, app string) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID(name), ResourceVersion: "1", Labels: map[string]string{"app": app}},
		Spec:       PodSpec(),
	}
}

// PodSpec is what all pods have in common.
func PodSpec() v1.PodSpec {
	return v1.PodSpec{
		RestartPolicy: v1.RestartPolicyAlways,
		Containers: []v1.Container{{Name: "db", Image: "registry.example/db:1", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{
			v1.ResourceCPU: resource.MustParse("100m"), v1.ResourceMemory: resource.MustParse("128Mi")}}}},
		Tolerations: []v1.Toleration{
			{Key: v1.TaintNodeNotReady, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](300)},
			{Key: v1.TaintNodeUnreachable, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](300)},
		},
	}
}

// claim gives the pod a claim that is bound to a volume of the node, or of its zone.
func (c *Cluster) claim(pod *v1.Pod, from Reach, node int) {
	name := "data-" + pod.Name
	requirement := v1.NodeSelectorRequirement{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{hostname(node)}}
	if from == OneZone {
		requirement = v1.NodeSelectorRequirement{Key: v1.LabelTopologyZone, Operator: v1.NodeSelectorOpIn, Values: []string{zone(node)}}
	}
	size := v1.ResourceList{v1.ResourceStorage: resource.MustParse("10Gi")}
	modes := []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}
	c.add(
		&v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + name, UID: types.UID("pv-" + name)},
			Spec: v1.PersistentVolumeSpec{Capacity: size, AccessModes: modes, StorageClassName: class,
				PersistentVolumeSource: v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: name}},
				ClaimRef:               &v1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: namespace, Name: name, UID: types.UID(name)},
				NodeAffinity:           &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: []v1.NodeSelectorRequirement{requirement}}}}}},
			Status: v1.PersistentVolumeStatus{Phase: v1.VolumeBound}},
		&v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID(name), Annotations: map[string]string{volume.AnnBindCompleted: "yes", volume.AnnBoundByController: "yes"}},
			Spec:   v1.PersistentVolumeClaimSpec{AccessModes: modes, VolumeName: "pv-" + name, StorageClassName: ptr.To(class), Resources: v1.VolumeResourceRequirements{Requests: size}},
			Status: v1.PersistentVolumeClaimStatus{Phase: v1.ClaimBound}},
	)
	pod.Spec.Volumes = append(pod.Spec.Volumes, v1.Volume{Name: "data", VolumeSource: v1.VolumeSource{
		PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: name}}})
}
