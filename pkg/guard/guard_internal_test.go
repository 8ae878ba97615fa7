package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/config/scheme"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
	"github.com/holdfast-dev/holdfast/pkg/tenancy/store"
)

const (
	oldUID types.UID = "old"
	newUID types.UID = "new"
)

var (
	web0  = identity.Identity{Namespace: "default", Set: "web"}
	start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

// build makes the pod default/web-0 of a StatefulSet, changed by each of edits.
func build(uid types.UID, edits ...func(*v1.Pod)) *v1.Pod {
	owner := metav1.NewControllerRef(&metav1.ObjectMeta{Name: "web", UID: "set"}, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "web-0", UID: uid, Generation: 1,
			CreationTimestamp: metav1.NewTime(start), OwnerReferences: []metav1.OwnerReference{*owner},
		},
		Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c"}}},
	}
	for _, edit := range edits {
		edit(pod)
	}
	return pod
}

func on(node string) func(*v1.Pod)   { return func(p *v1.Pod) { p.Spec.NodeName = node } }
func guarded(p *v1.Pod)              { p.Finalizers = append(p.Finalizers, v1alpha1.PodFinalizer) }
func failed(p *v1.Pod)               { p.Status.Phase = v1.PodFailed }
func profile(n string) func(*v1.Pod) { return func(p *v1.Pod) { p.Spec.SchedulerName = n } }
func orphan(p *v1.Pod)               { p.OwnerReferences = nil }
func running(p *v1.Pod) {
	p.Status.ContainerStatuses = []v1.ContainerStatus{{Name: "c", ContainerID: "x", State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}}}
}
func isTold(p *v1.Pod) {
	p.Status.Conditions = append(p.Status.Conditions, v1.PodCondition{Type: v1alpha1.HeldCondition, Status: v1.ConditionTrue, Message: "why"})
}

// deleted with a grace period in seconds.
func deleted(grace int64) func(*v1.Pod) {
	return func(p *v1.Pod) {
		at := metav1.NewTime(start.Add(time.Duration(grace) * time.Second))
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, &grace
	}
}

// recorded is the record of web-0 with the incarnation oldUID on node a.
func recorded(phase v1alpha1.Phase) *v1alpha1.Tenancy {
	r := tenancy.New(web0)
	r.Status.Phase = phase
	if phase == v1alpha1.Vacant {
		return r
	}
	r.Status.Incarnation = &v1alpha1.Incarnation{
		PodUID: oldUID, ContainerSeen: true, Reported: true,
		Nodes: []v1alpha1.CandidateNode{{Name: "a", UID: "node-a", BootIDs: []string{"boot-1"}}},
	}
	if phase == v1alpha1.Over {
		r.Status.Evidence = &v1alpha1.Evidence{Kind: v1alpha1.KubeletConfirmed, PodUID: oldUID, Time: metav1.NewTime(start)}
	}
	return r
}

func heldRecord(by, message string) *v1alpha1.Tenancy {
	r := recorded(v1alpha1.InDoubt)
	r.Status, _ = tenancy.Hold(r, oldUID, by, message, start)
	return r
}

func nodeA(boot string) func(string) *v1.Node {
	return func(name string) *v1.Node {
		n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "node-a"}}
		n.Status.NodeInfo.BootID = boot
		return n
	}
}

// guardOf has what it needs to say whom it minds.
func guardOf(word config.Protection, profiles ...string) *Guard {
	args := scheme.Default()
	args.Protect = word
	return &Guard{args: args, profiles: sets.New(profiles...), readers: newUIDs(2)}
}

