package profiles

import (
	"context"
	"fmt"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/holdfast-dev/holdfast/pkg/plugin"
)

const (
	nodes = 24
	// clusters times pods is how many comparisons there are.
	clusters = 6
	pods     = 60
)

// TestPodsThatAreNotOursAreLeftAlone is S10: a pod without claims and without a
// StatefulSet owner gets the same nodes and the same scores under both profiles.
func TestPodsThatAreNotOursAreLeftAlone(t *testing.T) {
	for seed := range int64(clusters) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			chance := rand.New(rand.NewSource(seed))
			pair, err := New(t.Context(), Options{}, randomCluster(chance)...)
			if err != nil {
				t.Fatal(err)
			}
			somewhere, restricted := 0, 0
			for i := range pods {
				pod := randomPod(chance, fmt.Sprintf("job-%d-x", i))
				stock, ours := place(t.Context(), pair.Default, pod), place(t.Context(), pair.Holdfast, pod)
				if diff := cmp.Diff(stock, ours); diff != "" {
					t.Errorf("pod %s (-default,+Holdfast):\n%s", pod.Name, diff)
				}
				if len(stock.Scores) > 0 {
					somewhere++
				}
				if len(stock.Scores) < nodes {
					restricted++
				}
			}
			if somewhere < pods/2 || restricted < pods/4 {
				t.Errorf("of %d pods %d fit somewhere and %d not everywhere: the cases say too little", pods, somewhere, restricted)
			}
		})
	}
}

// TestReachIsWhatUpstreamFindsNodeByNode: for a pod with a bound claim the narrowed
// nodes are those that the default profile finds by filtering every one, and all other
// plugins score them alike.
func TestReachIsWhatUpstreamFindsNodeByNode(t *testing.T) {
	for seed := range int64(clusters) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			chance := rand.New(rand.NewSource(100 + seed))
			objects := randomCluster(chance)
			var made []*v1.Pod
			for i := range pods {
				pod, volume, claim := randomPodWithVolume(chance, fmt.Sprintf("db-%d", i))
				made = append(made, pod)
				objects = append(objects, volume, claim)
			}
			pair, err := New(t.Context(), Options{}, objects...)
			if err != nil {
				t.Fatal(err)
			}
			somewhere := 0
			for _, pod := range made {
				stock, ours := place(t.Context(), pair.Default, pod), place(t.Context(), pair.Holdfast, pod)
				withoutOurs(ours)
				if diff := cmp.Diff(stock.Scores, ours.Scores, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("pod %s (-default,+Holdfast):\n%s", pod.Name, diff)
				}
				if len(stock.Scores) > 0 {
					somewhere++
				}
			}
			if somewhere < pods/3 || somewhere == pods {
				t.Errorf("of %d pods %d fit somewhere: the cases say too little", pods, somewhere)
			}
		})
	}
}

// withoutOurs takes the plugin's own part out of the scores.
func withoutOurs(p placement) {
	for _, scores := range p.Scores {
		scores["sum"] -= scores[plugin.Name]
		delete(scores, plugin.Name)
	}
}

