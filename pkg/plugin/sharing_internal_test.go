package plugin

import (
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// debugPod uses the claims, and has no identity.
func debugPod(claims ...string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "debug", UID: "debug"}}
	for _, claim := range claims {
		p.Spec.Volumes = append(p.Spec.Volumes, v1.Volume{Name: claim, VolumeSource: v1.VolumeSource{
			PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}})
	}
	return p
}

// user is web-0's pod oldUID with the claim, on the node if one is given.
func user(node string) *v1.Pod {
	p := debugPod("data-web-0")
	p.Name, p.UID, p.Spec.NodeName = "web-0", oldUID, node
	return p
}

// using is the record of web-0 with its claim.
func using(phase v1alpha1.Phase) *v1alpha1.Tenancy {
	r := record(phase)
	if r.Status.Incarnation != nil {
		r.Status.Incarnation.Volumes = []v1alpha1.VolumeUse{{Claim: "data-web-0", Volume: "pv-0", AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}}}
	}
	return r
}

// share is what a test of sharing starts from.
type share struct {
	record *v1alpha1.Tenancy
	// cached are bound pods that the informer has, scheduled those of the snapshot.
	cached, scheduled []*v1.Pod
	mode              v1.PersistentVolumeAccessMode
}

// plugin makes a plugin over the claims data-web-0, bound to pv-0, and scratch, which
// is of nobody.
func (s share) plugin(t *testing.T, without ...Defence) *Holdfast {
	t.Helper()
	var records []runtime.Object
	if s.record != nil {
		records = append(records, asUnstructured(t, s.record))
	}
	pl, _ := newTestPlugin(t, records, without...)
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	claims := factory.Core().V1().PersistentVolumeClaims()
	pl.claims = claims.Lister()
	mode := s.mode
	if mode == "" {
		mode = v1.ReadWriteOnce
	}
	for name, volume := range map[string]string{"data-web-0": "pv-0", "scratch": "pv-1"} {
		claim := &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
			Spec: v1.PersistentVolumeClaimSpec{VolumeName: volume, AccessModes: []v1.PersistentVolumeAccessMode{mode}}}
		if err := claims.Informer().GetIndexer().Add(claim); err != nil {
			t.Fatal(err)
		}
		// Within reach of every node.
		pl.feed.apply(nil, &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: volume, ResourceVersion: "1"}})
	}
	for _, p := range s.cached {
		if err := pl.pods.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	nodes := []*v1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b"}}}
	pl.handle = &snapshotHandle{snapshot: internalcache.NewSnapshot(s.scheduled, nodes)}
	return pl
}

// nodesFor asks the hooks of the scheduling cycle where the pod can go; a pod that is
// held goes nowhere.
func nodesFor(t *testing.T, pl *Holdfast, pod *v1.Pod) (nodes, reasons []string) {
	t.Helper()
	all, err := pl.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		t.Fatal(err)
	}
	preEnqueue, cycle := pl.PreEnqueue(t.Context(), pod), newState()
	_, preFilter := pl.PreFilter(t.Context(), cycle, pod, all)
	if preEnqueue.IsSuccess() != (preFilter.IsSuccess() || preFilter.IsSkip()) {
		t.Errorf("PreEnqueue says %v, PreFilter %v", preEnqueue, preFilter)
	}
	for _, node := range all {
		if preFilter.IsSkip() {
			nodes = append(nodes, node.Node().Name)
			continue
		}
		status := pl.Filter(t.Context(), cycle, pod, node)
		if status.IsSuccess() {
			nodes = append(nodes, node.Node().Name)
		} else {
			reasons = append(reasons, status.Message())
		}
	}
	slices.Sort(nodes)
	return nodes, reasons
}

