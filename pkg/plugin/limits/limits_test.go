package limits

import (
	"context"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	"k8s.io/utils/ptr"
)

const (
	driver      = "disk.example"
	otherDriver = "file.example"
)

// handle is what upstream's plugin uses of the framework, over caches that the test
// fills by hand.
type handle struct {
	fwk.Handle
	informers informers.SharedInformerFactory
}

func (h handle) SharedInformerFactory() informers.SharedInformerFactory { return h.informers }
func (h handle) SharedCSIManager() fwk.CSIManager {
	return nodevolumelimits.NewCSIManager(h.informers.Storage().V1().CSINodes().Lister())
}

// world is a cluster: what is in it, and which pods are on its nodes.
type world struct {
	objects []runtime.Object
	pods    map[string][]*v1.Pod
}

// handle returns a handle over the objects that keep says.
func (w *world) handle(t *testing.T, keep func(runtime.Object) bool) handle {
	t.Helper()
	h := handle{informers: informers.NewSharedInformerFactory(fake.NewClientset(), 0)}
	core, storage := h.informers.Core().V1(), h.informers.Storage().V1()
	for _, obj := range w.objects {
		if !keep(obj) {
			continue
		}
		var err error
		switch obj.(type) {
		case *v1.PersistentVolume:
			err = core.PersistentVolumes().Informer().GetIndexer().Add(obj)
		case *v1.PersistentVolumeClaim:
			err = core.PersistentVolumeClaims().Informer().GetIndexer().Add(obj)
		case *storagev1.CSINode:
			err = storage.CSINodes().Informer().GetIndexer().Add(obj)
		case *storagev1.CSIDriver:
			err = storage.CSIDrivers().Informer().GetIndexer().Add(obj)
		case *storagev1.StorageClass:
			err = storage.StorageClasses().Informer().GetIndexer().Add(obj)
		case *storagev1.VolumeAttachment:
			err = storage.VolumeAttachments().Informer().GetIndexer().Add(obj)
		default:
			err = fmt.Errorf("a %T", obj)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (w *world) node(name string) fwk.NodeInfo {
	info := framework.NewNodeInfo(w.pods[name]...)
	info.SetNode(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	return info
}

// ours and stocks make the two plugins.
func (w *world) ours(t *testing.T, features feature.Features) *Limits {
	t.Helper()
	pl, err := New(t.Context(), nil, w.handle(t, all), features)
	if err != nil {
		t.Fatal(err)
	}
	return pl.(*Limits)
}

func (w *world) stocks(t *testing.T, features feature.Features, keep func(runtime.Object) bool) stock {
	t.Helper()
	pl, err := nodevolumelimits.NewCSI(t.Context(), nil, w.handle(t, keep), features)
	if err != nil {
		t.Fatal(err)
	}
	return pl.(stock)
}

func all(runtime.Object) bool { return true }

// ask asks a plugin about one node, as the framework would.
func ask(t *testing.T, pl stock, pod *v1.Pod, node fwk.NodeInfo) *fwk.Status {
	t.Helper()
	cycle := framework.NewCycleState()
	if _, status := pl.PreFilter(t.Context(), cycle, pod, nil); !status.IsSuccess() {
		return status
	}
	return pl.Filter(t.Context(), cycle, pod, node)
}

// same compares verdicts. Ours may say besides that no preemption helps.
func same(a, b *fwk.Status) bool {
	refused := func(s *fwk.Status) bool {
		return s.Code() == fwk.Unschedulable || s.Code() == fwk.UnschedulableAndUnresolvable
	}
	return a.Message() == b.Message() && (a.Code() == b.Code() || refused(a) && refused(b))
}

// The builders. A claim is named like its volume.

func volume(name, driver string) []runtime.Object {
	return []runtime.Object{
		&v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PersistentVolumeSpec{
			PersistentVolumeSource: v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: "handle-" + name}}}},
		claim(name, name),
	}
}

func claim(name, volume string) *v1.PersistentVolumeClaim {
	return &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1.PersistentVolumeClaimSpec{VolumeName: volume, StorageClassName: ptr.To("disk")}}
}

func limit(node string, limits map[string]int32) *storagev1.CSINode {
	n := &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: node}}
	for driver, count := range limits {
		n.Spec.Drivers = append(n.Spec.Drivers, storagev1.CSINodeDriver{Name: driver, NodeID: node, Allocatable: &storagev1.VolumeNodeResources{Count: ptr.To(count)}})
	}
	return n
}

