package model

import "fmt"

// Action is one step.
type Action struct {
	Kind                         ActionKind
	Ordinal, Life, Node, Machine uint8
	Evidence                     Evidence
}

// ActionKind is what a step does.
type ActionKind uint8

// The actions of the environment. Those before Heal are faults.
const (
	Cut ActionKind = iota
	PowerOff
	Reboot
	DeleteNode
	TerminateInstance
	ForceDelete
	StripFinalizer
	CrashScheduler
	CrashGuard

	Heal
	PowerOn
	Heartbeat
	TurnNotReady
	SetTaint
	RemoveTaint
	ReplaceMachine
	KubeletHears
	KubeletStarts
	KubeletReports
	Delete
	CollectPod
	Detach
	BindLate
	Attest

	// What the scheduler does.
	Reserve
	JudgeBind
	FailRead
	OpenRecord
	Bind

	// What the guard does.
	GuardSees
	GuardJudges
	GuardHolds
	GuardLetsGo
	GuardDoubts
	GuardCloses
	GuardAsks

	actions
)

// faults is how many kinds of actions are faults.
const faults = int(Heal)

// Faults are the kinds of actions that are faults.
func Faults() []ActionKind {
	all := make([]ActionKind, faults)
	for i := range all {
		all[i] = ActionKind(i)
	}
	return all
}

// Actions is how many kinds of actions there are.
func Actions() int { return int(actions) }

// IsFault tells whether the action counts against Scope.Faults.
func (k ActionKind) IsFault() bool { return int(k) < faults }

// sentences say what each action does: %[1]s is the ordinal's pod, %[2]s the node,
// %[3]s the machine, %[4]s the incarnation, %[5]s the evidence.
var sentences = [actions]struct{ name, says string }{
	Cut:               {"cut", "%[3]s is cut off from the API server"},
	PowerOff:          {"powerOff", "%[3]s loses its power"},
	Reboot:            {"reboot", "%[3]s reboots"},
	DeleteNode:        {"deleteNode", "somebody deletes Node %[2]s"},
	TerminateInstance: {"terminateInstance", "the instance of node %[2]s is terminated, and the cloud controller deletes Node %[2]s"},
	ForceDelete:       {"forceDelete", "somebody deletes pod %[1]s by force"},
	StripFinalizer:    {"stripFinalizer", "somebody strips %[1]s of its finalizers and deletes it by force: the object is gone"},
	CrashScheduler:    {"crashScheduler", "the scheduler dies, and starts anew"},
	CrashGuard:        {"crashGuard", "the guard dies, and starts anew"},
	Heal:              {"heal", "%[3]s is connected again"},
	PowerOn:           {"powerOn", "%[3]s has power again, and boots"},
	Heartbeat:         {"heartbeat", "the kubelet of %[3]s reports: Node %[2]s is Ready, with its present boot"},
	TurnNotReady:      {"turnNotReady", "Node %[2]s is no longer Ready: its kubelet is silent"},
	SetTaint:          {"setTaint", "somebody marks Node %[2]s as out of service"},
	RemoveTaint:       {"removeTaint", "somebody removes the mark from Node %[2]s"},
	ReplaceMachine:    {"replaceMachine", "another machine registers as node %[2]s"},
	KubeletHears:      {"kubeletHears", "the kubelet of %[3]s hears how pod %[1]s (%[4]s) stands"},
	KubeletStarts:     {"kubeletStarts", "the kubelet of %[3]s starts the container of %[1]s (%[4]s)"},
	KubeletReports:    {"kubeletReports", "the kubelet of %[3]s reports on pod %[1]s"},
	Delete:            {"delete", "pod %[1]s is deleted"},
	CollectPod:        {"collectPod", "the pod garbage collector fails and deletes pod %[1]s: its node is gone or out of service"},
	Detach:            {"detach", "volume-%[4]s is detached from node %[2]s"},
	BindLate:          {"bindLate", "the binding of %[1]s that the dead scheduler had posted lands"},
	Attest:            {"attest", "somebody attests that %[1]s (%[4]s) is over"},
	Reserve:           {"reserve", "the scheduler gives %[1]s node %[2]s, to be bound after the ordinal before it"},
	JudgeBind:         {"judgeBind", "the scheduler gives %[1]s node %[2]s, reads the records live, and sees to the finalizer"},
	FailRead:          {"failRead", "the scheduler cannot read the record of %[1]s live: the attempt fails"},
	OpenRecord:        {"openRecord", "the scheduler opens the record of %[1]s for %[4]s on node %[2]s"},
	Bind:              {"bind", "the binding of %[1]s (%[4]s) to node %[2]s arrives"},
	GuardSees:         {"guardSees", "the guard sees Node %[2]s as it is"},
	GuardJudges:       {"guardJudges", "the guard judges %[1]s (%[4]s), which is over: %[5]s"},
	GuardHolds:        {"guardHolds", "the guard judges %[1]s (%[4]s), which is not proven over, and notes what it sees"},
	GuardLetsGo:       {"guardLetsGo", "the guard takes the finalizer off %[1]s (%[4]s): the object is gone"},
	GuardDoubts:       {"guardDoubts", "the guard records that %[1]s (%[4]s) is in doubt"},
	GuardCloses:       {"guardCloses", "the guard closes the record of %[1]s"},
	GuardAsks:         {"guardAsks", "the guard asks the kubelet of node %[2]s for %[1]s"},
}

// String is the action's name.
func (k ActionKind) String() string { return sentences[k].name }

// Describe says what the action does. The incarnation is named by its number, as counted
// from 1 in the path.
func (a Action) Describe(incarnation string) string {
	pod, node, machine := fmt.Sprintf("web-%d", a.Ordinal), NodeName(int(a.Node)), MachineName(int(a.Node), int(a.Machine))
	return fmt.Sprintf(sentences[a.Kind].says+"%[6]s", pod, node, machine, incarnation, a.Evidence, "")
}
