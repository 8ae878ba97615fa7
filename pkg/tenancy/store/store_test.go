package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned/fake"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// These tests are about the loop around the transitions: what is read, written,
// repeated and refused. That the API server keeps its side of the compare-and-swap
// is not for a fake to show.

var (
	web0   = identity.Identity{Namespace: "shop", Set: "web", Ordinal: 0}
	now    = time.Unix(1_700_000_000, 0)
	first  = v1alpha1.Incarnation{PodUID: "uid-1", Nodes: []v1alpha1.CandidateNode{{Name: "node-a"}}}
	second = v1alpha1.Incarnation{PodUID: "uid-2", Nodes: []v1alpha1.CandidateNode{{Name: "node-b"}}}

	tenancies = v1alpha1.SchemeGroupVersion.WithResource("tenancies").GroupResource()
)

// occupied is the record of the first incarnation.
func occupied(t *testing.T) *v1alpha1.Tenancy {
	t.Helper()
	record := tenancy.New(web0)
	status, err := tenancy.Open(record, first, now)
	if err != nil {
		t.Fatal(err)
	}
	record.Status = status
	return record
}

// over is the same, ended by an attestation.
func over(t *testing.T) *v1alpha1.Tenancy {
	t.Helper()
	record := occupied(t)
	status, err := tenancy.Close(record, v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: first.PodUID, Source: "ops", Time: metav1.NewTime(now)})
	if err != nil {
		t.Fatal(err)
	}
	record.Status = status
	return record
}

// server is the fake clientset and what it was asked.
func server(objects ...runtime.Object) (*Store, *fake.Clientset) {
	client := fake.NewSimpleClientset(objects...)
	return New(client), client
}

// fail answers the verb on the subresource with the error, the first times.
func fail(client *fake.Clientset, verb, subresource string, times int, err error) {
	client.PrependReactor(verb, "tenancies", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if times == 0 || action.GetSubresource() != subresource {
			return false, nil, nil
		}
		times--
		return true, nil, err
	})
}

// verbs lists what was asked, in order: "get", "create", "update", "update/status".
func verbs(client *fake.Clientset) string {
	var out []string
	for _, a := range client.Actions() {
		verb := a.GetVerb()
		if a.GetSubresource() != "" {
			verb += "/" + a.GetSubresource()
		}
		out = append(out, verb)
	}
	return strings.Join(out, " ")
}

func TestTheFirstIncarnationMakesTheRecord(t *testing.T) {
	s, client := server()
	got, err := s.Open(t.Context(), web0, first, now)
	if err != nil {
		t.Fatal(err)
	}
	if want := "get create update/status"; verbs(client) != want {
		t.Errorf("asked %q, want %q", verbs(client), want)
	}
	created := client.Actions()[1].(clienttesting.CreateAction).GetObject().(*v1alpha1.Tenancy)
	if len(created.Finalizers) != 1 || created.Finalizers[0] != v1alpha1.TenancyFinalizer {
		t.Errorf("created with the finalizers %v: a delete between the two writes would go through", created.Finalizers)
	}
	if got.Status.Phase != v1alpha1.Occupied || got.Status.Epoch != now.Unix() {
		t.Errorf("got %+v", got.Status)
	}
}

func TestARefusedTransitionWritesNothing(t *testing.T) {
	tests := map[string]struct {
		objects []runtime.Object
		do      func(*Store) error
		want    error
	}{
		"another incarnation is in the way": {
			[]runtime.Object{occupied(t)},
			func(s *Store) error { _, err := s.Open(t.Context(), web0, second, now); return err }, tenancy.ErrHeld,
		},
		"an incarnation without a UID makes no record": {
			nil,
			func(s *Store) error { _, err := s.Adopt(t.Context(), web0, v1alpha1.Incarnation{}, now); return err }, tenancy.ErrNoPodUID,
		},
		"there is no record to doubt": {
			nil,
			func(s *Store) error { _, err := doubt(t.Context(), s); return err }, ErrNoRecord,
		},
		"there is no record to attest on": {
			nil,
			func(s *Store) error { return s.Attest(t.Context(), web0, v1alpha1.Attestation{PodUID: first.PodUID}) }, ErrNoRecord,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, client := server(tc.objects...)
			err := tc.do(s)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), "shop/web-0") {
				t.Errorf("got %v, want %v that names shop/web-0", err, tc.want)
			}
			if verbs(client) != "get" {
				t.Errorf("asked %q, want only the read", verbs(client))
			}
		})
	}
}

