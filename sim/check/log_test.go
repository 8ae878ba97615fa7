package check

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// write is one move of a story of API writes; its time is its place in the story.
type write func(l *Log, at time.Time)

// put writes a built-in object as the API server stores it.
func put(key string, object runtime.Object) write {
	return func(l *Log, at time.Time) {
		value, err := runtime.Encode(scheme.Codecs.LegacyCodec(corev1.SchemeGroupVersion, storagev1.SchemeGroupVersion, appsv1.SchemeGroupVersion), object)
		if err != nil {
			panic(err)
		}
		l.Commit(at, "/registry/"+key, value)
	}
}

// gone deletes a key.
func gone(key string) write {
	return func(l *Log, at time.Time) { l.Commit(at, "/registry/"+key, nil) }
}

// aPod of web as it is written: unbound, without the guard's finalizer.
func aPod(ordinal int, uid string, change ...func(*corev1.Pod)) write {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: fmt.Sprintf("web-%d", ordinal), UID: types.UID(uid), CreationTimestamp: metav1.Time{Time: at(0)},
		OwnerReferences: []metav1.OwnerReference{{Kind: "StatefulSet", Name: "web", Controller: new(true)}},
	}, Spec: corev1.PodSpec{SchedulerName: "holdfast"}}
	for _, c := range change {
		c(p)
	}
	return put("pods/default/"+p.Name, p)
}

func on(node string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.NodeName = node } }
func kept(p *corev1.Pod)               { p.Finalizers = []string{v1alpha1.PodFinalizer} }
func stock(p *corev1.Pod)              { p.Spec.SchedulerName = corev1.DefaultSchedulerName }
func noted(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations = map[string]string{key: value} }
}
func claiming(claim string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: claim, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}})
	}
}
func madeAt(seconds int) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.CreationTimestamp.Time = at(seconds) }
}
func asking(cpu string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}}
	}
}

// record of web-0 in a phase; by is the evidence, if any.
func record(phase v1alpha1.Phase, uid string, by *v1alpha1.Evidence, nodes ...v1alpha1.CandidateNode) write {
	return func(l *Log, at time.Time) {
		value, err := json.Marshal(v1alpha1.Tenancy{Status: v1alpha1.TenancyStatus{
			Phase: phase, Evidence: by, Incarnation: &v1alpha1.Incarnation{PodUID: types.UID(uid), Nodes: nodes},
		}})
		if err != nil {
			panic(err)
		}
		l.Commit(at, "/registry/holdfast.dev/tenancies/default/web-0", value)
	}
}

func candidate(name string) v1alpha1.CandidateNode {
	return v1alpha1.CandidateNode{Name: name, UID: types.UID("uid-" + name)}
}

func removed(name string) v1alpha1.CandidateNode {
	n := candidate(name)
	n.Removal = &v1alpha1.NodeRemoval{Ground: v1alpha1.InstanceGone}
	return n
}

func evidence(kind v1alpha1.EvidenceKind, uid string) *v1alpha1.Evidence {
	return &v1alpha1.Evidence{Kind: kind, PodUID: types.UID(uid)}
}

// aLife is web-0's first incarnation, recorded and bound, and its finalizer.
var aLife = []write{
	aPod(0, "u1"), record(v1alpha1.Occupied, "u1", nil, candidate("a")), aPod(0, "u1", kept), aPod(0, "u1", kept, on("a")),
}

// aReplacement is the second, bound to b.
var aReplacement = []write{
	gone("pods/default/web-0"), aPod(0, "u2"), record(v1alpha1.Occupied, "u2", nil, candidate("b")), aPod(0, "u2", kept), aPod(0, "u2", kept, on("b")),
}

// blind says that those who place pods may not know what room there is, or do again.
func blind(is bool) write { return func(l *Log, at time.Time) { l.Blind(at, "two", is) } }

// pause is how much later all that follows is.
type pause time.Duration

func story(parts ...any) []write {
	var by time.Duration
	shifted := func(w write) write {
		by := by
		return func(l *Log, at time.Time) { w(l, at.Add(by)) }
	}
	var all []write
	for _, p := range parts {
		switch p := p.(type) {
		case write:
			all = append(all, shifted(p))
		case []write:
			for _, w := range p {
				all = append(all, shifted(w))
			}
		case pause:
			by += time.Duration(p)
		}
	}
	return all
}

// oneVolume is a claim, its volume in zone z1, a driver with room for one on a in z1
// and on b in z2, and none on c.
func oneVolume() []write {
	node := func(name, zone string) write {
		return put("minions/"+name, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"zone": zone}}})
	}
	driver := func(name string) write {
		return put("csinodes/"+name, &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: storagev1.CSINodeSpec{
			Drivers: []storagev1.CSINodeDriver{{Name: "csi", Allocatable: &storagev1.VolumeNodeResources{Count: new(int32(1))}}},
		}})
	}
	return []write{
		node("a", "z1"), node("b", "z2"), node("c", "z1"), driver("a"), driver("b"),
		put("persistentvolumes/v", &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "v"}, Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "csi"}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"z1"}}},
			}}}},
		}}),
		put("persistentvolumeclaims/default/data", &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "v"}}),
	}
}

