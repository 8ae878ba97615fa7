package fence

import (
	"reflect"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

const (
	uid      types.UID = "uid-of-web-0"
	otherUID types.UID = "uid-of-another-web-0"

	firstBoot, secondBoot = "boot-1", "boot-2"
)

// shape edits a pod; the shapes below are named after who writes them.
type shape func(*v1.Pod)

// pod returns a pod with one container, bound to node-a unless unbound is among
// the shapes, and reported by nobody yet.
func pod(shapes ...shape) *v1.Pod {
	p := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-0", UID: uid, Generation: 1},
		Spec:       v1.PodSpec{NodeName: "node-a", Containers: []v1.Container{{Name: "app"}}},
		Status:     v1.PodStatus{Phase: v1.PodPending},
	}
	for _, s := range shapes {
		s(p)
	}
	return p
}

func unbound(p *v1.Pod) { p.Spec.NodeName = "" }

// deletedPod is what every delete does first: the deletionTimestamp, and a new generation.
func deletedPod(p *v1.Pod) {
	now, grace := metav1.NewTime(time.Unix(1000, 0)), int64(0)
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &now, &grace
	p.Generation++
}

// phaseBy sets the phase and gives f:phase to the manager, as the API server does.
func phaseBy(manager string, phase v1.PodPhase) shape {
	return func(p *v1.Pod) {
		p.Status.Phase = phase
		p.ManagedFields = []metav1.ManagedFieldsEntry{
			managed("kube-controller-manager", "", `{"f:metadata":{"f:labels":{}},"f:spec":{"f:containers":{}}}`),
		}
		if manager != "kubelet" {
			// The kubelet keeps what it wrote and loses only the phase.
			p.ManagedFields = append(p.ManagedFields, managed("kubelet", "status", `{"f:status":{"f:conditions":{},"f:containerStatuses":{},"f:podIP":{}}}`))
		}
		p.ManagedFields = append(p.ManagedFields, managed(manager, "status", `{"f:status":{"f:containerStatuses":{},"f:phase":{}}}`))
	}
}

func managed(manager, subresource, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(fields), Subresource: subresource,
	}
}

// sandbox sets the kubelet's PodReadyToStartContainers, as of the generation.
func sandbox(ready v1.ConditionStatus, observed int64) shape {
	return func(p *v1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, v1.PodCondition{
			Type: v1.PodReadyToStartContainers, Status: ready, ObservedGeneration: observed,
		})
	}
}

func app(statuses ...v1.ContainerStatus) shape {
	return func(p *v1.Pod) { p.Status.ContainerStatuses = statuses }
}

func withInit(c v1.Container, s ...v1.ContainerStatus) shape {
	return func(p *v1.Pod) {
		p.Spec.InitContainers = append(p.Spec.InitContainers, c)
		p.Status.InitContainerStatuses = append(p.Status.InitContainerStatuses, s...)
	}
}

func withEphemeral(name string, s ...v1.ContainerStatus) shape {
	return func(p *v1.Pod) {
		p.Spec.EphemeralContainers = append(p.Spec.EphemeralContainers,
			v1.EphemeralContainer{EphemeralContainerCommon: v1.EphemeralContainerCommon{Name: name}})
		p.Status.EphemeralContainerStatuses = append(p.Status.EphemeralContainerStatuses, s...)
	}
}

func running(name string) v1.ContainerStatus {
	return v1.ContainerStatus{Name: name, ContainerID: "containerd://" + name, State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}}
}

func terminated(name string) v1.ContainerStatus {
	id := "containerd://" + name
	return v1.ContainerStatus{Name: name, ContainerID: id, State: v1.ContainerState{
		Terminated: &v1.ContainerStateTerminated{Reason: "Completed", ContainerID: id}}}
}

func failed(name string) v1.ContainerStatus {
	s := terminated(name)
	s.State.Terminated.ExitCode, s.State.Terminated.Reason = 1, "Error"
	return s
}

