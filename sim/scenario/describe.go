package scenario

import (
	"fmt"
	"strings"
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
	case s.Attest != nil:
		return fmt.Sprintf("%s attests that %s is over: %s", s.Attest.By, s.Attest.Pod, s.Attest.Reason)
	case s.StallWatch != nil:
		return "stall " + s.StallWatch.describe()
	case s.ResumeWatch != nil:
		return "resume " + s.ResumeWatch.describe()
	case s.Storage != nil:
		return s.Storage.describe()
	}
	return "do nothing"
}

func (s *Storage) describe() string {
	words := map[Answer]string{Work: "works", Fail: "fails", Hang: "hangs"}
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