func attached(volume, node string) write {
	return put("volumeattachments/"+volume+node, &storagev1.VolumeAttachment{Spec: storagev1.VolumeAttachmentSpec{
		Attacher: "csi", NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume},
	}})
}

func cpus(node, cpu string) write {
	return put("minions/"+node, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node}, Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
	})
}

func TestWhatTheWritesShow(t *testing.T) {
	strip := write(func(l *Log, _ time.Time) { l.Strip("default", "web-0") })
	none := Rules{Profile: "holdfast", BindOrder: "None"}
	ordered := Rules{Profile: "holdfast"}
	rebooted := candidate("a")
	rebooted.BootIDs, rebooted.LaterBootIDs = []string{"1"}, []string{"2"}
	for name, tc := range map[string]struct {
		rules Rules
		story []write
		want  []Invariant // of the violations, in order
		met   []Invariant // among others
	}{
		"a release, and then the replacement": {
			rules: none,
			story: story(aLife, record(v1alpha1.Over, "u1", evidence(v1alpha1.KubeletConfirmed, "u1"), candidate("a")), aPod(0, "u1", on("a")), aReplacement),
			met:   []Invariant{S3, S4},
		},
		"a replacement without a release breaks S3, and the record that passed on S4": {
			rules: none, story: story(aLife, record(v1alpha1.InDoubt, "u1", nil, candidate("a")), aReplacement), want: []Invariant{S4, S3},
		},
		"a release by evidence for another pod": {
			rules: none, story: story(aLife, record(v1alpha1.Over, "u1", evidence(v1alpha1.Attested, "u9"), candidate("a"))), want: []Invariant{S3},
		},
		"one later boot is not two": {
			rules: none, story: story(aLife, record(v1alpha1.Over, "u1", evidence(v1alpha1.Rebooted, "u1"), rebooted)), want: []Invariant{S3},
		},
		"a removal of the node that it was bound to, and not of one on which a bind was tried": {
			rules: none, met: []Invariant{S3},
			story: story(aLife, record(v1alpha1.Over, "u1", evidence(v1alpha1.NodeRemoved, "u1"), candidate("b"), removed("a"))),
		},
		"a removal of a node on which a bind was tried, and not of its own": {
			rules: none, want: []Invariant{S3},
			story: story(aLife, record(v1alpha1.Over, "u1", evidence(v1alpha1.NodeRemoved, "u1"), removed("b"), candidate("a"))),
		},
		"a fence of a node that the record does not have": {
			rules: none, want: []Invariant{S3},
			story: story(aLife, record(v1alpha1.Over, "u1", evidence(v1alpha1.Fenced, "u1"), candidate("b"))),
		},
		"the finalizer goes without a release": {
			rules: none, story: story(aLife, aPod(0, "u1", on("a"))), want: []Invariant{S4},
		},
		"an operator takes the finalizer": {
			rules: none, story: story(aLife, strip, aPod(0, "u1", on("a"))),
		},
		"the finalizer of what was never bound goes": {
			rules: none, story: story(aPod(0, "u1", kept), aPod(0, "u1")),
		},
		"a guarded pod is bound without a record": {
			rules: none, story: story(aPod(0, "u1", kept), aPod(0, "u1", kept, on("a"))), want: []Invariant{S4}, met: []Invariant{S4},
		},
		"a guarded pod is bound elsewhere than the record has it": {
			rules: none,
			story: story(aPod(0, "u1", kept), record(v1alpha1.Occupied, "u1", nil, candidate("b")), aPod(0, "u1", kept, on("a"))), want: []Invariant{S4},
		},
		"what another scheduler binds is not Holdfast's": {
			rules: none, story: story(aPod(0, "u1", kept, stock), aPod(0, "u1", kept, stock, on("a"))),
		},
		"what nobody guarded needs no release": {
			rules: none, story: story(aPod(0, "u1"), aPod(0, "u1", on("a")), gone("pods/default/web-0"), aPod(0, "u2"), aPod(0, "u2", on("b"))),
		},
		"in reach": {
			story: story(oneVolume(), aPod(0, "u1", claiming("data")), aPod(0, "u1", claiming("data"), on("a"))), met: []Invariant{S5},
		},
		"its own attachment is not counted twice": {
			story: story(oneVolume(), attached("v", "a"), aPod(0, "u1", claiming("data")), aPod(0, "u1", claiming("data"), on("a"))),
		},
		"in another zone": {
			story: story(oneVolume(), aPod(0, "u1", claiming("data")), aPod(0, "u1", claiming("data"), on("b"))), want: []Invariant{S5},
		},
		"where the driver is not": {
			story: story(oneVolume(), aPod(0, "u1", claiming("data")), aPod(0, "u1", claiming("data"), on("c"))), want: []Invariant{S5},
		},
		"where another volume has the slot": {
			story: story(oneVolume(), attached("w", "a"), aPod(0, "u1", claiming("data")), aPod(0, "u1", claiming("data"), on("a"))), want: []Invariant{S5},
		},
		"one after the other": {
			rules: ordered, story: story(aPod(0, "u1"), aPod(1, "v1"), aPod(0, "u1", on("a")), aPod(1, "v1", on("a"))), met: []Invariant{S6},
		},
		"the second before the first": {
			rules: ordered, story: story(aPod(0, "u1"), aPod(1, "v1"), aPod(1, "v1", on("a"))), want: []Invariant{S6},
		},
		"the second before the first, in no order": {
			rules: none, story: story(aPod(1, "v1"), aPod(1, "v1", on("a"))),
		},
		"the second before the first, and it says that it wants no order": {
			rules: ordered,
			story: story(aPod(1, "v1", noted(v1alpha1.BindOrderAnnotation, "None")), aPod(1, "v1", noted(v1alpha1.BindOrderAnnotation, "None"), on("a"))),
		},
		"the second before the first, when its time has come": {
			rules: Rules{Profile: "holdfast", BindOrderTimeout: time.Second}, story: story(aPod(1, "v1"), aPod(1, "v1", on("a"))),
		},
		"a replacement waits for nobody": {
			rules: ordered,
			story: story(aPod(0, "u1"), aPod(0, "u1", on("a")), aPod(1, "v1"), aPod(1, "v1", on("a")),
				gone("pods/default/web-0"), gone("pods/default/web-1"), aPod(1, "v2"), aPod(1, "v2", on("a"))),
		},
		"the set begins at one": {
			rules: ordered,
			story: story(put("statefulsets/default/web", &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Ordinals: &appsv1.StatefulSetOrdinals{Start: 1}}}),
				aPod(1, "v1"), aPod(1, "v1", on("a"))),
		},
		"room for two": {
			rules: none,
			story: story(cpus("a", "2"), aPod(0, "u1", asking("1")), aPod(0, "u1", asking("1"), on("a")), aPod(1, "v1", asking("1")), aPod(1, "v1", asking("1"), on("a"))),
			met:   []Invariant{S9},
		},
		"no room for two": {
			rules: none,
			story: story(cpus("a", "1500m"), aPod(0, "u1", asking("1")), aPod(0, "u1", asking("1"), on("a")), aPod(1, "v1", asking("1")), aPod(1, "v1", asking("1"), on("a"))),
			want:  []Invariant{S9},
		},
		"no room for two, and two processes schedule": {
			rules: none,
			story: story(cpus("a", "1500m"), blind(true), aPod(0, "u1", asking("1")), aPod(0, "u1", asking("1"), on("a")), aPod(1, "v1", asking("1")), aPod(1, "v1", asking("1"), on("a"))),
		},
		"no room for two, long after two processes scheduled": {
			rules: none,
			story: story(cpus("a", "1500m"), blind(true), blind(false), pause(inFlight), aPod(0, "u1", asking("1")), aPod(0, "u1", asking("1"), on("a")), aPod(1, "v1", asking("1")), aPod(1, "v1", asking("1"), on("a"))),
			want:  []Invariant{S9}, met: []Invariant{S9},
		},
		"in another zone, while a watch is held up": {
			story: story(oneVolume(), blind(true), aPod(0, "u1", claiming("data")), aPod(0, "u1", claiming("data"), on("b"))), want: []Invariant{S5},
		},
		"where the driver has gone while the bind was on its way": {
			story: story(oneVolume(), aPod(0, "u1", claiming("data")), gone("csinodes/a"), aPod(0, "u1", claiming("data"), on("a"))),
		},
		"where the driver has gone before the pod was made": {
			story: story(oneVolume(), gone("csinodes/a"), aPod(0, "u1", claiming("data"), madeAt(9)), aPod(0, "u1", claiming("data"), madeAt(9), on("a"))),
			want:  []Invariant{S5},
		},
		"where the driver has gone before": {
			story: story(oneVolume(), aPod(0, "u1", claiming("data")), gone("csinodes/a"), pause(inFlight), aPod(0, "u1", claiming("data"), on("a"))),
			want:  []Invariant{S5},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLog()
			for i, w := range tc.story {
				w(l, at(i+1))
			}
			l.Begin(tc.rules)
			findings, err := l.Finish(Ending{At: at(len(tc.story) + 1)})
			if err != nil {
				t.Fatal(err)
			}
			found, met := findings.Violations, findings.Met
			var got []Invariant
			for _, v := range found {
				got = append(got, v.Invariant)
				if v.Why == "" || v.By == "" || v.From.IsZero() {
					t.Errorf("it says too little: %+v", v)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("invariants (-want,+got):\n%s%v", diff, found)
			}
			for _, id := range tc.met {
				if met[id] == 0 {
					t.Errorf("%s had nothing to hold", id)
				}
			}
		})
	}
}

func TestAnObjectThatCannotBeReadIsAnError(t *testing.T) {
	l := NewLog()
	l.Commit(at(1), "/registry/pods/default/web-0", []byte("?"))
	l.Begin(Rules{})
	if _, err := l.Finish(Ending{At: at(2)}); err == nil {
		t.Error("no error")
	}
}
