package world

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func states(of ...corev1.ContainerState) []corev1.ContainerStatus {
	var s []corev1.ContainerStatus
	for _, state := range of {
		s = append(s, corev1.ContainerStatus{State: state})
	}
	return s
}

var (
	waiting   = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
	up        = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	succeeded = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	failed    = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: exitKilled}}
)

func TestPhaseOf(t *testing.T) {
	always, never, onFailure := corev1.RestartPolicyAlways, corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure
	tests := map[string]struct {
		policy     corev1.RestartPolicy
		containers []corev1.ContainerStatus
		over       bool
		want       corev1.PodPhase
	}{
		"one container is still waiting":                     {always, states(up, waiting), false, corev1.PodPending},
		"all run":                                            {always, states(up, up), false, corev1.PodRunning},
		"one stopped and will be restarted":                  {always, states(up, failed), false, corev1.PodRunning},
		"all stopped and will be restarted":                  {always, states(failed), false, corev1.PodRunning},
		"all stopped well and the pod is over":               {always, states(succeeded, succeeded), true, corev1.PodSucceeded},
		"one was killed and the pod is over":                 {always, states(succeeded, failed), true, corev1.PodFailed},
		"over before anything ran":                           {always, states(waiting), true, corev1.PodPending},
		"done, never to be restarted":                        {never, states(succeeded), false, corev1.PodSucceeded},
		"failed, never to be restarted":                      {never, states(failed), false, corev1.PodFailed},
		"failed, to be restarted on failure":                 {onFailure, states(failed), false, corev1.PodRunning},
		"done, to be restarted only on failure":              {onFailure, states(succeeded), false, corev1.PodSucceeded},
		"over, and one runs all the same: never a false end": {always, states(up, succeeded), true, corev1.PodRunning},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := phaseOf(tc.policy, tc.containers, tc.over); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestFact1_6_NoTerminalPhaseWhileContainersCouldRun(t *testing.T) {
	inAPI := corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}}
	ours := corev1.PodStatus{Phase: corev1.PodFailed, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}

	if got := mergeStatus(inAPI, ours, true, metav1.Now()); got.Phase != corev1.PodRunning {
		t.Errorf("got %s while a container could run", got.Phase)
	}
	got := mergeStatus(inAPI, ours, false, metav1.Now())
	if got.Phase != corev1.PodFailed {
		t.Errorf("got %s, want Failed", got.Phase)
	}
	if c := podCondition(got.Conditions, corev1.PodReady); c.Status != corev1.ConditionFalse {
		t.Error("a terminal pod is ready")
	}
	if podCondition(got.Conditions, corev1.DisruptionTarget) == nil {
		t.Error("the condition of another writer is lost")
	}
}

func TestGenerateStatus(t *testing.T) {
	start := time.Unix(1000, 0)
	pod := aPod("a", func(p *corev1.Pod) {
		p.Generation = 2
		p.Spec.RestartPolicy = corev1.RestartPolicyAlways
		p.Spec.Containers = []corev1.Container{{Name: "c"}}
	})
	running := sandbox{ready: true, ip: "10.0.0.1", containers: []container{{name: "c", id: "containerd://1", started: start}}}
	stopped := sandbox{ip: "10.0.0.1", containers: []container{{name: "c", id: "containerd://1", started: start, finished: start.Add(time.Hour)}}}

	tests := map[string]struct {
		sandbox     sandbox
		over        bool
		wantPhase   corev1.PodPhase
		wantReady   corev1.ConditionStatus
		wantSandbox corev1.ConditionStatus
	}{
		"nothing runs yet":       {sandbox{}, false, corev1.PodPending, corev1.ConditionFalse, corev1.ConditionFalse},
		"it runs":                {running, false, corev1.PodRunning, corev1.ConditionTrue, corev1.ConditionTrue},
		"it is over and stopped": {stopped, true, corev1.PodSucceeded, corev1.ConditionFalse, corev1.ConditionFalse},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := generateStatus(pod, tc.sandbox, corev1.PodStatus{}, tc.over)
			if got.Phase != tc.wantPhase {
				t.Errorf("phase %s, want %s", got.Phase, tc.wantPhase)
			}
			for of, want := range map[corev1.PodConditionType]corev1.ConditionStatus{
				corev1.PodReady: tc.wantReady, corev1.ContainersReady: tc.wantReady, corev1.PodReadyToStartContainers: tc.wantSandbox,
			} {
				c := podCondition(got.Conditions, of)
				if c == nil || c.Status != want || c.ObservedGeneration != 2 {
					t.Errorf("%s: got %+v, want %s at generation 2", of, c, want)
				}
			}
		})
	}
}

func TestFact1_6_FinishFillsWhatIsUnknown(t *testing.T) {
	pod := aPod("a", func(p *corev1.Pod) { p.Spec.Containers = []corev1.Container{{Name: "c"}} })
	got := fillTerminated(pod, generateStatus(pod, sandbox{}, corev1.PodStatus{}, true))
	if got.Phase != corev1.PodFailed {
		t.Errorf("phase %s, want Failed", got.Phase)
	}
	state := got.ContainerStatuses[0].State.Terminated
	if state == nil || state.Reason != reasonStatusUnknown || state.ExitCode != exitKilled {
		t.Errorf("got %+v, want %s", state, reasonStatusUnknown)
	}
}

func TestFact12_ContainersStayWaitingWhereInitContainersNeverRan(t *testing.T) {
	pod := aPod("a", func(p *corev1.Pod) {
		p.Spec.InitContainers = []corev1.Container{{Name: "i"}}
		p.Spec.Containers = []corev1.Container{{Name: "c"}}
	})
	got := fillTerminated(pod, generateStatus(pod, sandbox{}, corev1.PodStatus{}, true))
	if got.ContainerStatuses[0].State.Waiting == nil || got.Phase != corev1.PodFailed {
		t.Errorf("got %+v", got)
	}
}
