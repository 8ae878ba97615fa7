package campaign

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// What people do to a cluster, in haste and by mistake.

func deletePod(t *story, at time.Duration) {
	t.step(at, scenario.Step{Delete: &scenario.PodTarget{Pod: t.deletable(at)}})
}

func forceDelete(t *story, at time.Duration) {
	t.step(at, scenario.Step{ForceDelete: &scenario.ForceDelete{Pod: t.deletable(at)}})
}

// Of the two locks, the finalizer on the pod and the record, Holdfast survives the loss of
// either and promises nothing after that of both.
const (
	lockFinalizer = "finalizer"
	lockRecord    = "record"
)

func (t *story) takeOff(lock string) bool {
	if t.lock != "" && t.lock != lock {
		return false
	}
	t.lock = lock
	return true
}

// mayNeedWord is false where no human can speak for the ordinals at the end: the record
// that he would write it to may be gone.
func (t *story) mayNeedWord() bool { return t.takeOff(lockFinalizer) }

func impatientDelete(t *story, at time.Duration) {
	if t.mayNeedWord() {
		t.step(at, scenario.Step{ForceDelete: &scenario.ForceDelete{Pod: t.deletable(at), StripFinalizers: true}})
		t.wordNeeded = true
	}
}

func stripFinalizers(t *story, at time.Duration) {
	if t.mayNeedWord() {
		t.step(at, scenario.Step{StripFinalizers: &scenario.PodTarget{Pod: t.deletable(at)}})
		t.wordNeeded = true
	}
}

func deleteRecord(t *story, at time.Duration) {
	if t.takeOff(lockRecord) {
		t.step(at, scenario.Step{Schedulers: onlyHoldfast, DeleteTenancy: &scenario.DeleteTenancy{Pod: t.deletable(at), StripFinalizers: t.chance(0.5)}})
	}
}

// deleteNode is not for clouds: there the removal of a Node is somebody's word that the
// machine is gone. Its kubelet comes back only with a restart.
func deleteNode(t *story, at time.Duration) {
	end := t.end(at, time.Minute, 6*time.Minute)
	if t.cluster.Cloud {
		return
	}
	name, ok := t.machine(at, end, t.cluster.nodes())
	if !ok {
		return
	}
	t.step(at, scenario.Step{DeleteNode: node(name)})
	t.step(end, scenario.Step{RestartKubelet: &scenario.RestartKubelet{NodeTarget: *node(name)}})
	t.confused = append(t.confused, *node(name))
}

// outOfService is a human who looks first: the machine has no power, and keeps having none
// until the taint is gone.
func outOfService(t *story, at time.Duration) {
	end := t.end(at, 3*time.Minute, 8*time.Minute)
	if end-at < 2*time.Minute {
		return
	}
	name, ok := t.machine(at, end, t.cluster.nodes())
	if !ok {
		return
	}
	t.step(at, scenario.Step{Crash: node(name)})
	t.step(at+t.span(30*time.Second, 90*time.Second), scenario.Step{Taint: &scenario.Taint{NodeTarget: *node(name)}})
	t.step(end-5*time.Second, scenario.Step{Taint: &scenario.Taint{NodeTarget: *node(name), Remove: true}})
	t.step(end, scenario.Step{PowerOn: node(name)})
}

const taintKey = "example.com/repair"

func taint(t *story, at time.Duration) {
	end := t.end(at, 30*time.Second, 5*time.Minute)
	name := pick(t.dice, t.cluster.nodes())
	if !t.take("taint "+name, at, end) {
		return
	}
	effect := pick(t.dice, []corev1.TaintEffect{corev1.TaintEffectNoExecute, corev1.TaintEffectNoSchedule})
	t.step(at, scenario.Step{Taint: &scenario.Taint{NodeTarget: *node(name), Key: taintKey, Effect: effect}})
	t.step(end, scenario.Step{Taint: &scenario.Taint{NodeTarget: *node(name), Key: taintKey, Effect: effect, Remove: true}})
}

func cordon(t *story, at time.Duration) {
	t.cordoned(at, func(name string) scenario.Step {
		return scenario.Step{Cordon: &scenario.Cordon{NodeTarget: *node(name)}}
	})
}

func drain(t *story, at time.Duration) {
	t.cordoned(at, func(name string) scenario.Step { return scenario.Step{Drain: node(name)} })
}

func (t *story) cordoned(at time.Duration, begin func(name string) scenario.Step) {
	end := t.end(at, 30*time.Second, 6*time.Minute)
	name := pick(t.dice, t.cluster.nodes())
	if !t.take("cordon "+name, at, end) {
		return
	}
	t.step(at, begin(name))
	t.step(end, scenario.Step{Cordon: &scenario.Cordon{NodeTarget: *node(name), Undo: true}})
}

func scale(t *story, at time.Duration) {
	s, end := pick(t.dice, t.sets), t.end(at, 30*time.Second, 5*time.Minute)
	to := t.between(0, replicasMost)
	if !t.take("set "+s.name, at, end) {
		return
	}
	s.most = max(s.most, to)
	t.step(at, scenario.Step{Scale: &scenario.Scale{StatefulSet: s.name, Replicas: int32(to)}})
	t.step(end, scenario.Step{Scale: &scenario.Scale{StatefulSet: s.name, Replicas: int32(s.replicas)}})
}

func rollOut(t *story, at time.Duration) {
	s := pick(t.dice, t.sets)
	if !t.take("set "+s.name, at, at) {
		return
	}
	s.revision++
	t.apply(at, s)
}

func (t *story) apply(at time.Duration, s *set) {
	o := object(s.manifest())
	t.step(at, scenario.Step{Apply: &o})
}

func recreate(t *story, at time.Duration) {
	s, end := pick(t.dice, t.sets), t.end(at, 5*time.Second, recreated)
	if !t.take("set "+s.name, at, end) {
		return
	}
	cascade := pick(t.dice, []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationOrphan})
	t.step(at, scenario.Step{DeleteObject: &scenario.DeleteObject{APIVersion: "apps/v1", Kind: "StatefulSet", Name: s.name, Cascade: cascade}})
	t.apply(end, s)
	t.again = append(t.again, s)
}