func waiting(name string) v1.ContainerStatus {
	return v1.ContainerStatus{Name: name, State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "ContainerCreating"}}}
}

// crashLooping waits between two lives.
func crashLooping(name string) v1.ContainerStatus {
	s := failed(name)
	s.LastTerminationState, s.RestartCount = s.State, 4
	s.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	return s
}

// lost is a container that ran and that the kubelet no longer finds: it waits, and
// its ID is gone, but its last state says that it was there.
func lost(name string) v1.ContainerStatus {
	s := waiting(name)
	s.LastTerminationState.Terminated = &v1.ContainerStateTerminated{Reason: "ContainerStatusUnknown", ExitCode: 137}
	return s
}

func filler(name string) v1.ContainerStatus {
	return v1.ContainerStatus{Name: name, State: v1.ContainerState{
		Terminated: &v1.ContainerStateTerminated{Reason: "ContainerStatusUnknown", ExitCode: 137}}}
}

// record is an incarnation of uid on node-a whose first boot was seen.
func record(containerSeen bool) *v1alpha1.Incarnation {
	return &v1alpha1.Incarnation{
		PodUID: uid, ContainerSeen: containerSeen,
		Nodes: []v1alpha1.CandidateNode{{Name: "node-a", UID: "uid-of-node-a", BootIDs: []string{firstBoot}}},
	}
}

// rebootedRecord is the same after these boots.
func rebootedRecord(later ...string) *v1alpha1.Incarnation {
	inc := record(true)
	inc.Nodes[0].LaterBootIDs = later
	return inc
}

// notShared: no boot is shown by a node of another name.
func notShared(string, string) bool { return false }

var always = v1.ContainerRestartPolicyAlways