func TestAPodThatUsesAnothersVolume(t *testing.T) {
	deleted := user("a")
	deleted.DeletionTimestamp, deleted.Finalizers = &metav1.Time{}, []string{v1alpha1.PodFinalizer}
	// Another scheduler bound it. The node may have its name from a machine that runs on.
	successor := user("a")
	successor.UID = newUID
	occupied, inDoubt := using(v1alpha1.Occupied), using(v1alpha1.InDoubt)
	everywhere := []string{"a", "b"}
	for name, tc := range map[string]struct {
		share
		pod     *v1.Pod // debugPod("data-web-0") if nil
		without []Defence
		want    []string
		// wantWhy is in every reason against a node.
		wantWhy string
	}{
		"its user is in doubt":                          {share: share{record: inDoubt}, wantWhy: "default/web-0, incarnation old on node a, may still write claim data-web-0 (volume pv-0)"},
		"its user is in doubt, and the gate is off":     {share: share{record: inDoubt}, without: []Defence{Gate}, want: everywhere},
		"its user is over":                              {share: share{record: using(v1alpha1.Over)}, want: everywhere},
		"its user runs":                                 {share: share{record: occupied, cached: []*v1.Pod{user("a")}, scheduled: []*v1.Pod{user("a")}}, want: []string{"a"}, wantWhy: "in use by default/web-0 on node a"},
		"its user was bound a moment ago":               {share: share{record: occupied, cached: []*v1.Pod{user("a")}}, want: []string{"a"}, wantWhy: "in use by default/web-0 on node a"},
		"its user is on its way":                        {share: share{record: occupied, scheduled: []*v1.Pod{user("a")}}, wantWhy: "is not known to run on one node"},
		"its user is being deleted":                     {share: share{record: occupied, cached: []*v1.Pod{deleted}, scheduled: []*v1.Pod{deleted}}, wantWhy: "is not known to run on one node"},
		"the record is of a user that is gone":          {share: share{record: occupied}, wantWhy: "is not known to run on one node"},
		"its user's successor runs in its place":        {share: share{record: occupied, cached: []*v1.Pod{successor}, scheduled: []*v1.Pod{successor}}, wantWhy: "is not known to run on one node"},
		"a user without a record runs":                  {share: share{cached: []*v1.Pod{user("b")}, scheduled: []*v1.Pod{user("b")}}, want: []string{"b"}, wantWhy: "in use by default/web-0 on node b"},
		"a user without a record is on its way":         {share: share{scheduled: []*v1.Pod{user("b")}}, want: []string{"b"}, wantWhy: "in use by default/web-0 on node b"},
		"nobody uses it":                                {want: everywhere},
		"it uses a volume of its own":                   {share: share{record: inDoubt}, pod: debugPod("scratch"), want: everywhere},
		"one of its two volumes is another's":           {share: share{record: inDoubt}, pod: debugPod("scratch", "data-web-0"), wantWhy: "claim data-web-0"},
		"many may write it, as both claims say":         {share: share{mode: v1.ReadWriteMany, scheduled: []*v1.Pod{user("a")}}, want: everywhere},
		"one pod may use it, and a user runs":           {share: share{record: occupied, mode: v1.ReadWriteOncePod, cached: []*v1.Pod{user("a")}}, wantWhy: "which one pod may use at a time"},
		"one pod may use it: VolumeRestrictions has it": {share: share{mode: v1.ReadWriteOncePod, scheduled: []*v1.Pod{user("a")}}, want: everywhere},
	} {
		t.Run(name, func(t *testing.T) {
			pod := tc.pod
			if pod == nil {
				pod = debugPod("data-web-0")
			}
			nodes, reasons := nodesFor(t, tc.plugin(t, tc.without...), pod)
			if !slices.Equal(nodes, tc.want) {
				t.Errorf("it can go to %v, want %v", nodes, tc.want)
			}
			for _, reason := range reasons {
				if !strings.Contains(reason, tc.wantWhy) {
					t.Errorf("the reason %q does not say %q", reason, tc.wantWhy)
				}
			}
		})
	}
}

func TestTheOwnRecordIsNotAnothers(t *testing.T) {
	own := user("")
	own.UID = newUID
	nodes, _ := nodesFor(t, share{record: using(v1alpha1.Over)}.plugin(t), own)
	if !slices.Equal(nodes, []string{"a", "b"}) {
		t.Errorf("the replacement can go to %v", nodes)
	}
}

func TestMoreUsersThanAreJudgedHold(t *testing.T) {
	pl := share{}.plugin(t)
	for i := range usersMax + 1 {
		r := using(v1alpha1.Occupied)
		r.Name = identity.Identity{Set: "crowd", Ordinal: int32(i)}.Name()
		if err := pl.records.indexer.Add(asUnstructured(t, r)); err != nil {
			t.Fatal(err)
		}
	}
	if verdict := pl.gate(debugPod("data-web-0")); !verdict.Held || verdict.Reason != "TooManyVolumeUsers" {
		t.Errorf("%+v", verdict)
	}
	if err := pl.judgeUsersLive(t.Context(), debugPod("data-web-0"), "a"); err == nil {
		t.Error("the bind is let through")
	}
}

