package scenario

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Describe says what the step does, as a transcript tells it.
func (s *Step) Describe() string {
	switch {
	case s.Partition != nil:
		return "cut off " + s.Partition.describe()
	case s.Heal != nil && *s.Heal == (NodeTarget{}):
		return "heal the network"
	case s.Heal != nil:
		return "heal the network of " + s.Heal.describe()
	case s.ForceDelete != nil && s.ForceDelete.StripFinalizers:
		return "force-delete " + s.ForceDelete.Pod + ", finalizers stripped"
	case s.ForceDelete != nil:
		return "force-delete " + s.ForceDelete.Pod
	case s.Attest != nil && s.Attest.CoversAttachments:
		return fmt.Sprintf("%s attests that %s is over and writes nothing: %s", s.Attest.By, s.Attest.Pod, s.Attest.Reason)
	case s.Attest != nil:
		return fmt.Sprintf("%s attests that %s is over: %s", s.Attest.By, s.Attest.Pod, s.Attest.Reason)
	case s.StallWatch != nil:
		return "stall " + s.StallWatch.describe()
	case s.ResumeWatch != nil:
		return "resume " + s.ResumeWatch.describe()
	case s.Storage != nil:
		return s.Storage.describe()
	}
	for _, describe := range []func() string{s.describeFault, s.describeMachine, s.describeAPI, s.describeChange} {
		if text := describe(); text != "" {
			return text
		}
	}
	return "do nothing"
}

func (s *Step) describeAPI() string {
	switch {
	case s.LoseAnswer != nil:
		return "lose the answer when " + s.LoseAnswer.describe()
	case s.LoseRequest != nil:
		return "lose the request when " + s.LoseRequest.describe()
	case s.Refuse != nil:
		return s.Refuse.describe()
	case s.DropWatch != nil && s.DropWatch.Expired:
		return fmt.Sprintf("end %s's watch of %s, its history compacted", s.DropWatch.Component, s.DropWatch.Resource)
	case s.DropWatch != nil:
		return fmt.Sprintf("end %s's watch of %s", s.DropWatch.Component, s.DropWatch.Resource)
	}
	return ""
}

func (r *LostRequest) describe() string {
	request := Request{Component: r.Component, Verb: r.Verb, Resource: r.Resource}
	text := fmt.Sprintf("%s, an error after %s", request.describe(), words(r.ErrorAfter))
	if r.LandsAfter != nil {
		text += ", and it lands after " + words(r.LandsAfter)
	}
	return text
}

func (r *Refuse) describe() string {
	said := []string{"refuse"}
	if r.Verb != "" {
		said = append(said, r.Verb)
	} else {
		said = append(said, "everything")
	}
	if r.Resource != "" {
		said = append(said, "of "+r.Resource)
	}
	if r.Component != "" {
		said = append(said, "by "+r.Component)
	}
	return fmt.Sprintf("%s with %s for %s", strings.Join(said, " "), r.With, r.For.Duration)
}

func (s *Step) describeChange() string {
	switch {
	case s.Apply != nil:
		return "apply " + s.Apply.describe()
	case s.Scale != nil:
		return fmt.Sprintf("scale %s to %d", s.Scale.StatefulSet, s.Scale.Replicas)
	case s.DeleteObject != nil:
		text := fmt.Sprintf("delete %s %s", s.DeleteObject.Kind, s.DeleteObject.Name)
		if s.DeleteObject.Cascade == metav1.DeletePropagationOrphan {
			text += ", what it owns orphaned"
		}
		return text
	}
	return ""
}

// describe names the object; of a file, the file.
func (o *Object) describe() string {
	if o.File != "" {
		return o.File
	}
	var named metav1.PartialObjectMetadata
	if o.Manifest == nil || json.Unmarshal(o.Manifest.Raw, &named) != nil {
		return "an object"
	}
	name := named.Name
	if named.Namespace != "" {
		name = named.Namespace + "/" + name
	}
	return named.Kind + " " + name
}

