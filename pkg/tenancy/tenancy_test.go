package tenancy

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

const (
	own   types.UID = "uid-own"
	other types.UID = "uid-other"
)

var (
	web0  = identity.Identity{Namespace: "shop", Set: "web", Ordinal: 0}
	now   = time.Unix(1_700_000_000, 0)
	later = now.Add(time.Minute)
)

// unknownPhase is what a later version of Holdfast might write.
const unknownPhase v1alpha1.Phase = "Suspended"

// recordIn returns a record of the incarnation in the phase, consistent wherever
// the phase allows it.
func recordIn(phase v1alpha1.Phase, uid types.UID) *v1alpha1.Tenancy {
	r := New(web0)
	r.Status = v1alpha1.TenancyStatus{Phase: phase}
	if phase == v1alpha1.Vacant || phase == "" {
		return r
	}
	r.Status.Epoch = 40
	r.Status.Incarnation = &v1alpha1.Incarnation{
		PodUID:  uid,
		Nodes:   []v1alpha1.CandidateNode{{Name: "node-a", UID: "uid-of-node-a", BootIDs: []string{"boot-1"}}},
		Volumes: []v1alpha1.VolumeUse{{Claim: "data-web-0", Volume: "pv-1"}},
	}
	if phase == v1alpha1.Over {
		r.Status.Evidence = evidence(uid)
	}
	return r
}

func evidence(uid types.UID) *v1alpha1.Evidence {
	return &v1alpha1.Evidence{Kind: v1alpha1.KubeletConfirmed, PodUID: uid, Source: "guard", Time: metav1.NewTime(now)}
}

// records are all the records that there are from the point of view of own: every
// phase, of the same and of another incarnation, and those that are not as they
// should be.
func records() map[string]*v1alpha1.Tenancy {
	out := map[string]*v1alpha1.Tenancy{
		"no record":     nil,
		"vacant":        recordIn(v1alpha1.Vacant, ""),
		"without phase": recordIn("", ""),
	}
	for _, phase := range []v1alpha1.Phase{v1alpha1.Occupied, v1alpha1.InDoubt, v1alpha1.Over, unknownPhase} {
		for _, uid := range []types.UID{own, other} {
			out[fmt.Sprintf("%s, %s", phase, uid)] = recordIn(phase, uid)
		}
	}
	for name, broken := range brokenRecords() {
		out[name] = broken
	}
	return out
}

func brokenRecords() map[string]*v1alpha1.Tenancy {
	edit := func(phase v1alpha1.Phase, uid types.UID, f func(*v1alpha1.TenancyStatus)) *v1alpha1.Tenancy {
		r := recordIn(phase, uid)
		f(&r.Status)
		return r
	}
	nobody := func(s *v1alpha1.TenancyStatus) { s.Incarnation = nil }
	return map[string]*v1alpha1.Tenancy{
		"broken: vacant, with an incarnation":         edit(v1alpha1.Over, other, func(s *v1alpha1.TenancyStatus) { s.Phase = v1alpha1.Vacant }),
		"broken: without phase, with an incarnation":  edit(v1alpha1.Occupied, other, func(s *v1alpha1.TenancyStatus) { s.Phase = "" }),
		"broken: occupied by nobody":                  edit(v1alpha1.Occupied, other, nobody),
		"broken: in doubt about nobody":               edit(v1alpha1.InDoubt, other, nobody),
		"broken: occupied by a pod without a UID":     edit(v1alpha1.Occupied, "", func(*v1alpha1.TenancyStatus) {}),
		"broken: over, about nobody":                  edit(v1alpha1.Over, other, nobody),
		"broken: over, without evidence":              edit(v1alpha1.Over, other, func(s *v1alpha1.TenancyStatus) { s.Evidence = nil }),
		"broken: over, by evidence about another pod": edit(v1alpha1.Over, other, func(s *v1alpha1.TenancyStatus) { s.Evidence = evidence(own) }),
	}
}

// transition is one of the package's functions, applied to the incarnation own.
type transition func(*v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error)