func attachment(volume, driver, node string) *storagev1.VolumeAttachment {
	return &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: volume + "-" + node}, Spec: storagev1.VolumeAttachmentSpec{
		Attacher: driver, NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume}}}
}

func pod(name string, claims ...string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}}
	for _, c := range claims {
		p.Spec.Volumes = append(p.Spec.Volumes, v1.Volume{Name: c, VolumeSource: v1.VolumeSource{
			PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: c}}})
	}
	return p
}

func TestAVolumeIsCountedOnceOnTheNodeThatHoldsIt(t *testing.T) {
	const full = nodevolumelimits.ErrReasonMaxVolumeCountExceeded
	for name, tc := range map[string]struct {
		attached []string // volumes attached to the node
		running  []*v1.Pod
		limit    int32
		// want and wantStock are the reasons; "" lets the pod through.
		want, wantStock string
		wantCode        fwk.Code
	}{
		"its own attachment takes the last slot":                        {attached: []string{"own"}, limit: 1, wantStock: full},
		"its own attachment and another's, both slots":                  {attached: []string{"own", "x"}, running: []*v1.Pod{pod("x", "x")}, limit: 2, wantStock: full},
		"a slot is left beside its own attachment":                      {attached: []string{"own"}, limit: 2},
		"another pod there uses the volume too":                         {attached: []string{"own"}, running: []*v1.Pod{pod("x", "own")}, limit: 1},
		"the limit was lowered below what is attached":                  {attached: []string{"own", "x"}, running: []*v1.Pod{pod("x", "x")}, limit: 1, want: full, wantStock: full, wantCode: fwk.Unschedulable},
		"it is attached elsewhere, and the node is full of pods":        {attached: []string{"x"}, running: []*v1.Pod{pod("x", "x")}, limit: 1, want: full, wantStock: full, wantCode: fwk.Unschedulable},
		"it is attached elsewhere, and the node is full of attachments": {attached: []string{"x"}, limit: 1, want: full, wantStock: full, wantCode: fwk.UnschedulableAndUnresolvable},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{pods: map[string][]*v1.Pod{"a": tc.running}}
			w.objects = append(volume("own", driver), volume("x", driver)...)
			w.objects = append(w.objects, limit("a", map[string]int32{driver: tc.limit}))
			for _, v := range tc.attached {
				w.objects = append(w.objects, attachment(v, driver, "a"))
			}
			if !slices.Contains(tc.attached, "own") {
				w.objects = append(w.objects, attachment("own", driver, "b"))
			}
			if got := ask(t, w.stocks(t, feature.Features{}, all), pod("web-0", "own"), w.node("a")); got.Message() != tc.wantStock {
				t.Errorf("upstream: %q, want %q", got.Message(), tc.wantStock)
			}
			if got := ask(t, w.ours(t, feature.Features{}), pod("web-0", "own"), w.node("a")); got.Message() != tc.want || got.Code() != tc.wantCode {
				t.Errorf("ours: %v %q, want %v %q", got.Code(), got.Message(), tc.wantCode, tc.want)
			}
		})
	}
}

// randomWorld has nodes with few slots, pods that use volumes together, attachments
// without pods, volumes of two drivers, claims that are not bound, and claims that are
// not there.
func randomWorld(chance *rand.Rand) *world {
	w := &world{pods: map[string][]*v1.Pod{}}
	w.objects = append(w.objects,
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "disk"}, Provisioner: driver},
		&storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: driver}, Spec: storagev1.CSIDriverSpec{PreventPodSchedulingIfMissing: ptr.To(chance.Intn(2) == 0)}},
		claim("unbound", ""))
	for _, v := range volumes {
		w.objects = append(w.objects, volume(v, driverOf(v))...)
	}
	for _, node := range nodes {
		switch chance.Intn(8) {
		case 0: // no CSINode
		case 1:
			w.objects = append(w.objects, limit(node, map[string]int32{otherDriver: 1}))
		default:
			w.objects = append(w.objects, limit(node, map[string]int32{driver: int32(chance.Intn(4)), otherDriver: int32(chance.Intn(3))}))
		}
		for i := range chance.Intn(3) {
			w.pods[node] = append(w.pods[node], randomPod(chance, fmt.Sprintf("%s-%d", node, i)))
		}
		for _, v := range volumes {
			if chance.Intn(3) == 0 {
				w.objects = append(w.objects, attachment(v, driverOf(v), node))
			}
		}
	}
	return w
}