// TestWakesExactlyThePodsWhoseVolumeComesFree: a hint in both directions.
func TestWakesExactlyThePodsWhoseVolumeComesFree(t *testing.T) {
	for name, tc := range map[string]struct {
		share    // as it stands after the event
		pod      *v1.Pod
		old, new *v1alpha1.Tenancy
		want     fwk.QueueingHint
	}{
		"its user is over":                          {share: share{record: using(v1alpha1.Over)}, old: using(v1alpha1.InDoubt), new: using(v1alpha1.Over), want: fwk.Queue},
		"its user is in doubt now":                  {share: share{record: using(v1alpha1.InDoubt)}, old: using(v1alpha1.Occupied), new: using(v1alpha1.InDoubt), want: fwk.QueueSkip},
		"the record is gone":                        {old: using(v1alpha1.Over), want: fwk.QueueSkip},
		"the unclean record is gone":                {old: using(v1alpha1.InDoubt), want: fwk.Queue},
		"the next incarnation does not use it":      {share: share{record: record(v1alpha1.Occupied)}, old: using(v1alpha1.InDoubt), new: record(v1alpha1.Occupied), want: fwk.Queue},
		"the record changes and says the same":      {share: share{record: using(v1alpha1.InDoubt)}, old: using(v1alpha1.InDoubt), new: using(v1alpha1.InDoubt), want: fwk.QueueSkip},
		"another's volume comes free":               {share: share{record: using(v1alpha1.Over)}, pod: debugPod("scratch"), old: using(v1alpha1.InDoubt), new: using(v1alpha1.Over), want: fwk.QueueSkip},
		"its own record, which is the other hint's": {share: share{record: using(v1alpha1.Over)}, pod: user(""), old: using(v1alpha1.InDoubt), new: using(v1alpha1.Over), want: fwk.QueueSkip},
	} {
		t.Run(name, func(t *testing.T) {
			var oldObj, newObj any
			if tc.old != nil {
				oldObj = asUnstructured(t, tc.old)
			}
			if tc.new != nil {
				newObj = asUnstructured(t, tc.new)
			}
			pod := tc.pod
			if pod == nil {
				pod = debugPod("data-web-0")
			}
			pl := tc.plugin(t)
			if got, err := pl.wakeForUser(klog.Background(), pod, oldObj, newObj); err != nil || got != tc.want {
				t.Errorf("%v, %v; want %v", got, err, tc.want)
			}
			if newObj == nil {
				tombstone := cache.DeletedFinalStateUnknown{Key: "default/web-0", Obj: oldObj}
				if got, err := pl.wakeForUser(klog.Background(), pod, tombstone, nil); err != nil || got != tc.want {
					t.Errorf("by a tombstone: %v, %v; want %v", got, err, tc.want)
				}
			}
		})
	}
}

func TestWakesThePodsThatShareAClaim(t *testing.T) {
	running := share{record: using(v1alpha1.Occupied), cached: []*v1.Pod{user("a")}}
	stranger := user("a")
	stranger.Namespace = "lab"
	for name, tc := range map[string]struct {
		share
		event    *v1.Pod
		deletion bool
		want     fwk.QueueingHint
	}{
		"its user is bound":                       {share: running, event: user("a"), want: fwk.Queue},
		"its user is gone, and nothing is proven": {share: share{record: using(v1alpha1.InDoubt)}, event: user("a"), deletion: true, want: fwk.QueueSkip},
		"a user without a record is gone":         {event: user("a"), deletion: true, want: fwk.Queue},
		"a pod without claims is bound":           {share: running, event: ordinal(oldUID), want: fwk.QueueSkip},
		"a pod with other claims is bound":        {share: running, event: func() *v1.Pod { p := debugPod("scratch"); p.UID = types.UID("x"); return p }(), want: fwk.QueueSkip},
		"a claim of that name elsewhere":          {share: running, event: stranger, want: fwk.QueueSkip},
	} {
		t.Run(name, func(t *testing.T) {
			pl := tc.plugin(t)
			var oldObj, newObj any = nil, tc.event
			if tc.deletion {
				oldObj, newObj = tc.event, nil
			}
			if got, err := pl.wakeForPod(klog.Background(), debugPod("data-web-0"), oldObj, newObj); err != nil || got != tc.want {
				t.Errorf("%v, %v; want %v", got, err, tc.want)
			}
		})
	}
	if got, err := (share{}).plugin(t).wakeForPod(klog.Background(), debugPod("data-web-0"), nil, "nonsense"); err == nil || got != fwk.Queue {
		t.Errorf("an event that cannot be read: %v, %v; want Queue and an error", got, err)
	}
}

func TestWhomAClaimIsNamedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		claim string
		want  []string
	}{
		"a template's claim":              {"data-db-0", []string{"db-0"}},
		"a set whose name has a hyphen":   {"data-my-db-11", []string{"my-db-11", "db-11"}},
		"the pod's own claim":             {"data-web-0", nil},
		"a claim of nobody":               {"scratch", nil},
		"a claim that ends with a number": {"data-01", nil},
	} {
		t.Run(name, func(t *testing.T) {
			asker := ordinal(newUID)
			var got []string
			for _, id := range namedByClaims(asker, []v1alpha1.VolumeUse{{Claim: tc.claim}}) {
				got = append(got, id.Name())
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}