func transitions() map[string]transition {
	inc := v1alpha1.Incarnation{
		PodUID:  own,
		Nodes:   []v1alpha1.CandidateNode{{Name: "node-b", UID: "uid-of-node-b", BootIDs: []string{"boot-2"}}},
		Volumes: []v1alpha1.VolumeUse{{Claim: "logs-web-0"}},
	}
	return map[string]transition{
		"Open":  func(r *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) { return Open(r, inc, later) },
		"Adopt": func(r *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) { return Adopt(r, inc, later) },
		"Doubt": func(r *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) { return Doubt(r, own, later) },
		"Close": func(r *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
			ev := evidence(own)
			ev.Time = metav1.NewTime(later)
			return Close(r, *ev)
		},
		"Observe": func(r *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
			status, _, err := Observe(r, own, Observation{ContainerSeen: true, Node: "node-a", NodeUID: "uid-of-node-a", BootID: "boot-2"})
			return status, err
		},
		"Hold": func(r *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
			status, _ := Hold(r, own, v1alpha1.HeldByGuard, "The kubelet is silent.", later)
			return status, nil
		},
	}
}

// TestEveryTransitionOfEveryRecord spells out where each call leads from each
// record; what is not in the table is an error.
func TestEveryTransitionOfEveryRecord(t *testing.T) {
	const occupied, inDoubt, over = v1alpha1.Occupied, v1alpha1.InDoubt, v1alpha1.Over
	want := map[string]map[string]v1alpha1.Phase{
		"Open": {
			"no record": occupied, "vacant": occupied, "without phase": occupied,
			"Occupied, uid-own": occupied, "Over, uid-other": occupied,
		},
		"Adopt": {
			"no record": occupied, "vacant": occupied, "without phase": occupied,
			"Occupied, uid-own": occupied, "InDoubt, uid-own": inDoubt, "Over, uid-own": over, "Over, uid-other": occupied,
		},
		"Doubt":   {"Occupied, uid-own": inDoubt, "InDoubt, uid-own": inDoubt, "Over, uid-own": over},
		"Observe": {"Occupied, uid-own": occupied, "InDoubt, uid-own": inDoubt, "Over, uid-own": over},
		"Close":   {"Occupied, uid-own": over, "InDoubt, uid-own": over, "Over, uid-own": over},
	}
	for name, do := range transitions() {
		for recordName, record := range records() {
			t.Run(name+" on "+recordName, func(t *testing.T) {
				got, err := do(record)
				wantPhase, ok := want[name][recordName]
				if name == "Hold" {
					// The condition is a remark about the record, whatever stands in it.
					wantPhase, ok = "", true
					if record != nil {
						wantPhase = record.Status.Phase
					}
				}
				switch {
				case ok && err != nil:
					t.Errorf("got error %v, want phase %s", err, wantPhase)
				case ok && got.Phase != wantPhase:
					t.Errorf("got phase %q, want %q", got.Phase, wantPhase)
				case !ok && err == nil:
					t.Errorf("got %+v, want an error", got)
				case !ok && !reflect.DeepEqual(got, v1alpha1.TenancyStatus{}):
					t.Errorf("got a status beside the error: %+v", got)
				}
			})
		}
	}
}

func TestProperties(t *testing.T) {
	for name, do := range transitions() {
		for recordName, record := range records() {
			before := record.DeepCopy()
			after, err := do(record)
			t.Run(name+" on "+recordName, func(t *testing.T) {
				if !reflect.DeepEqual(record, before) {
					t.Errorf("the argument was changed:\nbefore %+v\nafter  %+v", before, record)
				}
				if err != nil || before == nil && name == "Hold" {
					return
				}
				var old v1alpha1.TenancyStatus
				if before != nil {
					old = before.Status
				}
				if after.Epoch < old.Epoch {
					t.Errorf("the epoch fell from %d to %d", old.Epoch, after.Epoch)
				}
				if changedHands(old, after) != (after.Epoch > old.Epoch) {
					t.Errorf("the epoch goes from %d to %d, and the incarnation from %+v to %+v", old.Epoch, after.Epoch, old.Incarnation, after.Incarnation)
				}
				if changedHands(old, after) && before != nil && Unclean(before) {
					t.Errorf("the unclean incarnation %+v was replaced by %+v", old.Incarnation, after.Incarnation)
				}
				if after.Phase == v1alpha1.Over && old.Phase != v1alpha1.Over && name != "Close" {
					t.Error("Over was reached by something else than Close")
				}
				if after.Phase == v1alpha1.Over && name != "Hold" && (after.Evidence == nil || after.Evidence.PodUID != after.Incarnation.PodUID) {
					t.Errorf("Over without evidence about its own incarnation: %+v", after)
				}
				if after.Phase == v1alpha1.Occupied && after.Evidence != nil {
					t.Errorf("occupied, with evidence that it is over: %+v", after.Evidence)
				}
				if contradiction(old) == "" && contradiction(after) != "" {
					t.Errorf("a sound record became unsound: %s", contradiction(after))
				}
				again, err := do(withStatus(after))
				if err != nil || !reflect.DeepEqual(again, after) {
					t.Errorf("not the same the second time: %+v, %v, want %+v", again, err, after)
				}
				scribble(&after)
				if !reflect.DeepEqual(record, before) {
					t.Error("the status shares memory with the argument")
				}
			})
		}
	}
}