func TestCalmOnlyWhereNothingIsDue(t *testing.T) {
	deletedRecord := recorded(v1alpha1.Over)
	deletedRecord.DeletionTimestamp = &metav1.Time{Time: start}
	unseen := recorded(v1alpha1.Occupied)
	unseen.Status.Incarnation.ContainerSeen, unseen.Status.Incarnation.Reported = false, false
	for name, tc := range map[string]struct {
		record *v1alpha1.Tenancy
		pod    *v1.Pod
		boot   string
		want   bool
	}{
		"a healthy incarnation whose record says all of it": {recorded(v1alpha1.Occupied), build(oldUID, on("a"), guarded, running), "boot-1", true},
		"its first container, which the pod itself shows":   {unseen, build(oldUID, on("a"), guarded, running), "boot-1", true},
		"a new boot of its node":                            {recorded(v1alpha1.Occupied), build(oldUID, on("a"), guarded, running), "boot-2", false},
		"its deletion":                                      {recorded(v1alpha1.Occupied), build(oldUID, on("a"), guarded, deleted(30)), "boot-1", false},
		"its terminal phase":                                {recorded(v1alpha1.Occupied), build(oldUID, on("a"), guarded, failed), "boot-1", false},
		"its object is gone":                                {recorded(v1alpha1.Occupied), nil, "boot-1", false},
		"a replacement beside an open record":               {recorded(v1alpha1.Occupied), build(newUID), "boot-1", false},
		"a record in doubt":                                 {recorded(v1alpha1.InDoubt), build(oldUID, on("a"), guarded, deleted(30)), "boot-1", false},
		"a closed record and no pod":                        {recorded(v1alpha1.Over), nil, "boot-1", true},
		"a closed record whose object still has the finalizer": {
			recorded(v1alpha1.Over), build(oldUID, on("a"), guarded, deleted(0)), "boot-1", false},
		"a closed record whose object waits for its kubelet": {recorded(v1alpha1.Over), build(oldUID, on("a"), deleted(30)), "boot-1", false},
		"a closed record and an unbound replacement":         {recorded(v1alpha1.Over), build(newUID, guarded), "boot-1", true},
		"a replacement that still says that it is held":      {recorded(v1alpha1.Over), build(newUID, isTold), "boot-1", false},
		"somebody took its finalizer off":                    {recorded(v1alpha1.Occupied), build(oldUID, on("a"), running), "boot-1", false},
		"a replacement that was bound past the record":       {recorded(v1alpha1.Over), build(newUID, on("b")), "boot-1", false},
		"a replacement deleted before it was bound":          {recorded(v1alpha1.Over), build(newUID, guarded, deleted(0)), "boot-1", false},
		"a bound pod without a record":                       {nil, build(newUID, on("b")), "boot-1", false},
		"an unbound pod without a record":                    {nil, build(newUID, guarded), "boot-1", true},
		"neither record nor pod":                             {nil, nil, "boot-1", true},
		"a closed record that is being deleted":              {deletedRecord, nil, "boot-1", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := calm(tc.record, tc.pod, nodeA(tc.boot), guardOf(config.ProtectAll).minds, guardOf(config.ProtectAll).protects); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestDutyIsToEveryPodWithTheFinalizer(t *testing.T) {
	g := guardOf(config.ProtectAll, "holdfast")
	for name, tc := range map[string]struct {
		pod  *v1.Pod
		want bool
	}{
		"an ordinal of the profile":                         {build(newUID, profile("holdfast")), true},
		"an ordinal of another scheduler":                   {build(newUID, profile("default-scheduler")), false},
		"an ordinal of another scheduler with a finalizer":  {build(newUID, profile("default-scheduler"), guarded), true},
		"an orphan of a set that was deleted, finalizer on": {build(newUID, orphan, guarded), true},
		"an orphan without the finalizer":                   {build(newUID, orphan, profile("holdfast")), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := g.minds(tc.pod); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func annotated(word string) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Annotations = map[string]string{v1alpha1.ProtectAnnotation: word} }
}

func withClaim(p *v1.Pod) {
	p.Spec.Volumes = []v1.Volume{{Name: "data", VolumeSource: v1.VolumeSource{
		PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: "data-web-0"}}}}
}

func TestDutyIsAsThePodAndTheProfileSay(t *testing.T) {
	for name, tc := range map[string]struct {
		word config.Protection
		pod  *v1.Pod
		want bool
	}{
		"the profile protects nobody":                     {config.ProtectNone, build(newUID), false},
		"a pod of it asks to be protected":                {config.ProtectNone, build(newUID, annotated("All")), true},
		"a pod of it has the finalizer":                   {config.ProtectNone, build(newUID, guarded), true},
		"a pod asks not to be":                            {config.ProtectAll, build(newUID, annotated("None")), false},
		"it asks not to be, and has the finalizer":        {config.ProtectAll, build(newUID, annotated("None"), guarded), true},
		"writers, and a pod without claims":               {config.ProtectWriters, build(newUID), false},
		"writers, and a pod whose claims nobody has read": {config.ProtectWriters, build(newUID, withClaim), true},
		"writers, and a pod whose claims many write":      {config.ProtectWriters, build(oldUID, withClaim), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := guardOf(tc.word)
			g.readers.add(oldUID)
			obj, err := trimPod(tc.pod)
			if err != nil {
				t.Fatal(err)
			}
			if got, trimmed := g.minds(tc.pod), g.minds(obj.(*v1.Pod)); got != tc.want || trimmed != tc.want {
				t.Errorf("got %v, of the trimmed pod %v; want %v", got, trimmed, tc.want)
			}
		})
	}
}

func TestAPodThatNobodyMindsIsCalm(t *testing.T) {
	g := guardOf(config.ProtectAll)
	if !calm(recorded(v1alpha1.Over), build(newUID, annotated("None"), on("a"), running), nodeA("boot-1"), g.minds, g.protects) {
		t.Error("every update of it would cost live reads")
	}
}

// confirmed is the kubelet's last word.
func confirmed(p *v1.Pod) {
	p.Status.Phase = v1.PodSucceeded
	p.Status.ContainerStatuses = []v1.ContainerStatus{{
		Name: "c", ContainerID: "containerd://1", State: v1.ContainerState{Terminated: &v1.ContainerStateTerminated{Reason: "Completed"}},
	}}
	p.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: "kubelet", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Subresource: "status",
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:status":{"f:phase":{}}}`),
	}}
}

