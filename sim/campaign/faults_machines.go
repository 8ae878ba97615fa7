package campaign

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// The faults of machines, links and kubelets. Where the power is at stake the machine is
// named, and is one fault's alone: who powers on what somebody has said to be dead makes
// a lie of it. The others go to where a pod is.

func node(name string) *scenario.NodeTarget { return &scenario.NodeTarget{Node: name} }

func nodeOf(pod string) *scenario.NodeTarget { return &scenario.NodeTarget{NodeOf: pod} }

func nodeOfStep(step string) *scenario.NodeTarget { return &scenario.NodeTarget{NodeOfStep: step} }

func crash(t *story, at time.Duration) {
	end := t.end(at, 10*time.Second, 10*time.Minute)
	name, ok := t.machine(at, end, t.cluster.nodes())
	if !ok {
		return
	}
	t.step(at, scenario.Step{Crash: node(name)})
	t.step(end, scenario.Step{PowerOn: node(name)})
}

func reboot(t *story, at time.Duration) {
	end := t.end(at, 10*time.Second, 3*time.Minute)
	name, ok := t.machine(at, end, t.cluster.nodes())
	if !ok {
		return
	}
	t.step(at, scenario.Step{Reboot: &scenario.Reboot{NodeTarget: *node(name), DownFor: duration(end - at)}})
}

func freeze(t *story, at time.Duration) { t.freeze(at, false) }

func hangKubelet(t *story, at time.Duration) { t.freeze(at, true) }

func (t *story) freeze(at time.Duration, kubeletOnly bool) {
	t.silence(at, 20*time.Second, 8*time.Minute, "freeze",
		func(n *scenario.NodeTarget) scenario.Step {
			return scenario.Step{Freeze: &scenario.Freeze{NodeTarget: *n, KubeletOnly: kubeletOnly}}
		},
		func(n *scenario.NodeTarget) scenario.Step { return scenario.Step{Thaw: n} })
}

// silence has the node of a pod out of sight, or its pods out of reach, from a step to
// another one that undoes it.
func (t *story) silence(at, least, most time.Duration, action string, begin, undo func(*scenario.NodeTarget) scenario.Step) {
	pod, end := t.pod(), t.end(at, least, most)
	step := t.named(at, action, begin(nodeOf(pod)))
	t.step(end, undo(nodeOfStep(step)))
	t.cut = append(t.cut, cut{pod, at, end})
}

func heal(n *scenario.NodeTarget) scenario.Step { return scenario.Step{Heal: n} }

// replace scraps a machine. Nobody reports of what ran on it any more, and another kubelet
// has its name: only a human can say that it is over.
func replace(t *story, at time.Duration) {
	if t.cluster.Cloud || !t.mayNeedWord() {
		return
	}
	name, ok := t.machine(at, at+time.Minute, t.cluster.nodes())
	if !ok {
		return
	}
	t.step(at, scenario.Step{Replace: node(name)})
	t.wordNeeded = true
}

// terminate gives a machine back to its cloud, which says so: that is evidence.
func terminate(t *story, at time.Duration) {
	if !t.cluster.Cloud {
		return
	}
	name, ok := t.machine(at, 24*time.Hour, t.cluster.spare())
	if !ok {
		return
	}
	t.step(at, scenario.Step{Terminate: node(name)})
	t.terminated = append(t.terminated, name)
}

func partition(t *story, at time.Duration) {
	t.silence(at, 20*time.Second, 12*time.Minute, "cut",
		func(n *scenario.NodeTarget) scenario.Step { return scenario.Step{Partition: n} }, heal)
}

func partitionOneWay(t *story, at time.Duration) {
	t.silence(at, 20*time.Second, 8*time.Minute, "cut",
		func(n *scenario.NodeTarget) scenario.Step {
			lost := pick(t.dice, []scenario.Direction{scenario.FromNode, scenario.ToNode})
			return scenario.Step{PartitionOneWay: &scenario.OneWay{NodeTarget: *n, Lost: lost}}
		}, heal)
}

func restartKubelet(t *story, at time.Duration) {
	down := t.end(at, time.Second, 3*time.Minute) - at
	t.step(at, scenario.Step{RestartKubelet: &scenario.RestartKubelet{NodeTarget: *nodeOf(t.pod()), DownFor: duration(down)}})
}