// observe adds what was seen of the first incarnation, as the guard does.
func observe(ctx context.Context, s *Store, seen tenancy.Observation) (*v1alpha1.Tenancy, error) {
	return s.Update(ctx, web0, func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
		return tenancy.ObserveAll(record, first.PodUID, seen)
	})
}

func TestNothingIsWrittenWhereNothingChanges(t *testing.T) {
	tests := map[string]struct {
		record *v1alpha1.Tenancy
		do     func(*Store) error
	}{
		"the same bind again": {occupied(t), func(s *Store) error { _, err := s.Open(t.Context(), web0, first, now); return err }},
		"the same sight again": {occupied(t), func(s *Store) error {
			_, err := observe(t.Context(), s, tenancy.Observation{Node: "node-a"})
			return err
		}},
		"doubt about what is over": {over(t), func(s *Store) error { _, err := doubt(t.Context(), s); return err }},
		"closing what is over": {over(t), func(s *Store) error {
			_, err := s.Close(t.Context(), web0, v1alpha1.Evidence{Kind: v1alpha1.KubeletConfirmed, PodUID: first.PodUID})
			return err
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, client := server(tc.record)
			if err := tc.do(s); err != nil {
				t.Fatal(err)
			}
			if verbs(client) != "get" {
				t.Errorf("asked %q, want only the read", verbs(client))
			}
		})
	}
}

func TestTheLoserOfARaceReadsAgain(t *testing.T) {
	conflict := apierrors.NewConflict(tenancies, "web-0", errors.New("the object has been modified"))
	exists := apierrors.NewAlreadyExists(tenancies, "web-0")
	gone := apierrors.NewNotFound(tenancies, "web-0")
	tests := map[string]struct {
		objects           []runtime.Object
		verb, subresource string
		err               error
		want              string
	}{
		"a conflict":                       {[]runtime.Object{over(t)}, "update", "status", conflict, "get update/status get update/status"},
		"the record went away":             {[]runtime.Object{over(t)}, "update", "status", gone, "get update/status get update/status"},
		"somebody else made the record":    {nil, "create", "", exists, "get create get create update/status"},
		"a conflict on a record just made": {nil, "update", "status", conflict, "get create update/status get update/status"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, client := server(tc.objects...)
			fail(client, tc.verb, tc.subresource, 1, tc.err)
			got, err := s.Open(t.Context(), web0, second, now)
			if err != nil || got.Status.Incarnation.PodUID != second.PodUID {
				t.Errorf("got %+v, %v", got, err)
			}
			if verbs(client) != tc.want {
				t.Errorf("asked %q, want %q", verbs(client), tc.want)
			}
		})
	}
}

// TestTheLoserOfARaceJudgesAgain is S9 in small: two schedulers saw the record
// over, and the other one was faster.
func TestTheLoserOfARaceJudgesAgain(t *testing.T) {
	s, client := server(over(t))
	client.PrependReactor("update", "tenancies", func(clienttesting.Action) (bool, runtime.Object, error) {
		client.ReactionChain = client.ReactionChain[1:]
		winner := over(t)
		status, err := tenancy.Open(winner, v1alpha1.Incarnation{PodUID: "uid-of-the-winner"}, now)
		if err != nil {
			t.Error(err)
		}
		winner.Status = status
		if err := client.Tracker().Update(v1alpha1.SchemeGroupVersion.WithResource("tenancies"), winner, winner.Namespace); err != nil {
			t.Error(err)
		}
		return true, nil, apierrors.NewConflict(tenancies, "web-0", errors.New("the object has been modified"))
	})
	if _, err := s.Open(t.Context(), web0, second, now); !errors.Is(err, tenancy.ErrHeld) {
		t.Errorf("got %v, want %v", err, tenancy.ErrHeld)
	}
}

