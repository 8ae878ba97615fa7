package fence

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// allFacts returns every combination of every fact that decides: 4 sights, 3
// container states, 5 states of the machines and 10 things that are so or not.
func allFacts() []Facts {
	var out []Facts
	for _, sight := range []Sight{SightUnknown, SightLive, SightFinal, SightGone} {
		for _, containers := range []Containers{ContainersUnknown, ContainersRunning, ContainersStopped} {
			for _, machines := range machinesByTrust {
				for bits := range 1 << 10 {
					on := func(bit int) bool { return bits&(1<<bit) != 0 }
					out = append(out, Facts{
						Sight: sight, Containers: containers, Machines: machines,
						Deleting: on(0), Bound: on(1), Terminal: on(2), Filler: on(3), ContainerSeen: on(4),
						PhaseByKubelet: on(5), SandboxGone: on(6), NewBoot: on(7), Attested: on(8), Observed: on(9),
					})
				}
			}
		}
	}
	return out
}

// wanted is the documents' table written down again without looking at the rules:
// docs/design.md's evidence and docs/kubernetes-facts.md §1.6. It is as dumb as
// possible on purpose.
func wanted(f Facts) v1alpha1.EvidenceKind {
	// A tombstone or a cached object is only its last known state.
	if f.Sight == SightUnknown {
		return ""
	}
	// "The object gone": nothing of it can be read, only what is known of its machines
	// and somebody's word are left.
	if f.Sight == SightGone {
		return wantedOfOthers(f)
	}

	// From here on the object was read live or is the one of the DELETED event.

	// NeverBound: "a live read shows deletionTimestamp and an empty spec.nodeName (bind is
	// refused from then on), or the final object does."
	if !f.Bound {
		if f.Sight == SightLive && f.Deleting || f.Sight == SightFinal {
			if f.Containers == ContainersUnknown || f.Containers == ContainersStopped {
				return v1alpha1.NeverBound
			}
		}
	}

	// K: "phase in {Failed, Succeeded}, containerStatuses cover all spec containers,
	// none running, and one of (a), (b)".
	if f.Terminal && f.Containers == ContainersStopped {
		// (a) "f:phase of the status subresource is owned by the kubelet", with the
		// filler's clause "unless no containerID was ever seen for this UID".
		if f.PhaseByKubelet {
			if !f.Filler {
				return v1alpha1.KubeletConfirmed
			}
			if f.Filler && f.NewBoot {
				return v1alpha1.KubeletConfirmed
			}
			if f.Filler && !f.ContainerSeen {
				return v1alpha1.KubeletConfirmed
			}
		}
		// (b) "deletionTimestamp is set, PodReadyToStartContainers=False with
		// observedGeneration >= metadata.generation, and no terminated reason
		// ContainerStatusUnknown unless the node's bootID also changed".
		if f.Deleting && f.SandboxGone {
			if !f.Filler {
				return v1alpha1.KubeletConfirmed
			}
			if f.Filler && f.NewBoot {
				return v1alpha1.KubeletConfirmed
			}
		}
	}

	// "Every other kind needs a live read showing deletionTimestamp on this UID, or the
	// object gone."
	if f.Sight == SightLive && f.Deleting || f.Sight == SightFinal {
		return wantedOfOthers(f)
	}
	return ""
}

// wantedOfOthers: what the pod's own object says nothing of.
func wantedOfOthers(f Facts) v1alpha1.EvidenceKind {
	switch {
	case f.Machines == MachinesRebooted:
		return v1alpha1.Rebooted
	case f.Observed:
		return v1alpha1.Observed
	case f.Machines == MachinesFenced:
		return v1alpha1.Fenced
	case f.Machines == MachinesRemoved || f.Machines == MachinesDown:
		return v1alpha1.NodeRemoved
	case f.Attested:
		return v1alpha1.Attested
	}
	return ""
}

func TestEveryCombinationOfFactsIsJudgedAsTheDocumentsSay(t *testing.T) {
	fired := map[v1alpha1.EvidenceKind]int{}
	for _, f := range allFacts() {
		want, got := wanted(f), Judge(f)
		if got.Kind != want || got.Release != (want != "") {
			t.Errorf("%+v: got %+v, want evidence %q", f, got, want)
		}
		fired[got.Kind]++
	}
	for _, r := range Rules() {
		if fired[r.Kind] == 0 {
			t.Errorf("%s never released", r.Kind)
		}
	}
	t.Logf("releases by evidence (the empty kind is a hold): %v", fired)
}

