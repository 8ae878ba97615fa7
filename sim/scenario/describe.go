package scenario

import "fmt"

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
	}
	return "do nothing"
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