func TestTheRetriesAreBounded(t *testing.T) {
	conflict := apierrors.NewConflict(tenancies, "web-0", errors.New("the object has been modified"))
	always := 10 * AttemptsMax
	tests := map[string]struct {
		record      *v1alpha1.Tenancy
		subresource string
		do          func(*Store) error
	}{
		"Open": {over(t), "status", func(s *Store) error { _, err := s.Open(t.Context(), web0, second, now); return err }},
		"Attest": {occupied(t), "", func(s *Store) error {
			return s.Attest(t.Context(), web0, v1alpha1.Attestation{PodUID: first.PodUID})
		}},
		"Forget": {deleted(over(t)), "", func(s *Store) error { return s.Forget(t.Context(), web0) }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, client := server(tc.record)
			fail(client, "update", tc.subresource, always, conflict)
			err := tc.do(s)
			if !errors.Is(err, ErrContended) || !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "shop/web-0") {
				t.Errorf("got %v, want %v, the conflict, and the name", err, ErrContended)
			}
			if got, want := len(client.Actions()), 2*AttemptsMax; got != want {
				t.Errorf("%d requests, want %d", got, want)
			}
		})
	}
}

// TestABrokenServerIsAnError: no failure is repeated or taken for an answer.
func TestABrokenServerIsAnError(t *testing.T) {
	broken := apierrors.NewInternalError(errors.New("etcd is away"))
	tests := map[string]struct {
		objects           []runtime.Object
		verb, subresource string
		want              string
	}{
		"reading": {nil, "get", "", "get"},
		"making":  {nil, "create", "", "get create"},
		"writing": {[]runtime.Object{over(t)}, "update", "status", "get update/status"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, client := server(tc.objects...)
			fail(client, tc.verb, tc.subresource, 1, broken)
			got, err := s.Open(t.Context(), web0, second, now)
			if got != nil || !apierrors.IsInternalError(err) || !strings.Contains(err.Error(), "shop/web-0") {
				t.Errorf("got %+v, %v, want the server's error and the name", got, err)
			}
			if verbs(client) != tc.want {
				t.Errorf("asked %q, want %q", verbs(client), tc.want)
			}
		})
	}
}

func TestAMissingNamespaceIsNotARace(t *testing.T) {
	s, client := server()
	fail(client, "create", "", 1, apierrors.NewNotFound(v1alpha1.Resource("namespaces"), "shop"))
	if _, err := s.Open(t.Context(), web0, first, now); !apierrors.IsNotFound(err) || errors.Is(err, ErrContended) {
		t.Errorf("got %v, want NotFound", err)
	}
	if want := "get create"; verbs(client) != want {
		t.Errorf("asked %q, want %q", verbs(client), want)
	}
}

func TestGetTellsAbsenceFromFailure(t *testing.T) {
	s, client := server()
	if got, err := s.Get(t.Context(), web0); got != nil || err != nil {
		t.Errorf("got %v, %v, want neither a record nor an error", got, err)
	}
	fail(client, "get", "", 1, apierrors.NewUnauthorized("no"))
	if got, err := s.Get(t.Context(), web0); got != nil || !apierrors.IsUnauthorized(err) {
		t.Errorf("got %v, %v, want the error", got, err)
	}
}

func TestAStoppedContextStopsTheRetries(t *testing.T) {
	s, client := server(over(t))
	ctx, cancel := context.WithCancel(t.Context())
	client.PrependReactor("update", "tenancies", func(clienttesting.Action) (bool, runtime.Object, error) {
		cancel()
		return true, nil, apierrors.NewConflict(tenancies, "web-0", errors.New("the object has been modified"))
	})
	if _, err := s.Open(ctx, web0, second, now); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if want := "get update/status"; verbs(client) != want {
		t.Errorf("asked %q, want %q", verbs(client), want)
	}
}