// randomPodWithVolume is an ordinal with a bound claim, whose volume is of a node, of
// a zone, or names labels in another way.
func randomPodWithVolume(chance *rand.Rand, name string) (*v1.Pod, *v1.PersistentVolume, *v1.PersistentVolumeClaim) {
	requirement := func(key string, op v1.NodeSelectorOperator, values ...string) v1.NodeSelectorRequirement {
		return v1.NodeSelectorRequirement{Key: key, Operator: op, Values: values}
	}
	terms := [][]v1.NodeSelectorRequirement{{pick(chance,
		requirement(v1.LabelHostname, v1.NodeSelectorOpIn, fmt.Sprintf("host-of-node-%d", chance.Intn(nodes))),
		requirement(v1.LabelHostname, v1.NodeSelectorOpIn, fmt.Sprintf("node-%d", chance.Intn(nodes))), // A node's name is nobody's hostname.
		requirement(v1.LabelTopologyZone, v1.NodeSelectorOpIn, pick(chance, zones...)),
		requirement(v1.LabelTopologyZone, v1.NodeSelectorOpNotIn, pick(chance, zones...)),
		requirement("disk", v1.NodeSelectorOpExists),
		requirement("disk", v1.NodeSelectorOpDoesNotExist),
	)}}
	if chance.Intn(3) == 0 {
		terms = append(terms, []v1.NodeSelectorRequirement{
			requirement("disk", v1.NodeSelectorOpIn, "ssd"), requirement(v1.LabelTopologyZone, v1.NodeSelectorOpIn, pick(chance, zones...))})
	}
	selector := &v1.NodeSelector{}
	for _, term := range terms {
		selector.NodeSelectorTerms = append(selector.NodeSelectorTerms, v1.NodeSelectorTerm{MatchExpressions: term})
	}
	claim := st.MakePersistentVolumeClaim().Namespace("default").Name("data-"+name).VolumeName("pv-"+name).
		Annotation("pv.kubernetes.io/bind-completed", "yes").Obj()
	volume := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv-" + name},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeSource: v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{Driver: "disks.example", VolumeHandle: name}},
			NodeAffinity:           &v1.VolumeNodeAffinity{Required: selector},
			ClaimRef:               &v1.ObjectReference{Namespace: "default", Name: claim.Name},
		},
	}
	pod := randomPod(chance, name)
	pod.Spec.Volumes = append(pod.Spec.Volumes, v1.Volume{Name: "data", VolumeSource: v1.VolumeSource{
		PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}}})
	return pod, volume, claim
}

// TestBatchingStaysOnForPodsThatAreNotOurs: one plugin that signs nothing takes
// batching from a whole profile.
func TestBatchingStaysOnForPodsThatAreNotOurs(t *testing.T) {
	chance := rand.New(rand.NewSource(1))
	pair, err := New(t.Context(), Options{Listed: true}, randomCluster(chance)...)
	if err != nil {
		t.Fatal(err)
	}
	signed := 0
	for i := range pods {
		pod := randomPod(chance, fmt.Sprintf("job-%d-x", i))
		stock, ours := pair.Default.SignPod(t.Context(), pod), pair.Holdfast.SignPod(t.Context(), pod)
		if string(stock) != string(ours) {
			t.Errorf("pod %s: the default profile signs %q, Holdfast's %q", pod.Name, stock, ours)
		}
		if stock != nil {
			signed++
		}
	}
	if signed < pods/4 {
		t.Errorf("%d of %d pods are signed: the cases say too little", signed, pods)
	}
	ordinal := st.MakePod().Namespace("default").Name("web-0").UID("web-0").
		OwnerReference("web", schemeKind).Obj()
	if signature := pair.Holdfast.SignPod(t.Context(), ordinal); signature != nil {
		t.Errorf("an ordinal is signed: %s", signature)
	}
}

// placement is what a profile makes of a pod.
type placement struct {
	// PreFilter is why no node is looked at, or empty.
	PreFilter string
	// Reasons are why single nodes are refused.
	Reasons map[string]string
	// Scores are the others', each plugin's and the sum. A plugin that gives every
	// node nothing is left out: it might as well not be there.
	Scores map[string]map[string]int64
}