func (s *Storage) describe() string {
	words := map[Answer]string{Work: "works", Fail: "fails", Hang: "hangs", Lie: "lies"}
	var said []string
	if s.Attach != "" {
		said = append(said, "attach "+words[s.Attach])
	}
	if s.Detach != "" {
		said = append(said, "detach "+words[s.Detach])
	}
	description := fmt.Sprintf("storage %s: %s", s.Class, strings.Join(said, ", "))
	if s.NodeTarget != (NodeTarget{}) {
		description += " for " + s.NodeTarget.describe()
	}
	return description
}

func (s *Step) describeFault() string {
	switch {
	case s.RestartKubelet != nil:
		return s.RestartKubelet.describeRestart()
	case s.Crash != nil:
		return "take the power from " + s.Crash.describe()
	case s.PowerOn != nil:
		return "give power to " + s.PowerOn.describe()
	case s.Reboot != nil:
		return fmt.Sprintf("reboot %s, off for %s", s.Reboot.describe(), words(s.Reboot.DownFor))
	case s.Terminate != nil:
		return "give " + s.Terminate.describe() + " back to the cloud"
	case s.DeleteNode != nil:
		return "delete the Node object of " + s.DeleteNode.describe()
	case s.Taint != nil && s.Taint.Remove:
		return fmt.Sprintf("take the taint %s:%s from %s", s.Taint.Key, s.Taint.Effect, s.Taint.describe())
	case s.Taint != nil:
		taint := corev1.Taint{Key: s.Taint.Key, Value: s.Taint.Value, Effect: s.Taint.Effect}
		return fmt.Sprintf("taint %s with %s", s.Taint.describe(), taint.ToString())
	case s.Delete != nil:
		return "delete " + s.Delete.Pod
	case s.StripFinalizers != nil:
		return "strip the finalizers of " + s.StripFinalizers.Pod
	case s.DeleteTenancy != nil && s.DeleteTenancy.StripFinalizers:
		return "delete the record of " + s.DeleteTenancy.Pod + ", finalizers stripped"
	case s.DeleteTenancy != nil:
		return "delete the record of " + s.DeleteTenancy.Pod
	case s.RestartScheduler != nil && s.RestartScheduler.OnRequest != nil:
		return fmt.Sprintf("restart the scheduler when %s, away for %s", s.RestartScheduler.OnRequest.describe(), words(s.RestartScheduler.DownFor))
	case s.StartScheduler != nil && s.StartScheduler.RunsFor != nil:
		return "start a second scheduler beside the first, for " + words(s.StartScheduler.RunsFor)
	case s.StartScheduler != nil:
		return "start a second scheduler beside the first"
	case s.RestartScheduler != nil:
		return "restart the scheduler, away for " + words(s.RestartScheduler.DownFor)
	case s.Freeze != nil && s.Freeze.KubeletOnly:
		return "hang the kubelet of " + s.Freeze.describe()
	case s.Freeze != nil:
		return "freeze " + s.Freeze.describe()
	case s.Thaw != nil:
		return "thaw " + s.Thaw.describe()
	case s.Replace != nil:
		return "replace the machine of " + s.Replace.describe()
	case s.PartitionOneWay != nil && s.PartitionOneWay.Lost == FromNode:
		return "lose what is sent by " + s.PartitionOneWay.describe()
	case s.PartitionOneWay != nil:
		return "lose what is sent to " + s.PartitionOneWay.describe()
	case s.KillContainers != nil && s.KillContainers.AgainAfter != nil:
		return fmt.Sprintf("kill the containers of %s, again after %s each time", s.KillContainers.Pod, words(s.KillContainers.AgainAfter))
	case s.KillContainers != nil:
		return "kill the containers of " + s.KillContainers.Pod
	case s.RestartDriver != nil:
		return fmt.Sprintf("restart the CSI drivers of %s, away for %s", s.RestartDriver.describe(), words(s.RestartDriver.DownFor))
	case s.Cordon != nil && s.Cordon.Undo:
		return "uncordon " + s.Cordon.describe()
	case s.Cordon != nil:
		return "cordon " + s.Cordon.describe()
	case s.Drain != nil:
		return "drain " + s.Drain.describe()
	case s.Fence != nil && s.Fence.Fails:
		return "fence " + s.Fence.describe() + ", which fails and is reported done"
	case s.Fence != nil && s.Fence.Hits != "":
		return fmt.Sprintf("fence %s, which hits %s", s.Fence.describe(), s.Fence.Hits)
	case s.Fence != nil:
		return "fence " + s.Fence.describe()
	case s.Unfence != nil:
		return "end the fence of " + s.Unfence.describe()
	}
	return ""
}