func changedHands(old, next v1alpha1.TenancyStatus) bool {
	switch {
	case next.Incarnation == nil:
		return false
	case old.Incarnation == nil:
		return true
	}
	return old.Incarnation.PodUID != next.Incarnation.PodUID
}

func withStatus(status v1alpha1.TenancyStatus) *v1alpha1.Tenancy {
	r := New(web0)
	r.Status = *status.DeepCopy()
	return r
}

// scribble writes into everything that a status points to.
func scribble(s *v1alpha1.TenancyStatus) {
	if s.Incarnation != nil {
		s.Incarnation.PodUID = "scribble"
		for i := range s.Incarnation.Nodes {
			s.Incarnation.Nodes[i].Name = "scribble"
			for j := range s.Incarnation.Nodes[i].BootIDs {
				s.Incarnation.Nodes[i].BootIDs[j] = "scribble"
			}
		}
		for i := range s.Incarnation.Volumes {
			s.Incarnation.Volumes[i].Claim = "scribble"
		}
	}
	if s.Evidence != nil {
		s.Evidence.Kind = "scribble"
	}
	for i := range s.Conditions {
		s.Conditions[i].Message = "scribble"
	}
}

func TestJudge(t *testing.T) {
	want := map[string]Verdict{
		"no record":               {Reason: ReasonNoRecord},
		"vacant":                  {Reason: ReasonVacant},
		"without phase":           {Reason: ReasonVacant},
		"Over, uid-other":         {Reason: ReasonOver},
		"Over, uid-own":           {Held: true, Reason: ReasonEnded},
		"Occupied, uid-own":       {Reason: ReasonSameIncarnation},
		"Occupied, uid-other":     {Held: true, Reason: ReasonOccupied},
		"InDoubt, uid-own":        {Held: true, Reason: ReasonInDoubt},
		"InDoubt, uid-other":      {Held: true, Reason: ReasonInDoubt},
		"Suspended, uid-own":      {Held: true, Reason: ReasonUnreadable},
		"Suspended, uid-other":    {Held: true, Reason: ReasonUnreadable},
		"anything that is broken": {Held: true, Reason: ReasonUnreadable},
	}
	for name, record := range records() {
		t.Run(name, func(t *testing.T) {
			w, ok := want[name]
			if strings.HasPrefix(name, "broken: ") {
				w, ok = want["anything that is broken"], true
			}
			if !ok {
				t.Fatal("the table has no line for it")
			}
			got := Judge(record, own)
			if got.Held != w.Held || got.Reason != w.Reason {
				t.Errorf("got %+v, want %+v", got, w)
			}
			if got.Message == "" || got.Held && !strings.Contains(got.Message, "would") {
				t.Errorf("the message does not say why and what would release it: %q", got.Message)
			}
			// Both lines of defence ask the same question.
			if _, err := Open(record, v1alpha1.Incarnation{PodUID: own}, now); errors.Is(err, ErrHeld) != got.Held {
				t.Errorf("Judge says held=%v and Open says %v", got.Held, err)
			}
		})
	}
}

func TestAHeldOpenCarriesTheVerdict(t *testing.T) {
	record := recordIn(v1alpha1.InDoubt, other)
	_, err := Open(record, v1alpha1.Incarnation{PodUID: own}, now)
	var held *HeldError
	if !errors.As(fmt.Errorf("tenancy web-0: %w", err), &held) || held.Verdict != Judge(record, own) {
		t.Errorf("got %v, want the verdict %+v", err, Judge(record, own))
	}
}