func TestSightUnknownNeverReleases(t *testing.T) {
	for _, f := range allFacts() {
		f.Sight = SightUnknown
		if v := Judge(f); v.Release {
			t.Errorf("%+v: released by %s", f, v.Kind)
		}
	}
}

func TestASightThatNobodyKnowsNeverReleases(t *testing.T) {
	for _, f := range allFacts() {
		for _, f.Sight = range []Sight{"", "live", "Cached"} {
			if v := Judge(f); v.Release {
				t.Errorf("%+v: released by %s", f, v.Kind)
			}
		}
	}
}

// ofTheMachine are the kinds that say something of a machine that is silent.
var ofTheMachine = []v1alpha1.EvidenceKind{v1alpha1.Observed, v1alpha1.Rebooted, v1alpha1.Fenced, v1alpha1.NodeRemoved, v1alpha1.Attested}

func TestARunningContainerIsReleasedByNothingButTheEndOfItsMachineOrAnAttestation(t *testing.T) {
	for _, f := range allFacts() {
		f.Containers = ContainersRunning
		if v := Judge(f); v.Release && !slices.Contains(ofTheMachine, v.Kind) {
			t.Errorf("%+v: released by %s", f, v.Kind)
		}
	}
}

func TestOnlyTheKubeletReleasesAPodThatIsNotBeingDeleted(t *testing.T) {
	for _, f := range allFacts() {
		f.Sight, f.Deleting = SightLive, false
		if v := Judge(f); v.Release && v.Kind != v1alpha1.KubeletConfirmed {
			t.Errorf("%+v: released by %s", f, v.Kind)
		}
	}
}

func TestAGoneObjectIsReleasedByNothingButTheEndOfItsMachineOrAnAttestation(t *testing.T) {
	for _, f := range allFacts() {
		f.Sight = SightGone
		if v := Judge(f); v.Release && !slices.Contains(ofTheMachine, v.Kind) {
			t.Errorf("%+v: released by %s", f, v.Kind)
		}
	}
}

func TestWithoutAnAttestationNothingIsAttested(t *testing.T) {
	for _, f := range allFacts() {
		f.Attested = false
		if v := Judge(f); v.Kind == v1alpha1.Attested {
			t.Errorf("%+v: released by an attestation that nobody made", f)
		}
	}
}

// TestDoubtNeverReleases holds the rules monotone: whoever knows less of one fact,
// or knows something worse, is never let through where he was held before.
func TestDoubtNeverReleases(t *testing.T) {
	doubts := map[string]func(*Facts){
		"the sight becomes unknown":     func(f *Facts) { f.Sight = SightUnknown },
		"the deletion is not certain":   func(f *Facts) { f.Deleting = false },
		"the pod turns out to be bound": func(f *Facts) { f.Bound = true },
		"the phase is not terminal":     func(f *Facts) { f.Terminal = false },
		"the containers are not all accounted for": func(f *Facts) {
			// A container reported running is worse still, and stays.
			if f.Containers == ContainersStopped {
				f.Containers = ContainersUnknown
			}
		},
		"a container is reported running":           func(f *Facts) { f.Containers = ContainersRunning },
		"a status is the kubelet's filler":          func(f *Facts) { f.Filler = true },
		"a container was seen":                      func(f *Facts) { f.ContainerSeen = true },
		"the phase's author is not the kubelet":     func(f *Facts) { f.PhaseByKubelet = false },
		"the sandbox is not known to be gone":       func(f *Facts) { f.SandboxGone = false },
		"the boot is one that was seen, or unknown": func(f *Facts) { f.NewBoot = false },
		"no kubelet answered":                       func(f *Facts) { f.Observed = false },
		"one of the machines may run it":            func(f *Facts) { f.Machines = MachinesUnknown },
		"the attestation is about another pod":      func(f *Facts) { f.Attested = false },
	}
	for name, doubt := range doubts {
		t.Run(name, func(t *testing.T) {
			for _, before := range allFacts() {
				after := before
				doubt(&after)
				if Judge(after).Release && !Judge(before).Release {
					t.Errorf("%+v is held, but %+v is released by %s", before, after, Judge(after).Kind)
				}
			}
		})
	}
}

// TestWhatExplainsDoesNotDecide: the taints are in the facts twice, once as what they
// prove and once as what they look like.
func TestWhatExplainsDoesNotDecide(t *testing.T) {
	for _, f := range allFacts() {
		want := Judge(f).Kind
		for _, f.Fence = range []Fence{FenceNone, FenceSet, FenceFound, FenceOnReadyNode} {
			if got := Judge(f).Kind; got != want {
				t.Errorf("%+v: %q with this fence, %q without", f, got, want)
			}
		}
	}
}