var (
	nodes   = []string{"a", "b", "c"}
	volumes = []string{"v0", "v1", "v2", "v3", "f0", "f1"}
)

func driverOf(volume string) string {
	if strings.HasPrefix(volume, "f") {
		return otherDriver
	}
	return driver
}

func randomPod(chance *rand.Rand, name string) *v1.Pod {
	claims := append(slices.Clone(volumes), "unbound", "missing")
	chance.Shuffle(len(claims), func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
	return pod(name, claims[:chance.Intn(4)]...)
}

// TestOnlyThePodsOwnAttachmentsCountOtherwiseThanUpstream compares the two on random
// clusters. Where none of the pod's volumes is attached to the node they agree; where
// one is, ours agrees with upstream's in a cluster without that attachment.
func TestOnlyThePodsOwnAttachmentsCountOtherwiseThanUpstream(t *testing.T) {
	const worlds = 400
	own, let, refused := 0, 0, 0
	for seed := range int64(worlds) {
		chance := rand.New(rand.NewSource(seed))
		w := randomWorld(chance)
		features := feature.Features{EnableVolumeLimitScaling: chance.Intn(2) == 0}
		ours, upstream := w.ours(t, features), w.stocks(t, features, all)
		for i := range 4 {
			p := randomPod(chance, fmt.Sprintf("pod-%d", i))
			for _, node := range nodes {
				isOwn := func(obj runtime.Object) bool {
					a, ok := obj.(*storagev1.VolumeAttachment)
					return ok && a.Spec.NodeName == node && uses(p, *a.Spec.Source.PersistentVolumeName)
				}
				reference := upstream
				if slices.ContainsFunc(w.objects, isOwn) {
					own++
					reference = w.stocks(t, features, func(obj runtime.Object) bool { return !isOwn(obj) })
				}
				got, want := ask(t, ours, p, w.node(node)), ask(t, reference, p, w.node(node))
				if !same(got, want) {
					t.Errorf("seed %d, pod %d, node %s: %v %q, want %v %q", seed, i, node, got.Code(), got.Message(), want.Code(), want.Message())
				}
				if stockSays := ask(t, upstream, p, w.node(node)); !stockSays.IsSuccess() && got.IsSuccess() {
					let++
				} else if got.Code() == fwk.Unschedulable {
					refused++
				}
			}
		}
	}
	if own < worlds || let < worlds/10 || refused < worlds/10 {
		t.Errorf("%d own attachments, %d nodes let through that upstream refuses, %d refused: the cases say too little", own, let, refused)
	}
}

func uses(p *v1.Pod, volume string) bool {
	return slices.ContainsFunc(p.Spec.Volumes, func(v v1.Volume) bool { return v.PersistentVolumeClaim.ClaimName == volume })
}

// TestPreemptionSeesTheSlotsThatItFrees does what a preemption does with the state.
func TestPreemptionSeesTheSlotsThatItFrees(t *testing.T) {
	x, y := pod("x", "x"), pod("y", "y")
	w := &world{pods: map[string][]*v1.Pod{"a": {x, y}}}
	for _, v := range []string{"own", "x", "y"} {
		w.objects = append(w.objects, volume(v, driver)...)
	}
	w.objects = append(w.objects, limit("a", map[string]int32{driver: 2}), attachment("x", driver, "a"), attachment("y", driver, "a"))
	pl, node, web := w.ours(t, feature.Features{}), w.node("a"), pod("web-0", "own")
	cycle := fwk.CycleState(framework.NewCycleState())
	if _, status := pl.PreFilter(t.Context(), cycle, web, nil); !status.IsSuccess() {
		t.Fatal(status)
	}
	expect := func(when string, cycle fwk.CycleState, want fwk.Code) {
		t.Helper()
		if got := pl.Filter(t.Context(), cycle, web, node); got.Code() != want {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	expect("before", cycle, fwk.Unschedulable)

	try := cycle.Clone()
	info := podInfo(t, x)
	if err := node.RemovePod(klog.Background(), x); err != nil {
		t.Fatal(err)
	}
	if status := pl.PreFilterExtensions().RemovePod(t.Context(), try, web, info, node); !status.IsSuccess() {
		t.Fatal(status)
	}
	expect("x is taken away", try, fwk.Success)
	expect("the cycle itself, of which this was a copy", cycle, fwk.UnschedulableAndUnresolvable)

	node.AddPodInfo(info)
	if status := pl.PreFilterExtensions().AddPod(t.Context(), try, web, info, node); !status.IsSuccess() {
		t.Fatal(status)
	}
	expect("x is back", try, fwk.Unschedulable)

	// Upstream counts the attachment of the pod that was taken away.
	node = w.node("a")
	if err := node.RemovePod(klog.Background(), x); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, w.stocks(t, feature.Features{}, all), web, node); got.Code() != fwk.Unschedulable {
		t.Errorf("upstream, x taken away: %v; has it learned to see the slot?", got)
	}
}

// TestAVolumeThatAVictimSharesIsNotFreed: the pod that stays keeps the slot.
func TestAVolumeThatAVictimSharesIsNotFreed(t *testing.T) {
	w := &world{pods: map[string][]*v1.Pod{"a": {pod("stays", "x")}}}
	w.objects = append(volume("own", driver), volume("x", driver)...)
	w.objects = append(w.objects, limit("a", map[string]int32{driver: 1}), attachment("x", driver, "a"))
	pl, web := w.ours(t, feature.Features{}), pod("web-0", "own")
	cycle := framework.NewCycleState()
	if _, status := pl.PreFilter(t.Context(), cycle, web, nil); !status.IsSuccess() {
		t.Fatal(status)
	}
	if status := pl.RemovePod(t.Context(), cycle, web, podInfo(t, pod("goes", "x")), w.node("a")); !status.IsSuccess() {
		t.Fatal(status)
	}
	if got := pl.Filter(t.Context(), cycle, web, w.node("a")); got.Code() != fwk.Unschedulable {
		t.Errorf("%v, want Unschedulable", got)
	}
}

func podInfo(t *testing.T, p *v1.Pod) fwk.PodInfo {
	t.Helper()
	info, err := framework.NewPodInfo(p)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestEveryHookOfUpstreamIsThere: upstream's plugin may get a hook with a version that
// the interface in limits.go does not know.
func TestEveryHookOfUpstreamIsThere(t *testing.T) {
	w := &world{}
	ours, upstream := reflect.TypeOf(w.ours(t, feature.Features{})), reflect.TypeOf(w.stocks(t, feature.Features{}, all))
	for i := range upstream.NumMethod() {
		if name := upstream.Method(i).Name; !hasMethod(ours, name) {
			t.Errorf("upstream's plugin has %s, ours has not", name)
		}
	}
	pl := w.ours(t, feature.Features{})
	if pl.Name() == pl.stock.Name() {
		t.Errorf("it is named %s, like the plugin whose place it takes", pl.Name())
	}
	events, err := pl.EventsToRegister(context.Background())
	want, wantErr := pl.stock.EventsToRegister(context.Background())
	if err != nil || wantErr != nil || len(events) != len(want) || len(events) == 0 {
		t.Errorf("%d events, %v; upstream has %d, %v", len(events), err, len(want), wantErr)
	}
}

func hasMethod(t reflect.Type, name string) bool {
	_, ok := t.MethodByName(name)
	return ok
}

func TestFilterWithoutPreFilterIsAnError(t *testing.T) {
	w := &world{}
	if got := w.ours(t, feature.Features{}).Filter(t.Context(), framework.NewCycleState(), pod("web-0"), w.node("a")); got.Code() != fwk.Error {
		t.Errorf("%v, want an error", got)
	}
}

func TestPodsWithoutClaimsAreSkipped(t *testing.T) {
	w := &world{}
	if _, got := w.ours(t, feature.Features{}).PreFilter(t.Context(), framework.NewCycleState(), pod("web-0"), nil); !got.IsSkip() {
		t.Errorf("%v, want Skip", got)
	}
}

// TestASecondProfileUsesTheSameIndex: plugins are made once per profile, the informers
// once per process.
func TestASecondProfileUsesTheSameIndex(t *testing.T) {
	w := &world{}
	h := w.handle(t, all)
	for range 2 {
		if _, err := New(t.Context(), nil, h, feature.Features{}); err != nil {
			t.Fatal(err)
		}
	}
}