// restartBlindKubelet: what the API calls over meanwhile the next kubelet takes for ended,
// and has no word about that Holdfast believes. The one after it has.
func restartBlindKubelet(t *story, at time.Duration) {
	down, blind := t.span(time.Second, 30*time.Second), t.end(at, 10*time.Second, 4*time.Minute)-at
	step := t.named(at, "blind", scenario.Step{RestartKubelet: &scenario.RestartKubelet{
		NodeTarget: *nodeOf(t.pod()), DownFor: duration(down), LooksAfter: metav1.Duration{Duration: blind},
	}})
	t.confused = append(t.confused, *nodeOfStep(step))
}

// restartKubeletThatRejects: while it does, nothing new is placed there. Else a set would make
// the pod again and again, as fast as it is rejected.
func restartKubeletThatRejects(t *story, at time.Duration) {
	end := t.end(at, time.Minute, 5*time.Minute)
	if end-at < time.Minute {
		return
	}
	pod, down := t.pod(), t.span(time.Second, 20*time.Second)
	keepOff := scenario.Taint{NodeTarget: *nodeOf(pod), Key: rejectsKey, Effect: corev1.TaintEffectNoSchedule}
	on := *nodeOfStep(t.named(at, "rejects", scenario.Step{Taint: &keepOff}))
	r := &scenario.RestartKubelet{NodeTarget: on, DownFor: duration(down), Rejects: []string{pod}}
	if t.chance(0.5) {
		r.LooksAfter.Duration = end - at - 5*time.Second
	}
	t.step(at+5*time.Second, scenario.Step{RestartKubelet: r})
	t.step(end, scenario.Step{RestartKubelet: &scenario.RestartKubelet{NodeTarget: on, DownFor: duration(5 * time.Second)}})
	t.step(end+30*time.Second, scenario.Step{Taint: &scenario.Taint{NodeTarget: on, Key: rejectsKey, Effect: corev1.TaintEffectNoSchedule, Remove: true}})
	t.confused = append(t.confused, on)
}

const rejectsKey = "example.com/rejects"

// stickContainers: what is stuck is free again after a while, also where it is the last
// that somebody waits for.
func stickContainers(t *story, at time.Duration) {
	pod, end := t.pod(), t.end(at, 20*time.Second, 8*time.Minute)
	if !t.take("stuck "+pod, at, end) {
		return
	}
	t.step(at, scenario.Step{StickContainers: &scenario.PodTarget{Pod: pod}})
	t.step(end, scenario.Step{FreeContainers: &scenario.PodTarget{Pod: pod}})
}

func hangRuntime(t *story, at time.Duration) {
	t.silence(at, 10*time.Second, 8*time.Minute, "hang",
		func(n *scenario.NodeTarget) scenario.Step { return scenario.Step{HangRuntime: n} },
		func(n *scenario.NodeTarget) scenario.Step { return scenario.Step{ResumeRuntime: n} })
}

func cutStorage(t *story, at time.Duration) {
	t.silence(at, 20*time.Second, 8*time.Minute, "cut-storage",
		func(n *scenario.NodeTarget) scenario.Step { return scenario.Step{CutStorage: n} },
		func(n *scenario.NodeTarget) scenario.Step { return scenario.Step{HealStorage: n} })
}

// setClock: hours off, or a clock that runs away slowly.
func setClock(t *story, at time.Duration) {
	end := t.end(at, time.Minute, 15*time.Minute)
	name := pick(t.dice, t.cluster.nodes())
	if !t.take("clock "+name, at, end) {
		return
	}
	wrong := &scenario.SetClock{NodeTarget: *node(name)}
	if t.chance(0.5) {
		wrong.Ahead.Duration = pick(t.dice, []time.Duration{-3 * time.Hour, -time.Minute, 30 * time.Second, 3 * time.Hour})
	} else {
		wrong.GainsPerMinute.Duration = pick(t.dice, []time.Duration{-20 * time.Second, -time.Second, 5 * time.Second, 30 * time.Second})
	}
	t.step(at, scenario.Step{SetClock: wrong})
	t.step(end, scenario.Step{SetClock: &scenario.SetClock{NodeTarget: *node(name)}})
}

func killContainers(t *story, at time.Duration) {
	t.step(at, scenario.Step{KillContainers: &scenario.KillContainers{Pod: t.pod()}})
}