func place(ctx context.Context, f framework.Framework, pod *v1.Pod) placement {
	state := framework.NewCycleState()
	result, status, _ := f.RunPreFilterPlugins(ctx, state, pod)
	if !status.IsSuccess() {
		return placement{PreFilter: status.Message()}
	}
	p := placement{Reasons: map[string]string{}, Scores: map[string]map[string]int64{}}
	all, err := f.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return placement{PreFilter: err.Error()}
	}
	var fit []fwk.NodeInfo
	for _, node := range all {
		name := node.Node().Name
		if !result.AllNodes() && !result.NodeNames.Has(name) {
			p.Reasons[name] = "not among the nodes of PreFilter"
			continue
		}
		if status := f.RunFilterPlugins(ctx, state, pod, node); !status.IsSuccess() {
			p.Reasons[name] = status.Message()
			continue
		}
		fit = append(fit, node)
	}
	if status := f.RunPreScorePlugins(ctx, state, pod, fit); !status.IsSuccess() {
		return placement{PreFilter: status.Message()}
	}
	scores, status := f.RunScorePlugins(ctx, state, pod, fit)
	if !status.IsSuccess() {
		return placement{PreFilter: status.Message()}
	}
	for _, node := range scores {
		p.Scores[node.Name] = map[string]int64{"sum": node.TotalScore}
		for _, s := range node.Scores {
			if s.Score != 0 {
				p.Scores[node.Name][s.Name] = s.Score
			}
		}
	}
	return p
}

var (
	schemeKind = v1.SchemeGroupVersion.WithKind("ReplicaSet")
	zones      = []string{"a", "b", "c"}
	apps       = []string{"front", "back", "job"}
)

// randomCluster has nodes that differ in everything that plugins look at, and pods on
// half of them.
func randomCluster(chance *rand.Rand) []runtime.Object {
	var objects []runtime.Object
	for i := range nodes {
		name := fmt.Sprintf("node-%d", i)
		node := st.MakeNode().Name(name).
			Capacity(map[v1.ResourceName]string{v1.ResourceCPU: pick(chance, "2", "4", "8"), v1.ResourceMemory: pick(chance, "4Gi", "8Gi"), v1.ResourcePods: "20"}).
			Label(v1.LabelHostname, "host-of-"+name).
			Label(v1.LabelTopologyZone, zones[i%len(zones)]).
			Label("disk", pick(chance, "ssd", "hdd"))
		switch chance.Intn(6) {
		case 0:
			node = node.Taints([]v1.Taint{{Key: "only", Value: "some", Effect: pick(chance, v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule)}})
		case 1:
			node = node.Unschedulable(true)
		}
		objects = append(objects, node.Obj())
	}
	for i := range nodes * 2 {
		pod := randomPod(chance, fmt.Sprintf("running-%d-x", i))
		pod.Spec.NodeName = fmt.Sprintf("node-%d", chance.Intn(nodes))
		objects = append(objects, pod)
	}
	return objects
}

// randomPod is of a Deployment or of nobody, and has no claims.
func randomPod(chance *rand.Rand, name string) *v1.Pod {
	app := pick(chance, apps...)
	pod := st.MakePod().Namespace("default").Name(name).UID(name).Label("app", app).
		Container(pick(chance, "small:1", "large:1")).
		Req(map[v1.ResourceName]string{v1.ResourceCPU: pick(chance, "100m", "500m", "3"), v1.ResourceMemory: pick(chance, "100Mi", "2Gi")})
	if chance.Intn(2) == 0 {
		pod = pod.OwnerReference("front", schemeKind)
	}
	switch chance.Intn(8) {
	case 0:
		pod = pod.NodeSelector(map[string]string{"disk": "ssd"})
	case 1:
		pod = pod.PodAntiAffinityExists("app", v1.LabelHostname, st.PodAntiAffinityWithRequiredReq)
	case 2:
		pod = pod.PodAffinityExists("app", v1.LabelTopologyZone, st.PodAffinityWithRequiredReq)
	case 3:
		pod = pod.SpreadConstraint(1, v1.LabelTopologyZone, v1.DoNotSchedule, &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}, nil, nil, nil, nil)
	case 4:
		pod = pod.Toleration("only")
	}
	made := pod.Obj()
	// The API server would have filled it in.
	made.Spec.RestartPolicy = v1.RestartPolicyAlways
	return made
}

func pick[T any](chance *rand.Rand, from ...T) T { return from[chance.Intn(len(from))] }