func TestATableWithoutARuleDoesNotReleaseByIt(t *testing.T) {
	for _, r := range Rules() {
		less := Rules().Without(r.Name)
		if len(less) != len(Rules())-1 {
			t.Fatalf("without %s: %d rules", r.Name, len(less))
		}
		decides := slices.ContainsFunc(allFacts(), func(f Facts) bool {
			return Judge(f).Kind == r.Kind && !less.Judge(f).Release
		})
		if !decides {
			t.Errorf("without %s nothing more is held", r.Name)
		}
	}
}

func TestAVerdictSaysWhatItStandsOn(t *testing.T) {
	for _, f := range allFacts() {
		v := Judge(f)
		switch {
		case v.Detail == "":
			t.Errorf("%+v: no detail", f)
		case v.Release && (v.Kind == "" || v.Needs != ""):
			t.Errorf("%+v: a release with kind %q that needs %q", f, v.Kind, v.Needs)
		case !v.Release && (v.Kind != "" || v.Needs == ""):
			t.Errorf("%+v: a hold with kind %q that needs %q", f, v.Kind, v.Needs)
		case strings.Contains(v.Needs, "(missing: )"):
			t.Errorf("%+v: nothing is missing and yet it holds: %q", f, v.Needs)
		}
	}
}

// TestAttestingReleasesWhereTheVerdictSaysSo: an operator who does what the hold
// asks for must not be told to do something else next.
func TestAttestingReleasesWhereTheVerdictSaysSo(t *testing.T) {
	for _, f := range allFacts() {
		v := Judge(f)
		if v.Release || f.Sight == SightUnknown {
			continue
		}
		done := f
		done.Attested = true
		if strings.Contains(v.Needs, "deletion and an attestation") || f.Attested {
			done.Deleting = true
		}
		if !Judge(done).Release {
			t.Errorf("%+v needs %q, but is still held with it: %+v", f, v.Needs, Judge(done))
		}
	}
}

func TestTheTableIsOrderedProofsFirst(t *testing.T) {
	var names []string
	for _, r := range Rules() {
		names = append(names, r.Name)
		if r.Why == "" || r.Detail == "" || r.Kind == "" || len(r.Conditions) == 0 {
			t.Errorf("rule %s is not complete: %+v", r.Name, r)
		}
	}
	want := []string{
		"NeverBound", "KubeletConfirmedByPhase", "KubeletConfirmedBySandbox", "Rebooted", "Observed",
		"Fenced", "NodeRemoved", "NodeRemovedWhenDown", "Attested",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v: an assertion must never hide a proof from the receipt", names, want)
	}
}

func TestRulesReturnsACopy(t *testing.T) {
	stolen := Rules()
	for i := range stolen {
		stolen[i].Conditions[0].Met = func(Facts) bool { return true }
		stolen[i].Conditions = stolen[i].Conditions[:1]
	}
	if v := Judge(Facts{Sight: SightLive}); v.Release {
		t.Fatalf("who holds the copy changed the table: %+v", v)
	}
}

// TestEveryConditionCounts: each condition of each rule decides somewhere, or it
// would be an ornament that a later edit could drop unnoticed.
func TestEveryConditionCounts(t *testing.T) {
	for _, r := range Rules() {
		for i, c := range r.Conditions {
			weaker := r
			weaker.Conditions = slices.Delete(slices.Clone(r.Conditions), i, i+1)
			decides := slices.ContainsFunc(allFacts(), func(f Facts) bool {
				return !Judge(f).Release && weaker.matches(f)
			})
			if !decides {
				t.Errorf("rule %s releases nothing more without %q", r.Name, c.Text)
			}
		}
	}
}

func ExampleJudge() {
	v := Judge(Facts{Sight: SightLive, Deleting: true, Bound: true, Containers: ContainersRunning})
	fmt.Println(v.Release)
	fmt.Println(v.Detail)
	fmt.Println(v.Needs)
	// Output:
	// false
	// the pod is being deleted and nothing proves that its containers stopped
	// the kubelet's final report (missing: a terminal phase, every container reported terminated, a phase written by the kubelet), a fence of its node (the taint node.kubernetes.io/out-of-service, set while the node is not Ready), or an attestation for this pod UID
}