// TestFinalStates goes through docs/kubernetes-facts.md §1.6, §10 and §12: what the
// object looks like, and what the rules make of it.
func TestFinalStates(t *testing.T) {
	const kubelet, kcm = "kubelet", "kube-controller-manager"
	tests := map[string]struct {
		pod         *v1.Pod
		sight       Sight // SightLive if empty
		unfollowed  bool  // nobody followed the pod from its beginning
		takenOver   bool  // another machine has the name of its node by now
		inc         *v1alpha1.Incarnation
		attested    types.UID
		wantRelease v1alpha1.EvidenceKind // empty: held
	}{
		"graceful delete, confirmed by the kubelet (§1.6)": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodSucceeded), app(terminated("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"the same in the DELETED event": {
			pod:   pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(terminated("app")), sandbox(v1.ConditionFalse, 2)),
			sight: SightFinal, inc: record(true), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"the same in a tombstone is only a last known state": {
			pod:   pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(terminated("app")), sandbox(v1.ConditionFalse, 2)),
			sight: SightUnknown, inc: record(true),
		},
		"eviction by the kubelet, before anybody deletes the pod (§1.6)": {
			pod: pod(phaseBy(kubelet, v1.PodFailed), app(terminated("app")), sandbox(v1.ConditionFalse, 1)),
			inc: record(true), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"eviction by the kubelet, then the StatefulSet controller deletes": {
			pod: pod(phaseBy(kubelet, v1.PodFailed), app(terminated("app")), sandbox(v1.ConditionFalse, 1), deletedPod),
			inc: record(true), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"force delete of a running pod (§1.6, H1)": {
			pod: pod(phaseBy(kubelet, v1.PodRunning), app(running("app")), sandbox(v1.ConditionTrue, 1), deletedPod),
			inc: record(true),
		},
		"force delete of a running pod, and somebody attests": {
			pod: pod(phaseBy(kubelet, v1.PodRunning), app(running("app")), sandbox(v1.ConditionTrue, 1), deletedPod),
			inc: record(true), attested: uid, wantRelease: v1alpha1.Attested,
		},
		"an attestation about another incarnation says nothing of this one": {
			pod: pod(phaseBy(kubelet, v1.PodRunning), app(running("app")), deletedPod),
			inc: record(true), attested: otherUID,
		},
		"an attestation about a pod that nobody deletes waits for the deletion": {
			pod: pod(phaseBy(kubelet, v1.PodRunning), app(running("app"))),
			inc: record(true), attested: uid,
		},
		"PodGC of an orphan writes Failed over a running container (§1.6)": {
			pod: pod(app(running("app")), sandbox(v1.ConditionTrue, 1), phaseBy(kcm, v1.PodFailed), deletedPod),
			inc: record(true),
		},
		"PodGC of an out-of-service node's pod looks the same (§1.6)": {
			pod: pod(app(running("app")), phaseBy(kcm, v1.PodFailed), deletedPod, func(p *v1.Pod) {
				p.Status.Conditions = append(p.Status.Conditions, v1.PodCondition{Type: v1.DisruptionTarget, Status: v1.ConditionTrue, Reason: "DeletionByTaintManager"})
			}),
			inc: record(true),
		},
		"PodGC wrote Failed, then the kubelet confirmed: branch (b)": {
			pod: pod(deletedPod, phaseBy(kcm, v1.PodFailed), app(terminated("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"crash-looping before the partition, then PodGC writes Failed (H21)": {
			pod: pod(app(crashLooping("app")), sandbox(v1.ConditionTrue, 1), phaseBy(kcm, v1.PodFailed), deletedPod),
			inc: record(true),
		},
		"caught terminated between two lives, then PodGC writes Failed (H21)": {
			pod: pod(app(terminated("app")), sandbox(v1.ConditionTrue, 1), phaseBy(kcm, v1.PodFailed), deletedPod),
			inc: record(true),
		},
		"no sandbox, but the kubelet said so before it saw the deletion": {
			pod: pod(app(terminated("app")), sandbox(v1.ConditionFalse, 1), phaseBy(kcm, v1.PodFailed), deletedPod),
			inc: record(true),
		},
		"no sandbox, by an API server that does not count generations": {
			pod: pod(deletedPod, phaseBy(kcm, v1.PodFailed), app(terminated("app")), sandbox(v1.ConditionFalse, 0), func(p *v1.Pod) { p.Generation = 0 }),
			inc: record(true),
		},
		"never bound (§1.6, H19)": {
			pod: pod(unbound, deletedPod), inc: record(false), wantRelease: v1alpha1.NeverBound,
		},
		"never bound, without a record": {
			pod: pod(unbound, deletedPod), wantRelease: v1alpha1.NeverBound,
		},
		"never bound, in the DELETED event": {
			pod: pod(unbound, deletedPod), sight: SightFinal, inc: record(false), wantRelease: v1alpha1.NeverBound,
		},
		"not bound yet, and nobody deletes it": {
			pod: pod(unbound), inc: record(false),
		},
		"not bound in somebody's cache": {
			pod: pod(unbound, deletedPod), sight: SightUnknown, inc: record(false),
		},
		"bound, and no container ever reported (H20)": {
			pod: pod(deletedPod), inc: record(false),
		},
		"rejected by the kubelet's admission: Failed without any status (H8)": {
			pod: pod(phaseBy(kubelet, v1.PodFailed), deletedPod), inc: record(false),
		},
		"rejected, then filled in at the end, and nothing ever ran": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(false), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"rejected after a restart, then filled in, and a container was seen (H25)": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true),
		},
		"the same after a reboot": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2)),
			inc: rebootedRecord(secondBoot), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"the same with a record that never saw a boot": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2)),
			inc: &v1alpha1.Incarnation{PodUID: uid, ContainerSeen: true, Nodes: []v1alpha1.CandidateNode{
				{Name: "node-a", UID: "uid-of-node-a", LaterBootIDs: []string{secondBoot}}}},
		},
		"the same, bound to a node that is not on the record": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2), func(p *v1.Pod) { p.Spec.NodeName = "node-b" }),
			inc: rebootedRecord(secondBoot),
		},
		"its end is reported by the machine that has taken over the name": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(terminated("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true), takenOver: true,
		},
		"filled in by the machine that has taken over the name": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(false), takenOver: true,
		},
		"filled in, and nobody has followed it from its beginning": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(false), unfollowed: true,
		},
		"filled in, and no record says that no container was seen": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2)),
		},
		"filled in, and the record is of another incarnation": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2)),
			inc: &v1alpha1.Incarnation{PodUID: otherUID},
		},
		"filled in under PodGC's Failed after a kubelet restart (H25, branch b)": {
			pod: pod(deletedPod, phaseBy(kcm, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(false),
		},
		"filled in under PodGC's Failed after a reboot": {
			pod: pod(deletedPod, phaseBy(kcm, v1.PodFailed), app(filler("app")), sandbox(v1.ConditionFalse, 2)),
			inc: rebootedRecord(secondBoot), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"a filler that a proper life has replaced is history": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(func() v1.ContainerStatus {
				s := terminated("app")
				s.LastTerminationState = filler("app").State
				return s
			}())),
			inc: record(true), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"a container that the kubelet lost and left waiting": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(lost("app"))), inc: record(true),
		},
		"rejected after a restart, and called waiting before it is filled in (H25)": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(waiting("app")), sandbox(v1.ConditionFalse, 2)), inc: record(true),
		},
		"never started, and called waiting before it is filled in": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(waiting("app")), sandbox(v1.ConditionFalse, 2)), inc: record(false),
		},
		"rejected after a restart, and its init container too is called waiting": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "init"}, waiting("init")), app(waiting("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true),
		},
		"rejected after a restart, and its init container is filled in": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "init"}, filler("init")), app(waiting("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true),
		},
		"init succeeded: the app may have been started since it was called waiting": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "init"}, terminated("init")), app(waiting("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true),
		},
		"init succeeded in the life before its last": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "init"}, func() v1.ContainerStatus {
				s := failed("init")
				s.LastTerminationState = terminated("init").State
				return s
			}()), app(waiting("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true),
		},
		"one of two containers waits, and the other one has run": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "init"}, failed("init")),
				app(terminated("app"), waiting("log")), sandbox(v1.ConditionFalse, 2), func(p *v1.Pod) {
					p.Spec.Containers = append(p.Spec.Containers, v1.Container{Name: "log"})
				}),
			inc: record(true),
		},
		"a sidecar has ended, and the app never came to be (§12)": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "proxy", RestartPolicy: &always}, terminated("proxy")), app(waiting("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"an init container waits between two lives (H21)": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed),
				withInit(v1.Container{Name: "first"}, terminated("first")), withInit(v1.Container{Name: "init"}, crashLooping("init")),
				app(waiting("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true),
		},
		"init never finished: the app waits and never had an ID (§12)": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "init"}, failed("init")), app(waiting("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(true), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"init never started: filled in, and the app waits (§12)": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "init"}, filler("init")), app(waiting("app")), sandbox(v1.ConditionFalse, 2)),
			inc: record(false), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"init still runs": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "init"}, running("init")), app(terminated("app"))),
			inc: record(true),
		},
		"init has no status": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "init"}), app(terminated("app"))),
			inc: record(true),
		},
		"a sidecar still runs": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "proxy", RestartPolicy: &always}, running("proxy")), app(terminated("app"))),
			inc: record(true),
		},
		"a sidecar waits for its next life": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "proxy", RestartPolicy: &always}, crashLooping("proxy")), app(terminated("app"))),
			inc: record(true),
		},
		"a sidecar stopped with the rest": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), withInit(v1.Container{Name: "proxy", RestartPolicy: &always}, terminated("proxy")), app(terminated("app"))),
			inc: record(true), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"an ephemeral container still runs": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(terminated("app")), withEphemeral("debug", running("debug"))),
			inc: record(true),
		},
		"an ephemeral container has no status": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(terminated("app")), withEphemeral("debug")),
			inc: record(true),
		},
		"an ephemeral container stopped with the rest": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(terminated("app")), withEphemeral("debug", terminated("debug"))),
			inc: record(true), wantRelease: v1alpha1.KubeletConfirmed,
		},
		"a second container is not reported at all": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(terminated("app")), func(p *v1.Pod) {
				p.Spec.Containers = append(p.Spec.Containers, v1.Container{Name: "backup"})
			}),
			inc: record(true),
		},
		"a status of the wrong kind does not cover a container": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), func(p *v1.Pod) { p.Status.InitContainerStatuses = []v1.ContainerStatus{terminated("app")} }),
			inc: record(true),
		},
		"a status without a state says nothing": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(v1.ContainerStatus{Name: "app"})),
			inc: record(true),
		},
		"a container outside of the spec runs": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(terminated("app"), running("stranger"))),
			inc: record(true),
		},
		"two statuses of one container disagree": {
			pod: pod(deletedPod, phaseBy(kubelet, v1.PodFailed), app(terminated("app"), crashLooping("app"))),
			inc: record(true),
		},
		"the live read shows another incarnation: this one's object is gone": {
			pod: pod(deletedPod, unbound, func(p *v1.Pod) { p.UID = otherUID }), inc: record(true),
		},
		"gone, and somebody attests": {
			sight: SightGone, inc: record(true), attested: uid, wantRelease: v1alpha1.Attested,
		},
		"replaced, and somebody attests": {
			pod: pod(func(p *v1.Pod) { p.UID = otherUID }), inc: record(true), attested: uid, wantRelease: v1alpha1.Attested,
		},
		"gone, and nobody says anything": {
			sight: SightGone, inc: record(true),
		},
		"gone, and what the caller remembers does not count": {
			pod: pod(unbound, deletedPod), sight: SightGone, inc: record(true),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			sight := tc.sight
			if sight == "" {
				sight = SightLive
			}
			var attestations []v1alpha1.Attestation
			if tc.attested != "" {
				attestations = []v1alpha1.Attestation{{PodUID: tc.attested, Reason: "powered off", By: "ops"}}
			}
			podBefore, incBefore := tc.pod.DeepCopy(), tc.inc.DeepCopy()

			facts := FactsOf(Subject{
				UID: uid, Pod: tc.pod, Sight: sight, Incarnation: tc.inc, NeverStarted: !tc.unfollowed, TakenOver: tc.takenOver,
				Nodes: Nodes{Booted: notShared}, Attestations: attestations,
			})
			if got := Judge(facts); got.Kind != tc.wantRelease {
				t.Errorf("got %+v, want evidence %q\nfacts: %+v", got, tc.wantRelease, facts)
			}
			if !reflect.DeepEqual(tc.pod, podBefore) || !reflect.DeepEqual(tc.inc, incBefore) {
				t.Error("the arguments were changed")
			}
		})
	}
}