func TestOneLifeOfARecord(t *testing.T) {
	s, _ := server()
	ctx := t.Context()
	step := func(name string, wantPhase v1alpha1.Phase, record *v1alpha1.Tenancy, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if record.Status.Phase != wantPhase {
			t.Fatalf("%s: phase %s, want %s", name, record.Status.Phase, wantPhase)
		}
	}
	record, err := s.Adopt(ctx, web0, first, now)
	step("adopt", v1alpha1.Occupied, record, err)
	record, err = observe(ctx, s, tenancy.Observation{ContainerSeen: true, Node: "node-a", BootID: "boot-1"})
	step("observe", v1alpha1.Occupied, record, err)
	record, err = doubt(ctx, s)
	step("doubt", v1alpha1.InDoubt, record, err)
	record, err = s.Hold(ctx, web0, first.PodUID, v1alpha1.HeldByGuard, "The kubelet is silent.", now)
	step("hold", v1alpha1.InDoubt, record, err)
	if err := s.Attest(ctx, web0, v1alpha1.Attestation{PodUID: first.PodUID, Reason: "powered off", By: "ops"}); err != nil {
		t.Fatal(err)
	}
	record, err = s.Close(ctx, web0, v1alpha1.Evidence{Kind: v1alpha1.Attested, PodUID: first.PodUID, Source: "ops", Time: metav1.NewTime(now)})
	step("close", v1alpha1.Over, record, err)
	if len(record.Spec.Attestations) != 1 || len(record.Status.Conditions) != 1 || !record.Status.Incarnation.ContainerSeen {
		t.Errorf("something was lost on the way: %+v, %+v", record.Spec, record.Status)
	}
	record, err = s.Open(ctx, web0, second, now)
	step("open", v1alpha1.Occupied, record, err)
	if record.Status.Epoch != now.Unix()+1 {
		t.Errorf("epoch %d, want %d", record.Status.Epoch, now.Unix()+1)
	}
}

func TestAttestKeepsTheFirstWordAndMakesRoom(t *testing.T) {
	word := func(uid, by string) v1alpha1.Attestation {
		return v1alpha1.Attestation{PodUID: types.UID("uid-" + uid), Reason: "powered off", By: by}
	}
	full := occupied(t)
	full.Spec.Attestations = append(full.Spec.Attestations, word("1", "ops"))
	for i := 1; i < tenancy.AttestationsMax; i++ {
		full.Spec.Attestations = append(full.Spec.Attestations, word("old-"+string(rune('a'+i)), "ops"))
	}
	s, client := server(full)
	if err := s.Attest(t.Context(), web0, word("1", "somebody else")); err != nil || verbs(client) != "get" {
		t.Errorf("the same pod again: %v, asked %q", err, verbs(client))
	}
	if err := s.Attest(t.Context(), web0, word("new", "ops")); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), web0)
	if err != nil {
		t.Fatal(err)
	}
	kept := got.Spec.Attestations
	if len(kept) != tenancy.AttestationsMax || kept[0] != word("1", "ops") || kept[1] != word("old-c", "ops") || kept[len(kept)-1] != word("new", "ops") {
		t.Errorf("got %+v, want the latest incarnation's kept and the oldest other one gone", kept)
	}
}

func deleted(record *v1alpha1.Tenancy) *v1alpha1.Tenancy {
	at := metav1.NewTime(now)
	record.DeletionTimestamp = &at
	return record
}

func TestForget(t *testing.T) {
	tests := map[string]struct {
		objects   []runtime.Object
		want      error
		wantVerbs string
	}{
		"no record":                 {nil, nil, "get"},
		"deleted and over":          {[]runtime.Object{deleted(over(t))}, nil, "get update"},
		"deleted and vacant":        {[]runtime.Object{deleted(tenancy.New(web0))}, nil, "get update"},
		"deleted and occupied":      {[]runtime.Object{deleted(occupied(t))}, ErrUnclean, "get"},
		"over, but nobody deletes":  {[]runtime.Object{over(t)}, ErrNotDeleted, "get"},
		"another finalizer is left": {[]runtime.Object{withoutFinalizer(deleted(over(t)))}, nil, "get"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, client := server(tc.objects...)
			if err := s.Forget(t.Context(), web0); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if verbs(client) != tc.wantVerbs {
				t.Errorf("asked %q, want %q", verbs(client), tc.wantVerbs)
			}
		})
	}
}

// withoutFinalizer leaves another one, or there would be no object.
func withoutFinalizer(record *v1alpha1.Tenancy) *v1alpha1.Tenancy {
	record.Finalizers = []string{"example.com/other"}
	return record
}

// doubt puts the first incarnation in doubt.
func doubt(ctx context.Context, s *Store) (*v1alpha1.Tenancy, error) {
	return s.Update(ctx, web0, func(record *v1alpha1.Tenancy) (v1alpha1.TenancyStatus, error) {
		return tenancy.Doubt(record, first.PodUID, now)
	})
}