// describeMachine is about what fails on a machine that runs.
func (s *Step) describeMachine() string {
	switch {
	case s.CutStorage != nil:
		return "cut " + s.CutStorage.describe() + " off from its storage"
	case s.HealStorage != nil:
		return "heal the storage of " + s.HealStorage.describe()
	case s.StickContainers != nil:
		return "no signal ends the containers of " + s.StickContainers.Pod
	case s.FreeContainers != nil:
		return "signals end the containers of " + s.FreeContainers.Pod + " again"
	case s.HangRuntime != nil:
		return "hang the container runtime of " + s.HangRuntime.describe()
	case s.ResumeRuntime != nil:
		return "the container runtime of " + s.ResumeRuntime.describe() + " goes on"
	case s.LieAboutStop != nil:
		return "the runtime will say that " + s.LieAboutStop.Pod + " has stopped, and it will not have"
	case s.SetAttachLimit != nil && s.SetAttachLimit.Untold:
		return fmt.Sprintf("the storage attaches %d volumes to %s, and nobody is told", s.SetAttachLimit.Limit, s.SetAttachLimit.describe())
	case s.SetAttachLimit != nil:
		return fmt.Sprintf("the storage attaches %d volumes to %s", s.SetAttachLimit.Limit, s.SetAttachLimit.describe())
	case s.LagWatches != nil && s.LagWatches.By.Duration == 0:
		return "the watches of " + s.LagWatches.describe() + " deliver in time again"
	case s.LagWatches != nil:
		return fmt.Sprintf("the watches of %s deliver %s late", s.LagWatches.describe(), s.LagWatches.By.Duration)
	case s.SetClock != nil:
		return s.SetClock.describeClock()
	}
	return ""
}

func (k *RestartKubelet) describeRestart() string {
	text := fmt.Sprintf("restart the kubelet of %s, away for %s", k.describe(), words(k.DownFor))
	if len(k.Rejects) > 0 {
		text += ", which then rejects " + strings.Join(k.Rejects, ", ")
	}
	if k.LooksAfter.Duration > 0 {
		text += fmt.Sprintf(", which sees what runs %s later", k.LooksAfter.Duration)
	}
	return text
}

func (c *SetClock) describeClock() string {
	text := "set the clock of " + c.describe()
	switch d := c.Ahead.Duration; {
	case d > 0:
		text += fmt.Sprintf(" %s ahead", d)
	case d < 0:
		text += fmt.Sprintf(" %s back", -d)
	default:
		text += " right"
	}
	if d := c.GainsPerMinute.Duration; d > 0 {
		text += fmt.Sprintf(", and it gains %s a minute", d)
	} else if d < 0 {
		text += fmt.Sprintf(", and it loses %s a minute", -d)
	}
	return text
}

// words is a length of time; a step made in code may have none.
func words(d *metav1.Duration) string {
	if d == nil {
		return "no time"
	}
	return d.Duration.String()
}

func (r *Request) describe() string {
	return fmt.Sprintf("%s sends its next %s of %s", r.Component, r.Verb, r.Resource)
}

func (t *NodeTarget) describe() string {
	switch {
	case t.NodeOf != "":
		return "the node of " + t.NodeOf
	case t.NodeOfStep != "":
		return "the node that " + t.NodeOfStep + " found"
	}
	return "node " + t.Node
}

func (t *WatchTarget) describe() string {
	return t.Component + "'s watch of " + t.Resource
}
