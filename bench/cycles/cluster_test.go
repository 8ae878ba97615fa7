package cycles

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
	driver    = "disks.example"
	class     = "disks"
	zones     = 3
	perNode   = 3  // Pods that run on each node before; one of them has a claim.
	limit     = 39 // What a node can attach, as on EC2.
	cpus      = 32
	namespace = metav1.NamespaceDefault
)

// reach is from where the volume of a measured pod can be used.
type reach string

const (
	noClaim reach = "none"
	oneNode reach = "node"
	oneZone reach = "zone"
)

// workload is what a benchmark measures pods of.
type workload struct {
	// claim says what kind of volume each has.
	claim reach
	// owner is StatefulSet, each pod being the one ordinal of a set of its own, or
	// ReplicaSet, all of one.
	owner string
	// shape gives the pods what else they ask for.
	shape func(*v1.Pod)
	// neighbours gives the pods that run before what they are to have.
	neighbours func(pod *v1.Pod, node int)
	// nominated: the pod has its node's name in its status already.
	nominated bool
	// onFull: the volumes are on nodes of even numbers.
	onFull bool
	// fails: no pod finds a node.
	fails bool
	// held is how many ordinals wait beside them for proof of their predecessors.
	held int
}

// cluster makes objects.
type cluster struct {
	nodes   int
	objects []runtime.Object
}

func newCluster(nodes int, w workload) *cluster {
	c := &cluster{nodes: nodes}
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
			pod.Spec.NodeName = nodeName(i)
			pod.Status.Phase = v1.PodRunning
			if j == 0 {
				c.claim(pod, oneNode, i)
			}
			if w.neighbours != nil {
				w.neighbours(pod, i)
			}
			c.add(pod)
		}
	}
	return c
}

func (c *cluster) add(objects ...runtime.Object) { c.objects = append(c.objects, objects...) }

func nodeName(i int) string { return fmt.Sprintf("node-%d", i) }
func hostname(i int) string { return fmt.Sprintf("host-%d", i) }
func zone(i int) string     { return fmt.Sprintf("zone-%d", i%zones) }

func (c *cluster) node(i int) {
	room := v1.ResourceList{v1.ResourceCPU: *resource.NewQuantity(cpus, resource.DecimalSI), v1.ResourceMemory: resource.MustParse("128Gi"), v1.ResourcePods: resource.MustParse("110")}
	c.add(
		&v1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: nodeName(i), UID: types.UID(nodeName(i)), Labels: map[string]string{
				v1.LabelHostname: hostname(i), v1.LabelTopologyZone: zone(i), v1.LabelTopologyRegion: "region",
				v1.LabelInstanceTypeStable: "large", v1.LabelOSStable: "linux", v1.LabelArchStable: "amd64"}},
			Status: v1.NodeStatus{Capacity: room, Allocatable: room, Conditions: []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue}}},
		},
		&storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: nodeName(i)}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
			{Name: driver, NodeID: nodeName(i), TopologyKeys: []string{v1.LabelTopologyZone}, Allocatable: &storagev1.VolumeNodeResources{Count: ptr.To[int32](limit)}}}}},
	)
}

// measured adds the i-th pod that is measured, of a profile, and returns it and the node
// that its volume is on, or near.
func (c *cluster) measured(w workload, i int, profile string) (*v1.Pod, int) {
	set := fmt.Sprintf("db%d", i)
	name := set + "-0"
	pod := newPod(name, "db")
	pod.Spec.SchedulerName = profile
	// The queue hands them out as they were made.
	pod.Spec.Priority = ptr.To(int32(1_000_000 - i))
	if w.owner == "ReplicaSet" {
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
	node := i * 7919 % c.nodes // Spread, and none twice before all were.
	if w.onFull {
		node &^= 1
	}
	if w.claim != noClaim {
		c.claim(pod, w.claim, node)
	}
	if w.shape != nil {
		w.shape(pod)
	}
	if w.nominated {
		pod.Status.NominatedNodeName = nodeName(node)
	}
	c.add(pod)
	return pod, node
}

// heldPod adds an ordinal whose record says that nothing is known of the pod before it.
func (c *cluster) heldPod(i int) *v1.Pod {
	set := fmt.Sprintf("silent%d", i)
	pod := newPod(set+"-0", "silent")
	pod.Spec.SchedulerName = sideB.profile()
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set, UID: types.UID(set), Controller: ptr.To(true)}}
	c.add(pod, &v1alpha1.Tenancy{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: namespace, UID: types.UID("record-" + set), ResourceVersion: "1"},
		Status: v1alpha1.TenancyStatus{Phase: v1alpha1.InDoubt, Epoch: 1, Incarnation: &v1alpha1.Incarnation{
			PodUID: "before", Nodes: []v1alpha1.CandidateNode{{Name: nodeName(i % c.nodes), UID: types.UID(nodeName(i % c.nodes))}}}},
	})
	return pod
}

func newPod(name, app string) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID(name), ResourceVersion: "1", Labels: map[string]string{"app": app}},
		Spec: v1.PodSpec{
			RestartPolicy: v1.RestartPolicyAlways,
			Containers: []v1.Container{{Name: "db", Image: "registry.example/db:1", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{
				v1.ResourceCPU: resource.MustParse("100m"), v1.ResourceMemory: resource.MustParse("128Mi")}}}},
			Tolerations: []v1.Toleration{
				{Key: v1.TaintNodeNotReady, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](300)},
				{Key: v1.TaintNodeUnreachable, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](300)},
			},
		},
	}
}

// claim gives the pod a claim that is bound to a volume of the node, or of its zone.
func (c *cluster) claim(pod *v1.Pod, from reach, node int) {
	name := "data-" + pod.Name
	requirement := v1.NodeSelectorRequirement{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{hostname(node)}}
	if from == oneZone {
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