func TestRecordIsRebuiltOnlyWhereNothingIsLost(t *testing.T) {
	later := func(p *v1.Pod) { p.CreationTimestamp = metav1.NewTime(start.Add(time.Minute)) }
	earlier := func(p *v1.Pod) { p.CreationTimestamp = metav1.NewTime(start.Add(-time.Minute)) }
	for name, tc := range map[string]struct {
		record *v1alpha1.Tenancy
		sight  fence.Sight
		pod    *v1.Pod
		want   bool
	}{
		"a bound pod without a record":                       {nil, fence.SightLive, build(newUID, on("b")), true},
		"a bound pod beside a closed record":                 {recorded(v1alpha1.Over), fence.SightLive, build(newUID, on("b")), true},
		"never over another unclean incarnation":             {recorded(v1alpha1.InDoubt), fence.SightLive, build(newUID, on("b")), false},
		"never for a pod without a node":                     {nil, fence.SightLive, build(newUID), false},
		"never without an object":                            {nil, fence.SightGone, nil, false},
		"the final object of a pod without a record":         {nil, fence.SightFinal, build(newUID, on("b")), true},
		"a final object that proves its own end":             {nil, fence.SightFinal, build(newUID, on("b"), confirmed), false},
		"the final object of a pod younger than the receipt": {recorded(v1alpha1.Over), fence.SightFinal, build(newUID, on("b"), later), true},
		"the late final object of an earlier incarnation":    {recorded(v1alpha1.Over), fence.SightFinal, build(newUID, on("b"), earlier), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := adoptable(tc.record, tenant{uid: newUID, sight: tc.sight, pod: tc.pod}); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestHoldCountsFromWhenTheKubeletIsLate(t *testing.T) {
	for name, tc := range map[string]struct {
		tenant tenant
		want   time.Time
	}{
		"a forced deletion holds at once":                      {tenant{sight: fence.SightLive, pod: build(oldUID, deleted(0))}, start},
		"a graceful one when its time and the report's are up": {tenant{sight: fence.SightLive, pod: build(oldUID, deleted(30))}, start.Add(30*time.Second + lateReportAllowance)},
		"a vanished object holds at once":                      {tenant{sight: fence.SightGone}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := heldFrom(tc.tenant); !got.Equal(tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestConditionIsWrittenOncePerChange(t *testing.T) {
	held := heldRecord(v1alpha1.HeldByScheduler, "why")
	for name, tc := range map[string]struct {
		record  *v1alpha1.Tenancy
		pod     *v1.Pod
		want    v1.ConditionStatus
		changed bool
	}{
		"a replacement learns that it is held":         {held, build(newUID), v1.ConditionTrue, true},
		"and is not told again":                        {held, build(newUID, isTold), v1.ConditionTrue, false},
		"nor told another thing with the same meaning": {heldRecord(v1alpha1.HeldByScheduler, "other"), build(newUID, isTold), v1.ConditionTrue, true},
		"it learns that it no longer is":               {recorded(v1alpha1.Over), build(newUID, isTold), v1.ConditionFalse, true},
		"a pod that was told nothing is told nothing":  {recorded(v1alpha1.Over), build(newUID), v1.ConditionFalse, false},
		"the old pod itself is not a replacement":      {held, build(oldUID, on("a")), v1.ConditionFalse, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, changed := conditionOf(tc.record, tc.pod, metav1.NewTime(start))
			if c.Status != tc.want || changed != tc.changed {
				t.Errorf("got %v, changed %v; want %v, %v", c.Status, changed, tc.want, tc.changed)
			}
		})
	}
}

// The final object of a DELETED event has been trimmed, and must be as good as the
// whole one.
func TestTrimmingKeepsEveryFact(t *testing.T) {
	always := v1.ContainerRestartPolicyAlways
	fields, err := json.Marshal(map[string]any{"f:status": map[string]any{"f:phase": map[string]any{}}})
	if err != nil {
		t.Fatal(err)
	}
	stopped := func(name string) v1.ContainerStatus {
		return v1.ContainerStatus{Name: name, ContainerID: "x", State: v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ContainerID: "x"}}}
	}
	pod := build(oldUID, on("a"), guarded, failed, deleted(30), func(p *v1.Pod) {
		p.ManagedFields = []metav1.ManagedFieldsEntry{
			{Manager: "kube-controller-manager"},
			{Manager: "kubelet", Subresource: "status", FieldsV1: &metav1.FieldsV1{Raw: fields}},
		}
		p.Spec.InitContainers = []v1.Container{{Name: "sidecar", RestartPolicy: &always, Image: "i"}}
		p.Spec.EphemeralContainers = []v1.EphemeralContainer{{EphemeralContainerCommon: v1.EphemeralContainerCommon{Name: "debug"}}}
		p.Spec.Volumes = []v1.Volume{
			{Name: "data", VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: "data-web-0"}}},
			{Name: "config", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{}}},
		}
		p.Status.ContainerStatuses = []v1.ContainerStatus{stopped("c")}
		p.Status.InitContainerStatuses = []v1.ContainerStatus{stopped("sidecar")}
		p.Status.EphemeralContainerStatuses = []v1.ContainerStatus{stopped("debug")}
		p.Status.Conditions = []v1.PodCondition{{Type: v1.PodReadyToStartContainers, Status: v1.ConditionFalse, ObservedGeneration: 1}}
	})
	obj, err := trimPod(pod)
	if err != nil {
		t.Fatal(err)
	}
	trimmed := obj.(*v1.Pod)
	inc := recorded(v1alpha1.InDoubt).Status.Incarnation
	facts := func(p *v1.Pod) fence.Facts {
		return fence.FactsOf(fence.Subject{UID: oldUID, Pod: p, Sight: fence.SightFinal, Incarnation: inc})
	}
	whole := facts(pod)
	if got := facts(trimmed); !reflect.DeepEqual(got, whole) {
		t.Errorf("facts of the trimmed pod %+v, of the whole one %+v", got, whole)
	}
	if !fence.Judge(whole).Release {
		t.Errorf("the pod proves nothing, so this test does not either: %+v", whole)
	}
	if claims := tenancy.ClaimsOf(trimmed); len(claims) != 1 || claims[0] != "data-web-0" {
		t.Errorf("volumes %+v, want the claim alone", trimmed.Spec.Volumes)
	}
	if trimmed.Spec.InitContainers[0].Image != "" {
		t.Error("the image was kept")
	}
	if _, ok := identity.Of(trimmed); !ok || !hasFinalizer(trimmed) {
		t.Error("identity or finalizer were lost")
	}
}

func TestFinalsAreKeptUntilHandledAndBounded(t *testing.T) {
	f := newFinals(2)
	key := keyOf(build("a"))
	uids := func() string {
		var all []string
		for _, p := range f.of(key) {
			all = append(all, string(p.UID))
		}
		return strings.Join(all, " ")
	}
	if f.put(build("a")) != nil || f.put(build("b")) != nil {
		t.Fatal("want room for two")
	}
	if dropped := f.put(build("c")); dropped == nil || dropped.UID != "a" || uids() != "b c" {
		t.Fatalf("dropped %v, kept %q; want the oldest dropped", dropped, uids())
	}
	f.done(key, "b")
	f.done(key, "b")
	if uids() != "c" {
		t.Fatalf("kept %q, want c", uids())
	}
	f.done(key, "c")
	if len(f.order) != 0 || len(f.byKey) != 0 {
		t.Errorf("%d in order, %d names; want none", len(f.order), len(f.byKey))
	}
	if f.lastWord("a") != nil || f.lastWord("b") == nil || f.lastWord("c") == nil {
		t.Error("want the last words of those that were handled, and of them alone")
	}
}

func TestTheOldestIsForgottenFirst(t *testing.T) {
	r := newRecent[int](2)
	r.put("a", 1)
	r.put("b", 2)
	r.put("b", 3)
	r.put("c", 4)
	if _, ok := r.get("a"); ok {
		t.Error("a is remembered beyond the limit")
	}
	if b, _ := r.get("b"); b != 3 {
		t.Errorf("b is %d, want its latest value", b)
	}
	if c, _ := r.get("c"); c != 4 || len(r.order) != 2 || len(r.of) != 2 {
		t.Errorf("c is %d, %d in order, %d remembered", c, len(r.order), len(r.of))
	}
}

func TestIdentityFromANameRoundTrips(t *testing.T) {
	for name, want := range map[string]bool{
		"web-0": true, "my-web-12": true, "web-01": false, "web": false, "-1": false, "web-": false, "web-99999999999": false, "web-x": false,
	} {
		id, ok := identity.Named("default", name)
		if ok != want || ok && id.Name() != name {
			t.Errorf("%q: %v, %v; want %v", name, id, ok, want)
		}
	}
}

func TestHoldMessageSaysWhereAndWhatReleases(t *testing.T) {
	got := holdMessage(recorded(v1alpha1.InDoubt), fence.Judge(fence.Facts{Sight: fence.SightLive, Deleting: true, Bound: true, Containers: fence.ContainersRunning}))
	for _, part := range []string{"incarnation old", "on node a", "What would release it", "attestation"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q does not contain %q", got, part)
		}
	}
}

// TestOnlyARefusalThatCannotEndLetsGoOfTheProof: what is refused today for want of
// a role may be taken tomorrow, and until then the pod's object is the proof.
func TestOnlyARefusalThatCannotEndLetsGoOfTheProof(t *testing.T) {
	tenancies := v1alpha1.Resource("tenancies")
	terminating := apierrors.NewForbidden(tenancies, "web-0", errors.New("the namespace is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: v1.NamespaceTerminatingCause}}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"there is no record, and none was to be made":         {store.ErrNoRecord, true},
		"the record contradicts itself":                       {tenancy.ErrUnreadable, true},
		"the namespace takes no new records":                  {terminating, true},
		"a role is missing":                                   {apierrors.NewForbidden(tenancies, "web-0", errors.New("no role")), false},
		"the API server does not serve the resource just now": {apierrors.NewNotFound(tenancies, "web-0"), false},
		"the API server is overloaded":                        {apierrors.NewTooManyRequests("later", 1), false},
	} {
		if got := refusedForGood(fmt.Errorf("closing: %w", tc.err)); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}