func TestFactsOfNothing(t *testing.T) {
	confirmed := pod(deletedPod, phaseBy("kubelet", v1.PodFailed), app(terminated("app")))
	tests := map[string]struct {
		uid   types.UID
		pod   *v1.Pod
		sight Sight
		want  Sight
	}{
		"no UID is no incarnation, not even of a pod without one": {uid: "", pod: pod(func(p *v1.Pod) { p.UID = "" }), sight: SightLive, want: SightUnknown},
		"a live read that returns nothing is not a NotFound":      {uid: uid, sight: SightLive, want: SightUnknown},
		"a DELETED event without an object":                       {uid: uid, sight: SightFinal, want: SightUnknown},
		"a DELETED event of another incarnation":                  {uid: otherUID, pod: confirmed, sight: SightFinal, want: SightUnknown},
		"a live read of another incarnation":                      {uid: otherUID, pod: confirmed, sight: SightLive, want: SightGone},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := FactsOf(Subject{UID: tc.uid, Pod: tc.pod, Sight: tc.sight})
			want := Facts{Sight: tc.want, Containers: ContainersUnknown, ContainerSeen: true, Machines: MachinesUnknown, Fence: FenceNone}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestAnAttestationWithoutAUIDIsAboutNobody(t *testing.T) {
	f := FactsOf(Subject{Sight: SightGone, Attestations: []v1alpha1.Attestation{{}}})
	if f.Attested || Judge(f).Release {
		t.Errorf("got %+v", f)
	}
}

func TestPhaseAuthor(t *testing.T) {
	const phase = `{"f:status":{"f:phase":{}}}`
	tests := map[string]struct {
		entries []metav1.ManagedFieldsEntry
		want    bool
	}{
		"nobody, where managedFields were trimmed": {nil, false},
		"the kubelet":                                 {[]metav1.ManagedFieldsEntry{managed("kubelet", "status", phase)}, true},
		"another manager":                             {[]metav1.ManagedFieldsEntry{managed("kube-controller-manager", "status", phase)}, false},
		"the kubelet beside another manager":          {[]metav1.ManagedFieldsEntry{managed("kube-controller-manager", "status", phase), managed("kubelet", "status", phase)}, true},
		"the kubelet owns other fields only":          {[]metav1.ManagedFieldsEntry{managed("kubelet", "status", `{"f:status":{"f:hostIP":{}}}`)}, false},
		"not through the status subresource":          {[]metav1.ManagedFieldsEntry{managed("kubelet", "", phase)}, false},
		"a phase that is not the status's":            {[]metav1.ManagedFieldsEntry{managed("kubelet", "status", `{"f:phase":{},"f:status":{"f:conditions":{"f:phase":{}}}}`)}, false},
		"a manager whose name only begins like it":    {[]metav1.ManagedFieldsEntry{managed("kubelet-proxy", "status", phase)}, false},
		"an entry without fields":                     {[]metav1.ManagedFieldsEntry{{Manager: "kubelet", Subresource: "status"}}, false},
		"fields that are not JSON":                    {[]metav1.ManagedFieldsEntry{managed("kubelet", "status", `{"f:status":`)}, false},
		"a status that is not an object":              {[]metav1.ManagedFieldsEntry{managed("kubelet", "status", `{"f:status":"f:phase"}`)}, false},
		"letters of another size are another field":   {[]metav1.ManagedFieldsEntry{managed("kubelet", "status", `{"F:Status":{"f:phase":{}}}`)}, false},
		"an empty set of fields":                      {[]metav1.ManagedFieldsEntry{managed("kubelet", "status", `{}`)}, false},
		"the kubelet in the second entry of its name": {[]metav1.ManagedFieldsEntry{managed("kubelet", "", `{}`), managed("kubelet", "status", phase)}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := phaseByKubelet(tc.entries); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestContainerSeen(t *testing.T) {
	tests := map[string]struct {
		pod  *v1.Pod
		want bool
	}{
		"nothing reported":                    {pod(), false},
		"waiting for its image":               {pod(app(waiting("app"))), false},
		"the filler alone had no ID":          {pod(app(filler("app"))), false},
		"running":                             {pod(app(running("app"))), true},
		"terminated":                          {pod(app(terminated("app"))), true},
		"waiting between two lives":           {pod(app(crashLooping("app"))), true},
		"ran, and the kubelet lost it":        {pod(app(lost("app"))), true},
		"only an init container had one":      {pod(withInit(v1.Container{Name: "init"}, terminated("init")), app(waiting("app"))), true},
		"only an ephemeral container had one": {pod(app(waiting("app")), withEphemeral("debug", running("debug"))), true},
		"a restart count is left of it":       {pod(app(v1.ContainerStatus{Name: "app", RestartCount: 1})), true},
		"an ID is left in its terminal state": {pod(app(v1.ContainerStatus{Name: "app", State: terminated("app").State})), true},
		"a filler that kept the container's ID": {pod(app(func() v1.ContainerStatus {
			s := filler("app")
			s.ContainerID = "containerd://app"
			return s
		}())), true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ContainerSeen(tc.pod); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