func TestUnclean(t *testing.T) {
	clean := []string{"no record", "vacant", "without phase", "Over, uid-own", "Over, uid-other"}
	for name, record := range records() {
		if got, want := Unclean(record), !slices.Contains(clean, name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestNewIsAVacantRecordThatCannotBeDeletedUnnoticed(t *testing.T) {
	got := New(identity.Identity{Namespace: "shop", Set: "web", Ordinal: 7})
	want := &v1alpha1.Tenancy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-7", Finalizers: []string{v1alpha1.TenancyFinalizer}},
		Spec:       v1alpha1.TenancySpec{StatefulSet: "web", Ordinal: 7},
		Status:     v1alpha1.TenancyStatus{Phase: v1alpha1.Vacant},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEpoch(t *testing.T) {
	first, err := Open(New(web0), v1alpha1.Incarnation{PodUID: own}, now)
	if err != nil || first.Epoch != now.Unix() {
		t.Fatalf("the first epoch is %d (%v), want the Unix seconds %d", first.Epoch, err, now.Unix())
	}
	ended, err := Close(withStatus(first), *evidence(own))
	if err != nil {
		t.Fatal(err)
	}
	// A clock that went back must not matter once there is a record.
	second, err := Open(withStatus(ended), v1alpha1.Incarnation{PodUID: other}, now.Add(-time.Hour))
	if err != nil || second.Epoch != first.Epoch+1 {
		t.Errorf("the second epoch is %d (%v), want %d", second.Epoch, err, first.Epoch+1)
	}
	stopped, err := Open(New(web0), v1alpha1.Incarnation{PodUID: own}, time.Time{})
	if err != nil || stopped.Epoch < 1 {
		t.Errorf("without a clock the epoch is %d (%v), want at least 1", stopped.Epoch, err)
	}
}

func TestARetriedBindMergesItsNodes(t *testing.T) {
	status, err := Open(recordIn(v1alpha1.Occupied, own), v1alpha1.Incarnation{
		PodUID: own,
		Nodes:  []v1alpha1.CandidateNode{{Name: "node-b"}, {Name: "node-a", UID: "uid-of-node-a", BootIDs: []string{"boot-1", "boot-9"}}, {Name: "node-a", UID: "uid-of-another-node-a"}},
		Volumes: []v1alpha1.VolumeUse{
			{Claim: "data-web-0"}, {Claim: "logs-web-0", Volume: "pv-2"},
		},
	}, later)
	if err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.TenancyStatus{
		Phase: v1alpha1.Occupied, Epoch: 40,
		Incarnation: &v1alpha1.Incarnation{
			PodUID: own,
			Nodes: []v1alpha1.CandidateNode{
				{Name: "node-a", UID: "uid-of-node-a", BootIDs: []string{"boot-1", "boot-9"}},
				{Name: "node-b"},
				{Name: "node-a", UID: "uid-of-another-node-a"},
			},
			Volumes: []v1alpha1.VolumeUse{{Claim: "data-web-0", Volume: "pv-1"}, {Claim: "logs-web-0", Volume: "pv-2"}},
		},
	}
	if !reflect.DeepEqual(status, want) {
		t.Errorf("got  %+v\nwant %+v", status.Incarnation, want.Incarnation)
	}
}

func TestAFullListOfNodesRefuses(t *testing.T) {
	record := recordIn(v1alpha1.Occupied, own)
	for i := len(record.Status.Incarnation.Nodes); i < NodesMax; i++ {
		record.Status.Incarnation.Nodes = append(record.Status.Incarnation.Nodes, v1alpha1.CandidateNode{Name: fmt.Sprintf("node-%d", i)})
	}
	ninth := v1alpha1.Incarnation{PodUID: own, Nodes: []v1alpha1.CandidateNode{{Name: "node-z"}}}
	if _, err := Open(record, ninth, now); !errors.Is(err, ErrTooManyNodes) {
		t.Errorf("Open: got %v, want %v", err, ErrTooManyNodes)
	}
	if _, err := Adopt(record, ninth, now); !errors.Is(err, ErrTooManyNodes) {
		t.Errorf("Adopt: got %v, want %v", err, ErrTooManyNodes)
	}
	if _, _, err := Observe(record, own, Observation{Node: "node-z"}); !errors.Is(err, ErrTooManyNodes) {
		t.Errorf("Observe: got %v, want %v", err, ErrTooManyNodes)
	}
	ninth.Nodes[0].Name = "node-a"
	if _, err := Open(record, ninth, now); err != nil {
		t.Errorf("a node that is on the list already: %v", err)
	}
}

func TestAFullListOfVolumesRefuses(t *testing.T) {
	inc := v1alpha1.Incarnation{PodUID: own}
	for i := range VolumesMax + 1 {
		inc.Volumes = append(inc.Volumes, v1alpha1.VolumeUse{Claim: fmt.Sprintf("claim-%d", i)})
	}
	if _, err := Open(nil, inc, now); !errors.Is(err, ErrTooManyVolumes) {
		t.Errorf("got %v, want %v", err, ErrTooManyVolumes)
	}
}

func TestTheNewestBootsAreKept(t *testing.T) {
	record := recordIn(v1alpha1.Occupied, own)
	for i := range BootIDsMax + 3 {
		status, changed, err := Observe(record, own, Observation{Node: "node-a", BootID: fmt.Sprintf("later-%d", i)})
		if err != nil || !changed {
			t.Fatalf("boot %d: changed=%v, %v", i, changed, err)
		}
		record = withStatus(status)
	}
	got := record.Status.Incarnation.Nodes[0].BootIDs
	if len(got) != BootIDsMax || got[len(got)-1] != fmt.Sprintf("later-%d", BootIDsMax+2) || slices.Contains(got, "boot-1") {
		t.Errorf("got %v, want the %d newest", got, BootIDsMax)
	}
}

func TestObserve(t *testing.T) {
	tests := map[string]struct {
		phase       v1alpha1.Phase
		observation Observation
		wantChanged bool
	}{
		"nothing is no news":                   {v1alpha1.Occupied, Observation{}, false},
		"what is on the record is no news":     {v1alpha1.Occupied, Observation{Node: "node-a", NodeUID: "uid-of-node-a", BootID: "boot-1"}, false},
		"a container":                          {v1alpha1.Occupied, Observation{ContainerSeen: true}, true},
		"a container while in doubt":           {v1alpha1.InDoubt, Observation{ContainerSeen: true}, true},
		"a container after it is over is none": {v1alpha1.Over, Observation{ContainerSeen: true, Node: "node-z"}, false},
		"another boot":                         {v1alpha1.Occupied, Observation{Node: "node-a", BootID: "boot-2"}, true},
		"another node":                         {v1alpha1.Occupied, Observation{Node: "node-b"}, true},
		"another node of the same name":        {v1alpha1.Occupied, Observation{Node: "node-a", NodeUID: "uid-of-another-node-a"}, true},
		"a node that appears while in doubt":   {v1alpha1.InDoubt, Observation{Node: "node-a", NodeUID: "uid-of-another-node-a", BootID: "boot-9"}, false},
		"a later boot of another machine":      {v1alpha1.InDoubt, Observation{Node: "node-a", NodeUID: "uid-of-node-a", Machine: "another", BootID: "boot-9"}, false},
		"another machine took the node over":   {v1alpha1.Occupied, Observation{Node: "node-a", NodeUID: "uid-of-node-a", Machine: "another", BootID: "boot-9"}, true},
		"a later boot":                         {v1alpha1.InDoubt, Observation{Node: "node-a", NodeUID: "uid-of-node-a", BootID: "boot-9"}, true},
		"a later boot of nobody knows which":   {v1alpha1.InDoubt, Observation{Node: "node-a", BootID: "boot-9"}, false},
		"the boot that it ran on, in doubt":    {v1alpha1.InDoubt, Observation{Node: "node-a", NodeUID: "uid-of-node-a", BootID: "boot-1"}, false},
		"the end of its node":                  {v1alpha1.Occupied, Observation{Node: "node-a", NodeUID: "uid-of-node-a", Removal: &v1alpha1.NodeRemoval{}}, true},
		"the end of its node while in doubt":   {v1alpha1.InDoubt, Observation{Node: "node-a", NodeUID: "uid-of-node-a", Removal: &v1alpha1.NodeRemoval{}}, true},
		"the end of another node of its name":  {v1alpha1.InDoubt, Observation{Node: "node-a", NodeUID: "uid-of-another-node-a", Removal: &v1alpha1.NodeRemoval{}}, false},
		"a boot without a node is of nothing":  {v1alpha1.Occupied, Observation{BootID: "boot-2"}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			record := recordIn(tc.phase, own)
			status, changed, err := Observe(record, own, tc.observation)
			if err != nil || changed != tc.wantChanged {
				t.Fatalf("changed=%v, %v, want %v", changed, err, tc.wantChanged)
			}
			if same := reflect.DeepEqual(status, record.Status); same == changed {
				t.Errorf("changed=%v, but the status is %+v", changed, status)
			}
		})
	}
}

// TestBootsAfterTheDeletion: what was seen before the doubt may run the pod, what is
// reported after it is later, and a boot that may start pods from an old list is not.
func TestBootsAfterTheDeletion(t *testing.T) {
	record := recordIn(v1alpha1.InDoubt, own)
	see := func(boot string, stale bool) v1alpha1.CandidateNode {
		t.Helper()
		status, _, err := Observe(record, own, Observation{Node: "node-a", NodeUID: "uid-of-node-a", BootID: boot, StaleBoot: stale})
		if err != nil {
			t.Fatal(err)
		}
		record.Status = status
		return status.Incarnation.Nodes[0]
	}
	see("boot-old-kubelet", true)
	see("boot-2", false)
	see("boot-2", false)
	see("boot-old-kubelet", false)
	see("boot-3", false)
	got := see("boot-4", false)
	want := v1alpha1.CandidateNode{
		Name: "node-a", UID: "uid-of-node-a",
		BootIDs: []string{"boot-1", "boot-old-kubelet"}, LaterBootIDs: []string{"boot-2", "boot-3"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestANodeThatWasRecordedWithoutAUIDStaysUnknown: the node that has the name now
// may be another machine, and what is said of it must not count for the first.
func TestANodeThatWasRecordedWithoutAUIDStaysUnknown(t *testing.T) {
	record := recordIn(v1alpha1.Occupied, own)
	record.Status.Incarnation.Nodes = []v1alpha1.CandidateNode{{Name: "node-a"}}
	status, _, err := Observe(record, own, Observation{Node: "node-a", NodeUID: "uid-of-node-a", BootID: "boot-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []v1alpha1.CandidateNode{{Name: "node-a"}, {Name: "node-a", UID: "uid-of-node-a", BootIDs: []string{"boot-1"}}}
	if !reflect.DeepEqual(status.Incarnation.Nodes, want) {
		t.Errorf("got %+v, want %+v", status.Incarnation.Nodes, want)
	}
}

// TestAGroundMayComeAfterTheEndOfTheNode: the cloud's event is written on its own.
func TestAGroundMayComeAfterTheEndOfTheNode(t *testing.T) {
	record := recordIn(v1alpha1.InDoubt, own)
	for _, ground := range []v1alpha1.RemovalGround{"", v1alpha1.InstanceGone, ""} {
		status, _, err := Observe(record, own, Observation{
			Node: "node-a", NodeUID: "uid-of-node-a", Removal: &v1alpha1.NodeRemoval{Ground: ground},
		})
		if err != nil {
			t.Fatal(err)
		}
		record.Status = status
	}
	if got := record.Status.Incarnation.Nodes[0].Removal.Ground; got != v1alpha1.InstanceGone {
		t.Errorf("the ground is %q", got)
	}
}

func TestACloseRefusesWhatIsNoEvidence(t *testing.T) {
	tests := map[string]struct {
		ev   v1alpha1.Evidence
		want error
	}{
		"a kind that no rule has": {v1alpha1.Evidence{Kind: "Timeout", PodUID: own}, ErrUnknownEvidence},
		"no kind":                 {v1alpha1.Evidence{PodUID: own}, ErrUnknownEvidence},
		"no pod":                  {v1alpha1.Evidence{Kind: v1alpha1.Attested}, ErrNoPodUID},
		"another pod":             {v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: other}, ErrOtherIncarnation},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Close(recordIn(v1alpha1.InDoubt, own), tc.ev); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestTheFirstReceiptStays(t *testing.T) {
	record := recordIn(v1alpha1.Over, own)
	status, err := Close(record, v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: own, Source: "ops", Time: metav1.NewTime(later)})
	if err != nil || !reflect.DeepEqual(status, record.Status) {
		t.Errorf("got %+v, %v, want the status as it was", status, err)
	}
}

func TestHold(t *testing.T) {
	record := recordIn(v1alpha1.InDoubt, own)
	held := func(status v1alpha1.TenancyStatus) metav1.Condition {
		t.Helper()
		if len(status.Conditions) != 1 {
			t.Fatalf("got %d conditions, want 1", len(status.Conditions))
		}
		return status.Conditions[0]
	}
	step := func(by, message string, at time.Time, wantChanged bool, want metav1.Condition) {
		t.Helper()
		status, changed := Hold(record, own, by, message, at)
		if changed != wantChanged {
			t.Errorf("%s at %v: changed=%v, want %v", by, at, changed, wantChanged)
		}
		want.Type = v1alpha1.HeldCondition
		if got := held(status); got != want {
			t.Errorf("%s at %v:\ngot  %+v\nwant %+v", by, at, got, want)
		}
		record = withStatus(status)
	}
	since := metav1.NewTime(now)
	byGuard := metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.HeldByGuard, Message: "a", LastTransitionTime: since}
	step(v1alpha1.HeldByGuard, "a", now, true, byGuard)
	step(v1alpha1.HeldByGuard, "a", later, false, byGuard)
	// The other line of defence takes over: still held, and since the same time.
	step(v1alpha1.HeldByScheduler, "b", later, true, metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.HeldByScheduler, Message: "b", LastTransitionTime: since})

	closed, err := Close(record, v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: own, Time: metav1.NewTime(later)})
	if err != nil {
		t.Fatal(err)
	}
	if got := held(closed); got.Status != metav1.ConditionFalse || got.Reason != v1alpha1.NotHeld || got.LastTransitionTime != metav1.NewTime(later) {
		t.Errorf("closing left the condition at %+v", got)
	}
}

// Of two guards one may say that it holds when the other one has released: nobody would
// ever take it back.
func TestHoldOfWhatIsNotHeldAnyMoreChangesNothing(t *testing.T) {
	for name, record := range map[string]*v1alpha1.Tenancy{
		"over":                recordIn(v1alpha1.Over, own),
		"another incarnation": recordIn(v1alpha1.Occupied, other),
		"vacant":              recordIn(v1alpha1.Vacant, ""),
		"no record":           nil,
	} {
		before := record.DeepCopy()
		status, changed := Hold(record, own, v1alpha1.HeldByGuard, "silent", now)
		if changed || record != nil && !reflect.DeepEqual(status, before.Status) {
			t.Errorf("%s: changed: %t, status %+v", name, changed, status)
		}
	}
}

// TestWhatEndedAnIncarnationOutlivesAttempts: what a machine has left attached is judged
// by how the incarnation on it went, also when binds of the next one fail in between.
func TestWhatEndedAnIncarnationOutlivesAttempts(t *testing.T) {
	r := recordIn(v1alpha1.Over, other)
	r.Status.Evidence.Kind = v1alpha1.Fenced
	for i, uid := range []types.UID{own, "uid-third"} {
		status, err := Open(r, v1alpha1.Incarnation{PodUID: uid}, later)
		if err != nil {
			t.Fatal(err)
		}
		r.Status = status
		if by := r.Status.DepartedBy; by == nil || by.Kind != v1alpha1.Fenced || by.PodUID != other {
			t.Fatalf("after %d attempts: departed by %+v", i+1, by)
		}
		if r.Status, err = Close(r, v1alpha1.Evidence{Kind: v1alpha1.NeverBound, PodUID: uid}); err != nil {
			t.Fatal(err)
		}
	}
	r.Status.Evidence.Kind = v1alpha1.KubeletConfirmed // As if it had been bound.
	status, err := Open(r, v1alpha1.Incarnation{PodUID: "uid-fourth"}, later)
	if err != nil || status.DepartedBy == nil || status.DepartedBy.PodUID != "uid-third" {
		t.Errorf("after one that was bound: %+v, %v", status.DepartedBy, err)
	}
}

// TestAnAdoptedIncarnationIsNotReportedYet: that nobody can say that no container was seen
// is no word of its kubelet (H20).
func TestAnAdoptedIncarnationIsNotReportedYet(t *testing.T) {
	status, err := Adopt(nil, v1alpha1.Incarnation{PodUID: own, ContainerSeen: true}, now)
	if err != nil || status.Incarnation.Reported {
		t.Fatalf("%+v, %v", status.Incarnation, err)
	}
	r := New(web0)
	r.Status = status
	status, changed, err := Observe(r, own, Observation{ContainerSeen: true})
	if err != nil || !changed || !status.Incarnation.Reported {
		t.Errorf("after its kubelet reported it: %+v, %t, %v", status.Incarnation, changed, err)
	}
}
